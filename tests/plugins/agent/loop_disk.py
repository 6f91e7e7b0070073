"""The size of the loop device that stands for a disk (conftest.py, ``disk``)."""

DISK_BYTES = 40 << 20
