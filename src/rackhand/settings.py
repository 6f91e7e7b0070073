"""The only reader of the environment and of the settings file (TOML).

management_address = "10.255.255.1"     # one address that every VLAN reaches, a /32
user = "rackhand"                       # unprivileged account of Ironic and the core
api_listen = "127.0.0.1:8080"           # optional: the API on TCP besides its unix socket
ironic_env = "/opt/rackhand/.venv-ironic"
ramdisk_dir = "/var/cache/rackhand/artefacts/ramdisk"    # kernel, initramfs

[trunk]                                 # where the VLANs come from
kind = "openvswitch"                    # or "vlan", or "none"
bridge = "br-mgmt"                      # openvswitch
database = "unix:/run/openvswitch/db.sock"
parent = "eno1"                         # vlan: the NIC that carries the VLANs tagged

[ipmi]
cipher_suite = 17                       # unset: ipmitool's own choice

[inspection]
lldp_wait_s = 12                        # how long NICs are listened on

[engine]
deploys_in_flight = 50
fake_hardware = false                   # Ironic's fake driver besides IPMI, for trials
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

from rackhand.model.errors import AskedWrongly
from rackhand.render.vlan_probe import WAIT_MAX_S, WAIT_S

T = TypeVar("T")

DEFAULT_STATE_DIR = Path("/var/lib/rackhand")
DEFAULT_MANAGEMENT_ADDRESS = IPv4Address("10.255.255.1")
AT_ONCE_MAX = 200
_INTERFACE = re.compile(r"^[a-zA-Z0-9_.-]{1,15}$")
_USER = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$")


class InvalidSetting(AskedWrongly):
    """A setting cannot be used; names file, key, value and what to write instead."""

    code = "invalid-setting"

    def __init__(self, source: str, key: str, value: object, why: str, hint: str) -> None:
        super().__init__(
            f"{source}: {key}: {value!r} {why}",
            hint,
            {"source": source, "key": key, "value": str(value)},
        )


@dataclass(frozen=True, slots=True)
class OpenVSwitchTrunk:
    """VLANs are access ports of this bridge; ``database`` is ovs-vsctl's ``--db``."""

    bridge: str
    database: str


@dataclass(frozen=True, slots=True)
class VlanTrunk:
    """VLANs are kernel VLAN interfaces on this NIC."""

    parent: str


@dataclass(frozen=True, slots=True)
class NoTrunk:
    """No VLAN is served: for trials without machines."""


Trunk = OpenVSwitchTrunk | VlanTrunk | NoTrunk


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP address to listen on."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between two installations."""

    source: str
    """Where they were read, for messages."""
    state_dir: Path
    trunk: Trunk
    ironic_env: Path
    ramdisk_dir: Path
    management_address: IPv4Address = DEFAULT_MANAGEMENT_ADDRESS
    user: str = "rackhand"
    api_listen: Listen | None = None
    ipmi_cipher_suite: int | None = None
    deploys_at_once: int = 8
    ramdisks_at_once: int = 8
    lldp_wait_s: int = WAIT_S
    fake_hardware: bool = False

    @property
    def http_url(self) -> str:
        """Where machines fetch boot files and call the engine."""
        return f"http://{self.management_address}"


@dataclass(slots=True)
class _Table:
    """One TOML table being read; what nobody asked for is an error in the end."""

    source: str
    prefix: str
    values: Mapping[str, Any]
    asked: set[str] = field(default_factory=set)

    def refuse(self, key: str, value: object, why: str, hint: str) -> InvalidSetting:
        return InvalidSetting(self.source, f"{self.prefix}{key}", value, why, hint)

    def read(self, key: str, kind: type[T], default: T, example: str) -> T:
        self.asked.add(key)
        value = self.values.get(key, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.refuse(key, value, f"is not {_KINDS[kind]}", f"write {key} = {example}")
        return value

    def table(self, key: str) -> _Table:
        inner: dict[str, Any] = self.read(key, dict, {}, "… as a table: [" + key + "]")
        return _Table(self.source, f"{self.prefix}{key}.", inner)

    def done(self) -> None:
        for key, value in self.values.items():
            if key not in self.asked:
                known = ", ".join(sorted(self.asked))
                raise self.refuse(key, value, "is no known setting", f"known here: {known}")


_KINDS: Mapping[type, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
}


def state_dir_of(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the state directory: as given, else RACKHAND_STATE, else /var/lib/rackhand."""
    return (given or Path(environment.get("RACKHAND_STATE") or DEFAULT_STATE_DIR)).absolute()


def read_settings(
    state_dir: Path | None = None,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Read the settings of one installation.

    ``file`` defaults to rackhand.toml in the state directory. Raises InvalidSetting,
    also when a file named explicitly is missing or cannot be parsed.
    """
    state = state_dir_of(state_dir, environment)
    path = file or state / "rackhand.toml"
    top = _Table(str(path), "", _load(path, required=file is not None))
    settings = Settings(
        source=str(path),
        state_dir=state,
        trunk=_trunk(top.table("trunk")),
        ironic_env=_ironic_env(top, environment),
        ramdisk_dir=_ramdisk_dir(top, environment),
        management_address=_management_address(top),
        user=_matching(top, "user", _USER, "rackhand", "is no user name"),
        api_listen=_listen(top),
        ipmi_cipher_suite=_cipher_suite(top.table("ipmi")),
        **_limits(top.table("limits")),
        lldp_wait_s=_lldp_wait_s(top.table("inspection")),
        fake_hardware=_fake_hardware(top.table("engine")),
    )
    top.done()
    return settings


def _load(path: Path, *, required: bool) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        if required:
            raise InvalidSetting(
                str(path), "file", path.name, "does not exist", "name an existing settings file"
            ) from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(
            str(path), "file", path.name, f"cannot be read: {error}", "check owner, mode, encoding"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(
            str(path), "file", path.name, f"is not TOML: {error}", "see https://toml.io"
        ) from error


def _trunk(table: _Table) -> Trunk:
    kind = table.read("kind", str, "", '"openvswitch"')
    makers: Mapping[str, Callable[[_Table], Trunk]] = {
        "openvswitch": _openvswitch,
        "vlan": lambda t: VlanTrunk(_matching(t, "parent", _INTERFACE, "", "is no interface")),
        "none": lambda _: NoTrunk(),
    }
    if kind not in makers:
        raise table.refuse(
            "kind",
            kind,
            "does not say where the VLANs come from",
            f'write in {table.source}: [trunk] with kind = "vlan" and parent = "eno1" (the NIC'
            ' with the VLANs tagged), or kind = "openvswitch" with bridge and database;'
            ' kind = "none" serves no machines',
        )
    trunk = makers[kind](table)
    table.done()
    return trunk


def _openvswitch(table: _Table) -> Trunk:
    database = table.read("database", str, "unix:/run/openvswitch/db.sock", '"unix:/…/db.sock"')
    if database.startswith("/"):
        database = f"unix:{database}"
    if not re.match(r"^(unix:/|tcp:|ssl:)", database):
        raise table.refuse(
            "database", database, "is no Open vSwitch database", 'write "unix:/…/db.sock"'
        )
    return OpenVSwitchTrunk(
        _matching(table, "bridge", _INTERFACE, "", "is no bridge name"), database
    )


def _matching(table: _Table, key: str, pattern: re.Pattern[str], default: str, why: str) -> str:
    value = table.read(key, str, default, '"…"')
    if not pattern.match(value):
        raise table.refuse(key, value, why, f'write {key} = "…" in {table.source}')
    return value


def _management_address(table: _Table) -> IPv4Address:
    text = table.read("management_address", str, str(DEFAULT_MANAGEMENT_ADDRESS), '"10.255.255.1"')
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise table.refuse(
            "management_address", text, "is no IPv4 address", 'write e.g. "10.255.255.1"'
        ) from None
    if address.is_loopback or address.is_multicast or address.is_unspecified:
        raise table.refuse(
            "management_address",
            text,
            "cannot be reached from a VLAN",
            "take an address that no network contains",
        )
    return address


def _listen(table: _Table) -> Listen | None:
    text = table.read("api_listen", str, "", '"127.0.0.1:8080"')
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise table.refuse("api_listen", text, "is not HOST:PORT", 'write e.g. "127.0.0.1:8080"')
    return Listen(host.strip("[]"), int(port))


def _ironic_env(table: _Table, environment: Mapping[str, str]) -> Path:
    """Ironic's environment: settings, else RACKHAND_IRONIC_ENV, else beside our own."""
    beside = Path(sys.prefix).parent / ".venv-ironic"
    default = environment.get("RACKHAND_IRONIC_ENV") or str(beside)
    return Path(table.read("ironic_env", str, default, '"/opt/rackhand/.venv-ironic"'))


def _ramdisk_dir(table: _Table, environment: Mapping[str, str]) -> Path:
    cache = Path(environment.get("RACKHAND_CACHE") or "/var/cache/rackhand")
    default = str(cache / "artefacts/ramdisk")
    return Path(table.read("ramdisk_dir", str, default, f'"{default}"'))


def _cipher_suite(table: _Table) -> int | None:
    suite = table.read("cipher_suite", int, -1, "17")
    table.done()
    if suite == -1:
        return None
    if not 0 <= suite <= 255:
        raise table.refuse(
            "cipher_suite", suite, "is no cipher suite id (IPMI 2.0, 22.15.2)", "write 3 or 17"
        )
    return suite


def _lldp_wait_s(table: _Table) -> int:
    wait_s = table.read("lldp_wait_s", int, WAIT_S, str(WAIT_S))
    table.done()
    if not 0 <= wait_s <= WAIT_MAX_S:
        raise table.refuse(
            "lldp_wait_s", wait_s, f"is not between 0 and {WAIT_MAX_S}", f"write {WAIT_S} or 35"
        )
    return wait_s


def _limits(table: _Table) -> dict[str, int]:
    limits = {}
    for key in ("deploys_at_once", "ramdisks_at_once"):
        limits[key] = table.read(key, int, 8, "8")
        if not 1 <= limits[key] <= AT_ONCE_MAX:
            raise table.refuse(
                key, limits[key], f"is not between 1 and {AT_ONCE_MAX}", f"write {key} = 8"
            )
    table.done()
    return limits


def _fake_hardware(table: _Table) -> bool:
    fake = table.read("fake_hardware", bool, False, "true")
    table.done()
    return fake
