"""The deploy interface: the ramdisk writes our image in one step, then a hard restart.

Against upstream's direct interface it saves the image download and checks on the
conductor, the agent's full log collection and two of three power commands; the one
asynchronous step costs one heartbeat (at least 5 s apart, whatever the settings).
"""

from __future__ import annotations

from typing import Any

from ironic.common import exception, states
from ironic.conductor import configdrive_utils, task_manager
from ironic.conductor import utils as manager_utils
from ironic.drivers import base
from ironic.drivers import utils as driver_utils
from ironic.drivers.modules import agent, agent_base, agent_client
from oslo_log import log

from rackhand.model.errors import InvalidValue
from rackhand.plugins.ironic import restart
from rackhand.render.write_order import INSTANCE_INFO_KEY, parse_write_order

LOG = log.getLogger(__name__)

JOURNAL_COMMAND = "rackhand.journal"


class RackhandDeploy(agent.CustomAgentDeploy):
    """Writes what ``instance_info["rackhand"]`` orders (render/write_order.py)."""

    def validate(self, task: Any) -> None:
        """Check boot settings and the write order; raises InvalidParameterValue."""
        super().validate(task)
        try:
            parse_write_order(task.node.instance_info.get(INSTANCE_INFO_KEY))
        except InvalidValue as error:
            raise exception.InvalidParameterValue(
                f"node {task.node.uuid}: {error.sentence}; {error.hint}"
            ) from error

    @base.deploy_step(priority=80)
    @task_manager.require_exclusive_lock
    def write_image(self, task: Any) -> Any:
        """Hand order and config drive to the in-band step of the same name.

        The names must be equal: Ironic finds the running step's result by name.
        """
        node = task.node
        step = {
            "interface": "deploy",
            "step": "write_image",
            "args": {
                "order": node.instance_info[INSTANCE_INFO_KEY],
                "configdrive": configdrive_utils.get_configdrive_image(node),
            },
        }
        return agent_base.execute_step(task, step, "deploy", client=agent_client.get_client(task))

    @base.deploy_step(priority=40)
    @task_manager.require_exclusive_lock
    def tear_down_agent(self, task: Any) -> None:
        """Keep the ramdisk's journal.

        Nothing is flushed or powered off here: the write step has read back what
        it wrote before it ended.
        """
        _keep_journal(task.node)

    @base.deploy_step(priority=20)
    @task_manager.require_exclusive_lock
    def boot_instance(self, task: Any) -> None:
        """Restart into the written system, then forget the config drive.

        The config drive holds the root password's hash; nothing reads it again.
        """
        try:
            restart.restart(task)
        except exception.IronicException as error:
            agent_base.log_and_raise_deployment_error(
                task,
                f"cannot restart node {task.node.uuid} into its system: {error}",
                collect_logs=False,
                exc=error,
            )
        node = task.node
        node.instance_info = {k: v for k, v in node.instance_info.items() if k != "configdrive"}
        node.save()

    def process_next_step(self, task: Any, step_type: str, **kwargs: Any) -> None:
        """Go on as upstream does; a machine whose in-band step failed loses its power.

        Upstream does that in every other failure of a deployment (deploy_utils,
        set_failed_state); here its ramdisk would call for ever with a token that is void.
        """
        super().process_next_step(task, step_type, **kwargs)
        node = task.node
        if node.provision_state != states.DEPLOYFAIL:
            return
        last_error = node.last_error
        try:
            manager_utils.node_power_action(task, states.POWER_OFF)
        except exception.IronicException as error:
            LOG.warning("Node %s stays on after its failed deployment: %s", node.uuid, error)
        node.last_error = last_error  # the power action has cleared it
        node.save()

    def tear_down_cleaning(self, task: Any) -> None:
        """Power the machine off: in the pool it waits without power.

        Inspection leaves its ramdisk running for the cleaning that follows (see
        adapters/ironic, ``fast_track``); no deployment may use that one, because it
        came through the boot NIC, not through the NIC that the lease asks for. The
        VLANs that inspection told the ramdisk to probe go, too.
        """
        node = task.node
        of_inspection = ("fast_track", "kernel_append_params")
        node.driver_info = {k: v for k, v in node.driver_info.items() if k not in of_inspection}
        node.save()
        super().tear_down_cleaning(task)


@agent_base.post_clean_step_hook(interface="deploy", step="erase_devices_metadata")
def keep_cleaning_journal(task: Any, _command: Any) -> None:
    """Keep the journal with the report of what was done to each disk.

    At the end of the cleaning it would be too late: Ironic has forgotten the agent by then,
    unless the ramdisk came from an inspection. After a failure it collects the logs itself.
    """
    _keep_journal(task.node, "cleaning")


def _keep_journal(node: Any, label: str | None = None) -> None:
    """Store the ramdisk's journal where Ironic stores failed deployments' logs.

    ``label`` becomes part of the file's name. A log that cannot be had never fails what
    succeeded.
    """
    try:
        result = agent_client.AgentClient()._command(
            node=node, method=JOURNAL_COMMAND, params={}, wait=True
        )
        driver_utils.store_ramdisk_logs(node, result["command_result"]["system_logs"], label)
    except (exception.IronicException, OSError, KeyError, TypeError, ValueError) as error:
        LOG.warning("The ramdisk's journal of node %s is lost: %s", node.uuid, error)
