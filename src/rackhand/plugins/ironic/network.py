"""The network interface: which network goes over which NIC or bond, where Ironic keeps VIFs.

No switch is touched and nothing is plugged: the cables carry what they carry. What is
kept here makes Ironic's own clients tell the truth about a lease: ``baremetal node vif
list``, a port's ``internal_info.tenant_vif_port_id``, port groups for bonds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ironic import objects
from ironic.common import exception
from ironic.drivers.modules.network import common, noop

from rackhand.model.errors import InvalidValue
from rackhand.model.network import parse_vlan

VIFS_KEY = "rackhand_vifs"
"""In ``internal_info`` of a port or port group: all its VIFs. Stock Ironic knows of one."""

_TENANT_KEY = common.NetType.TENANT.vif_key
_PLACES = ("port_uuid", "portgroup_uuid", "portgroup")


class RackhandNetwork(common.VIFPortIDMixin, noop.NoopNetwork):
    """Several VIFs on a port or port group: one untagged, the others with a VLAN id.

    A VIF names its place: ``port_uuid``, ``portgroup_uuid``, or ``portgroup`` with what a
    port group is to be made of (``uuid, name, address, mode, properties, extra,
    port_uuids``). The last VIF to leave such a group takes it along, as with Ironic's own
    dynamic port groups. Everything happens under the node's lock, so no port group needs
    maintenance mode (conductor/manager.py, update_port). ``segmentation_id`` is a tagged
    VLAN's id; all other keys are kept and listed as they came.
    """

    def vif_attach(self, task: Any, vif_info: Mapping[str, Any]) -> None:
        """Attach, or attach again with other keys; the same VIF elsewhere is a conflict.

        InvalidParameterValue for a VIF without a place of its own on this node, or with
        an impossible VLAN id; VifInvalidForAttach where another VIF has its VLAN already.
        """
        vif = _checked(task, vif_info)
        holder = _holder(task, vif["id"])
        place, members = _place(task, vif_info)
        if holder is not None and holder.uuid != place.uuid:
            raise exception.VifAlreadyAttached(
                vif=vif["id"], object_type=type(holder).__name__, object_uuid=holder.uuid
            )
        others = [other for other in _vifs(place) if other["id"] != vif["id"]]
        tag = vif.get("segmentation_id")
        for other in others:
            if other.get("segmentation_id") == tag:
                how = "untagged" if tag is None else f"with VLAN id {tag}"
                raise exception.VifInvalidForAttach(
                    vif=vif["id"],
                    node=task.node.uuid,
                    reason=f"VIF {other['id']} is on {place.uuid} {how} already",
                )
        # First the VIF, then the members: whatever stops us, the VIF is listed, and
        # detaching it removes all of it.
        _set_vifs(place, [*others, vif])
        if members is not None:
            _set_members(task, place, members)
        _look_again(task)

    def vif_detach(self, task: Any, vif_id: str) -> None:
        """Detach; the last VIF of a port group that was made for it removes the group."""
        place = _holder(task, vif_id)
        if place is None:
            raise exception.VifNotAttached(vif=vif_id, node=task.node.uuid)
        others = [vif for vif in _vifs(place) if vif["id"] != vif_id]
        if others or not common._is_dynamic_portgroup(place):
            _set_vifs(place, others)
        else:
            _set_members(task, place, [])
            place.destroy()
        _look_again(task)

    def vif_list(self, task: Any) -> list[dict[str, Any]]:
        """Return every VIF with all its keys, and the uuid of its port or port group."""
        return [
            {**vif, key: place.uuid}
            for key, places in (("port_uuid", task.ports), ("portgroup_uuid", task.portgroups))
            for place in places
            for vif in _vifs(place)
        ]


def _checked(task: Any, vif_info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of the VIF."""
    vif = {key: value for key, value in vif_info.items() if key not in _PLACES}
    if vif.get("segmentation_id") is not None:
        try:
            # Ironic's command line sends text.
            vif["segmentation_id"] = parse_vlan(int(vif["segmentation_id"]))
        except (InvalidValue, TypeError, ValueError) as error:
            raise exception.InvalidParameterValue(
                f"VIF {vif['id']} for node {task.node.uuid}: segmentation_id"
                f" {vif['segmentation_id']!r} is not a VLAN id (1 to 4094)"
            ) from error
    return vif


def _place(task: Any, vif_info: Mapping[str, Any]) -> tuple[Any, list[Any] | None]:
    """Return the port or port group that the VIF names, and the members it wants of it."""
    named = [key for key in _PLACES if vif_info.get(key)]
    if len(named) != 1:
        raise exception.InvalidParameterValue(
            f"VIF {vif_info['id']} for node {task.node.uuid} names"
            f" {' and '.join(named) or 'no port'}: give it port_uuid or portgroup_uuid"
        )
    if named == ["portgroup"]:
        return _group(task, vif_info["id"], vif_info["portgroup"])
    places = task.ports if named == ["port_uuid"] else task.portgroups
    return _own(task, vif_info["id"], places, vif_info[named[0]]), None


def _own(task: Any, vif_id: str, places: Sequence[Any], uuid: object) -> Any:
    for place in places:
        if place.uuid == uuid:
            return place
    raise exception.InvalidParameterValue(
        f"VIF {vif_id}: {uuid} is no port or port group of node {task.node.uuid}"
    )


def _group(task: Any, vif_id: str, wanted: Any) -> tuple[Any, list[Any]]:
    """Return the port group, new and not yet stored where there is none, and its members."""
    try:
        ports = [_own(task, vif_id, task.ports, uuid) for uuid in wanted["port_uuids"]]
        facts = {key: wanted[key] for key in ("name", "address", "mode", "properties", "extra")}
        group = next((g for g in task.portgroups if g.uuid == wanted["uuid"]), None)
        if group is None:
            group = objects.Portgroup(
                task.context,
                uuid=wanted["uuid"],
                node_id=task.node.id,
                standalone_ports_supported=True,
                dynamic_portgroup=True,
                internal_info={},
            )
        for key, value in facts.items():
            setattr(group, key, value)
    except (KeyError, TypeError, ValueError) as error:
        raise exception.InvalidParameterValue(
            f"VIF {vif_id} for node {task.node.uuid}: its portgroup lacks or mistakes {error}"
        ) from error
    known = getattr(group, "id", None) if "id" in group else None
    for port in ports:
        if _vifs(port) or port.portgroup_id not in (None, known):
            raise exception.VifInvalidForAttach(
                vif=vif_id,
                node=task.node.uuid,
                reason=f"port {port.uuid} ({port.address}) has VIFs or a port group already",
            )
    return group, ports


def _set_members(task: Any, group: Any, members: Sequence[Any]) -> None:
    wanted = {port.uuid for port in members}
    for port in task.ports:
        now = port.portgroup_id == group.id
        if now != (port.uuid in wanted):
            port.portgroup_id = None if now else group.id
            port.save()


def _holder(task: Any, vif_id: str) -> Any | None:
    """Return the port or port group that has the VIF."""
    for place in [*task.portgroups, *task.ports]:
        if any(vif["id"] == vif_id for vif in _vifs(place)):
            return place
    return None


def _vifs(place: Any) -> list[dict[str, Any]]:
    return list(place.internal_info.get(VIFS_KEY) or ())


def _set_vifs(place: Any, vifs: Sequence[Mapping[str, Any]]) -> None:
    """Store the VIFs; Ironic's own key names the untagged one, else the first."""
    info = {k: v for k, v in place.internal_info.items() if k not in (VIFS_KEY, _TENANT_KEY)}
    if vifs:
        untagged = [vif for vif in vifs if vif.get("segmentation_id") is None]
        info[_TENANT_KEY] = (untagged or vifs)[0]["id"]
        info[VIFS_KEY] = list(vifs)
    place.internal_info = info
    if "id" in place:
        place.save()
    else:
        place.create()


def _look_again(task: Any) -> None:
    """Let the task read its ports and port groups anew when it needs them."""
    task.ports = None
    task.portgroups = None
