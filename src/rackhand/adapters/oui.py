"""Who made a NIC, by the IEEE's registry of address blocks (Debian's ieee-data)."""

from __future__ import annotations

import csv
import threading
from pathlib import Path

from rackhand.model.names import Mac

FOLDER = Path("/usr/share/ieee-data")
_FILES = ("oui36.csv", "mam.csv", "oui.csv")
"""Blocks of 36, 28 and 24 bits; the longest that matches is the vendor's."""
_LOCAL = 0b10


class Vendors:
    """The registry, read when it is first asked; knows nobody when it is not installed."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, str] | None = None

    def of(self, mac: Mac) -> str | None:
        """Return the vendor; None for one unknown or a locally administered address."""
        digits = mac.replace(":", "").upper()
        if int(digits[:2], 16) & _LOCAL:
            return None
        with self._lock:
            if self._known is None:
                self._known = self._read()
        prefixes = (digits[:9], digits[:7], digits[:6])
        return next((self._known[p] for p in prefixes if p in self._known), None)

    def _read(self) -> dict[str, str]:
        known: dict[str, str] = {}
        for name in _FILES:
            file = self._folder / name
            if not file.is_file():
                continue
            with file.open(newline="", encoding="utf-8", errors="replace") as lines:
                for row in csv.reader(lines):
                    if len(row) >= 3 and row[1] != "Assignment":
                        known.setdefault(row[1], " ".join(row[2].split()))
        return known
