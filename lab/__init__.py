"""A virtual data centre: emulated servers with real BMC protocol, PXE, disks and VLANs.

A program of its own: it never imports Rackhand and Rackhand never imports it.
"""
