"""Events that can be put into a machine's SEL (IPMI 2.0 section 32.1, tables 42-1 to 42-3)."""

import struct
import time

_BMC = 0x20
_EVENT_MESSAGE_REVISION = 4
_SENSOR_SPECIFIC = 0x6F

# Name: sensor type, sensor number, offset. Numbers from 0xe0: no sensor of the rack file.
EVENTS = {
    "memory-corrected-ecc": (0x0C, 0xE0, 0x00),
    "memory-uncorrectable-ecc": (0x0C, 0xE0, 0x01),
    "cpu-thermal-trip": (0x07, 0xE1, 0x01),
    "power-supply-failed": (0x08, 0xE2, 0x01),
    "power-supply-lost": (0x08, 0xE2, 0x03),
    "disk-failed": (0x0D, 0xE3, 0x01),
    "pci-parity-error": (0x13, 0xE4, 0x04),
}


def event_bytes(event: str, now_s: float | None = None) -> bytes:
    """Bytes 4 to 16 of a system event record (type 02h) for ``event``, at the given time."""
    kind, number, offset = EVENTS[event]
    stamp = struct.pack("<I", int(time.time() if now_s is None else now_s))
    return stamp + bytes(
        [_BMC, 0, _EVENT_MESSAGE_REVISION, kind, number, _SENSOR_SPECIFIC, offset, 0xFF, 0xFF]
    )
