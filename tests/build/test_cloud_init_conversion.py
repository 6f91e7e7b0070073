"""cloud-init's settings after a conversion, read by YAML's own rules."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rackhand.build.conversion.system_conversion import convert_system
from rackhand.model.image_facts import CloudInitFacts

from .small_systems import System, make_tree
from .vm_systems import TriedTree

GOOD = "datasource_list: [ConfigDrive, None]\n"
NETWORK_OFF = {
    "flow": "network: {config: disabled}\n",
    "quoted": "network: { config: 'disabled' }  # by the installer\n",
    "block": "network:\n  config: disabled\n",
    "with comments": "network:  # none\n\n  # by the installer\n    config: \"disabled\"\n",
}  # fmt: skip


def converted(root: Path, files: dict[str, str | None]) -> tuple[TriedTree, CloudInitFacts]:
    system = System(files=files)
    tree = TriedTree(make_tree(root, system), system)
    convert_system(tree, tree.facts(), lambda _: None)
    cloud = tree.facts().cloud_init
    assert cloud is not None
    return tree, cloud


@pytest.mark.parametrize("how", NETWORK_OFF)
def test_the_network_is_cloud_inits_again(tmp_path: Path, how: str) -> None:
    text = f"users: [a]\n{NETWORK_OFF[how]}hostname: x\n"
    alone = "etc/cloud/cloud.cfg.d/99-off.cfg"
    tree, cloud = converted(
        tmp_path / "t", {"etc/cloud/cloud.cfg": GOOD + text, alone: f"# x\n{NETWORK_OFF[how]}"}
    )
    assert not cloud.network_off
    assert not (tree.root / alone).exists()
    left = yaml.safe_load((tree.root / "etc/cloud/cloud.cfg").read_text())
    assert left == {"datasource_list": ["ConfigDrive", "None"], "users": ["a"], "hostname": "x"}


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({}, ("ConfigDrive", "None")),
        ({"etc/cloud/cloud.cfg": "{}\n"}, ("ConfigDrive", "None")),
        ({"etc/cloud/cloud.cfg.d/99-z.cfg": "datasource_list: [Ec2]\n"}, ("ConfigDrive", "None")),
        # Found without a search; nothing to change.
        ({"etc/cloud/cloud.cfg": "datasource_list: [ConfigDrive]\n"}, ("ConfigDrive",)),
    ],
)
def test_the_config_drive_is_what_counts_last(
    tmp_path: Path, files: dict[str, str | None], wanted: tuple[str, ...]
) -> None:
    assert converted(tmp_path / "t", files)[1].datasources == wanted


def test_what_switches_it_off_goes(tmp_path: Path) -> None:
    tree, cloud = converted(
        tmp_path / "t",
        {
            "etc/cloud/cloud-init.disabled": "",
            "etc/cloud/ds-identify.cfg": "# x\npolicy: disabled\ndatasource: y\n",
        },
    )
    assert cloud.disabled_by == ""
    assert (tree.root / "etc/cloud/ds-identify.cfg").read_text() == "# x\ndatasource: y\n"
