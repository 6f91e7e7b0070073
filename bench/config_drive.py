"""The config drive of the bare deploy and the boot matrix: as Rackhand's lease would have it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from bench.commands import run
from bench.places import ADDRESS, HOSTNAME, SERVER, SUBNET, VLAN
from rackhand.model.lease import Lease, LeaseSpec, NetworkAsk, NicAssignment, Placement
from rackhand.model.machine import Disk, Transport
from rackhand.model.names import parse_mac
from rackhand.model.network import Network
from rackhand.render.network_data import network_data
from rackhand.render.user_data import meta_data, user_data


def make_config_drive(mac: str, ssh_key: str, scratch: Path) -> Path:
    """Write an ISO 9660 image labelled ``config-2`` with host name, key and static address."""
    folder = scratch / "config-drive/openstack/latest"
    folder.mkdir(parents=True)
    for name, text in _files(mac, ssh_key).items():
        (folder / name).write_text(text)
    iso = scratch / "config.iso"
    options = ["-quiet", "-J", "-r", "-V", "config-2", "-o", str(iso)]
    run(["genisoimage", *options, str(scratch / "config-drive")], "script/bootstrap installs it")
    return iso


def _files(mac: str, ssh_key: str) -> dict[str, str]:
    spec = LeaseSpec(
        flavor="bench",
        image="bench",
        hostname=HOSTNAME,
        networks=(NetworkAsk("front", ADDRESS),),
        ssh_keys=(ssh_key,),
    )
    lease = Lease(id=uuid4(), name=HOSTNAME, spec=spec, created_at=datetime.now(UTC))
    network = Network(
        id=uuid4(),
        name="front",
        zone="lab",
        vlan=VLAN,
        subnet=SUBNET,
        gateway_address=SERVER,
        ranges=(),
    )
    placement = Placement(
        machine_id=uuid4(),
        machine="n1",
        assignments=(NicAssignment(parse_mac(mac), "front", ADDRESS),),
        disk=Disk("/dev/sda", 0, Transport.SATA),
    )
    return {
        "meta_data.json": json.dumps(meta_data(lease)),
        "network_data.json": json.dumps(network_data(placement, [network])),
        "user_data": user_data(spec),
    }
