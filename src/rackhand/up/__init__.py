"""The embedded mode: everything on one machine, from one state directory."""
