"""Ironic: its REST API on a unix socket, its words, and our engine over both."""
