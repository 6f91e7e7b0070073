"""Rackhand: hands out bare-metal servers and takes them back."""
