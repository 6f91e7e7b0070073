"""s1 between its LUNs and d1 with two equal disks: what was written, and what never.

s1 is deployed and cleaned again and again while the LUNs hold known content. d1 is refused
for want of a hint, then for a stale volume group on its second disk; cleaning is the way
out, and an image made from a VM image is deployed over an old system. Both overlap.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import disk_fill
import yaml
from disk_fill import MIB, Untouched
from iscsi_ramdisk import with_iscsi
from rackhand_site import ARTEFACTS, BOOT_S, Answer, Site, eventually
from raw_disk import allocated_bytes, signs_of_a_system

from rackhand.build.pack import unpack

ROUNDS = int(os.environ.get("RACKHAND_LAB_ROUNDS", "1"))
"""How often s1 is deployed and cleaned."""
LOCAL, LUNS = 0, (1, 2, 3)
"""Disks of s1 in the rack file: its own one, and what a storage array shows it."""
STALE, HELD = "rootvg", "oradata"
"""Volume groups: one named as the image's, one that is somebody's."""
ARRAY = UUID("7d0f3bb2-53b7-4c0c-9f0e-6b1f70a3c9d1")
FIRST, SECOND = 0, 1
"""Disks of d1."""
TWIN, AGAIN = "twin-01", "twin-02"
VM_IMAGE = "from-vm"
_BLOCK = 4096
_OLD = os.urandom(_BLOCK)
"""A block of the older system, told from any other."""
INSIDE = (
    "hostname; findmnt -no SOURCE /; dmsetup ls; echo /sys/block/md*;"
    " lsblk -J -b -o NAME,SERIAL,SIZE,TYPE,FSTYPE"
)
"""Asked of the installed system."""


def ramdisk(site: Site) -> Path:
    """The ramdisk that logs in to the rack's storage host."""
    (host,) = yaml.safe_load(site.rack_file.read_text())["storage"]
    return with_iscsi(site.folder / "ramdisk", host["target"], host["address"].partition("/")[0])


def declare(site: Site) -> None:
    """Zone, network, flavors and the standard image."""
    site.done("zone", "add", "lab")
    where = ["--vlan", "100", "--subnet", "10.100.0.0/24", "--gateway", "10.100.0.2"]
    span = ["--range", "10.100.0.20-10.100.0.99"]
    site.done("network", "add", "front", "--zone", "lab", *where, *span)
    for flavor, memory in (("san", "3072MiB"), ("twin", "3328MiB")):
        site.done("flavor", "add", flavor, "--vcpus", "2", "--memory", memory)
    site.done("image", "add", "debian-12", "--from", str(ARTEFACTS / "debian-12"))


@dataclass(frozen=True)
class Round:
    """One deployment of s1 and its cleaning."""

    lease: Any
    inside: str
    """What the installed system says of its disks."""
    written_bytes: int
    """What the local disk had allocated when the machine was reachable."""
    logs: Mapping[str, bytes]
    """The deployment's and the cleaning's, by the name within."""
    released: Any
    left: list[str]
    """Signs of a system on the local disk after the cleaning."""
    luns: Mapping[str, Untouched]
    """After the cleaning."""


@dataclass(frozen=True)
class San:
    """What came of s1."""

    seen: Any
    """`machine show`, once it was available."""
    table: str
    """The same for people."""
    clash: Answer
    """The plan while a LUN held a stale volume group."""
    plan: Answer
    """The plan once that was gone."""
    before: Mapping[str, Untouched]
    rounds: tuple[Round, ...]
    console: str


@dataclass(frozen=True)
class Twin:
    """What came of d1."""

    unhinted: Answer
    hinted: Mapping[str, Answer]
    """Plans with one hint each, by its name; each hint means the second disk."""
    planted: tuple[Untouched, Untouched]
    clash: Any
    """The lease that met a stale volume group on the second disk, with its fault."""
    after_clash: tuple[Untouched, Untouched]
    cleared: Any
    """The same lease, given back."""
    left: list[str]
    table_before: str
    second_before: Untouched
    deployed: Any
    inside: str
    second_after: Untouched
    logs: Mapping[str, bytes]
    incomplete: Any
    """The lease again, given back after its machine had lost the second disk."""
    old_blocks: int
    """Blocks of the older system in what the image holds as zeros, before the deployment."""
    old_blocks_left: int
    zero_blocks: int


@dataclass(frozen=True)
class Told:
    """Both."""

    san: San
    twin: Twin


def tell(site: Site) -> Told:
    """Import both machines, then let both stories run side by side."""
    _fill_luns(site)
    found = yaml.safe_load(site.lab("inventory"))
    found["zone"] = "lab"
    site.done("machine", "import", "-f", str(site.write_yaml("machines.yaml", found)))
    both = ThreadPoolExecutor(2)
    try:
        san, twin = both.submit(_san, site), both.submit(_twin, site)
        return Told(san.result(), twin.result())
    finally:
        both.shutdown(wait=False)  # interrupted: each ends with its lab


def luns(site: Site) -> dict[str, Path]:
    """The files behind all shared storage by serial."""
    disks = site.rack()["s1"]["disks"]
    files = {disks[number]["serial"]: site.disk_file("s1", number) for number in LUNS}
    (host,) = yaml.safe_load(site.rack_file.read_text())["storage"]
    for number, lun in enumerate(host["luns"]):
        files[lun["serial"]] = site.disk_file(host["name"], number)
    return files


def _fill_luns(site: Site) -> None:
    """Somebody's data with holes, a mirror over two LUNs, a volume group named as ours."""
    larger, smaller, equal, _ = files = list(luns(site).values())
    for file in files:
        disk_fill.scatter(file, every=128 * MIB, length=MIB)
    disk_fill.mirror([larger, smaller], ARRAY)
    disk_fill.volume_group(equal, STALE, equal.stat().st_size)


def states(site: Site) -> dict[str, Untouched]:
    """What every LUN is now."""
    hosts = {"s1": LUNS, "san1": (0,)}
    places = [(host, number) for host, numbers in hosts.items() for number in numbers]
    return {
        serial: _state(site, host, number)
        for (serial, _), (host, number) in zip(luns(site).items(), places, strict=True)
    }


def _state(site: Site, host: str, number: int) -> Untouched:
    content = site.lab("disk", "hash", host, str(number)).strip()
    return disk_fill.state_of(site.disk_file(host, number), content)


def _available(site: Site, name: str, inspected_after: str = "") -> Any:
    return eventually(
        lambda: site.machine_if(
            name,
            lambda seen: (
                seen["fault"]
                or (
                    seen["state"] == "available"
                    and not seen["busy"]
                    and seen["inspected_at"] > inspected_after
                )
            ),
        ),
        BOOT_S,
        f"{name} is available or has a fault",
    )


def _ask(flavor: str, image: str, hostname: str) -> list[str]:
    what = ["--flavor", flavor, "--image", image, "--hostname", hostname]
    return [*what, "--network", "front"]


def _request(site: Site, words: list[str], disk: Mapping[str, Any]) -> Any:
    hostname = words[words.index("--hostname") + 1]
    hint = site.write_yaml(f"{hostname}.yaml", {"disk": dict(disk)})
    key = ["--ssh-key", f"{site.key}.pub"]
    site.done("lease", "request", *words, *key, "-f", str(hint))
    return site.settled_lease(hostname)


def _logs(site: Site, lease: str) -> dict[str, bytes]:
    """Each file in the lease's kept logs, by log and name."""
    found = {}
    for log in site.done("lease", "logs", lease, "-o", "json").json:
        kept = next(iter((site.state / "ironic/deploy-logs").glob(log["name"])))
        kind = "cleaning" if "cleaning" in log["name"] else "deploy"
        with tarfile.open(fileobj=io.BytesIO(kept.read_bytes()), mode="r:gz") as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None:
                    found[f"{kind}/{member.name}"] = file.read()
    return found


def _address(lease: Any) -> str:
    return str(lease["placement"]["assignments"][0]["address"])


def _san(site: Site) -> San:
    seen = _available(site, "s1")
    table = site.done("machine", "show", "s1").out
    ask = _ask("san", "debian-12", "san-00")
    clash = site.rackhand("lease", "plan", *ask, "-o", "json")
    equal = site.disk_file("s1", LUNS[-1])
    disk_fill.volume_group(equal, HELD, equal.stat().st_size)
    before = states(site)
    site.done("machine", "inspect", "s1")
    _available(site, "s1", seen["inspected_at"])
    plan = site.rackhand("lease", "plan", *ask, "-o", "json")
    return San(seen, table, clash, plan, before, _rounds(site), site.lab_log("s1", "console"))


def _rounds(site: Site) -> tuple[Round, ...]:
    return tuple(_round(site, number) for number in range(1, ROUNDS + 1))


def _round(site: Site, number: int) -> Round:
    hostname = f"san-{number:02}"
    hint = {"smallest": True} if number % 2 else {}
    lease = _request(site, _ask("san", "debian-12", hostname), hint)
    local = site.disk_file("s1", LOCAL)
    inside = "" if lease["fault"] else site.ssh(_address(lease), INSIDE)
    written = allocated_bytes(local)
    site.done("lease", "release", hostname)
    released = site.settled_lease(lease["id"])
    left = signs_of_a_system(local)
    return Round(lease, inside, written, _logs(site, lease["id"]), released, left, states(site))


def _twin(site: Site) -> Twin:
    image = _vm_image(site)
    _available(site, "d1")
    serials = [disk["serial"] for disk in site.rack()["d1"]["disks"]]
    files = [site.disk_file("d1", number) for number in (FIRST, SECOND)]
    unhinted = site.rackhand("lease", "plan", *_ask("twin", image, TWIN), "-o", "json")
    hinted = _hinted(site, image)
    disk_fill.old_system(files[FIRST])
    disk_fill.volume_group(files[SECOND], STALE, files[SECOND].stat().st_size)
    planted = _both(site)
    clash = _request(site, _ask("twin", image, TWIN), {"serial": serials[FIRST]})
    after_clash = _both(site)
    site.done("lease", "release", TWIN)
    cleared = site.settled_lease(clash["id"])
    left = signs_of_a_system(files[SECOND], 0)
    zeros = _zeros(site, image)
    old_blocks = _spread_old(files[FIRST], zeros)
    table_before = disk_fill.old_system(files[FIRST])
    disk_fill.scatter(files[SECOND], every=128 * MIB, length=MIB)
    second_before = _state(site, "d1", SECOND)
    deployed = _request(site, _ask("twin", image, AGAIN), {"serial": serials[FIRST]})
    inside = "" if deployed["fault"] else site.ssh(_address(deployed), INSIDE)
    logs, counted = _logs(site, AGAIN), _count(files[FIRST], zeros)
    second_after = _state(site, "d1", SECOND)
    _take_out(site, "d1", SECOND)
    site.done("lease", "release", AGAIN)
    incomplete = site.settled_lease(deployed["id"])
    return Twin(
        unhinted, hinted, planted, clash, after_clash, cleared, left, table_before, second_before,
        deployed, inside, second_after, logs, incomplete, old_blocks, *counted,
    )  # fmt: skip


def _take_out(site: Site, machine: str, number: int) -> None:
    """Have the machine lack a disk from its next start on: the lab reads then how to start it."""
    file = Path("/run/rackhand-lab") / site.lab_name / "machines" / machine / "start.json"
    start = json.loads(file.read_text())
    for boot, words in start["commands"].items():
        gone = {
            n for n, word in enumerate(words) if re.search(rf"\b(id|drive)=disk{number}\b", word)
        }
        assert len(gone) == 2, words
        start["commands"][boot] = [w for n, w in enumerate(words) if not {n, n + 1} & gone]
    file.write_text(json.dumps(start))


def _hinted(site: Site, image: str) -> dict[str, Answer]:
    first, second = site.rack()["d1"]["disks"]
    hints: dict[str, Any] = {
        "serial": second["serial"],
        "wwn": second["wwn"],
        "exclude": [first["serial"]],
        "smallest": True,
    }
    ask = _ask("twin", image, TWIN)
    return {
        name: site.rackhand("lease", "plan", *ask, "-f", str(file), "-o", "json")
        for name, value in hints.items()
        if (file := site.write_yaml(f"{name}.yaml", {"disk": {name: value}}))
    }


def _both(site: Site) -> tuple[Untouched, Untouched]:
    return _state(site, "d1", FIRST), _state(site, "d1", SECOND)


def _vm_image(site: Site) -> str:
    """Add the standard image as the house would add one: from the file of a VM."""
    raw, vm = site.folder / "images/vm.raw", site.folder / "images/vm.qcow2"
    raw.parent.mkdir(exist_ok=True)
    unpack(ARTEFACTS / "debian-12", raw)
    convert = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, vm]
    subprocess.run(convert, check=True, capture_output=True)
    raw.unlink()
    site.done("image", "add", VM_IMAGE, "--from", str(vm), "--scratch", str(raw.parent))
    vm.unlink()
    return VM_IMAGE


def _zeros(site: Site, image: str) -> list[tuple[int, int]]:
    """Pieces of what the image holds as zeros: whole blocks, offset and length in bytes."""
    digest = site.show("image", image)["manifest_sha256"]
    manifest = json.loads((site.state / "http/images" / digest).read_bytes())
    pieces = []
    for offset, length in manifest["zeros"]:
        for start in range(-(-offset // _BLOCK) * _BLOCK, offset + length, 16 * MIB):
            whole = (min(offset + length, start + MIB) - start) // _BLOCK * _BLOCK
            pieces.append((start, whole))
    return [(start, whole) for start, whole in pieces if whole > 0]


def _spread_old(disk: Path, pieces: list[tuple[int, int]]) -> int:
    with disk.open("r+b") as file:
        for start, length in pieces:
            file.seek(start)
            file.write(_OLD * (length // _BLOCK))
    return sum(length for _, length in pieces) // _BLOCK


def _count(disk: Path, pieces: list[tuple[int, int]]) -> tuple[int, int]:
    """Blocks of the older system, and blocks of zeros."""
    old = zero = 0
    with disk.open("rb") as file:
        for start, length in pieces:
            file.seek(start)
            for _ in range(length // _BLOCK):
                block = file.read(_BLOCK)
                old += block == _OLD
                zero += block == bytes(_BLOCK)
    return old, zero
