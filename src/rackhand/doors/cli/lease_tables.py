"""How leases and plans look in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from rackhand.doors.cli.complaints import tell_disk_tables, tell_nic_tables, tell_reasons
from rackhand.doors.cli.disk_tables import DISK_FACTS, chosen, content_words
from rackhand.doors.cli.exits import Complaint, ExitCode
from rackhand.doors.cli.tables import Column, print_data, print_facts, print_table, size, when
from rackhand.doors.cli.volume_group import size_words
from rackhand.doors.cli.words import _


def _addresses(lease: Mapping[str, Any]) -> list[str]:
    nics = (lease["placement"] or {"assignments": []})["assignments"]
    return [address for nic in nics for address in (nic["address"], nic["address_v6"]) if address]


def _disk(disk: Mapping[str, Any] | None) -> str | None:
    if disk is None:
        return None
    facts = (disk["name"], size(disk["size_bytes"]), disk["model"], disk["serial"])
    return ", ".join(str(fact) for fact in facts if fact)


def _content(placement: Mapping[str, Any] | None) -> list[str] | None:
    return None if placement is None else content_words(placement["disk"])


COLUMNS = [
    Column(_("NAME"), "name"),
    Column(_("STATE"), lambda lease: _(lease["state"])),
    Column(_("FLAVOR"), "spec.flavor"),
    Column(_("IMAGE"), "spec.image"),
    Column(_("MACHINE"), "placement.machine"),
    Column(_("ADDRESSES"), _addresses),
    Column(_("FAULT"), "fault.code"),
]
_FACTS = [
    *COLUMNS[:-1],
    Column(_("FAULT"), "fault.sentence"),
    Column(_("HINT"), "fault.hint"),
    Column(_("HOST NAME"), "spec.hostname"),
    Column(_("WANTED"), lambda lease: _(lease["intent"])),
    Column(_("DISK"), lambda lease: _disk((lease["placement"] or {}).get("disk"))),
    Column(_("ON IT AT INSPECTION"), lambda lease: _content(lease["placement"])),
    Column(_("VOLUME GROUP"), lambda lease: size_words(lease["spec"]["volume_group_size"])),
    Column(_("SSH KEYS"), lambda lease: len(lease["spec"]["ssh_keys"])),
    Column(_("ASKED"), lambda lease: when(lease["created_at"])),
    Column(_("DEADLINE"), lambda lease: when(lease["deadline_at"])),
    Column(_("ID"), "id"),
]
_NICS = [
    Column(_("NETWORK"), "network"),
    Column(_("ADDRESS"), lambda nic: [nic["address"], *filter(None, [nic["address_v6"]])]),
    Column("MAC", "mac"),
    Column(_("BOND"), "bond"),
    Column("VLAN", lambda nic: nic["vlan_tag"] or _("untagged")),
]
_BONDS = [
    Column(_("BOND"), "name"),
    Column(_("MODE"), "mode"),
    Column("NICS", "members"),
    Column("MTU", "mtu", right=True),
    Column("MIIMON", "miimon_ms", right=True),
    Column("LACP", "lacp_rate"),
    Column(_("HASH"), "xmit_hash_policy"),
    Column(_("PRIMARY"), "primary"),
]
LEDGER = [
    Column(_("STAGE"), lambda entry: _(entry["stage"])),
    Column(_("AT"), lambda entry: when(entry["at"])),
    Column(_("SECONDS"), lambda entry: f"{entry['seconds']:.1f}", right=True),
    Column(_("TOTAL"), lambda entry: f"{entry['total_seconds']:.1f}", right=True),
]
LOGS = [
    Column(_("NAME"), "name"),
    Column(_("BYTES"), "size_bytes", right=True),
    Column(_("AT"), lambda log: when(log["at"])),
]
_PLAN = [
    Column(_("MACHINE"), "machine"),
    Column(_("DISK"), lambda plan: _disk(plan["disk"])),
    Column(_("VOLUME GROUP"), lambda plan: size_words(plan["volume_group_size"])),
    Column(_("OTHERS THAT FIT"), lambda plan: plan["candidates"][1:]),
]
_PLANNED_NICS = [*_NICS, Column("NIC", "nic")]
_PLANNED_DISKS = [
    Column(_("DISK"), "name"),
    *DISK_FACTS,
    Column(_("PLANNED"), chosen),
    Column(_("ON IT AT INSPECTION"), content_words),
]
_RESULTS = {True: _("passed"), False: _("failed"), None: _("not asked")}
_CHECKS = [
    Column(_("CHECK"), lambda check: _(check["name"])),
    Column(_("RESULT"), lambda check: _RESULTS[check["ok"]]),
    Column(_("FOUND"), "sentence"),
    Column(_("WHAT TO DO"), "hint"),
]
CHECK_NAMES = (_("bmc"), _("disk"), _("image"), _("nic"), _("address"), _("dhcp"))
"""The words of the checks, for the catalogue."""


def print_lease(lease: Mapping[str, Any], output: str) -> None:
    """Print one lease: facts, NICs, ledger."""
    if output != "table":
        print_data(lease, output)
        return
    print_facts(lease, _FACTS, output)
    if lease["placement"]:
        click.echo()
        print_table(lease["placement"]["assignments"], _NICS)
        _print_bonds(lease["placement"]["bonds"])
    if lease["ledger"]:
        click.echo()
        print_table(lease["ledger"], LEDGER)


def print_plan(plan: Mapping[str, Any], output: str) -> None:
    """Print what a request would get, and why the other machines do not fit."""
    if output != "table":
        print_data(plan, output)
        return
    if plan["machine"] is not None:
        print_facts(plan, _PLAN, output)
        click.echo()
        print_table(plan["nics"], _PLANNED_NICS)
        _print_bonds(plan["bonds"])
        if plan["disks"]:
            click.echo()
            print_table(plan["disks"], _PLANNED_DISKS)
        if plan["checks"] is not None:
            click.echo()
            print_table(plan["checks"], _CHECKS)
        if plan["reasons"]:
            click.echo()
            tell_reasons(plan["reasons"], to_stderr=False)
            tell_nic_tables(plan["nic_tables"], to_stderr=False)
            tell_disk_tables(plan["disk_tables"], to_stderr=False)


def _print_bonds(bonds: Sequence[Mapping[str, Any]]) -> None:
    if bonds:
        click.echo()
        print_table(bonds, _BONDS)


def refuse_unchecked(plan: Mapping[str, Any]) -> None:
    """Complain when a check of the plan failed, or could not be asked."""
    against = [check for check in plan["checks"] or () if check["ok"] is not True]
    if not against:
        return
    first = against[0]
    more = f" (and {len(against) - 1} more)" if len(against) > 1 else ""
    raise Complaint(
        "preflight-failed",
        f"the pre-flight of machine {plan['machine']} failed: {first['sentence']}{more}",
        first["hint"],
        exit_code=ExitCode.FAILED,
    )


def no_match(plan: Mapping[str, Any], shown: bool) -> Complaint:
    """Make the complaint of a plan without a machine; reasons only where people read."""
    return Complaint(
        "no-exact-match",
        f"no machine matches exactly ({len(plan['reasons'])} looked at)",
        "change the request, or see `rackhand machine list`",
        {key: plan[key] for key in ("reasons", "nic_tables", "disk_tables")} if shown else {},
    )
