"""Pure text out: what another program will read."""
