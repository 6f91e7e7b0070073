"""An agent command that returns the ramdisk's journal and records, and nothing that takes time."""

from __future__ import annotations

import io

from ironic_python_agent import utils
from ironic_python_agent.extensions import base

from rackhand.plugins.agent import records

JOURNAL_LINES = 20_000


class RackhandExtension(base.BaseAgentExtension):
    """Commands ``rackhand.*`` of the agent."""

    @base.sync_command("journal")
    def journal(self) -> dict[str, str]:
        """Return journal and disk records as the agent's log command does: base64 of a tar.gz.

        The agent's own command forks some twenty tools and udev queries besides.
        """
        output = utils.get_journalctl_output(lines=JOURNAL_LINES)
        files = {name: io.BytesIO(content) for name, content in records.kept().items()}
        return {"system_logs": utils.gzip_and_b64encode(io_dict={"journal": output, **files})}
