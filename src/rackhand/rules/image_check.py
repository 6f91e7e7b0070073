"""What would go wrong if an image were started on real machines of every model.

Pure: facts in, findings out. Each finding says why it matters and which command cures it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from rackhand.model.image_facts import ImageFacts
from rackhand.model.image_finding import Finding, Weight
from rackhand.rules.boot_menu import grub_settings, menu_on_serial
from rackhand.rules.device_names import ONE_DISK, VIRTIO_DISK, without_comments
from rackhand.rules.image_boot_check import check_boot_loaders, check_disk
from rackhand.rules.image_conversion import plan_conversion
from rackhand.rules.image_initramfs_check import check_initramfs

_FATAL, _SERIOUS, _MINOR = Weight.FATAL, Weight.SERIOUS, Weight.MINOR
ARCHITECTURE = "x86_64"
_RENDERERS = {
    "debian": ("netplan", "networkd", "ifupdown"),
    "rhel": ("network-manager", "network-scripts"),
    "sles": ("wicked", "network-manager"),
}
# Texts in which a disk's name would be looked for by a machine.
_DISK_PLACES = re.compile(
    r"/etc/(fstab|crypttab|default/grub.*|kernel/cmdline|cmdline.*|initramfs-tools/.*|lvm/.*)"
    r"|/boot/(grub2?/device\.map|loader/entries/.*)"
)
_ON_DISK = frozenset({"no-bios-loader", "no-uefi-loader", "no-boot-loader"})
"""What a conversion cures outside of the system, where the disk has room."""


def check_image(facts: ImageFacts) -> tuple[Finding, ...]:
    """Return all findings, the worst first."""
    checks: tuple[Callable[[ImageFacts], Iterator[Finding]], ...] = (
        _system, check_disk, check_boot_loaders, check_initramfs, _arguments, _device_names,
        _cloud_init, _network, _leftovers, _menu,
    )  # fmt: skip
    found = [finding for check in checks for finding in check(facts)]
    order = list(Weight)
    found.sort(key=lambda finding: order.index(finding.weight))
    cured = {code for step in plan_conversion(facts) for code in step.cures} | _ON_DISK
    return tuple(_converted(finding) if finding.code in cured else finding for finding in found)


def _converted(finding: Finding) -> Finding:
    return replace(finding, fix=f"rackhand image convert; or, in the system: {finding.fix}")


def _system(facts: ImageFacts) -> Iterator[Finding]:
    if not facts.family:
        yield Finding(
            "unknown-system", _SERIOUS,
            f"os-release names {facts.os_id or 'nothing'}: no system that is known here",
            "what is right for an unknown system cannot be told; only parts were checked",
            "use Debian, Ubuntu, a RHEL or a SLES, or set ID_LIKE in /etc/os-release",
        )  # fmt: skip
    if facts.architecture and facts.architecture != ARCHITECTURE:
        yield Finding(
            "wrong-architecture", _FATAL,
            f"its programs are for {facts.architecture}, machines here have {ARCHITECTURE}",
            "no machine can run it",
            f"take the {ARCHITECTURE} build of this system",
        )  # fmt: skip
    if not facts.kernels:
        yield Finding(
            "no-kernel", _FATAL,
            "there is no kernel in /boot",
            "the boot loader has nothing to start; a container's file system has none",
            {
                "debian": "apt-get install linux-image-amd64",
                "rhel": "dnf install kernel",
                "sles": "zypper install kernel-default",
            }.get(facts.family, "install a kernel"),
        )  # fmt: skip


def _arguments(facts: ImageFacts) -> Iterator[Finding]:
    update = _menu_command(facts)
    for place, words in facts.arguments.items():
        resume = [word for word in words if word.startswith("resume=")]
        if resume:
            yield Finding(
                "resume", _SERIOUS, f"{place} has {resume[0]}",
                "the initramfs waits for that swap device, which other machines lack or keep"
                " under another name, and may end in its emergency shell",
                f"remove resume= from /etc/default/grub, then {update}",
            )  # fmt: skip
        consoles = [word.split("=")[1].split(",")[0] for word in words if _console(word)]
        for wanted, name in ((r"ttyS\d+", "serial"), (r"tty\d+", "VGA")):
            # Without any console= the kernel itself uses the VGA console.
            there = any(re.fullmatch(wanted, console) for console in consoles)
            if not there and (consoles or name == "serial"):
                yield Finding(
                    f"no-{name.lower()}-console", _SERIOUS if name == "serial" else _MINOR,
                    f"{place} names no {name} console",
                    "the console that the BMC shows (serial over LAN) stays dark while it starts"
                    if name == "serial" else "a screen at the rack stays dark while it starts",
                    "add console=tty0 console=ttyS0,115200n8 to GRUB_CMDLINE_LINUX in"
                    f" /etc/default/grub, then {update}",
                )  # fmt: skip
        off = [w for w in words if w in ("cloud-init=disabled", "network-config=disabled")]
        if off:
            yield Finding(
                "cloud-init-off", _FATAL, f"{place} has {off[0]}",
                "a machine keeps the image's settings: no address, no keys",
                f"remove {off[0]} from /etc/default/grub, then {update}",
            )  # fmt: skip
        quiet = [word for word in words if word in ("splash", "rhgb", "splash=silent")]
        if quiet:
            yield Finding(
                "splash", _MINOR, f"{place} has {' '.join(quiet)}",
                "plymouth hides the messages that tell why a machine does not start",
                f"remove {' '.join(quiet)} and quiet from /etc/default/grub, then {update}",
            )  # fmt: skip


def _menu(facts: ImageFacts) -> Iterator[Finding]:
    settings = grub_settings(facts.texts)
    if settings and not menu_on_serial(settings):
        yield Finding(
            "no-serial-menu", _MINOR,
            "GRUB's menu is on the screen only",
            "the console that the BMC shows stays dark until the kernel speaks, and GRUB for BIOS"
            " stops where there is no graphics card",
            'set GRUB_TERMINAL="console serial" and GRUB_SERIAL_COMMAND="serial --unit=0'
            f' --speed=115200" in /etc/default/grub, then {_menu_command(facts)}',
        )  # fmt: skip


def _console(word: str) -> bool:
    return re.match(r"console=\w+", word) is not None


def _menu_command(facts: ImageFacts) -> str:
    if facts.family == "debian":
        return "update-grub"
    if facts.family == "rhel" and any("/loader/entries/" in place for place in facts.arguments):
        return "grubby --update-kernel=ALL --remove-args/--args=… (RHEL 8 and later)"
    return "grub2-mkconfig -o /boot/grub2/grub.cfg"


def _device_names(facts: ImageFacts) -> Iterator[Finding]:
    places = {path: text for path, text in facts.texts.items() if _DISK_PLACES.fullmatch(path)}
    places |= {place: " ".join(words) for place, words in facts.arguments.items()}
    for place, text in places.items():
        bare = without_comments(text)
        for pattern, code, why in (
            (VIRTIO_DISK, "virtio-disk-name", "only a virtio disk of a virtual machine has this"
             " name; a real machine waits for it in vain"),
            (ONE_DISK, "disk-name", "the kernel numbers disks in the order it finds them, and a"
             " SAN's LUN may well come first"),
        ):  # fmt: skip
            names = sorted(set(pattern.findall(bare)))
            if names:
                yield Finding(
                    code, _SERIOUS, f"{place} names {', '.join(names)}", why,
                    "name it by UUID= (see blkid) or as /dev/mapper/rootvg-…"
                    + (f", then {_menu_command(facts)}" if "fstab" not in place else ""),
                )  # fmt: skip


def _cloud_init(facts: ImageFacts) -> Iterator[Finding]:
    cloud = facts.cloud_init
    if cloud is None:
        yield Finding(
            "no-cloud-init", _FATAL, "cloud-init is not installed",
            "a machine gets its host name, address and keys from the config drive by cloud-init;"
            " without it nobody can log in",
            {"debian": "apt-get install cloud-init", "rhel": "dnf install cloud-init",
             "sles": "zypper install cloud-init"}.get(facts.family, "install cloud-init"),
        )  # fmt: skip
        return
    if cloud.disabled_by:
        yield Finding(
            "cloud-init-off", _FATAL, f"{cloud.disabled_by} switches cloud-init off",
            "a machine keeps the image's settings: no address, no keys",
            f"rm {cloud.disabled_by}",
        )  # fmt: skip
    if cloud.not_enabled:
        yield Finding(
            "cloud-init-not-enabled", _SERIOUS, "nothing starts cloud-init",
            "a machine keeps the image's settings: no address, no keys",
            f"systemctl enable {' '.join(cloud.not_enabled)}",
        )  # fmt: skip
    if cloud.datasources is not None and "ConfigDrive" not in cloud.datasources:
        yield Finding(
            "no-config-drive", _FATAL,
            f"cloud-init looks only at {', '.join(cloud.datasources) or 'nothing'}",
            "the settings come on a config drive, which it would not read",
            "echo 'datasource_list: [ConfigDrive, None]' > /etc/cloud/cloud.cfg.d/"
            "99-config-drive.cfg",
        )  # fmt: skip
    elif cloud.datasources is None or len(set(cloud.datasources) - {"None", "NoCloud"}) > 1:
        yield Finding(
            "many-datasources", _MINOR, "cloud-init looks at several data sources",
            "it may ask the network for a cloud's metadata, and wait two minutes for an answer",
            "echo 'datasource_list: [ConfigDrive, None]' > /etc/cloud/cloud.cfg.d/"
            "99-config-drive.cfg",
        )  # fmt: skip
    if cloud.network_off:
        yield Finding(
            "cloud-init-network-off", _FATAL, "cloud-init is told to leave the network alone",
            "a machine would come up without its address",
            "remove `network: {config: disabled}` from /etc/cloud/cloud.cfg.d",
        )  # fmt: skip
    if cloud.state:
        yield Finding(
            "cloud-init-state", _SERIOUS, "cloud-init has run in this image",
            "its marks of an earlier machine stay; what runs once per instance may be left out",
            "cloud-init clean --logs --seed",
        )  # fmt: skip


def _network(facts: ImageFacts) -> Iterator[Finding]:
    wanted = _RENDERERS.get(facts.family)
    if wanted is None or facts.cloud_init is None:
        return
    if not facts.network_tools & set(wanted):
        there = ", ".join(sorted(facts.network_tools)) or "none"
        yield Finding(
            "no-network-service", _FATAL,
            f"none of {', '.join(wanted)} is installed (found: {there})",
            "nothing would carry out the network settings that cloud-init writes",
            f"install {wanted[0]}",
        )  # fmt: skip
    needs = {"netplan": "netplan", "networkd": "networkd", "eni": "ifupdown",
             "network-manager": "network-manager", "wicked": "wicked",
             "sysconfig": ""}  # fmt: skip
    missing = [r for r in facts.cloud_init.renderers if needs.get(r, r)]
    missing = [r for r in missing if needs.get(r, r) not in facts.network_tools]
    if facts.cloud_init.renderers and len(missing) == len(facts.cloud_init.renderers):
        yield Finding(
            "renderer-missing", _FATAL,
            f"cloud-init is to render for {', '.join(missing)}, which is not installed",
            "it writes settings that nothing reads: the machine has no address",
            "name what is installed in system_info.network.renderers of /etc/cloud/cloud.cfg",
        )  # fmt: skip


def _leftovers(facts: ImageFacts) -> Iterator[Finding]:
    identity = (facts.machine_id or "").strip()
    for path in () if identity else facts.leftovers.get("machine-id", ()):
        yield Finding(
            "machine-id", _SERIOUS, f"{path} holds another machine's id",
            "the system takes it for /etc/machine-id, which is empty: all machines would share it",
            f"rm -f {path}",
        )  # fmt: skip
    if identity and identity != "uninitialized":
        yield Finding(
            "machine-id", _SERIOUS, f"/etc/machine-id holds {identity[:8]}…",
            "all machines would share it: equal DHCP client ids, mixed up journals",
            "truncate -s 0 /etc/machine-id; rm -f /var/lib/dbus/machine-id",
        )  # fmt: skip
    told = {
        "host-keys": ("host-keys", _SERIOUS, "SSH host keys are in the image",
                      "whoever has the image can pose as every machine",
                      "rm -f /etc/ssh/ssh_host_*"),
        "net-rules": ("net-rules", _SERIOUS, "udev keeps names for the NICs of another machine",
                      "the NICs of each new machine get other names than its settings use",
                      "rm -f /etc/udev/rules.d/7?-persistent-net*.rules"),
        "bound-nics": ("bound-nics", _SERIOUS, "network settings name one NIC's MAC address",
                       "that NIC is in no other machine; old and new settings may clash",
                       "remove the files named"),
        "other-network": ("other-network", _SERIOUS, "network settings of another machine",
                          "its address comes up twice where a NIC has that name; where none has,"
                          " the start may wait for it",
                          "remove the files named; the config drive brings a machine's own"),
        "iscsi-name": ("iscsi-name", _SERIOUS, "the iSCSI initiator name of another machine",
                       "a SAN takes all machines of the image for one host: each gets the others'"
                       " LUNs and ends their sessions; data get corrupt",
                       "echo GenerateName=yes > /etc/iscsi/initiatorname.iscsi"
                       if facts.family == "debian" else "rm -f /etc/iscsi/initiatorname.iscsi"),
        "nvme-host": ("nvme-host", _SERIOUS, "the NVMe host identity of another machine",
                      "a SAN takes all machines of the image for one host: each gets the others'"
                      " namespaces; data get corrupt",
                      "rm -f /etc/nvme/hostnqn /etc/nvme/hostid"),
        "multipath": ("multipath-names", _MINOR, "multipath knows the LUNs of another machine",
                      "names of LUNs and keys of reservations are another machine's, also in the"
                      " initramfs",
                      "rm -f the files named"),
        "lvm-devices": ("lvm-devices", _SERIOUS, "LVM knows only another machine's disks",
                        "volumes on a disk that is not listed are not activated: /var or /home"
                        " is missing",
                        "rm -f /etc/lvm/devices/system.devices"),
        "random-seed": ("random-seed", _MINOR, "a random seed is in the image",
                        "all machines begin with the same one",
                        "rm -f /var/lib/systemd/random-seed"),
        "leases": ("dhcp-leases", _MINOR, "DHCP leases of another machine are in the image",
                   "a machine may ask for an address that is not its own",
                   "rm -f the files named"),
    }  # fmt: skip
    for kind, (code, weight, what, why, fix) in told.items():
        paths = facts.leftovers.get(kind)
        if paths:
            yield Finding(code, weight, f"{what}: {', '.join(paths[:4])}", why, fix)
