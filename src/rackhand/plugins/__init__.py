"""Thin code that runs inside another program."""
