"""Keys and hashes are checked; what may be a secret is never echoed."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackhand.model.access import parse_password_hash, parse_ssh_key
from rackhand.model.errors import InvalidValue


def blob(*fields: bytes) -> str:
    return base64.b64encode(b"".join(len(f).to_bytes(4, "big") + f for f in fields)).decode()


GOOD = f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(32))} me@desk"


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_what_ssh_keygen_makes_is_accepted(kind: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text()
    assert parse_ssh_key(public) == public.strip()
    with pytest.raises(InvalidValue, match="private key") as refused:
        parse_ssh_key(key.read_text())
    assert key.read_text().split("\n")[1] not in str(refused.value.details)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 ä",
        f"{GOOD}\n{GOOD}",
        f'command="id" {GOOD}',
        GOOD.replace("ssh-ed25519 ", "ssh-rsa "),
        f"ssh-dss {blob(b'ssh-dss', bytes(32))}",
        f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(32))[:-8]}",
        f"ssh-ed25519 {blob(b'ssh-ed25519')}",
    ],
)
def test_a_broken_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_ssh_key(text)


@given(st.text())
def test_any_text_is_a_key_or_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_ssh_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "$6$rounds=656000$abcdefgh./$" + "a" * 86,
        "$6$abc$" + "a" * 86,
        "$5$abc$" + "a" * 43,
        "$y$j9T$abcdefgh$" + "a" * 43,
        "$2b$12$" + "a" * 53,
    ],
)
def test_salted_hashes_are_accepted(text: str) -> None:
    assert parse_password_hash(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "hunter2-hunter2",
        "$1$abc$" + "a" * 22,
        "$6$$" + "a" * 86,
        "$6$abc$" + "a" * 85,
        "$6$abc$" + "a" * 86 + "\n",
        "$2y$12$" + "a" * 53,
        "root:$6$abc$" + "a" * 86,
    ],
)
def test_anything_else_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_password_hash(text)
    shown = f"{refused.value}{refused.value.details}{refused.value.hint}"
    assert text.strip() not in shown
