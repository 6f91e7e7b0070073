"""Inspection collector: on which VLANs the NICs are, and what their switches say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oslo_log import log

from rackhand.model.errors import InvalidValue
from rackhand.plugins.agent.wire_nics import physical_nics
from rackhand.plugins.agent.wire_probe import probe_wires, wanted

LOG = log.getLogger(__name__)

_COMMAND_LINE = Path("/proc/cmdline")


def collect_wires(data: dict[str, Any], _failures: Any) -> None:
    """Probe every NIC; where it cannot be done, inspection still reports all else."""
    try:
        tags, wait_s = wanted(_COMMAND_LINE.read_text())
        reports = probe_wires(physical_nics(), tags, wait_s, lambda text: LOG.info("%s", text))
    except (OSError, InvalidValue) as error:
        # A failure here would fail the whole inspection; without our part of the report
        # nothing was probed, and so nothing contradicts.
        LOG.error("the NICs cannot be probed: %s", error)
        return
    data.setdefault("rackhand", {})["wires"] = [report.as_json() for report in reports]
