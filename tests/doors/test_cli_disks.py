"""Disks on the command line: what would be written, what lies on it, and why not the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rackhand.fakes.server import FakeServer, plain_hardware
from rackhand.model.disk_content import DiskContent, Partition, Signature, VolumeGroup
from rackhand.model.machine import Disk, Hardware, Hba, Transport, Wire
from rackhand.model.names import Mac

from .conftest import ASK, BMC_PASSWORD, House, Rackhand

MACHINE = f"""
zone: lab
machines:
  - name: n1
    bmc: {{address: 127.0.1.11, username: admin, password: {BMC_PASSWORD}}}
    nics: [{{mac: "52:54:00:00:01:01", vlan: 100, boot: true}}]
"""
GROUP = VolumeGroup("oravg", "u", "p")
OLD = DiskContent(
    "gpt",
    (
        Partition(1, 1 << 20, 1 << 30, "t", "boot", (Signature("ext4", "BOOT"),)),
        Partition(2, 2 << 30, 40 << 30, "t", None, (Signature("LVM2_member"),), GROUP),
    ),
)
LUN = Disk(
    "/dev/sdb", 500 << 30, Transport.FIBRE_CHANNEL, model="LUN C-Mode", vendor="NETAPP",
    serial="S-LUN", content=DiskContent(unread="it did not answer within 10 s"),
)  # fmt: skip


def _hardware(*disks: Disk) -> Hardware:
    plain = plain_hardware([Wire(Mac("52:54:00:00:01:01"), 100)])
    return replace(plain, disks=disks, hbas=(Hba(Transport.FIBRE_CHANNEL, None, "0000:05:00.0"),))


def _import(site: Path, house: House, rackhand: Rackhand, *disks: Disk) -> None:
    house.engine.servers["127.0.1.11", 623] = FakeServer(_hardware(*disks))
    (site / "machines.yaml").write_text(MACHINE)
    with house.looping():
        imported = rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
    assert imported.code == 0, imported.err


@pytest.fixture
def own() -> Disk:
    (disk,) = plain_hardware([]).disks
    return replace(disk, slot="SLOT 01", content=OLD)


def test_the_plan_shows_the_disk_and_what_lies_on_it(
    site: Path, house: House, rackhand: Rackhand, own: Disk
) -> None:
    _import(site, house, rackhand, own, LUN)
    seen = rackhand("lease", "plan", "web", *ASK, "--hostname", "web")
    assert seen.code == 0, seen.err
    words = " ".join(seen.out.split())
    assert "volume group oravg" in words
    assert "ext4 BOOT" in words
    assert "left alone" in words
    assert "unread" in words
    disks = rackhand("lease", "plan", "web", *ASK, "--hostname", "web", "-o", "json").json["disks"]
    assert [(row["name"], row["chosen"]) for row in disks] == [
        ("/dev/sda", True), ("/dev/sdb", False)
    ]  # fmt: skip
    assert "shared storage" in disks[1]["reasons"][0]
    shown = " ".join(rackhand("machine", "show", "n1").out.split())
    assert "none: what hangs there was not seen" in shown
    assert "0000:05:00.0" in shown


def test_the_plan_says_what_becomes_of_the_volume_group(
    site: Path, house: House, rackhand: Rackhand, own: Disk
) -> None:
    _import(site, house, rackhand, own)
    ask = ("lease", "plan", "web", *ASK, "--hostname", "web")
    assert "stays as in the image" in rackhand(*ask).out
    grows = rackhand(*ask, "--volume-group-size", "grow")
    assert grows.code == 3, grows.out
    assert "the image's manifest does not tell its partitions" in grows.err


def test_a_lease_shows_what_lay_on_its_disk(
    site: Path, house: House, rackhand: Rackhand, own: Disk
) -> None:
    _import(site, house, rackhand, own)
    with house.looping():
        asked = rackhand("lease", "request", "web", *ASK, "--hostname", "web", "--wait")
    assert asked.code == 0, asked.err
    seen = rackhand("lease", "show", "web")
    assert seen.code == 0, seen.err
    assert "volume group oravg" in " ".join(seen.out.split())
    (order,) = house.engine.orders(house.machine_id("n1"))
    assert order.volume_group == "rootvg"


def test_a_refusal_has_the_table_of_disks(
    site: Path, house: House, rackhand: Rackhand, own: Disk
) -> None:
    _import(site, house, rackhand, replace(own, removable=True, size_bytes=1 << 30), LUN)
    for command in ("plan", "request"):
        refused = rackhand("lease", command, "web", *ASK, "--hostname", "web")
        assert refused.code != 0
        words = " ".join(refused.err.split())
        assert "DISK (n1)" in words
        assert "is removable" in words
        assert "is attached by fc: it is shared storage" in words
        assert "storage array's LUN" in words
