"""A virtual machine's system is made to start on any machine, and a second time nothing changes.

The trees of RHEL and SLES are small ones after their documented layout, and the programs in
all of them stand-ins; the real ones of RHEL and SLES were never tried.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rackhand.build.conversion.system_conversion import convert_system, planned_changes
from rackhand.build.progress import BuildFailed
from rackhand.build.reading.image_tree import WritableFolder
from rackhand.model.image_change import RunCommand
from rackhand.rules.image_check import check_image
from rackhand.rules.image_conversion import plan_conversion
from tests.golden import check_golden

from .small_systems import System, make_tree
from .vm_systems import SYSTEMS, TriedTree, tried

LEFT = {"no-lvm"}
CONVERTED = Path(__file__).parent / "converted"


@pytest.mark.parametrize("name", SYSTEMS)
def test_all_that_can_be_cured_is_cured_once(tmp_path: Path, name: str) -> None:
    tree = tried(tmp_path / "t", name)
    facts = tree.facts()
    found = check_image(facts)
    assert len(found) > 12
    said: list[str] = []
    changes = convert_system(tree, facts, said.append)
    assert said == [change.what for change in changes]
    assert all(change.why for change in changes)
    assert changes == planned_changes(facts)
    left = check_image(tree.facts())
    assert {finding.code for finding in left} == LEFT, left
    cured = {finding.code for finding in found} - LEFT
    assert {code for change in changes for code in change.cures} >= cured
    for finding in found:
        assert finding.fix.startswith("rackhand image convert") is (finding.code in cured)
    before = _files(tree.root)
    ran = list(tree.commands)
    assert convert_system(tree, tree.facts(), said.append) == ()
    assert tree.commands == ran
    assert _files(tree.root) == before


def _files(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_files_and_commands_are_exactly_these(tmp_path: Path, name: str) -> None:
    """``converted/NAME.txt``: each change, each command, and each file as it is afterwards."""
    tree = tried(tmp_path / "t", name)
    before = _files(tree.root)
    changes = convert_system(tree, tree.facts(), lambda _: None)
    after = _files(tree.root)
    told = [f"changed: {c.what}\n    why: {c.why}\n    cures: {' '.join(c.cures)}" for c in changes]
    told += [f"run: {' '.join(command)}" for command in tree.commands]
    told += [f"gone: {path}" for path in sorted(before.keys() - after.keys())]
    for path in sorted(p for p in after if after[p] != before.get(p) and "boot/init" not in p):
        told.append(f"file: {path}\n" + after[path].decode().rstrip("\n"))
    check_golden(CONVERTED / f"{name}.txt", "\n".join(told) + "\n")


@pytest.mark.parametrize("family", ["debian", "rhel", "sles"])
def test_nothing_is_done_to_a_system_that_is_right(tmp_path: Path, family: str) -> None:
    system = System(family)
    tree = TriedTree(make_tree(tmp_path / "t", system), system)
    assert convert_system(tree, tree.facts(), lambda _: None) == ()


@pytest.mark.parametrize("family", ["debian", "rhel", "sles"])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.2026-01.com.example:vm\n"),
        ("etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:x\n"),
        ("etc/multipath/bindings", "mpatha 3600a098038303001\n"),
        ("etc/lvm/devices/system.devices", "IDTYPE=devname IDNAME=/dev/vda2 PVID=x\n"),
    ],
)
def test_what_an_initramfs_took_in_of_another_machine_goes_there_too(
    tmp_path: Path, family: str, path: str, text: str
) -> None:
    system = System(family, files={path: text})
    facts = TriedTree(make_tree(tmp_path / "t", system), system).facts()
    change, made = plan_conversion(facts)
    told = "GenerateName=yes\n" if "iscsi" in path and family == "debian" else None
    assert getattr(change, "text", None) == told
    assert isinstance(made, RunCommand)
    assert made.command[0] == "dracut"
    after = System(family, files={path: told})
    assert plan_conversion(TriedTree(make_tree(tmp_path / "a", after), after).facts()) == ()


def test_a_list_of_disks_in_the_initramfs_alone_is_cured(tmp_path: Path) -> None:
    baked = {"etc/lvm/devices/system.devices": b"IDTYPE=devname IDNAME=/dev/vda2 PVID=x\n"}
    system = System("rhel", initramfs_files=baked)
    facts = TriedTree(make_tree(tmp_path / "t", system), system).facts()
    (step,) = [step for step in plan_conversion(facts) if "lvm-devices-in-initramfs" in step.cures]
    assert isinstance(step, RunCommand)
    assert step.command[0] == "dracut"


def test_a_disk_that_is_not_in_the_image_keeps_its_name(tmp_path: Path) -> None:
    system = System(files={"etc/fstab": "/dev/vdb1 /data ext4 defaults 0 2\n"})
    tree = TriedTree(make_tree(tmp_path / "t", system), system)
    assert convert_system(tree, tree.facts(), lambda _: None) == ()
    found = [f for f in check_image(tree.facts()) if f.code == "virtio-disk-name"]
    assert [f.fix.startswith("rackhand image convert") for f in found] == [False]


def test_each_kernel_gets_its_initramfs_and_settings_come_first(tmp_path: Path) -> None:
    old = "6.1.0-8-amd64"
    more = {
        f"boot/vmlinuz-{old}": "kernel",
        f"usr/lib/modules/{old}/modules.dep": "kernel/drivers/ata/ahci.ko: \n",
    }
    system = System(initramfs_modules=("virtio_blk",), files=more)
    tree = TriedTree(make_tree(tmp_path / "t", system), system)
    changes = [change.what for change in convert_system(tree, tree.facts(), lambda _: None)]
    made = [
        ("dracut", "--force", "--no-hostonly", "--compress", "gzip -n -3",
         f"/boot/initrd.img-{version}", version)
        for version in (old, "6.1.0-9-amd64")
    ]  # fmt: skip
    # A menu without an entry's initramfs would stay without it.
    assert tree.commands == [*made, ("update-grub",)]
    assert changes[0].startswith("dracut is told")


def test_a_command_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    tree = WritableFolder(tmp_path)
    with pytest.raises(BuildFailed, match=r"in the image: /no/such --program .*No such file"):
        tree.run("/no/such", "--program")


def test_writing_and_removing_stay_within_the_tree(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("outside")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/link").symlink_to("../../outside")
    (root / "etc/up").symlink_to("../..")
    (root / "etc/kept").write_text("old")
    (root / "etc/kept").chmod(0o600)
    tree = WritableFolder(root)
    tree.write("/etc/link", b"new")
    tree.write("/etc/up/etc/kept", b"new")
    tree.write("/a/b/c", b"deep", 0o640)
    tree.remove("/etc/up/outside")
    tree.remove("/etc/up")
    tree.remove("/nowhere/at/all")
    assert (tmp_path / "outside").read_text() == "outside"
    assert (root / "etc/kept").read_text() == "new"
    assert (root / "etc/kept").stat().st_mode & 0o777 == 0o600
    assert (root / "a/b/c").stat().st_mode & 0o777 == 0o640
    assert not (root / "etc/up").is_symlink()
    tree.remove("/a")
    assert not (root / "a").exists()


def test_the_hook_takes_plymouth_out_of_what_is_made(tmp_path: Path) -> None:
    tree = tried(tmp_path / "t", "debian")
    convert_system(tree, tree.facts(), lambda _: None)
    hook = tree.root / "etc/initramfs-tools/hooks/no-plymouth"
    made = tmp_path / "made"
    for path in ("usr/sbin/plymouthd", "scripts/panic/plymouth", "scripts/panic/keymap"):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).touch()
    environment = {"DESTDIR": str(made), "PATH": "/usr/bin:/bin"}
    subprocess.run([hook, "prereqs"], env=environment, check=True)
    assert (made / "usr/sbin/plymouthd").exists()
    subprocess.run([hook], env=environment, check=True)
    assert [p.name for p in made.rglob("*") if p.is_file()] == ["keymap"]


def test_how_a_system_compresses_its_initramfs_stays(tmp_path: Path) -> None:
    more = {"etc/dracut.conf.d/10-fast.conf": 'compress="zstd -1 -q -T0"\n'}
    system = System(initramfs_modules=("virtio_blk",), files=more)
    facts = TriedTree(make_tree(tmp_path / "t", system), system).facts()
    steps = [step for step in plan_conversion(facts) if isinstance(step, RunCommand)]
    assert steps[0].command[:3] == ("dracut", "--force", "--no-hostonly")
    assert "--compress" not in steps[0].command
