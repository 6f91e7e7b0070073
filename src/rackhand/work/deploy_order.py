"""Puts together what the engine is told to write on a machine."""

from __future__ import annotations

from collections.abc import Sequence

from rackhand.model.flavor import DiskHint
from rackhand.model.lease import Lease, Placement
from rackhand.model.network import IpAddress, Network
from rackhand.ports.engine import Attached, Attachment, DeployOrder
from rackhand.ports.store import Session
from rackhand.ports.surroundings import ImageFiles
from rackhand.render.network_data import network_data
from rackhand.render.network_data_for_cloud_init import for_cloud_init
from rackhand.render.user_data import meta_data, user_data


def deploy_order(
    session: Session, files: ImageFiles, lease: Lease, placement: Placement
) -> DeployOrder:
    """Return the order for a placed lease; NotFound when flavor or image went meanwhile."""
    image = session.images.find(lease.spec.image)
    flavor = session.flavors.find(lease.spec.flavor)
    networks = session.networks.all()
    vlans = {network.name: network.vlan for network in networks}
    return DeployOrder(
        machine_id=placement.machine_id,
        lease_id=lease.id,
        image_url=files.url(image.sha256),
        manifest_url=files.url(image.manifest_sha256),
        image_sha256=image.sha256,
        manifest_sha256=image.manifest_sha256,
        disk=placement.disk,
        disk_hint=both(flavor.disk, lease.spec.disk),
        deploy_mac=placement.deploy_nic.mac,
        meta_data=meta_data(lease),
        network_data=for_cloud_init(network_data(placement, networks)),
        user_data=user_data(lease.spec, _ntp(placement, networks)),
        attached=Attached(
            tuple(Attachment(a, vlans[a.network]) for a in placement.assignments),
            placement.bonds,
        ),
        volume_group=image.volume_group,
        volume_group_size=lease.spec.volume_group_size or flavor.volume_group_size,
        cleaning=flavor.cleaning,
    )


def _ntp(placement: Placement, networks: Sequence[Network]) -> tuple[IpAddress, ...]:
    """Return the time servers of the lease's networks, the deploy network's first."""
    by_name = {network.name: network for network in networks}
    found = (one for nic in placement.assignments for one in by_name[nic.network].ntp)
    return tuple(dict.fromkeys(found))


def both(first: DiskHint, second: DiskHint) -> DiskHint:
    """Return one hint that narrows as both do.

    Where both name the same fact they agree, or placement would have found no disk.
    """
    minima = [h.size_min_bytes for h in (first, second) if h.size_min_bytes is not None]
    maxima = [h.size_max_bytes for h in (first, second) if h.size_max_bytes is not None]
    return DiskHint(
        serial=first.serial or second.serial,
        wwn=first.wwn or second.wwn,
        model=first.model or second.model,
        size_min_bytes=max(minima, default=None),
        size_max_bytes=min(maxima, default=None),
        rotational=first.rotational if first.rotational is not None else second.rotational,
        slot=first.slot or second.slot,
        exclude=tuple(dict.fromkeys((*first.exclude, *second.exclude))),
        smallest=first.smallest or second.smallest,
    )
