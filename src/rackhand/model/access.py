"""What opens an installed system: SSH keys and password hashes, checked once, here."""

from __future__ import annotations

import base64
import re

from rackhand.model.errors import InvalidValue

_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_SHOWN = 40
_HASH = re.compile(
    r"\$6\$(rounds=[0-9]{4,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}"
    r"|\$5\$(rounds=[0-9]{4,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}"
    r"|\$2b\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}"
    r"|\$y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}"
)


def parse_ssh_key(text: str) -> str:
    """Return ``text`` without outer blanks if it is one OpenSSH public key.

    Type, base64 blob, optional comment (sshd(8), AUTHORIZED_KEYS), no options; the
    blob begins with its own type (RFC 4253, 6.6). Raises InvalidValue, which shows the
    beginning only: people paste private keys here.
    """
    line = text.strip()
    kind, _, rest = line.partition(" ")
    if "PRIVATE KEY" in line:
        raise InvalidValue(
            "ssh_keys", "-----BEGIN…", "is a private key", "give the file that ends in .pub"
        )
    if "\n" in line or not line.isprintable() or kind not in _KEY_TYPES:
        raise InvalidValue(
            "ssh_keys",
            line[:_SHOWN],
            "is not an OpenSSH public key",
            f"one line that begins with one of {', '.join(_KEY_TYPES)}",
        )
    try:
        blob = base64.b64decode(rest.strip().split(" ")[0], validate=True)
    except ValueError:  # base64's own error, and that of letters outside of ASCII
        blob = b""
    fields = _fields(blob)
    if len(fields) < 2 or fields[0] != kind.encode():
        raise InvalidValue(
            "ssh_keys",
            line[:_SHOWN],
            "is cut off or changed: its blob is no such key",
            "copy the whole line of the .pub file",
        )
    return line


def parse_password_hash(text: str) -> str:
    """Return ``text`` if it is a SHA-512, SHA-256, bcrypt or yescrypt hash (crypt(5)).

    Raises InvalidValue, which never shows the text: it could be a password.
    """
    if not _HASH.fullmatch(text):
        raise InvalidValue(
            "root_password_hash",
            "(not shown)",
            "is not a salted hash of crypt(5): $6$, $5$, $2b$ or $y$",
            "make one with `rackhand lease request --ask-root-password` or `mkpasswd`",
        )
    return text


def _fields(blob: bytes) -> list[bytes]:
    """Split a blob into its length-prefixed strings (RFC 4251, 5); [] when it is cut off."""
    fields, rest = [], blob
    while rest:
        size = int.from_bytes(rest[:4], "big")
        if len(rest) < 4 + size:
            return []
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return fields
