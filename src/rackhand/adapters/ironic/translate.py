"""Ironic's words into ours: provision states, steps and inventories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from rackhand.model.errors import InvalidValue
from rackhand.model.machine import (
    Disk,
    Firmware,
    Hardware,
    MachineState,
    Nic,
    Observed,
    PciDevice,
    Transport,
)
from rackhand.model.names import Mac, parse_mac
from rackhand.model.wiring import LldpNeighbour

NODE_FIELDS = (
    "uuid,provision_state,power_state,last_error,instance_uuid,reservation,"
    "maintenance,maintenance_reason,clean_step,deploy_step"
)
"""What observing needs, for the ``fields`` parameter."""

_S = MachineState

STATES: Mapping[str, tuple[MachineState, str | None]] = {
    "enroll": (_S.REGISTERED, None),
    "verifying": (_S.VERIFYING, None),
    "manageable": (_S.MANAGEABLE, None),
    "inspecting": (_S.INSPECTING, None),
    "inspect wait": (_S.INSPECTING, None),
    "inspect failed": (_S.FAILED, "inspect"),
    "cleaning": (_S.CLEANING, None),
    "clean wait": (_S.CLEANING, None),
    "clean hold": (_S.CLEANING, None),
    "clean failed": (_S.FAILED, "clean"),
    "deleted": (_S.CLEANING, None),
    "available": (_S.AVAILABLE, None),
    "deploying": (_S.DEPLOYING, None),
    "wait call-back": (_S.DEPLOYING, None),
    "deploy hold": (_S.DEPLOYING, None),
    "deploy complete": (_S.DEPLOYING, None),
    "deploy failed": (_S.FAILED, "deploy"),
    "active": (_S.ACTIVE, None),
    "deleting": (_S.RELEASING, None),
    # Ironic's name for a tear-down that failed.
    "error": (_S.FAILED, "undeploy"),
    # The rest is never asked for by Rackhand; an operator may have.
    "adopting": (_S.DEPLOYING, None),
    "adopt failed": (_S.FAILED, "adopt"),
    "rescue": (_S.RESCUED, None),
    "rescuing": (_S.RESCUED, None),
    "rescue wait": (_S.RESCUED, None),
    "unrescuing": (_S.RESCUED, None),
    "rescue failed": (_S.FAILED, "rescue"),
    "unrescue failed": (_S.FAILED, "unrescue"),
    "servicing": (_S.ACTIVE, None),
    "service wait": (_S.ACTIVE, None),
    "service hold": (_S.ACTIVE, None),
    "service failed": (_S.FAILED, "service"),
}
"""Ironic 39, common/states.py ALL_STATES: our state, and for FAILED the task that failed."""

_POWER = {"power on": True, "power off": False}


def observed(node: Mapping[str, Any]) -> Observed:
    """Return what a node's fields say; raises InvalidValue for an unknown provision state."""
    name = node["provision_state"]
    if name not in STATES:
        raise InvalidValue(
            "provision_state", name, "is not known", "this Ironic is not the pinned one"
        )
    state, failed_task = STATES[name]
    error = node.get("last_error")
    if state is _S.REGISTERED and error:
        # Ironic falls back to enroll when the BMC could not be verified.
        state, failed_task = _S.FAILED, "verify"
    if node.get("maintenance") and node.get("maintenance_reason"):
        error = error or node["maintenance_reason"]
    instance = node.get("instance_uuid")
    return Observed(
        machine_id=UUID(node["uuid"]),
        state=state,
        power_on=_POWER.get(node.get("power_state") or ""),
        step=_step(node.get("deploy_step")) or _step(node.get("clean_step")),
        error=error or None,
        failed_task=failed_task,
        lease_id=UUID(instance) if instance else None,
        busy=bool(node.get("reservation")),
        maintenance=bool(node.get("maintenance")),
    )


def _step(step: Any) -> str | None:
    if not isinstance(step, Mapping) or not step:
        return None
    return f"{step.get('interface')}.{step.get('step')}"


def hardware(report: Mapping[str, Any]) -> Hardware:
    """Return what ``GET /v1/nodes/ID/inventory`` says; raises InvalidValue if it lacks a fact.

    Disks come from our own collector where it ran (it names hidden ones, too), else
    from the agent's inventory. So does what was probed through each NIC, and its link:
    ours has waited for it.
    """
    inventory, extra = report["inventory"], report.get("plugin_data") or {}
    own = extra.get("rackhand") or {}
    try:
        vendor = inventory.get("system_vendor") or {}
        memory = inventory["memory"]
        own_disks = own.get("disks")
        wires = {parse_mac(wire["mac"]): wire for wire in own.get("wires") or []}
        return Hardware(
            vcpus=int(inventory["cpu"]["count"]),
            memory_mib=int(memory.get("physical_mb") or memory["total"] >> 20),
            architecture=inventory["cpu"]["architecture"],
            firmware=Firmware(inventory["boot"]["current_boot_mode"]),
            vendor=_text(vendor.get("manufacturer")),
            model=_text(vendor.get("product_name")),
            serial=_text(vendor.get("serial_number")),
            nics=tuple(_nics(inventory.get("interfaces") or [], wires)),
            disks=tuple(
                [_own_disk(disk) for disk in own_disks]
                if own_disks is not None
                else [_agent_disk(disk) for disk in inventory.get("disks") or []]
            ),
            pci=tuple(_pci(device) for device in extra.get("pci_devices") or []),
            cpu_model=_text(inventory["cpu"].get("model_name")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValue(
            "inventory", error, "is missing or wrong in the inspection", "inspect the machine again"
        ) from error


def _nics(
    interfaces: Iterable[Mapping[str, Any]], wires: Mapping[Mac, Mapping[str, Any]]
) -> Iterable[Nic]:
    for nic in interfaces:
        if nic.get("mac_address"):
            mac = parse_mac(nic["mac_address"])
            # What plugins/agent/wire_probe.WireReport wrote, nothing where it did not run.
            wire = wires.get(mac, {})
            yield Nic(
                mac=mac,
                name=nic["name"],
                has_link=wire.get("link", nic.get("has_carrier")),
                speed_mbps=nic.get("speed_mbps"),
                driver=_text(nic.get("driver")),
                pci_address=_text(nic.get("pci_address")),
                vendor_id=_hex(nic.get("vendor")),
                product_id=_hex(nic.get("product")),
                probed=None if wire.get("probed") is None else tuple(map(int, wire["probed"])),
                lldp=None if wire.get("lldp") is None else _neighbour(wire["lldp"]),
            )


def _neighbour(said: Mapping[str, Any]) -> LldpNeighbour:
    return LldpNeighbour(
        switch=_text(said.get("switch")),
        port=_text(said.get("port")),
        untagged=None if said.get("untagged") is None else int(said["untagged"]),
        tagged=tuple(map(int, said.get("tagged") or ())),
    )


def _own_disk(disk: Mapping[str, Any]) -> Disk:
    """Read back what plugins/agent/block_devices.disk_report wrote."""
    return Disk(**{**disk, "transport": Transport(disk["transport"])})


def _agent_disk(disk: Mapping[str, Any]) -> Disk:
    said = disk.get("tran")
    return Disk(
        name=disk["name"],
        size_bytes=int(disk["size"]),
        transport=Transport(said) if said in set(Transport) else Transport.UNKNOWN,
        model=_text(disk.get("model")),
        vendor=_text(disk.get("vendor")),
        serial=_text(disk.get("serial")),
        wwn=_text(disk.get("wwn")),
        rotational=disk.get("rotational"),
        by_path=_text(disk.get("by_path")),
    )


def _pci(device: Mapping[str, Any]) -> PciDevice:
    return PciDevice(
        address=str(device["bus"]),
        vendor_id=str(device["vendor_id"]).lower(),
        product_id=str(device["product_id"]).lower(),
        class_id=str(device["class"]).lower(),
    )


def _hex(value: object) -> str | None:
    text = _text(value)
    return text.lower().removeprefix("0x") if text else None


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None
