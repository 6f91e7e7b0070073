"""The settings that make cloud-init take a machine's settings from the config drive.

Source: cloud-init, "Configuration": files of cloud.cfg.d in order of name, the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackhand.model.image_change import RemovePath, RunCommand, Step, WriteFile
from rackhand.model.image_facts import ImageFacts

DATASOURCES = "/etc/cloud/cloud.cfg.d/zz-config-drive.cfg"
_TEXT = """\
# A machine's settings come on its config drive; the network is asked for none.
datasource_list: [ConfigDrive, None]
"""
_DS_IDENTIFY = "/etc/cloud/ds-identify.cfg"
_NETWORK_OFF = re.compile(
    r"^network:[ \t]*(?:\{[ \t]*config:[ \t]*[\"']?disabled[\"']?[ \t]*\}"
    r"|(?:#.*)?(?:\n[ \t]*#.*|\n[ \t]*)*\n[ \t]+config:[ \t]*[\"']?disabled[\"']?)"
    r"[ \t]*(?:#.*)?$\n?", re.M
)  # fmt: skip


def plan_cloud_init(facts: ImageFacts) -> Iterator[Step]:
    """Yield the steps; none without cloud-init, which cannot be installed from here."""
    cloud = facts.cloud_init
    if cloud is None:
        return
    if cloud.disabled_by.endswith(".disabled"):
        why = "cloud-init would leave a machine without address and keys"
        yield RemovePath(
            f"{cloud.disabled_by} is removed", why, ("cloud-init-off",), cloud.disabled_by
        )
    policy = facts.texts.get(_DS_IDENTIFY, "")
    enabled = re.sub(r"^[ \t]*policy:[ \t]*disabled.*$\n?", "", policy, flags=re.M)
    if enabled != policy:
        why = "cloud-init would leave a machine without address and keys"
        what = f"{_DS_IDENTIFY}: cloud-init is not switched off any more"
        yield WriteFile(what, why, ("cloud-init-off",), _DS_IDENTIFY, enabled)
    # One source beside None is taken without a search; several are probed for.
    if cloud.datasources is None or set(cloud.datasources) - {"None", "NoCloud"} != {"ConfigDrive"}:
        yield WriteFile(
            "cloud-init reads the config drive, and nothing else",
            "the settings of a machine come on it; other sources are waited for",
            ("no-config-drive", "many-datasources"), DATASOURCES, _TEXT,
        )  # fmt: skip
    if cloud.not_enabled:
        yield RunCommand(
            "cloud-init is started with the system",
            "a machine would keep the image's settings: no address, no keys",
            ("cloud-init-not-enabled",), ("systemctl", "enable", *cloud.not_enabled),
        )  # fmt: skip
    if cloud.network_off:
        yield from _network_on(facts)


def _network_on(facts: ImageFacts) -> Iterator[Step]:
    why = "a machine would come up without its address"
    for path, text in facts.texts.items():
        edited = _NETWORK_OFF.sub("", text) if path.startswith("/etc/cloud/cloud") else text
        if edited == text:
            continue
        if path.startswith("/etc/cloud/cloud.cfg.d/") and not _says_anything(edited):
            what = f"{path} is removed: it keeps cloud-init from the network"
            yield RemovePath(what, why, ("cloud-init-network-off",), path)
        else:
            what = f"{path}: cloud-init sets up the network again"
            yield WriteFile(what, why, ("cloud-init-network-off",), path, edited)


def _says_anything(text: str) -> bool:
    return any(line.split("#")[0].strip() for line in text.splitlines())
