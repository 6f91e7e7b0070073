"""Only the right local disk is ever written: LUNs in front of it, equal disks, stale groups."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import disk_fill
import pytest
from disk_story import AGAIN, FIRST, HELD, ROUNDS, STALE, Told
from iscsi_ramdisk import ACTIVATED, LOGGED_IN, NOT_LOGGED_IN, WATCHES
from rackhand_site import Site

from rackhand.plugins.agent.old_table import undo_ranges

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600 + 1800 * ROUNDS)]

NETAPP, DGC, BY_WWN, ISCSI = "80A1B-LUN0", "CKM00100-LUN1", "LUN2-10G", "ZA1ISCSI0001"
"""The LUNs of s1 by serial: larger, smaller and equal to its own disk, then the iSCSI one."""
WHY = {
    NETAPP: "says that it is NETAPP LUN C-Mode: a storage array's LUN",
    DGC: "says that it is DGC VRAID: a storage array's LUN",
    BY_WWN: "of the kind that IBM Storwize or SVC gives its LUNs",
    ISCSI: "is attached by iscsi: it is shared storage and is never written",
}
OWN = "LSD-10G-0901"
MOST_BYTES = 500 << 20
"""So much of the local disk is written by any deployment."""


def by_serial(rows: list[Any]) -> dict[str, Any]:
    return {row["serial"]: row for row in rows}


def reasons_of(row: Any) -> str:
    return " ".join(row["reasons"])


def test_the_kernel_finds_the_luns_first_and_inspection_sees_them_all(told: Told) -> None:
    assert told.san.seen["fault"] is None, told.san.seen["fault"]
    disks = told.san.seen["hardware"]["disks"]
    found = by_serial(disks)
    assert found.keys() == WHY.keys() | {OWN}
    assert found[ISCSI]["transport"] == "iscsi"
    assert (found[ISCSI]["vendor"], found[OWN]["transport"]) == ("SEAGATE", "sata")
    own = found[OWN]["size_bytes"]
    assert found[DGC]["size_bytes"] < own == found[BY_WWN]["size_bytes"]
    assert found[NETAPP]["size_bytes"] > own
    for serial in WHY:
        assert serial in told.san.table
    boots = [json.loads(one.logs["deploy/disks-before-write.json"]) for one in told.san.rounds]
    names = [by_serial(one)[OWN]["name"] for one in (disks, *(b["disks"] for b in boots))]
    assert any(name > "/dev/sda" for name in names), names


def test_the_plan_gives_every_disk_its_reason(told: Told) -> None:
    assert told.san.plan.code == 0, told.san.plan
    plan = told.san.plan.json
    assert (plan["machine"], plan["disk"]["serial"]) == ("s1", OWN)
    rows = by_serial(plan["disks"])
    assert [serial for serial, row in rows.items() if row["chosen"]] == [OWN]
    for serial, why in WHY.items():
        assert why in reasons_of(rows[serial])


def test_a_stale_volume_group_on_a_lun_is_named_before_anything_boots(told: Told) -> None:
    assert (told.san.clash.code, told.san.clash.error) == (6, "no-exact-match"), told.san.clash
    (reason,) = [one for one in told.san.clash.json["reasons"]["s1"] if STALE in one]
    assert BY_WWN in reason
    assert "rename or remove it" in reason


def test_every_round_wrote_the_local_disk_and_cleaned_it(told: Told) -> None:
    assert len(told.san.rounds) == ROUNDS
    for number, one in enumerate(told.san.rounds, 1):
        assert one.lease["fault"] is None, one.lease["fault"]
        assert one.lease["state"] == "active"
        assert one.lease["placement"]["disk"]["serial"] == OWN
        hostname, root = one.inside.split()[:2]
        assert (hostname, root) == (f"san-{number:02}", "/dev/mapper/rootvg-root")
        assert one.written_bytes > MOST_BYTES
        assert one.released["state"] == "released", one.released
        assert one.left == []


def test_no_byte_of_any_lun_was_written_in_any_round(told: Told) -> None:
    assert told.san.before.keys() == WHY.keys()
    for one in told.san.rounds:
        assert one.luns == told.san.before


def test_each_deployments_record_names_each_lun_with_the_reason(told: Told) -> None:
    for one in told.san.rounds:
        record = json.loads(one.logs["deploy/disks-before-write.json"])
        seen = by_serial(record["disks"])
        assert record["written"] == seen[OWN]["name"]
        assert seen[OWN]["reasons"] == []
        for serial, why in WHY.items():
            assert why in reasons_of(seen[serial])


def test_each_cleanings_record_says_that_the_luns_were_left_alone(told: Told) -> None:
    for one in told.san.rounds:
        report = by_serial(json.loads(one.logs["cleaning/cleaning.json"])["disks"])
        assert report[OWN]["method"] is not None
        assert not report[OWN]["failed"]
        for serial, why in WHY.items():
            assert report[serial]["method"] is None
            assert why in " ".join(report[serial]["notes"])


def test_nothing_on_a_lun_was_activated_in_the_ramdisk(told: Told) -> None:
    """An array over two LUNs and a volume group on a third could have been."""
    assert LOGGED_IN in told.san.console
    assert NOT_LOGGED_IN not in told.san.console
    assert WATCHES in told.san.console
    activated = [line for line in told.san.console.splitlines() if ACTIVATED in line]
    assert activated == []
    for one in told.san.rounds:
        seen = by_serial(json.loads(one.logs["deploy/disks-before-write.json"])["disks"])
        kinds = {
            serial: [sign["kind"] for sign in seen[serial]["content"]["signatures"]]
            for serial in WHY
        }
        assert kinds[NETAPP] == kinds[DGC] == ["linux_raid_member"], "it was there to be seen"
        assert seen[BY_WWN]["content"]["volume_group"]["name"] == HELD


def test_equal_disks_without_a_hint_are_refused_with_their_table(told: Told) -> None:
    assert (told.twin.unhinted.code, told.twin.unhinted.error) == (6, "no-exact-match")
    rows = by_serial(told.twin.unhinted.json["disk_tables"]["d1"])
    assert not [row for row in rows.values() if row["chosen"]]
    for serial in ("LSD-10G-0902A", "LSD-10G-0902B"):
        assert "a hint must single one out" in reasons_of(rows[serial])
    assert WHY[ISCSI] in reasons_of(rows[ISCSI])


def test_a_hint_singles_one_out_and_the_smallest_of_equal_ones_is_none(told: Told) -> None:
    plans = dict(told.twin.hinted)
    smallest = plans.pop("smallest")
    assert (smallest.code, smallest.error) == (6, "no-exact-match"), smallest
    assert plans.keys() == {"serial", "wwn", "exclude"}
    for name, plan in plans.items():
        assert plan.code == 0, (name, plan)
        assert plan.json["disk"]["serial"] == "LSD-10G-0902B", name


def test_a_stale_volume_group_on_the_second_disk_stops_the_write_and_is_named(told: Told) -> None:
    fault = told.twin.clash["fault"]
    assert told.twin.clash["state"] == "failed"
    assert fault["code"] == "volume-group-clash", fault
    assert "LSD-10G-0902B" in fault["sentence"]
    assert f"volume group {STALE}" in fault["sentence"]
    assert "nothing was written" in fault["sentence"]
    assert "release the lease" in fault["hint"]
    assert told.twin.after_clash == told.twin.planted


def test_giving_the_lease_back_cleans_it_and_the_next_goes_through(told: Told) -> None:
    assert told.twin.cleared["state"] == "released", told.twin.cleared
    assert told.twin.left == []
    assert told.twin.deployed["fault"] is None, told.twin.deployed["fault"]
    assert told.twin.inside.split()[:2] == [AGAIN, "/dev/mapper/rootvg-root"]


def test_of_equal_disks_the_hinted_one_is_written_and_the_other_is_not(told: Told) -> None:
    assert told.twin.deployed["placement"]["disk"]["serial"] == "LSD-10G-0902A"
    assert told.twin.second_after == told.twin.second_before


def test_cleaning_fails_and_names_a_disk_that_was_taken_out(told: Told) -> None:
    assert told.twin.incomplete["state"] == "releasing"
    fault = told.twin.incomplete["fault"]
    assert fault["code"] == "disks-missing", fault
    assert "d1" in fault["sentence"]
    assert "LabCo SAS 10G, serial LSD-10G-0902B" in fault["sentence"]
    assert "LSD-10G-0902A" not in fault["sentence"]
    assert "rackhand machine inspect" in fault["hint"]


def test_the_old_partition_table_comes_back(san: Site, told: Told, tmp_path: Path) -> None:
    undo = json.loads(told.twin.logs["deploy/disks-before-write.json"])["undo"]
    disk = san.disk_file("d1", FIRST)
    for way in ("sfdisk", "ranges"):
        copy = tmp_path / f"{way}.raw"
        subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
        assert disk_fill.dump(copy) != told.twin.table_before
        if way == "sfdisk":
            command = ["sfdisk", "--wipe=never", "--no-reread", "--no-tell-kernel", str(copy)]
            subprocess.run(command, input=undo["sfdisk"], text=True, check=True)
        else:
            with copy.open("r+b", buffering=0) as file:
                for offset, content in undo_ranges(undo):
                    os.pwrite(file.fileno(), content, offset)
        assert disk_fill.dump(copy) == told.twin.table_before
        copy.unlink()


def test_what_a_vm_image_holds_as_zeros_is_zero_on_a_disk_that_was_in_use(told: Told) -> None:
    assert told.twin.old_blocks > 10_000
    assert told.twin.old_blocks_left == 0
    # The rest is what the running system has written since.
    assert told.twin.zero_blocks > 0.9 * told.twin.old_blocks
