"""Parts of the deploy ramdisk that need no boot: archive, modules, loading the agent."""

import importlib.util
import logging
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rackhand.build.making import plugin_archive, ramdisk
from rackhand.build.making.debian_tree import read_list
from rackhand.build.making.kernel_modules import drop_other_modules, wanted_modules
from rackhand.build.writing.cpio_archive import newc

INSIDE = ramdisk.RECIPE / "files/usr/lib/rackhand"
DEP = """\
kernel/net/virtio_net.ko: kernel/net/failover.ko kernel/net/core.ko
kernel/net/failover.ko:
kernel/net/core.ko:
kernel/scsi/lpfc.ko: kernel/scsi/fc.ko
kernel/scsi/fc.ko:
kernel/scsi/hpsa.ko:
"""


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(INSIDE))
    spec = importlib.util.spec_from_file_location("start_agent", INSIDE / "start_agent.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unpack(archive: bytes, folder: Path) -> None:
    subprocess.run(
        ["cpio", "-idm", "--quiet"], input=archive, cwd=folder, check=True, capture_output=True
    )


def test_cpio_reads_what_we_write(tmp_path: Path) -> None:
    archive = newc({"a/b/c.py": b"print()\n", "a/empty": b"", "odd": b"12345"})
    assert len(archive) % 4 == 0
    unpack(archive, tmp_path)
    assert (tmp_path / "a/b/c.py").read_bytes() == b"print()\n"
    assert (tmp_path / "odd").read_bytes() == b"12345"
    assert (tmp_path / "a/empty").stat().st_size == 0


def test_entry_point_only_with_the_module_it_names(tmp_path: Path) -> None:
    package, root = tmp_path / "rackhand", tmp_path / "root"
    (package / "plugins/agent").mkdir(parents=True)
    for name in ("__init__.py", "plugins/__init__.py", "plugins/agent/__init__.py"):
        (package / name).write_text("")
    without = plugin_archive.plugin_archive(package)
    assert b"hardware_managers" not in without
    (package / "plugins/agent/hardware.py").write_text("class RackhandHardwareManager: ...\n")
    root.mkdir()
    unpack(plugin_archive.plugin_archive(package), root)
    (info,) = root.rglob("entry_points.txt")
    assert "RackhandHardwareManager" in info.read_text()
    place = info.parents[1]
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, sys.argv[1]);"
         "import rackhand.plugins.agent.hardware as h; print(h.__cached__)", str(place)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(loaded.stdout.strip()).exists(), "its compiled form is carried too"


def test_modules_bring_what_they_need() -> None:
    assert wanted_modules(DEP, ["net/virtio_net"]) == {
        "kernel/net/virtio_net.ko", "kernel/net/failover.ko", "kernel/net/core.ko"
    }  # fmt: skip
    assert wanted_modules(DEP, ["scsi/*", "!scsi/lpfc", "!scsi/fc"]) == {"kernel/scsi/hpsa.ko"}
    with pytest.raises(ValueError, match="scsi/megaraid"):
        wanted_modules(DEP, ["scsi/megaraid"])


def test_other_modules_are_dropped(tmp_path: Path) -> None:
    for line in DEP.splitlines():
        path = tmp_path / line.split(":")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "modules.dep").write_text(DEP)
    assert drop_other_modules(tmp_path, ["scsi/hpsa"]) == 1
    assert [path.name for path in tmp_path.rglob("*.ko")] == ["hpsa.ko"]


def test_no_driver_reaches_a_disk_of_others() -> None:
    """Fibre channel, iSCSI and USB disks must not exist in the ramdisk at all."""
    kept = " ".join(read_list(ramdisk.RECIPE / "modules.txt"))
    for driver in ("lpfc", "qla", "bfa", "fcoe", "fnic", "iscsi", "usb/storage", "drivers/scsi/*"):
        assert driver not in kept.split()
        assert f"/{driver}" not in kept


def test_the_agents_scan_for_arrays_assembles_none() -> None:
    """mdadm.conf(5): what AUTO refuses, `mdadm --assemble --scan` leaves alone."""
    words = read_list(ramdisk.RECIPE / "files/etc/mdadm/mdadm.conf")
    assert words == ["AUTO -all"]


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ("quiet ipa-api-url=http://10.9.0.1:6385 x", ("10.9.0.1", 6385)),
        ("ipa-api-url=https://ironic.example,http://b", ("ironic.example", 443)),
        ("ipa-api-url=http://[fd00::1]", ("fd00::1", 80)),
        ("ipa-api-url=mdns", None),
        ("ipa-inspection-callback-url=http://10.9.0.1/v1/x quiet", ("10.9.0.1", 80)),
        ("no-ipa-api-url=http://x", None),
    ],
)
def test_api_address_from_kernel_arguments(
    inside: ModuleType, arguments: str, address: tuple[str, int] | None
) -> None:
    assert inside.api_address(arguments) == address


def test_tokens_never_reach_a_log(inside: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    make = logging.getLogRecordFactory()
    try:
        inside.hide_tokens()
        logging.getLogger("t").warning("POST /v1/commands?agent_token=%s&wait=1", "s3cret")
        logging.getLogger("t").warning("{'agent_token': 's3cret', 'a': 1} %s", "agent_token=s3cret")
    finally:
        logging.setLogRecordFactory(make)
    assert "s3cret" not in caplog.text
    assert "wait=1" in caplog.text


def test_recorded_patterns_match_as_compiled_ones_do() -> None:
    """The shortcut through ``re`` gives the very pattern that compiling would give."""
    program = """
import re, sys, types
sys.path.insert(0, sys.argv[1])
import load_agent
load_agent.load = lambda: [re.compile(p, f) for p, f in PATTERNS]
PATTERNS = [(r"(?P<a>x+)|(y)\\b", re.I), (b"z(?:q){2,3}$", re.M), ("plain", 0)]
known = load_agent.record()
assert len(known) == 3, known
import marshal; known = marshal.loads(marshal.dumps(known))
re.purge(); load_agent._use(known)
def never(*a): raise AssertionError("compiled again")
taken = [re.compile(p, f) for p, f in PATTERNS]
print(taken[0].fullmatch("XXX")["a"], taken[0].groupindex, taken[1].search(b"zqq").span())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(INSIDE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "XXX {'a': 1} (0, 3)"


def test_masked_and_removed_lists_are_well_formed() -> None:
    for name in ("remove.txt", "packages.txt", "modules.txt"):
        entries = read_list(ramdisk.RECIPE / name)
        assert len(entries) == len(set(entries)), name
        assert all(re.fullmatch(r"!?[^\s/][^\s]*", entry) for entry in entries), name
