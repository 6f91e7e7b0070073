"""What a request would get: the spec's names resolved, and the machines judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from rackhand.model.bond import Bond, BondAsk
from rackhand.model.errors import InvalidValue
from rackhand.model.flavor import Flavor, VolumeGroupSize
from rackhand.model.image import Image
from rackhand.model.lease import LeaseSpec, NetworkAsk, NicAssignment, Placement
from rackhand.model.machine import Disk, Observed
from rackhand.model.names import Mac, parse_hostname
from rackhand.model.network import IpAddress, Network, Zone
from rackhand.ports.store import Session
from rackhand.rules.addressing import choose_address, choose_address_v6
from rackhand.rules.bond_options import check_bonds
from rackhand.rules.disk_table import DiskRow
from rackhand.rules.holding import leases_by_machine
from rackhand.rules.image_fit import DriverIndex
from rackhand.rules.nic_table import NicRow
from rackhand.rules.placement import Candidacy, Placing, Wanted, place
from rackhand.rules.preflight import Check
from rackhand.rules.volume_growth import growing_partition
from rackhand.work.image_drivers import DriversOf, nothing_known
from rackhand.work.image_layout import LayoutOf


@dataclass(frozen=True, slots=True)
class PlannedNic:
    """A network on a NIC or bond with the addresses it would get; nothing is held."""

    network: str
    mac: Mac
    nic: str | None
    """The NIC's name at inspection, for people."""
    vlan_tag: int | None
    address: IPv4Address
    address_v6: IPv6Address | None = None
    bond: str | None = None


@dataclass(frozen=True, slots=True)
class LeasePlan:
    """What a request would get now. ``machine`` is None when nothing fits.

    ``reasons`` maps the name of every machine that does not fit to its reasons,
    ``nic_tables`` those whose cables do not fit to their NICs against the networks,
    ``disk_tables`` those where no disk can be written to all their disks. ``disks`` are
    the planned machine's: which one would be written, and what lay on each at inspection.
    """

    machine: str | None
    nics: tuple[PlannedNic, ...]
    disk: Disk | None
    candidates: tuple[str, ...]
    reasons: Mapping[str, tuple[str, ...]]
    bonds: tuple[Bond, ...] = ()
    nic_tables: Mapping[str, tuple[NicRow, ...]] = field(default_factory=dict)
    disks: tuple[DiskRow, ...] = ()
    disk_tables: Mapping[str, tuple[DiskRow, ...]] = field(default_factory=dict)
    volume_group_size: VolumeGroupSize | None = None
    """What becomes of the image's volume group; None for an image without one."""
    checks: tuple[Check, ...] | None = None
    """The machine's pre-flight; None: it was not asked for, or there is no machine."""


@dataclass(frozen=True, slots=True)
class ResolvedSpec:
    """A spec whose words all name something; ``spec`` holds the names, never ids."""

    spec: LeaseSpec
    flavor: Flavor
    image: Image
    networks: tuple[Network, ...]
    zone: Zone | None
    drivers: DriverIndex | None = None

    def words(self) -> str:
        """Return what is asked for, in a few words for a person."""
        nets = ", ".join(network.name for network in self.networks)
        return f"flavor {self.flavor.name} with image {self.image.name} on {nets}"


def resolve(
    session: Session, spec: LeaseSpec, drivers_of: DriversOf = nothing_known
) -> ResolvedSpec:
    """Return what the spec's words name; NotFound, or InvalidValue for what cannot be."""
    parse_hostname(spec.hostname)
    networks = tuple(session.networks.find(ask.network) for ask in spec.networks)
    if not networks:
        raise InvalidValue(
            "networks", "[]", "names no network", "a machine is deployed through its first network"
        )
    names = [network.name for network in networks]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValue("networks", name, "is named twice", "name each network once")
    bonds = tuple(_by_name(session, bond) for bond in spec.bonds)
    check_bonds(bonds, networks)
    flavor, image = session.flavors.find(spec.flavor), session.images.find(spec.image)
    zone = None if spec.zone is None else session.zones.find(spec.zone)
    return ResolvedSpec(
        spec=replace(
            spec,
            flavor=flavor.name,
            image=image.name,
            zone=None if zone is None else zone.name,
            networks=tuple(
                NetworkAsk(network.name, ask.address, ask.address_v6)
                for network, ask in zip(networks, spec.networks, strict=True)
            ),
            bonds=bonds,
            volume_group_size=spec.volume_group_size or flavor.volume_group_size,
        ),
        flavor=flavor,
        image=image,
        networks=networks,
        zone=zone,
        drivers=drivers_of(image),
    )


def check_volume_group(resolved: ResolvedSpec, layout_of: LayoutOf) -> None:
    """Refuse a volume group that cannot grow as asked: InvalidValue."""
    if resolved.spec.volume_group_size is VolumeGroupSize.GROW:
        growing_partition(layout_of(resolved.image), resolved.image.volume_group)


def _by_name(session: Session, bond: BondAsk) -> BondAsk:
    return replace(bond, networks=tuple(session.networks.find(n).name for n in bond.networks))


def judge(
    session: Session,
    resolved: ResolvedSpec,
    observed: Sequence[Observed],
    lease_id: UUID | None = None,
) -> Placing:
    """Judge every machine of the store against the request; ``lease_id`` is its own lease.

    A machine is held until its lease is released here: the engine has it available
    again a little earlier, while the old lease's addresses are still served to it.
    """
    held = leases_by_machine(lease for lease in session.leases.all() if lease.id != lease_id)
    return place(
        Wanted(
            flavor=resolved.flavor,
            image=resolved.image,
            networks=resolved.networks,
            disk=resolved.spec.disk,
            zone=resolved.spec.zone,
            lease_id=lease_id,
            bonds=resolved.spec.bonds,
            drivers=resolved.drivers,
        ),
        session.machines.all(),
        {seen.machine_id: seen for seen in observed},
        {machine_id: lease.name for machine_id, lease in held.items()},
    )


def make_plan(
    session: Session,
    resolved: ResolvedSpec,
    observed: Sequence[Observed],
    taken_on: Callable[[str], Mapping[IpAddress, Mac]],
) -> LeasePlan:
    """Return what the request would get now; holds nothing.

    ``taken_on`` returns a network's addresses that somebody answered for lately.

    InvalidValue or AlreadyExists for an address that cannot be had, WrongState when a
    network has none left.
    """
    reservations = session.reservations.all()
    addresses = {
        ask.network: (
            choose_address(network, reservations, ask.address, taken_on(network.name)),
            choose_address_v6(network, reservations, ask.address_v6, taken_on(network.name)),
        )
        for network, ask in zip(resolved.networks, resolved.spec.networks, strict=True)
    }
    placing = judge(session, resolved, observed)
    names = tuple(candidacy.machine.name for candidacy in placing.candidates)
    if not placing.candidates:
        return LeasePlan(
            None,
            (),
            None,
            names,
            placing.reasons,
            nic_tables=placing.tables,
            disk_tables=placing.disk_tables,
        )
    first = placing.candidates[0]
    return LeasePlan(
        machine=first.machine.name,
        nics=tuple(_planned_nics(first, addresses)),
        disk=first.disk,
        candidates=names,
        reasons=placing.reasons,
        bonds=first.bonds,
        nic_tables=placing.tables,
        disks=first.disk_table,
        disk_tables=placing.disk_tables,
        volume_group_size=resolved.spec.volume_group_size if resolved.image.volume_group else None,
    )


def planned_placement(session: Session, plan: LeasePlan) -> Placement | None:
    """Return the plan as a placement that nobody has; None when there is no machine."""
    if plan.machine is None or plan.disk is None:
        return None
    return Placement(
        machine_id=session.machines.find(plan.machine).id,
        machine=plan.machine,
        assignments=tuple(
            NicAssignment(
                mac=nic.mac,
                network=nic.network,
                address=nic.address,
                vlan_tag=nic.vlan_tag,
                address_v6=nic.address_v6,
                bond=nic.bond,
            )
            for nic in plan.nics
        ),
        disk=plan.disk,
        bonds=plan.bonds,
    )


def _planned_nics(
    candidacy: Candidacy, addresses: Mapping[str, tuple[IPv4Address, IPv6Address | None]]
) -> Iterator[PlannedNic]:
    hardware = candidacy.machine.hardware
    names = {nic.mac: nic.name for nic in hardware.nics} if hardware else {}
    for pick in candidacy.picks or ():
        address, address_v6 = addresses[pick.network.name]
        yield PlannedNic(
            network=pick.network.name,
            mac=pick.mac,
            nic=names.get(pick.mac),
            vlan_tag=pick.vlan_tag,
            address=address,
            address_v6=address_v6,
            bond=pick.bond,
        )
