"""Machines on their way to being available."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import Complaint, ExitCode
from rackhand.doors.cli.machine_tables import state
from rackhand.doors.cli.waiting import EventNudge, fault_complaint, look_until_timeout
from rackhand.doors.cli.words import _


def follow_machines(connection: Connection, names: Sequence[str], timeout_s: float) -> None:
    """Print a line for each change until every machine is available, or out of the pool.

    Those that fail do not keep it from waiting for the others; in the end a Complaint
    with exit code FAILED names them.
    """
    api = connection.api()
    sightings = look_until_timeout(
        lambda: [one for one in api.get("machines") if one["name"] in names],
        EventNudge(api),
        timeout_s,
        f"machines {', '.join(names)}",
    )
    told: dict[str, str] = {}
    try:
        for seen in sightings:
            for one in seen:
                _tell(one, told)
            failed = [one for one in seen if one["fault"]]
            if all(one["fault"] or _settled(one) for one in seen):
                if failed:
                    raise _all_failed(failed)
                return
    except KeyboardInterrupt:
        click.echo(_("the machines go on; see them with: rackhand machine list"), err=True)
        raise


def _settled(machine: Mapping[str, Any]) -> bool:
    if not machine["pooled"]:
        return True
    if machine["hardware"] is None or machine["inspected_at"] is None:
        return False
    # One that a lease holds is on that lease's way.
    return machine["lease"] is not None or machine["state"] in ("available", "active")


def _tell(machine: Mapping[str, Any], told: dict[str, str]) -> None:
    line = state(machine)
    if machine["fault"]:
        line += f": {machine['fault']['sentence']}"
    if told.get(machine["name"]) != line:
        told[machine["name"]] = line
        click.echo(f"{machine['name']}  {line}", err=True)


def _all_failed(failed: Sequence[Mapping[str, Any]]) -> Complaint:
    first = failed[0]
    complaint = fault_complaint(
        f"machine {first['name']}", first["fault"], f"see `rackhand machine show {first['name']}`"
    )
    if len(failed) == 1:
        return complaint
    names = ", ".join(one["name"] for one in failed)
    return Complaint(
        complaint.code,
        f"{len(failed)} machines failed: {names}; {complaint.sentence}",
        complaint.hint,
        exit_code=ExitCode.FAILED,
    )
