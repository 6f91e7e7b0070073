"""Every bad image file is refused, by name, in bounded memory; good ones are read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from rackhand.build.reading.image_file import Flaw, ImageRefused
from rackhand.build.reading.inspection import check

from .bad_images import FATAL, FILES, converted, good_disk
from .small_systems import make_disk, make_tree

MEMORY_LIMIT_MIB = 96
_JUDGE = """
import json, re, resource, sys
from pathlib import Path
from rackhand.build.reading.inspection import inspect
from rackhand.build.reading.image_file import ImageRefused
told = {}
for path in map(Path, sys.argv[2:]):
    try:
        inspect(path, Path(sys.argv[1]))
        told[str(path)] = "accepted"
    except ImageRefused as refused:
        told[str(path)] = refused.flaw.value
own = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
below = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([told, max(int(own[1]), below)]))
"""


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_disk(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory, good: Path) -> dict[str, Path]:
    made = {}
    for name, (_, make) in FILES.items():
        folder = tmp_path_factory.mktemp(name)
        made[name] = make(folder, good)
    return made


def test_there_are_enough_of_enough_kinds() -> None:
    kinds = Counter(flaw for flaw, _ in FILES.values())
    assert len(FILES) >= 40
    assert len(kinds) + len(FATAL) >= 12
    assert set(kinds) == set(Flaw)


@pytest.mark.parametrize("name", FILES)
def test_it_is_refused_by_name(bad: dict[str, Path], name: str, tmp_path: Path) -> None:
    before = sorted(path.name for path in bad[name].parent.iterdir())
    with pytest.raises(ImageRefused) as refused:
        check(bad[name], tmp_path)
    assert refused.value.flaw is FILES[name][0], refused.value.sentence
    assert str(bad[name]) in refused.value.sentence
    assert refused.value.hint
    assert list(tmp_path.iterdir()) == [], "what was unpacked is gone"
    assert sorted(path.name for path in bad[name].parent.iterdir()) == before


def test_memory_stays_bounded_over_all_of_them(bad: dict[str, Path], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _JUDGE, tmp_path, *bad.values()], capture_output=True, check=True
    )
    told, peak_kib = json.loads(done.stdout)
    assert told == {str(path): FILES[name][0].value for name, path in bad.items()}
    # Its own peak (its exec forgets the test's) and that of every program it ran.
    assert peak_kib < MEMORY_LIMIT_MIB * 1024


@pytest.mark.parametrize("kind", ["raw", "qcow2", "vmdk", "vdi", "vhdx"])
def test_a_good_disk_is_read_in_every_format(good: Path, kind: str, tmp_path: Path) -> None:
    image = converted(kind)(tmp_path, good)
    before = image.read_bytes()
    inspection, findings = check(image, tmp_path)
    assert inspection.facts.os_id == "debian"
    assert {finding.code for finding in findings} == {"no-lvm", "no-uefi-loader"}
    assert image.read_bytes() == before


@pytest.mark.parametrize("name", FATAL)
def test_a_system_that_no_machine_can_use(name: str, tmp_path: Path) -> None:
    system, bios = FATAL[name]
    raw = make_disk(tmp_path / "disk.raw", make_tree(tmp_path / "tree", system), bios=bios)
    _, findings = check(raw)
    assert [f.code for f in findings if f.weight == "fatal"] == [name]
