"""`rackhand network render` on network data, with and without a real cloud-init."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from measure import GOLDEN, tree
from real_cloudinit import RELEASES, fetch

from rackhand.render.wicked import wicked_files

CASE = GOLDEN / "lacp-bond-with-vlan"
NICS = ["--nic", "52:54:00:00:00:01=eth0", "--nic", "52:54:00:00:00:02=eth1"]
COMMAND = Path(sys.executable).with_name("rackhand")


def run(to: Path, system: str, *more: str, path: str = "/nowhere", file: Path | None = None):
    source = file or CASE / "network_data.json"
    return subprocess.run(
        [COMMAND, "network", "render", "--os", system, source, "--to", to, *more],
        env={"PATH": path, "LANG": "C"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_sles_gets_wickeds_files(tmp_path: Path) -> None:
    done = run(tmp_path, "sles-15", *NICS)
    assert (done.returncode, done.stderr) == (0, "")
    written = tree(tmp_path)
    data = json.loads(written.pop("openstack/latest/network_data.json"))
    assert data == json.loads((CASE / "network_data.json").read_text())
    assert written == wicked_files(data, json.loads((CASE / "names.json").read_text()))
    assert str(tmp_path / "etc/sysconfig/network/ifcfg-bond0.200") in done.stdout.splitlines()


def test_names_are_told_to_be_stand_ins(tmp_path: Path) -> None:
    done = run(tmp_path, "sles-15")
    assert "the kernel decides" in done.stderr
    assert (tmp_path / "etc/sysconfig/network/ifcfg-nic1").exists()


def test_what_cannot_be_rendered_is_refused_with_link_and_value(tmp_path: Path) -> None:
    data = json.loads((CASE / "network_data.json").read_text())
    data["links"][2]["bond_mode"] = "lacp"
    (tmp_path / "bad.json").write_text(json.dumps(data))
    done = run(tmp_path / "out", "sles-15", file=tmp_path / "bad.json")
    assert done.returncode == 3
    assert "link bond-525400000001: bond_mode: 'lacp' is no bonding mode" in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_cloud_init_the_config_drives_data_and_a_hint(tmp_path: Path) -> None:
    done = run(tmp_path, "rhel-9", *NICS)
    assert done.returncode == 0
    assert list(tree(tmp_path)) == ["openstack/latest/network_data.json"]
    assert "made by cloud-init, which is not installed here" in done.stderr
    assert "cloud-init devel net-convert" in done.stderr


@pytest.mark.parametrize(
    ("system", "file", "said"),
    [
        ("rhel-9", "etc/sysconfig/network-scripts/ifcfg-bond0", "BONDING_OPTS"),
        ("debian-12", "etc/netplan/50-cloud-init.yaml", "mii-monitor-interval: 100"),
        ("ubuntu-24.04", "etc/netplan/50-cloud-init.yaml", "mii-monitor-interval: 100"),
    ],
)
@pytest.mark.parametrize("release", RELEASES)
def test_with_cloud_init_its_own_files(
    tmp_path: Path, release: str, system: str, file: str, said: str
) -> None:
    program = tmp_path / "bin/cloud-init"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH={fetch(release).path} "
        'exec /usr/bin/python3 -B -m cloudinit.cmd.main "$@"\n'
    )
    program.chmod(0o755)
    done = run(tmp_path / "out", system, *NICS, path=str(program.parent))
    assert done.returncode == 0, done.stderr
    assert said in (tmp_path / "out" / file).read_text()
    assert str(tmp_path / "out" / file) in done.stdout.splitlines()
