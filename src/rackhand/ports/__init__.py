"""Protocols that the work needs from the outside; each has a fake and a real adapter."""
