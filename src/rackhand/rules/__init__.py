"""Pure decisions: which, whether, when. No I/O, no clock."""
