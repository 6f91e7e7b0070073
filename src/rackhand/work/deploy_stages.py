"""Which stages of a deployment can be seen by now."""

from __future__ import annotations

from datetime import datetime

from rackhand.model.lease import Lease, LeaseState, Stage, StageTime
from rackhand.model.machine import MachineState, Observed
from rackhand.ports.surroundings import BootLog
from rackhand.rules.stages import stage_of_step, with_stage


def stages_seen(
    lease: Lease, observed: Observed | None, boot_log: BootLog, at: datetime
) -> tuple[StageTime, ...]:
    """Return the lease's ledger with what the engine and the boot log show now.

    The boot log knows exact times; what the engine says is as exact as the loop is
    quick. A machine that fetched its boot script was on by then, whatever was seen.
    """
    placement, ledger = lease.placement, lease.ledger
    if lease.state is not LeaseState.DEPLOYING or placement is None or observed is None:
        return ledger
    reached = {entry.stage: entry.at for entry in ledger}
    since = reached.get(Stage.PLACED, lease.created_at)
    if observed.state is MachineState.DEPLOYING and observed.power_on:
        ledger = with_stage(ledger, StageTime(Stage.POWERED_ON, at))
    if Stage.BOOT_SCRIPT not in reached:
        script_at = boot_log.boot_script_at(placement.deploy_nic.mac, since)
        if script_at is not None:
            ledger = _on_by(with_stage(ledger, StageTime(Stage.BOOT_SCRIPT, script_at)), script_at)
    if Stage.AGENT_UP not in reached:
        agent_at = boot_log.agent_up_at(placement.machine_id, since)
        if agent_at is not None:
            ledger = with_stage(ledger, StageTime(Stage.AGENT_UP, agent_at))
    stage = stage_of_step(observed.step) if observed.state is MachineState.DEPLOYING else None
    return ledger if stage is None else with_stage(ledger, StageTime(stage, at))


def _on_by(ledger: tuple[StageTime, ...], script_at: datetime) -> tuple[StageTime, ...]:
    """Return the ledger with the power on at ``script_at`` at the latest."""
    others = tuple(entry for entry in ledger if entry.stage is not Stage.POWERED_ON)
    seen_at = next((e.at for e in ledger if e.stage is Stage.POWERED_ON), script_at)
    return with_stage(others, StageTime(Stage.POWERED_ON, min(seen_at, script_at)))
