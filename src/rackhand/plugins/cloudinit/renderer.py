"""cloud-init's network renderer ``wicked``.

Chosen like its own ones: ``system_info: {network: {renderers: [wicked]}}``, and only
where wicked is installed. Same subset of Python as render/wicked_links.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from cloudinit import subp
from cloudinit.net import renderer

from rackhand.plugins.cloudinit.network_state import read_network_state
from rackhand.plugins.cloudinit.system_files import apply_files
from rackhand.render.wicked import CONFIG_PATH, host_files

LOG = logging.getLogger(__name__)
NETCONFIG = Path("/sbin/netconfig")


class Renderer(renderer.Renderer):
    """Writes ifcfg, ifroute and ifsysctl files, udev's names and netconfig's DNS."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)

    def render_network_state(
        self,
        network_state: Any,
        templates: Any = None,  # noqa: ARG002 - cloud-init's signature
        target: str | None = None,
    ) -> None:
        """Write the files below ``target``. Raises InvalidValue for what wicked cannot carry."""
        host = read_network_state(network_state)
        changed = apply_files(Path(target or "/"), lambda text: host_files(host, text))
        if target is None and CONFIG_PATH in changed and NETCONFIG.exists():
            # Static servers reach resolv.conf by netconfig only; wicked runs it for DHCP.
            try:
                subp.subp([str(NETCONFIG), "update"])
            except subp.ProcessExecutionError as error:
                LOG.warning("resolv.conf is not up to date: %s", error)


def available(target: str | None = None) -> bool:
    """Return whether wicked is installed there."""
    root = Path(target or "/")
    return any((root / folder / "wicked").exists() for folder in ("usr/sbin", "sbin"))
