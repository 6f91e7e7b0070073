"""The `rackhand` command: a client of the REST API."""
