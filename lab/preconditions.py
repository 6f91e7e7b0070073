"""What a host must have before a lab can run on it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from lab.qemu import OVMF_CODE
from lab.rack import Firmware, Rack

_PROGRAMS = {
    "ip": "iproute2",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ipmi_sim": "openipmi",
    "ipmitool": "ipmitool",
    "qemu-system-x86_64": "qemu-system-x86",
    "dnsmasq": "dnsmasq-base",
    "setpriv": "util-linux",
    "flock": "util-linux",
}


def has_kvm() -> bool:
    """Whether the processor virtualises; /dev/kvm alone does not mean that a guest would run."""
    words = Path("/proc/cpuinfo").read_text().split()
    return ("vmx" in words or "svm" in words) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def require(rack: Rack) -> None:
    """Raise LabError that names everything missing for this rack."""
    if os.geteuid() != 0:
        raise LabError(
            f"the lab needs root, this is user {os.geteuid()}",
            "run it with sudo: it makes a network namespace and taps",
        )
    missing = {p: package for p, package in _PROGRAMS.items() if not shutil.which(p)}
    if rack.storage and not shutil.which("tgtd"):
        missing["tgtd"] = "tgt"
    if any(m.firmware is Firmware.UEFI for m in rack.machines) and not Path(OVMF_CODE).exists():
        missing[OVMF_CODE] = "ovmf"
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise LabError(
            f"missing: {', '.join(missing)}",
            f"script/bootstrap installs all of it, or: apt-get install {packages}",
        )
    for file, what in (
        ("/proc/self/ns/net", "network namespaces"),
        ("/dev/net/tun", "tap devices"),
    ):
        if not Path(file).exists():
            raise LabError(
                f"this kernel offers no {what} ({file} is missing)",
                "use a kernel with NET_NS and TUN, or a container that may use them",
            )


def warnings(rack: Rack) -> Iterator[str]:
    """What may go wrong although the lab can start."""
    lines = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    available_mib = int(lines["MemAvailable"].split()[0]) // 1024
    if rack.memory_mib > available_mib:
        yield (
            f"all machines on need {rack.memory_mib} MiB, {available_mib} MiB are available: "
            "keep some off, or use a smaller rack file"
        )
    if not has_kvm():
        yield "no hardware virtualisation: machines are emulated, about ten times slower"
