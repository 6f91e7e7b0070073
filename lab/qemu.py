"""The QEMU command line of a machine (pure: nothing is started here)."""

from collections.abc import Sequence
from pathlib import Path

from lab.places import MachinePlace
from lab.rack import Disk, DiskController, Firmware, Machine, Nic, NicModel

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"

# Translated code of a page is a list that grows with every process that runs a library there
# at another address. Unlimited (1 GiB), an initramfs leaves lists of ten thousands, and the
# kernel that clears such a page walks them for each word: it stood still for minutes.
_EMULATION = "tcg,thread=multi,tb-size=256"

BOOT_NETWORK = "network"
BOOT_DISK = "disk"

NIC_DEVICE = {
    NicModel.E1000: "e1000",
    NicModel.E1000E: "e1000e",
    # Without a speed Linux counts it as unknown, and a bond of such NICs sends no LACP.
    NicModel.VIRTIO: "virtio-net-pci,speed=1000,duplex=full",
    NicModel.VMXNET3: "vmxnet3",
    NicModel.RTL8139: "rtl8139",
}
"""QEMU's device for each NIC."""
_SCSI_CONTROLLER = {
    DiskController.MEGASAS: "megasas",
    DiskController.MPTSAS: "mptsas1068",
    DiskController.LSI: "lsi53c895a",
    DiskController.PVSCSI: "pvscsi",
    DiskController.VIRTIO_SCSI: "virtio-scsi-pci",
}


def command_line(machine: Machine, place: MachinePlace, boot: str, kvm: bool) -> list[str]:
    """How to start ``machine`` so that it boots from ``boot`` first (then from the rest).

    It starts paused (``-S``) and exits when the guest resets, because the firmware of a
    real server then runs POST and reads its boot flags again: see ``lab.runner``.
    """
    files = [place.disk_file(number) for number in range(len(machine.disks))]
    return [
        "qemu-system-x86_64",
        *("-name", machine.name, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "q35,graphics=off", "-vga", "none"),
        *accelerator_words(kvm),
        *("-smp", str(machine.cpus), "-m", str(machine.memory_mib)),
        *("-S", "-action", "reboot=shutdown", "-boot", "strict=on"),
        *("-qmp", f"unix:{place.run}/qmp.sock,server=on,wait=off"),
        *("-qmp", f"unix:{place.control_socket},server=on,wait=off"),
        *_identity(machine),
        *(uefi_words(place.disks / "uefi-vars.fd") if machine.firmware is Firmware.UEFI else ()),
        *_serial_and_bmc(place),
        *disk_words(machine.disks, files, 1 if boot == BOOT_DISK else 1 + len(machine.nics)),
        *_nics(machine, 1 if boot == BOOT_NETWORK else 1 + len(machine.disks)),
    ]


def tap_name(machine: Machine, nic: int) -> str:
    """The interface at the switch's end of a NIC's cable (15 characters at most)."""
    return f"{machine.name}-{nic}"


def _identity(machine: Machine) -> list[str]:
    model, fru = machine.model, machine.fru
    tables = (
        (1, model.vendor, model.product, model.serial, ""),
        (2, model.vendor, fru.board_product, fru.board_serial, ""),
        (3, model.vendor, "", fru.chassis_serial, fru.asset_tag),
    )
    words = ["-uuid", str(model.uuid)]
    for number, vendor, product, serial, asset in tables:
        fields = {"manufacturer": vendor, "product": product, "serial": serial, "asset": asset}
        filled = [f"{k}={_escape(v)}" for k, v in fields.items() if v]
        words += ["-smbios", ",".join([f"type={number}", *filled])]
    return words


def _escape(value: str) -> str:
    return value.replace(",", ",,")


def accelerator_words(kvm: bool) -> list[str]:
    """The host's processor itself, or an emulated one."""
    return ["-accel", "kvm", "-cpu", "host"] if kvm else ["-accel", _EMULATION]


def uefi_words(variables: Path) -> list[str]:
    """UEFI in place of BIOS; ``variables`` is this machine's own copy of ``OVMF_VARS``."""
    return [
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF_CODE}"),
        *("-drive", f"if=pflash,unit=1,format=raw,file={_escape(str(variables))}"),
    ]


def _serial_and_bmc(place: MachinePlace) -> list[str]:
    return [
        "-chardev",
        f"socket,id=serial0,host=127.0.0.1,port={place.serial_port},server=on,wait=off,"
        f"logfile={place.console_log},logappend=on",
        *("-serial", "chardev:serial0"),
        *("-chardev", f"socket,id=kcs0,host=127.0.0.1,port={place.kcs_port},reconnect=1"),
        *("-device", "ipmi-bmc-extern,id=bmc0,chardev=kcs0", "-device", "isa-ipmi-kcs,bmc=bmc0"),
    ]


def disk_words(disks: Sequence[Disk], files: Sequence[Path], first_bootindex: int) -> list[str]:
    """The disks with their controllers; ``files`` are the raw images behind them."""
    words: list[str] = []
    for controller in dict.fromkeys(d.controller for d in disks):
        if controller in _SCSI_CONTROLLER:
            words += ["-device", f"{_SCSI_CONTROLLER[controller]},id={controller}"]
    for number, disk in enumerate(disks):
        file = _escape(str(files[number]))
        words += ["-drive", f"if=none,id=disk{number},format=raw,cache=unsafe,file={file}"]
        position = sum(d.controller is disk.controller for d in disks[:number])
        words += _disk_device(disk, number, position, first_bootindex + number)
    return words


def _disk_device(disk: Disk, number: int, position: int, bootindex: int) -> Sequence[str]:
    serial = f"serial={_escape(disk.serial)}"
    rest = f"drive=disk{number},bootindex={bootindex}"
    wwn = f",wwn=0x{disk.wwn}" if disk.wwn else ""
    match disk.controller:
        case DiskController.AHCI:
            model = f",model={_escape(disk.product)}" if disk.product else ""
            return "-device", f"ide-hd,bus=ide.{position},{serial},{rest}{model}{wwn}"
        case DiskController.NVME:
            # A separate nvme-ns device could carry an EUI-64, but OVMF does not understand
            # its path and then ignores the boot order of all devices.
            return "-device", f"nvme,{serial},{rest}"
        case DiskController.VIRTIO_BLK:
            return "-device", f"virtio-blk-pci,{serial},{rest}"
        case _:
            vendor = f",vendor={_escape(disk.vendor)}" if disk.vendor else ""
            product = f",product={_escape(disk.product)}" if disk.product else ""
            bus = f"scsi-hd,bus={disk.controller}.0,scsi-id={position}"
            return "-device", f"{bus},{serial},{rest}{vendor}{product}{wwn}"


def _nics(machine: Machine, first_bootindex: int) -> list[str]:
    words: list[str] = []
    for number, nic in enumerate(machine.nics):
        words += _nic(machine, nic, number, first_bootindex + number)
    return words


def _nic(machine: Machine, nic: Nic, number: int, bootindex: int) -> list[str]:
    # vnet_hdr=off: with it, DHCP works but guest TCP hangs through a userspace switch.
    tap = f"ifname={tap_name(machine, number)},script=no,downscript=no,vnet_hdr=off"
    device = f"id=nic{number},netdev=cable{number},mac={nic.mac},bootindex={bootindex}"
    return [
        *("-netdev", f"tap,id=cable{number},{tap}"),
        *("-device", f"{NIC_DEVICE[nic.model]},{device}"),
    ]
