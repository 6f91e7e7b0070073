"""Errors as people see them, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.words import _


def tell(complaint: Complaint) -> None:
    """Print the error, its places in the file or reasons of machines, and the hint."""
    flaws = complaint.details.get("flaws")
    head = f"{_('error')}[{complaint.code}]: "
    if flaws and complaint.file is not None:
        for flaw in flaws:
            print(f"{complaint.file.place(flaw['path'])}: {flaw['sentence']}", file=sys.stderr)
        count = _("1 error") if len(flaws) == 1 else _("{} errors").format(len(flaws))
        print(f"{head}{complaint.file.name}: {count}", file=sys.stderr)
    else:
        print(f"{head}{complaint.sentence}", file=sys.stderr)
        for flaw in flaws if flaws and len(flaws) > 1 else ():
            print(f"  {flaw['sentence']}", file=sys.stderr)
    reasons = complaint.details.get("reasons")
    if reasons:
        tell_reasons(reasons)
    tell_nic_tables(complaint.details.get("nic_tables") or {})
    tell_disk_tables(complaint.details.get("disk_tables") or {})
    if complaint.hint:
        print(f"{_('hint')}: {complaint.hint}", file=sys.stderr)


def tell_nic_tables(
    tables: Mapping[str, Sequence[Mapping[str, Any]]], *, to_stderr: bool = True
) -> None:
    """Print, of each machine whose cables do not fit, every NIC against every network."""
    from rackhand.doors.cli.tables import Column, print_table

    for machine, rows in tables.items():
        if not rows:
            continue
        print(file=sys.stderr if to_stderr else sys.stdout)
        columns = [Column(f"NIC ({machine})", "nic"), Column("MAC", "mac")]
        columns += [
            Column(cell["network"].upper(), f"word{i}") for i, cell in enumerate(rows[0]["cells"])
        ]
        words = [{f"word{i}": c["word"] for i, c in enumerate(row["cells"])} for row in rows]
        print_table(
            [{**row, **cells} for row, cells in zip(rows, words, strict=True)],
            columns,
            to_stderr=to_stderr,
        )


def tell_disk_tables(
    tables: Mapping[str, Sequence[Mapping[str, Any]]], *, to_stderr: bool = True
) -> None:
    """Print, of each machine where no disk can be written, every disk and why not."""
    from rackhand.doors.cli.disk_tables import DISK_FACTS, why_rows
    from rackhand.doors.cli.tables import Column, print_table

    for machine, rows in tables.items():
        if not rows:
            continue
        print(file=sys.stderr if to_stderr else sys.stdout)
        title = _("DISK")
        columns = [Column(f"{title} ({machine})", "name"), *DISK_FACTS, Column(_("WHY NOT"), "why")]
        print_table(why_rows(rows), columns, to_stderr=to_stderr)


def tell_reasons(reasons: Mapping[str, Sequence[str]], *, to_stderr: bool = True) -> None:
    """Print why each machine does not fit."""
    from rackhand.doors.cli.tables import Column, print_table

    rows: list[dict[str, Any]] = [
        {"machine": name if index == 0 else " ", "why": why}
        for name, whys in reasons.items()
        for index, why in enumerate(whys or ("",))
    ]
    print_table(
        rows, [Column(_("MACHINE"), "machine"), Column(_("WHY NOT"), "why")], to_stderr=to_stderr
    )
