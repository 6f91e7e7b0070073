"""The time ledger: which stage a deployment has reached, and what each one took."""

from __future__ import annotations

from collections.abc import Sequence

from rackhand.model.lease import Lease, Stage, StageTime

ORDER = tuple(Stage)

_STAGE_OF_STEP = {
    # Ironic runs deploy steps by falling priority: write_image 80, then these. While
    # one of them runs, everything before it is done.
    "prepare_instance_boot": Stage.IMAGE_WRITTEN,
    "tear_down_agent": Stage.IMAGE_WRITTEN,
    "switch_to_tenant_network": Stage.IMAGE_WRITTEN,
    "boot_instance": Stage.IMAGE_WRITTEN,
}


def stage_of_step(step: str | None) -> Stage | None:
    """Return the last stage that is surely reached while the engine runs ``step``.

    ``step`` is an Ironic deploy step's name (plugins/ironic/deploy.py), alone or
    behind its interface's (``deploy.write_image``). None: it proves nothing. That
    the machine restarted shows only when the engine says active: ``boot_instance``
    runs until the reset was seen.
    """
    return _STAGE_OF_STEP.get(step.rsplit(".", 1)[-1]) if step else None


def with_stage(ledger: Sequence[StageTime], new: StageTime) -> tuple[StageTime, ...]:
    """Return the ledger with ``new`` in the order of stages; a known stage is kept."""
    if any(known.stage is new.stage for known in ledger):
        return tuple(ledger)
    return tuple(sorted([*ledger, new], key=lambda entry: ORDER.index(entry.stage)))


def ledger_seconds(lease: Lease) -> list[tuple[Stage, float, float]]:
    """Return (stage, seconds since the request, seconds of this stage), in order.

    Stages that were not seen are left out; their seconds count for the next one.
    """
    rows: list[tuple[Stage, float, float]] = []
    before_s = 0.0
    for entry in lease.ledger:
        since_s = (entry.at - lease.created_at).total_seconds()
        rows.append((entry.stage, since_s, max(0.0, since_s - before_s)))
        before_s = max(before_s, since_s)
    return rows
