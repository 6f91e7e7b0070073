"""A deployment as it goes, stage by stage."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import Complaint, ExitCode
from rackhand.doors.cli.waiting import EventNudge, fault_complaint, look_until_timeout
from rackhand.doors.cli.words import _

if TYPE_CHECKING:
    from rich.table import Table

STAGES = (
    "placed",
    "powered-on",
    "boot-script-fetched",
    "agent-up",
    "image-written",
    "restarted",
    "reachable",
)


def follow_lease(connection: Connection, lease: Any, want: str, timeout_s: float) -> Any:
    """Show progress until the lease is ``want`` (active or released); return it then.

    Complaint with exit code FAILED when it cannot come to that, TIMED_OUT when it
    takes too long; on Ctrl-C it says that the lease goes on.
    """
    api = connection.api()
    name, lease_id = lease["name"], lease["id"]
    sightings = look_until_timeout(
        lambda: api.get("leases", lease_id), EventNudge(api, lease_id), timeout_s, f"lease {name}"
    )
    try:
        with LeaseProgress(name) as progress:
            for seen in sightings:
                progress.show(seen)
                _refuse_dead_end(seen, want)
                if seen["state"] == want:
                    return seen
    except KeyboardInterrupt:
        words = _("lease {} goes on; follow it with: rackhand lease wait {}")
        click.echo(words.format(name, name), err=True)
        raise
    raise AssertionError("look_until_timeout never ends by itself")


def _refuse_dead_end(lease: Mapping[str, Any], want: str) -> None:
    name, state = lease["name"], lease["state"]
    hint = f"see `rackhand lease show {name}` and `rackhand lease logs {name}`"
    stuck = state == "failed" if want == "active" else state == "releasing" and lease["fault"]
    if stuck:
        raise fault_complaint(f"lease {name}", lease["fault"], hint)
    if want == "active" and lease["intent"] == "released":
        raise Complaint(
            "wrong-state", f"lease {name} is being released", hint, exit_code=ExitCode.FAILED
        )


class LeaseProgress:
    """Shows a lease: a table that fills on a terminal, else a line for each news."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: set[str] = set()
        self._lease: Mapping[str, Any] | None = None
        self._live = _live(self._table) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.stop()

    def show(self, lease: Mapping[str, Any]) -> None:
        """Take in what was seen."""
        self._lease = lease
        if self._live is not None:
            self._live.refresh()
            return
        for entry in lease["ledger"] if lease["intent"] == "active" else ():
            line = f"{entry['total_seconds']:7.1f} s  {_(entry['stage'])}"
            self._tell(line, entry["stage"] + entry["at"])
        self._tell(f"           {_('state')}: {_(lease['state'])}", lease["state"])

    def _tell(self, line: str, key: str) -> None:
        if key not in self._told:
            self._told.add(key)
            click.echo(f"{self._name}  {line}", err=True)

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
        lease = self._lease
        if lease is None:
            return table
        reached = {entry["stage"]: entry for entry in lease["ledger"]}
        coming = next((stage for stage in STAGES if stage not in reached), None)
        if lease["intent"] == "active":
            for stage in STAGES:
                table.add_row(*_stage_row(lease, stage, reached.get(stage), stage == coming))
        age = _seconds_since(lease["created_at"])
        table.add_row("", f"[bold]{_(lease['state'])}[/bold]", f"{age:.0f} s")
        return table


def _stage_row(
    lease: Mapping[str, Any], stage: str, entry: Mapping[str, Any] | None, is_coming: bool
) -> tuple[str, str, str]:
    if entry is not None:
        return "[green]✓[/green]", _(stage), f"{entry['seconds']:.1f} s"
    if not is_coming or lease["state"] == "failed":
        return " ", f"[dim]{_(stage)}[/dim]", ""
    before = lease["ledger"][-1]["at"] if lease["ledger"] else lease["created_at"]
    return "[yellow]…[/yellow]", _(stage), f"{_seconds_since(before):.0f} s"


def _seconds_since(moment: str) -> float:
    then = datetime.fromisoformat(moment)
    return max(0.0, (datetime.now(then.tzinfo) - then).total_seconds())


def _live(table: Any) -> Any:
    from rich.console import Console
    from rich.live import Live

    # The picture is drawn anew each quarter second, so that the seconds run.
    return Live(get_renderable=table, console=Console(stderr=True), refresh_per_second=4)
