"""Settings: what they may be, and how each error reads."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from rackhand.settings import (
    InvalidSetting,
    Listen,
    NoTrunk,
    OpenVSwitchTrunk,
    VlanTrunk,
    read_settings,
)

NONE = '[trunk]\nkind = "none"\n'


def test_the_shortest_file_has_sensible_defaults(tmp_path: Path) -> None:
    (tmp_path / "rackhand.toml").write_text(NONE)
    settings = read_settings(
        tmp_path, environment={"RACKHAND_IRONIC_ENV": "/opt/i", "RACKHAND_CACHE": "/opt/c"}
    )
    assert settings.trunk == NoTrunk()
    assert settings.management_address == IPv4Address("10.255.255.1")
    assert settings.http_url == "http://10.255.255.1"
    assert (settings.user, settings.api_listen, settings.ipmi_cipher_suite) == (
        "rackhand",
        None,
        None,
    )
    assert settings.ironic_env == Path("/opt/i")
    assert settings.ramdisk_dir == Path("/opt/c/artefacts/ramdisk")


def test_a_full_file_is_read_and_the_file_wins_over_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        'management_address = "10.9.9.9"\nuser = "root"\napi_listen = "[::1]:8080"\n'
        'ironic_env = "/srv/i"\nramdisk_dir = "/srv/r"\n'
        '[trunk]\nkind = "openvswitch"\nbridge = "br-mgmt"\ndatabase = "/run/db.sock"\n'
        "[ipmi]\ncipher_suite = 3\n[limits]\ndeploys_at_once = 2\n"
        "[engine]\nfake_hardware = true\n[inspection]\nlldp_wait_s = 35\n"
    )
    settings = read_settings(tmp_path, file, {"RACKHAND_IRONIC_ENV": "/other"})
    assert settings.trunk == OpenVSwitchTrunk("br-mgmt", "unix:/run/db.sock")
    assert settings.api_listen == Listen("::1", 8080)
    assert settings.ironic_env == Path("/srv/i")
    assert (settings.ipmi_cipher_suite, settings.deploys_at_once, settings.ramdisks_at_once) == (
        3,
        2,
        8,
    )
    assert settings.fake_hardware
    assert settings.lldp_wait_s == 35


def test_a_vlan_trunk_names_its_nic(tmp_path: Path) -> None:
    (tmp_path / "rackhand.toml").write_text('[trunk]\nkind = "vlan"\nparent = "eno1"\n')
    assert read_settings(tmp_path, environment={}).trunk == VlanTrunk("eno1")


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("", "trunk.kind", "does not say where the VLANs come from"),
        ('[trunk]\nkind = "bridge"\n', "trunk.kind", "'bridge' does not say"),
        ('[trunk]\nkind = "vlan"\n', "trunk.parent", "is no interface"),
        ('[trunk]\nkind = "vlan"\nparent = "a/b"\n', "trunk.parent", "'a/b' is no interface"),
        (
            '[trunk]\nkind = "openvswitch"\nbridge = "b"\ndatabase = "db"\n',
            "trunk.database",
            "is no Open vSwitch database",
        ),
        ('[trunk]\nkind = "none"\nbridge = "b"\n', "trunk.bridge", "is no known setting"),
        ("managment_address = 1\n" + NONE, "managment_address", "is no known setting"),
        ('management_address = "10.0.0"\n' + NONE, "management_address", "is no IPv4 address"),
        ('management_address = "127.0.0.9"\n' + NONE, "management_address", "cannot be reached"),
        ("management_address = 7\n" + NONE, "management_address", "7 is not a text"),
        ('api_listen = "8080"\n' + NONE, "api_listen", "is not HOST:PORT"),
        ('api_listen = "h:99999"\n' + NONE, "api_listen", "is not HOST:PORT"),
        ('user = "Root User"\n' + NONE, "user", "is no user name"),
        (NONE + "[ipmi]\ncipher_suite = 300\n", "ipmi.cipher_suite", "is no cipher suite id"),
        (NONE + "[ipmi]\ncipher_suite = true\n", "ipmi.cipher_suite", "is not a whole number"),
        (NONE + "[limits]\ndeploys_at_once = 0\n", "limits.deploys_at_once", "is not between 1"),
        (NONE + "[inspection]\nlldp_wait_s = 301\n", "inspection.lldp_wait_s", "is not between 0"),
        (NONE + '[engine]\nfake_hardware = "no"\n', "engine.fake_hardware", "is not true or"),
        ("[trunk\n", "file", "is not TOML"),
    ],
)
def test_an_error_names_file_key_value_and_a_way_out(
    tmp_path: Path, text: str, key: str, words: str
) -> None:
    file = tmp_path / "rackhand.toml"
    file.write_text(text)
    with pytest.raises(InvalidSetting) as error:
        read_settings(tmp_path, environment={})
    assert error.value.sentence.startswith(f"{file}: {key}: ")
    assert words in error.value.sentence
    assert error.value.hint


def test_a_file_named_explicitly_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="does not exist"):
        read_settings(tmp_path, tmp_path / "nowhere.toml", {})
