"""What is put into a raw disk file or an archive on the host: no mount, no device-mapper."""
