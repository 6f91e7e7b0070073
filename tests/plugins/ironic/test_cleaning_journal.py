"""The report of a cleaning is fetched while Ironic still knows the agent, in Ironic's own code."""

import subprocess

from ironic_process import ENVIRONMENT

# Upstream's lookup finds what to call after the step; the agent and the store are stood in for.
_PROGRAM = """
from types import SimpleNamespace
from ironic.drivers import utils
from ironic.drivers.modules import agent_base, agent_client
from rackhand.plugins.ironic import deploy

asked, kept = [], []
def command(self, node, method, params, wait):
    asked.append((node.driver_internal_info["agent_url"], method))
    return {"command_result": {"system_logs": "journal and report"}}
agent_client.AgentClient._command = command
utils.store_ramdisk_logs = lambda node, logs, label: kept.append((logs, label))

node = SimpleNamespace(
    uuid="1be2",
    clean_step={"interface": "deploy", "step": "erase_devices_metadata"},
    driver_internal_info={"agent_url": "http://10.0.0.9:9999"},
)
hook = agent_base._get_post_step_hook(node, "clean")
hook(SimpleNamespace(node=node), {})
print(asked, kept)
"""


def test_the_journal_is_kept_right_after_the_erasing_step() -> None:
    done = subprocess.run(
        [ENVIRONMENT / "bin/python", "-c", _PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        "[('http://10.0.0.9:9999', 'rackhand.journal')] [('journal and report', 'cleaning')]"
    )
