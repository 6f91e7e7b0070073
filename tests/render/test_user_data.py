"""The cloud-config says who may log in, and never a plain secret."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

import pytest
import yaml

from rackhand.model.lease import Lease, LeaseSpec
from rackhand.render.user_data import meta_data, user_data

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA me@desk: «ä» #1"
HASH = "$6$rounds=656000$abc./123$" + "x" * 86
SPEC = LeaseSpec("small", "debian-12", "db-01", (), (KEY,), HASH)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def config(spec: LeaseSpec) -> dict[str, Any]:
    text = user_data(spec)
    assert text.startswith("#cloud-config\n")
    assert text.isascii()
    read = yaml.safe_load(text)
    assert isinstance(read, dict)
    return read


def test_root_gets_keys_and_hash_and_nobody_else_is_made() -> None:
    assert config(SPEC) == {
        "hostname": "db-01",
        "preserve_hostname": False,
        "manage_etc_hosts": "localhost",
        "disable_root": False,
        "ssh_pwauth": False,
        "users": [
            {
                "name": "root",
                "lock_passwd": False,
                "ssh_authorized_keys": [KEY],
                "hashed_passwd": HASH,
            }
        ],
    }


def test_without_a_hash_roots_password_is_locked() -> None:
    (root,) = config(replace(SPEC, root_password_hash=None))["users"]
    assert root["lock_passwd"] is True
    assert "hashed_passwd" not in root


@pytest.mark.parametrize(
    ("hostname", "short", "fqdn"),
    [("db-01", "db-01", None), ("db-01.example.org", "db-01", "db-01.example.org")],
)
def test_a_full_name_is_split(hostname: str, short: str, fqdn: str | None) -> None:
    read = config(replace(SPEC, hostname=hostname))
    assert (read["hostname"], read.get("fqdn")) == (short, fqdn)


def test_time_servers_are_used_by_what_the_image_has() -> None:
    servers = (IPv4Address("10.1.0.123"), IPv6Address("2001:db8::123"))
    read = yaml.safe_load(user_data(SPEC, servers))
    assert read.pop("ntp") == {
        "enabled": True,
        "ntp_client": "auto",
        "config": {"packages": []},
        "servers": ["10.1.0.123", "2001:db8::123"],
    }
    assert read == config(SPEC)


def test_meta_data_names_the_lease_as_the_instance_and_holds_no_secret() -> None:
    lease = Lease(UUID(int=5), "db", replace(SPEC, ssh_keys=(KEY, KEY)), NOON)
    assert meta_data(lease) == {
        "uuid": "00000000-0000-0000-0000-000000000005",
        "instance_id": "00000000-0000-0000-0000-000000000005",
        "name": "db",
        "hostname": "db-01",
        "launch_index": 0,
        "public_keys": {"key-0": KEY, "key-1": KEY},
    }
    assert HASH not in repr(meta_data(lease))
