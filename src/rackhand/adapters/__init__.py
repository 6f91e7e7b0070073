"""All outward I/O, one folder or file per foreign system."""
