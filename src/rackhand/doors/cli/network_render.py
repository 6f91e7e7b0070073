"""`rackhand network render`: the network files a machine would get."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.lease_file import lease_body
from rackhand.doors.cli.lease_tables import no_match
from rackhand.doors.cli.words import _
from rackhand.doors.cli.yaml_file import YamlFile, read_yaml

if TYPE_CHECKING:
    from rackhand.model.bond import Bond
    from rackhand.model.lease import NicAssignment
    from rackhand.model.network import Network

DRIVE_PATH = "openstack/latest/network_data.json"
# cloud-init's family and renderer for each system that is not ours to render.
CLOUD_INIT = {
    "rhel-9": ("rhel", "sysconfig"),
    "debian-12": ("debian", "netplan"),
    "ubuntu-24.04": ("ubuntu", "netplan"),
}
SYSTEMS = ("sles-15", *CLOUD_INIT)


@click.command("render", help=_("Write the network files that a machine would get."))
@click.argument("file", metavar="NETWORK_DATA_OR_LEASE")
@click.option("--os", "system", type=click.Choice(SYSTEMS), required=True, help=_("Its system."))
@click.option(
    "--to", metavar="DIR", type=click.Path(path_type=Path), required=True, help=_("Where to write.")
)
@click.option(
    "--nic",
    "nics",
    multiple=True,
    metavar="MAC=NAME",
    help=_("A NIC's name in its kernel; repeatable. Else nic0, nic1 and so on."),
)
@click.pass_obj
def render(
    connection: Connection, /, *, file: str, system: str, to: Path, nics: Sequence[str]
) -> None:
    """Write network_data.json as on the config drive, and what the system makes of it."""
    source = read_yaml(file)
    data = _network_data(connection, source)
    names = _names(data, nics)
    files = {DRIVE_PATH: json.dumps(data, indent=2) + "\n"}
    if system == "sles-15":
        from rackhand.render.wicked import wicked_files

        files.update(wicked_files(data, names))
    for name, text in files.items():
        path = to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(str(path))
    if system in CLOUD_INIT:
        _convert(to, names, *CLOUD_INIT[system])


def _network_data(connection: Connection, source: YamlFile) -> dict[str, Any]:
    """Return the file's network data; of a lease, what it would get now."""
    if isinstance(source.value, dict) and "links" in source.value:
        return source.value
    body = lease_body(source, {"networks": (), "ssh_key_files": ()}, secrets=False)
    if isinstance(body, dict):
        body.pop("name", None)
        body.pop("root_password_hash", None)
    try:
        plan = connection.api().post("leases", "plan", body=body)
    except Complaint as complaint:
        complaint.file = source
        raise
    if plan["machine"] is None:
        raise no_match(plan, shown=True)
    return _planned(plan, connection.api().get("networks"))


def _planned(plan: Mapping[str, Any], networks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from rackhand.model.lease import Placement
    from rackhand.model.machine import Disk, Transport
    from rackhand.render.network_data import network_data
    from rackhand.render.network_data_for_cloud_init import for_cloud_init

    # The renderer reads NICs and bonds only: neither machine nor disk leave a trace.
    nowhere = Disk("", 0, Transport.UNKNOWN)
    assignments = tuple(_assignment(row) for row in plan["nics"])
    bonds = tuple(_bond(row) for row in plan["bonds"])
    placed = Placement(UUID(int=0), plan["machine"], assignments, nowhere, bonds)
    return for_cloud_init(network_data(placed, [_network(row) for row in networks]))


def _network(row: Mapping[str, Any]) -> Network:
    from rackhand.model.network import Network, Route

    return Network(
        id=UUID(row["id"]),
        name=row["name"],
        zone=row["zone"],
        vlan=row["vlan"],
        subnet=IPv4Network(row["subnet"]),
        gateway_address=IPv4Address(row["gateway"]),
        ranges=(),
        router=IPv4Address(row["router"]) if row["router"] else None,
        dns=tuple(ip_address(text) for text in row["dns"]),
        mtu=row["mtu"],
        subnet_v6=IPv6Network(row["subnet_v6"]) if row["subnet_v6"] else None,
        router_v6=IPv6Address(row["router_v6"]) if row["router_v6"] else None,
        search=tuple(row["search"]),
        routes=tuple(
            Route(ip_network(route["destination"]), ip_address(route["via"]))
            for route in row["routes"]
        ),
    )


def _assignment(row: Mapping[str, Any]) -> NicAssignment:
    from rackhand.model.lease import NicAssignment
    from rackhand.model.names import Mac

    return NicAssignment(
        mac=Mac(row["mac"]),
        network=row["network"],
        address=IPv4Address(row["address"]),
        vlan_tag=row["vlan_tag"],
        address_v6=IPv6Address(row["address_v6"]) if row["address_v6"] else None,
        bond=row["bond"],
    )


def _bond(row: Mapping[str, Any]) -> Bond:
    from rackhand.model.bond import Bond, BondMode, HashPolicy, LacpRate
    from rackhand.model.names import Mac

    return Bond(
        name=row["name"],
        mode=BondMode(row["mode"]),
        members=tuple(map(Mac, row["members"])),
        mtu=row["mtu"],
        miimon_ms=row["miimon_ms"],
        lacp_rate=LacpRate(row["lacp_rate"]) if row["lacp_rate"] else None,
        xmit_hash_policy=HashPolicy(row["xmit_hash_policy"]) if row["xmit_hash_policy"] else None,
        primary=Mac(row["primary"]) if row["primary"] else None,
    )


def _names(data: Mapping[str, Any], nics: Sequence[str]) -> dict[str, str]:
    """Return a name for every physical link: as told, else nicN."""
    told = {}
    for text in nics:
        mac, equals, name = text.partition("=")
        if not equals:
            raise click.UsageError(_("--nic {}: write MAC=NAME").format(text))
        told[mac.lower()] = name
    names = dict(told)
    links = [link for link in data["links"] if isinstance(link, dict)]
    physical = [link for link in links if link.get("type") not in ("bond", "vlan")]
    for index, link in enumerate(physical):
        mac = str(link.get("ethernet_mac_address")).lower()
        names.setdefault(mac, str(link.get("name") or f"nic{index}"))
    if set(names) != set(told):
        click.echo(_("NICs without --nic are called nicN here; the kernel decides"), err=True)
    return names


def _convert(to: Path, names: Mapping[str, str], family: str, renderer: str) -> None:
    """Let cloud-init write its own files, where there is one."""
    command = ["cloud-init", "devel", "net-convert", "--network-data", str(to / DRIVE_PATH)]
    command += ["--kind", "network_data.json", "--directory", str(to), "--distro", family]
    command += ["--output-kind", renderer]
    for mac, name in names.items():
        command += ["--mac", f"{name},{mac}"]
    if shutil.which("cloud-init") is None:
        click.echo(
            _("{}'s files are made by cloud-init, which is not installed here").format(family),
            err=True,
        )
        hint = _("where it is, run: {}").format(" ".join(command))
        click.echo(f"{_('hint')}: {hint}", err=True)
        return
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Complaint(
            "call-failed",
            f"cloud-init cannot convert {to / DRIVE_PATH}: {done.stderr.strip()[-500:]}",
            "correct the network data, or see cloud-init's own message",
        )
    for path in sorted(p for p in to.rglob("*") if p.is_file() and p != to / DRIVE_PATH):
        click.echo(str(path))
