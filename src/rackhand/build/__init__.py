"""Builds the two artefacts Rackhand ships: the deploy ramdisk and the standard image."""
