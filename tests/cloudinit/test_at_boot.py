"""The program for boot and its packaging: one file, Python 3.6, safe to repeat."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from measure import GOLDEN, plug_in, tree

from rackhand.plugins.cloudinit.at_boot import nic_names
from rackhand.plugins.cloudinit.system_files import apply_files
from rackhand.render.wicked import HEADER, wicked_files

CASE = GOLDEN / "lacp-bond-with-vlan"
DATA = json.loads((CASE / "network_data.json").read_text())


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """Two NICs in sysfs, the second a bond's member already, and the bond."""
    net = tmp_path / "sys"
    for name, address in (("ens1", "52:54:00:00:00:01"), ("ens2", "52:54:00:00:00:01")):
        (net / name / "device").mkdir(parents=True)
        (net / name / "address").write_text(address + "\n")
    (net / "ens2/bonding_slave").mkdir()
    (net / "ens2/bonding_slave/perm_hwaddr").write_text("52:54:00:00:00:02\n")
    (net / "bond0").mkdir()
    (net / "bond0/address").write_text("52:54:00:00:00:01\n")
    return net


def run(tmp_path: Path, sysfs: Path, data: object) -> subprocess.CompletedProcess[str]:
    plug_in(tmp_path / "image")
    source = tmp_path / "network_data.json"
    source.write_text(json.dumps(data))
    program = tmp_path / "image/usr/sbin/rackhand-wicked"
    return subprocess.run(
        [sys.executable, "-I", "-S", program, "--root", tmp_path / "root", "--sys", sysfs,
         "--network-data", source],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_nics_are_known_by_their_own_address(sysfs: Path) -> None:
    assert nic_names(sysfs) == {"52:54:00:00:00:01": "ens1", "52:54:00:00:00:02": "ens2"}


def test_the_one_file_writes_what_the_renderer_says(tmp_path: Path, sysfs: Path) -> None:
    first = run(tmp_path, sysfs, DATA)
    assert first.returncode == 0, first.stderr
    assert tree(tmp_path / "root") == wicked_files(DATA, nic_names(sysfs))
    again = run(tmp_path, sysfs, DATA)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({**DATA, "links": DATA["links"][:1]}, "is no link's id"),
        ([], "is not a JSON object"),
    ],
)
def test_refused_data_leave_the_system_as_it_is(
    tmp_path: Path, sysfs: Path, data: object, said: str
) -> None:
    done = run(tmp_path, sysfs, data)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "root").exists()


def test_only_our_own_old_files_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "etc/sysconfig/network"
    folder.mkdir(parents=True)
    (folder / "ifcfg-eth7").write_text(HEADER + "STARTMODE='auto'\n")
    (folder / "ifcfg-lo").write_text("STARTMODE=nfsroot\n")
    (folder / "config").write_text('NETCONFIG_DNS_POLICY="auto"\n')
    names = json.loads((CASE / "names.json").read_text())
    changed = apply_files(tmp_path, lambda text: wicked_files(DATA, names, text))
    assert "etc/sysconfig/network/ifcfg-eth7" in changed
    assert not (folder / "ifcfg-eth7").exists()
    assert (folder / "ifcfg-lo").read_text() == "STARTMODE=nfsroot\n"
    assert (folder / "config").read_text().startswith('NETCONFIG_DNS_POLICY="auto"\n')


def test_what_goes_into_images_is_python_3_6(tmp_path: Path) -> None:
    site = plug_in(tmp_path / "image")
    files = [*site.glob("*.py"), tmp_path / "image/usr/sbin/rackhand-wicked"]
    assert len(files) == 4
    for path in files:
        module = ast.parse(path.read_text(), feature_version=(3, 6))
        imported = {
            (n.module if isinstance(n, ast.ImportFrom) else a.name)
            for n in ast.walk(module)
            if isinstance(n, ast.Import | ast.ImportFrom)
            for a in n.names
        }
        newer = {"__future__", "dataclasses", "importlib.resources", "zoneinfo", "graphlib"}
        assert not imported & newer, path
