"""`rackhand network render`: the network files a machine would get."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.lease_file import lease_body
from rackhand.doors.cli.lease_tables import no_match
from rackhand.doors.cli.words import _
from rackhand.doors.cli.yaml_file import YamlFile, read_yaml

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
    from rackhand.model.lease import NicAssignment, Placement
    from rackhand.model.machine import Disk, Transport
    from rackhand.model.names import Mac
    from rackhand.model.network import Network
    from rackhand.render.network_data import network_data

    known = [
        Network(
            id=UUID(row["id"]),
            name=row["name"],
            zone=row["zone"],
            vlan=row["vlan"],
            subnet=IPv4Network(row["subnet"]),
            gateway_address=IPv4Address(row["gateway"]),
            ranges=(),
            router=IPv4Address(row["router"]) if row["router"] else None,
            dns=tuple(IPv4Address(text) for text in row["dns"]),
            mtu=row["mtu"],
        )
        for row in networks
    ]
    assignments = tuple(
        NicAssignment(Mac(n["mac"]), n["network"], IPv4Address(n["address"]), n["vlan_tag"])
        for n in plan["nics"]
    )
    # The renderer reads the assignments only: neither machine nor disk leave a trace.
    nowhere = Disk("", 0, Transport.UNKNOWN)
    return network_data(Placement(UUID(int=0), plan["machine"], assignments, nowhere), known)


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
