"""Shared storage is told by its signs, whatever its transport pretends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from rule_nouns import disk, disk_lists

from rackhand.model.disk_content import DiskContent, Partition, VolumeGroup
from rackhand.model.flavor import DiskHint
from rackhand.model.machine import Disk, Transport
from rackhand.rules.disk_table import disk_table
from rackhand.rules.root_disk import choose_root_disk, judge_disk
from rackhand.rules.shared_storage import mark_paths, sign_of_sharing
from rackhand.rules.volume_clash import clashing_groups, lasting_clashes

ARRAYS = [
    ("3PARdata", "VV"), ("HP", "MSA 2040 SAN"), ("HPE", "MSA 2060 FC"), ("HP", "P2000 G3 SAS"),
    ("HP", "HSV300"), ("HITACHI", "OPEN-V"), ("EMC", "SYMMETRIX"), ("DGC", "VRAID"),
    ("COMPELNT", "Compellent Vol"), ("EQLOGIC", "100E-00"), ("DELL", "MD32xx"),
    ("DELL", "MD38xxf"), ("DellEMC", "ME4"), ("DellEMC", "PowerStore"), ("DELL", "Shared PERC8"),
    ("FUJITSU", "ETERNUS_DXL"), ("NETAPP", "LUN C-Mode"), ("NETAPP", "INF-01-00"),
    ("LENOVO", "DE_Series"), ("Lenovo", "S3200"), ("IBM", "2145"), ("IBM", "1746      FAStT"),
    ("IBM", "2107900"), ("IBM", "2810XIV"), ("NEC", "DISK ARRAY"), ("SUN", "ZFS Storage 7350"),
    ("PURE", "FlashArray"), ("Nimble", "Server"), ("LIO-ORG", "disk1"), ("IET", "VIRTUAL-DISK"),
    ("HUAWEI", "XSG1"), ("SYNOLOGY", "iSCSI Storage"), ("TrueNAS", "iSCSI Disk"),
    ("DELL", "PERC H840 Adp"), ("INFINIDAT", "InfiniBox"), ("DotHill", "DH3003"),
]  # fmt: skip
OWN = [
    ("HP", "LOGICAL VOLUME"), ("HPE", "LOGICAL VOLUME"), ("DELL", "PERC H730 Mini"),
    ("DELL", "PERC H330 Adp"), ("LSI", "MR9361-8i"), ("LSI", "Logical Volume"),
    ("Lenovo", "RAID 930-8i-2GB"), ("IBM", "ServeRAID M5110e"), ("FTS", "PRAID EP400i"),
    ("ATA", "INTEL SSDSC2BB24"), ("HITACHI", "HUC109060CSS600"), ("HGST", "HUH728080AL5200"),
    ("SEAGATE", "ST600MM0006"), ("TOSHIBA", "AL13SEB600"), ("IBM-ESXS", "ST300MM0006"),
    ("HP", "EG0300FBDBR"), ("NETGEAR", "X"), ("FUJITSU", "MBA3073RC"),
    ("HUAWEI", "HWE52SS3960L005N"), ("QEMU", "QEMU HARDDISK"), (None, "KXG60ZNV512G NVMe"),
    ("Dell", "DELLBOSS VD"), ("AVAGO", "SMC3108"), ("Cisco", "UCSC-MRAID12G"), (None, None),
]  # fmt: skip
LOCAL = [Transport.RAID, Transport.SAS, Transport.SPI, Transport.VIRTIO, Transport.SATA]


@pytest.mark.parametrize(("vendor", "model"), ARRAYS)
@pytest.mark.parametrize("transport", LOCAL)
def test_an_array_is_known_by_what_it_says(vendor: str, model: str, transport: Transport) -> None:
    lun = disk(vendor=vendor, model=model, transport=transport)
    assert not judge_disk(lun).ok
    # udev's spelling of the same, and a model that holds the vendor's name too.
    assert not judge_disk(replace(lun, model=model.replace(" ", "_"))).ok
    assert not judge_disk(replace(lun, vendor=None, model=f"{vendor} {model}")).ok


@pytest.mark.parametrize(("vendor", "model"), OWN)
def test_disks_and_volumes_of_servers_are_not_taken_for_arrays(
    vendor: str | None, model: str | None
) -> None:
    assert sign_of_sharing(disk(vendor=vendor, model=model, transport=Transport.RAID)) is None


@pytest.mark.parametrize(
    ("wwn", "own"),
    [
        ("0x600508b1001c4930555256b86f619074", True),  # HP Smart Array
        ("0x61866da0b4c5d600221a2b3c04d5e6f7", True),  # Dell PERC
        ("0x600508b4000b1c2d0000400000a10000", False),  # HP EVA
        ("naa.60060160A1B22D00C3D4E5F6A7B8C9D0", False),  # EMC
        ("0x624a9370a1b2c3d4e5f6a7b800011010", False),  # Pure
        ("0x60014055f0cfae3d99315005b8581234", False),  # LIO
    ],
)
def test_an_array_is_known_by_its_numbers(wwn: str, own: bool) -> None:
    volume = disk(wwn=wwn, transport=Transport.RAID)
    assert (sign_of_sharing(volume) is None) is own
    # On SAS, no volume at all is a disk of this machine.
    assert not judge_disk(replace(volume, transport=Transport.SAS)).ok


@pytest.mark.parametrize(
    ("enclosure", "expanders", "own"),
    [
        (None, 0, True), ("DP BACKPLANE", 1, True), ("DP      BACKPLANE", 1, True),
        ("LSI SAS3x28", 1, True), ("SMC SC826P", 1, True), ("LSI VirtualSES", 0, True),
        ("DELL MD1220", 1, False), ("HP D2700 SAS AJ941A", 1, False),
        ("LENOVO D1224", 1, False), ("ACME X-48", 1, False), (None, 1, False),
        (None, 2, False), ("NETAPP DS424IOM6", 1, False), ("DELL MD1400", 0, False),
    ],
)  # fmt: skip
def test_behind_an_expander_in_doubt_no(enclosure: str | None, expanders: int, own: bool) -> None:
    sas = disk(
        transport=Transport.SAS, wwn="0x5000c5005e6f7a8b", enclosure=enclosure, expanders=expanders
    )
    assert judge_disk(sas).ok is own, judge_disk(sas).reasons


@pytest.mark.parametrize("change", [{"lun": 1}, {"target_port_groups": True}, {"multipath": True}])
def test_a_sas_disk_is_plain_in_every_respect(change: dict[str, object]) -> None:
    plain = disk(transport=Transport.SAS, wwn="0x5000c5005e6f7a8b", lun=0)
    assert judge_disk(plain).ok
    assert not judge_disk(replace(plain, **change)).ok  # type: ignore[arg-type]


@given(disk_lists)
def test_a_disk_with_a_sign_is_never_chosen_and_the_table_says_why(disks: list[Disk]) -> None:
    choice = choose_root_disk(disks)
    rows = disk_table(disks, choice)
    assert [row.name for row in rows] == [d.name for d in disks]
    for one, row in zip(mark_paths(disks), rows, strict=True):
        assert row.chosen is (not row.reasons)
        if sign_of_sharing(one) is not None:
            assert not row.chosen


@given(disk_lists)
def test_paths_are_marked_whatever_the_order(found: list[Disk]) -> None:
    disks = [replace(one, multipath=False) for one in found]
    marked = {d.name: d.multipath for d in mark_paths(disks)}
    assert marked == {d.name: d.multipath for d in mark_paths(disks[::-1])}
    assert sum(marked.values()) != 1
    assert mark_paths(mark_paths(disks)) == mark_paths(disks)


@pytest.mark.parametrize(
    ("hint", "taken"),
    [
        (DiskHint(slot="1"), "/dev/sda"),
        (DiskHint(slot="Slot 02"), "/dev/sdb"),
        (DiskHint(slot="2"), "/dev/sdb"),
        (DiskHint(slot="3"), None),
        (DiskHint(exclude=("S-/dev/sda",)), "/dev/sdb"),
        (DiskHint(exclude=("0x5000c5005e6f7a8b",)), "/dev/sda"),
        (DiskHint(exclude=("SLOT 001",)), "/dev/sdb"),
        (DiskHint(exclude=("QEMU_HARDDISK",)), None),
        (DiskHint(exclude=("",)), None),
    ],
)
def test_a_slot_or_an_exclusion_narrows(hint: DiskHint, taken: str | None) -> None:
    disks = [
        disk("/dev/sda", slot="SLOT 001"),
        disk("/dev/sdb", slot="02", wwn="naa.5000C5005E6F7A8B"),
    ]
    choice = choose_root_disk(disks, hint)
    assert (choice.disk.name if choice.disk else None) == taken


def _holding(one: Disk, *names: str) -> Disk:
    parts = tuple(
        Partition(index, 0, 1, "0x8e", volume_group=VolumeGroup(name, f"uuid-{name}", "pv"))
        for index, name in enumerate(names, 1)
    )
    return replace(one, content=DiskContent("dos", parts))


def test_a_second_rootvg_is_named_unless_it_is_overwritten() -> None:
    own = _holding(disk("/dev/sda"), "rootvg")
    second = _holding(disk("/dev/sdb"), "datavg", "rootvg")
    lun = _holding(disk("/dev/sdc", transport=Transport.FIBRE_CHANNEL), "rootvg")
    assert clashing_groups([own], own, "rootvg") == ()
    found = clashing_groups([own, second, lun], own, "rootvg")
    assert [sentence.split()[0] for sentence in found] == ["/dev/sdb", "/dev/sdc"]
    assert all("rootvg (UUID uuid-rootvg)" in sentence for sentence in found)
    assert clashing_groups([own, second, lun], own, None) == ()
    # What inspection saw on a local disk was cleared since; a LUN keeps it.
    (only,) = lasting_clashes([own, second, lun], own, "rootvg")
    assert only.startswith("/dev/sdc")
