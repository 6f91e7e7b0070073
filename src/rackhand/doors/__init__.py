"""The ways in: REST API and command line."""
