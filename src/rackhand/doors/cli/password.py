"""Passwords: read without showing them, hashed before they leave this process."""

from __future__ import annotations

from pathlib import Path

import click

from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.words import _

ROUNDS = 500_000
"""SHA-512 crypt rounds: about half a second here; glibc's own default is 5000."""


def read_password_file(path: Path) -> str:
    """Return the file's first line; Complaint when there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Complaint(
            "invalid-file", f"password file {path}: {why}", "name a text file with the password"
        ) from error
    if not lines or not lines[0]:
        raise Complaint(
            "invalid-file", f"password file {path}: its first line is empty", "write it there"
        )
    return lines[0]


def ask_password(what: str) -> str:
    """Ask twice on the terminal, without echo."""
    return str(click.prompt(what, hide_input=True, confirmation_prompt=_("The same again")))


def hash_password(cleartext: str) -> str:
    """Return the salted SHA-512 crypt hash (crypt(5)) of a password."""
    from passlib.hash import sha512_crypt

    return str(sha512_crypt.using(rounds=ROUNDS).hash(cleartext))
