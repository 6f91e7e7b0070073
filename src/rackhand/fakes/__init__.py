"""Honest in-memory implementations of the ports, one file per port."""
