"""Names, hostnames and MAC addresses: checked and normalised once, here."""

from __future__ import annotations

import re
from typing import NewType

from rackhand.model.errors import InvalidValue

Mac = NewType("Mac", str)
"""An Ethernet address in lower case with colons, e.g. ``52:54:00:00:01:01``."""

_MAC = re.compile(r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")
_NAME = re.compile(r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")
_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


def parse_mac(text: str) -> Mac:
    """Return ``text`` (colons, dashes or Cisco dots) as a unicast MAC address.

    Raises InvalidValue when it is none (IEEE 802-2014, 8.2; multicast bit clear).
    """
    digits = re.sub(r"[:.\-]", "", text.strip().lower())
    mac = ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))
    if not _MAC.fullmatch(mac):
        raise InvalidValue("mac", text, "is not a MAC address", "write it as 52:54:00:12:34:56")
    if int(digits[:2], 16) & 1 or set(digits) == {"0"}:
        raise InvalidValue("mac", text, "is no unicast address", "use the NIC's own address")
    return Mac(mac)


def parse_name(field: str, text: str) -> str:
    """Return ``text`` if it can name an object: 1-63 of a-z, 0-9, dot, dash, underscore."""
    if not _NAME.fullmatch(text):
        raise InvalidValue(
            field,
            text,
            "is not a name",
            "use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning and ending with a-z or 0-9",
        )
    return text


def parse_hostname(text: str) -> str:
    """Return ``text`` if it is a host name in lower case (RFC 1123, 2.1; at most 253)."""
    labels = text.split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidValue(
            "hostname", text, "is not a host name (RFC 1123)", "use a-z, 0-9 and '-', e.g. db-01"
        )
    return text


def parse_sha256(text: str) -> str:
    """Return ``text`` if it is a SHA-256 digest in lower-case hex (FIPS 180-4)."""
    if not _SHA256.fullmatch(text):
        raise InvalidValue("sha256", text, "is not a SHA-256 digest of 64 hex digits")
    return text
