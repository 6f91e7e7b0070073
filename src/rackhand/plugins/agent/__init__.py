"""What runs inside the deploy ramdisk: ironic-python-agent's hardware manager."""
