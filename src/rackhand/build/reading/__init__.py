"""What a disk image or a system holds: read or taken apart, never changed or trusted."""
