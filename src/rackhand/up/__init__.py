"""`rackhand up`: the embedded mode, everything on one machine."""
