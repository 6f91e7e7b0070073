"""Ledgers of deploys: medians, and two of them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

PLACED = "placed"
POWERED_ON = "powered-on"
BOOT_SCRIPT = "boot-script-fetched"
AGENT_UP = "agent-up"
IMAGE_WRITTEN = "image-written"
RESTARTED = "restarted"
REACHABLE = "reachable"
STAGES = (PLACED, POWERED_ON, BOOT_SCRIPT, AGENT_UP, IMAGE_WRITTEN, RESTARTED, REACHABLE)

BUSY_PROCESSORS = 0.3
"""More than this used by others than the lab: the measurement says little."""


@dataclass(frozen=True)
class Deploy:
    """One deploy: seconds from the asking to each stage, and how busy the host was.

    ``others_processors`` is what other programs used on average; ``load`` the load
    average over a minute when it began.
    """

    totals: Mapping[str, float]
    others_processors: float
    load: float

    @property
    def total_s(self) -> float:
        """Seconds from the asking until SSH greeted."""
        return self.totals[REACHABLE]

    def stages(self) -> dict[str, tuple[float, float]]:
        """Return (seconds of the stage, total) of each stage that was seen, in order.

        A stage that was not seen counts for the next one.
        """
        rows: dict[str, tuple[float, float]] = {}
        before_s = 0.0
        for stage in STAGES:
            if stage in self.totals:
                total_s = self.totals[stage]
                rows[stage] = (max(0.0, total_s - before_s), total_s)
                before_s = max(before_s, total_s)
        return rows


def median_deploy(deploys: Sequence[Deploy]) -> Deploy:
    """Return the median of each stage's total; stages that some run lacks are left out."""
    shared = [stage for stage in STAGES if all(stage in d.totals for d in deploys)]
    return Deploy(
        totals={stage: median(d.totals[stage] for d in deploys) for stage in shared},
        others_processors=max(d.others_processors for d in deploys),
        load=max(d.load for d in deploys),
    )


def ratio(rackhand: Deploy, bare: Deploy) -> float:
    """How many times as long the deploy through Rackhand takes."""
    return rackhand.total_s / bare.total_s


def side_by_side(bare: Deploy, rackhand: Deploy) -> str:
    """Return the table of both ledgers: seconds of each stage and in total."""
    left, right = bare.stages(), rackhand.stages()
    lines = [
        f"{'':<21}{'bare':>16}{'Rackhand':>18}",
        f"{'STAGE':<21}{'SECONDS':>8}{'TOTAL':>8}{'SECONDS':>10}{'TOTAL':>8}{'MORE':>8}",
    ]
    for stage in STAGES:
        if stage not in left and stage not in right:
            continue
        more = f"{right[stage][1] - left[stage][1]:.1f}" if stage in left and stage in right else ""
        lines.append(
            f"{stage:<21}{_cells(left.get(stage), 8)}{_cells(right.get(stage), 10)}{more:>8}"
        )
    return "\n".join(lines)


def _cells(row: tuple[float, float] | None, width: int) -> str:
    if row is None:
        return f"{'-':>{width}}{'-':>8}"
    return f"{row[0]:>{width}.1f}{row[1]:>8.1f}"


def warnings(name: str, deploys: Sequence[Deploy]) -> list[str]:
    """Return a sentence for each deploy that others disturbed."""
    return [
        f"{name} {number}: other programs used {deploy.others_processors:.1f} processors "
        f"(load average {deploy.load:.1f} when it began): repeat it on a quiet machine"
        for number, deploy in enumerate(deploys, 1)
        if deploy.others_processors > BUSY_PROCESSORS
    ]


def as_json(bare: Sequence[Deploy], rackhand: Sequence[Deploy]) -> dict[str, object]:
    """Return every run, the medians and the ratio of their totals."""
    middle = {"bare": median_deploy(bare), "rackhand": median_deploy(rackhand)}
    return {
        "runs": [
            {"bare": _entry(one), "rackhand": _entry(other)}
            for one, other in zip(bare, rackhand, strict=True)
        ],
        "median": {way: _entry(deploy) for way, deploy in middle.items()},
        "ratio": round(ratio(middle["rackhand"], middle["bare"]), 3),
        "warnings": [*warnings("bare deploy", bare), *warnings("Rackhand deploy", rackhand)],
    }


def _entry(deploy: Deploy) -> dict[str, object]:
    return {
        "ledger": [
            {"stage": stage, "seconds": round(seconds, 1), "total_seconds": round(total, 1)}
            for stage, (seconds, total) in deploy.stages().items()
        ],
        "total_seconds": round(deploy.total_s, 1),
        "others_processors": round(deploy.others_processors, 2),
        "load_average": round(deploy.load, 2),
    }
