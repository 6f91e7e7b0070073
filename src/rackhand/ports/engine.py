"""The engine that powers, boots, writes and cleans machines: Ironic, or its fake."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from rackhand.model.bond import Bond
from rackhand.model.cleaning import CleaningPolicy
from rackhand.model.flavor import DiskHint, VolumeGroupSize
from rackhand.model.lease import NicAssignment
from rackhand.model.machine import BmcCredentials, Disk, Hardware, Observed, Wire
from rackhand.model.names import Mac


class Verb(StrEnum):
    """Asynchronous tasks of a machine; the outcome is seen by observing."""

    VERIFY = "verify"
    """Check BMC address and password, learn the power state (Ironic: manage)."""
    INSPECT = "inspect"
    PROVIDE = "provide"
    """Clean and make available."""
    UNDEPLOY = "undeploy"
    """Wipe and make available again."""
    POWER_ON = "power-on"
    POWER_OFF = "power-off"
    REBOOT = "reboot"
    ABORT = "abort"
    """Stop an inspection or cleaning that waits for the ramdisk."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A machine as the engine must know it."""

    machine_id: UUID
    name: str
    credentials: BmcCredentials
    wires: tuple[Wire, ...]
    driver_options: Mapping[str, str] = field(default_factory=dict)
    """Typed extras from settings, e.g. ``ipmi_cipher_suite``."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A network on a NIC or bond of a machine; ``vlan`` is its id, tagged there or not."""

    assignment: NicAssignment
    vlan: int


@dataclass(frozen=True, slots=True)
class Attached:
    """What a machine's NICs carry for its lease: all networks, by name, and all bonds."""

    attachments: tuple[Attachment, ...] = ()
    bonds: tuple[Bond, ...] = ()


NOTHING_ATTACHED = Attached()


@dataclass(frozen=True, slots=True)
class DeployOrder:
    """What to write on a machine. ``meta_data``, ``network_data`` and ``user_data``
    are the config drive's content (OpenStack metadata formats).

    ``disk`` is the one disk that placement chose: the ramdisk must find exactly it
    again by serial or WWN, and its own rule must agree, or it writes nothing.

    ``attached`` is what the engine shows of the machine's NICs from then on.
    """

    machine_id: UUID
    lease_id: UUID
    image_url: str
    manifest_url: str
    image_sha256: str
    manifest_sha256: str
    disk: Disk
    disk_hint: DiskHint
    deploy_mac: Mac
    meta_data: Mapping[str, Any]
    network_data: Mapping[str, Any]
    user_data: str = field(repr=False)
    volume_group: str | None = None
    """The image's own: another disk's of that name is named before anything is written."""
    volume_group_size: VolumeGroupSize = VolumeGroupSize.FIXED
    cleaning: CleaningPolicy = CleaningPolicy.METADATA
    """At least this much is erased once the machine is given back."""
    attached: Attached = NOTHING_ATTACHED


class Engine(Protocol):
    """A machine's life outside of leases.

    Every method may raise EngineUnreachable or EngineRefused, and is safe to repeat.
    """

    def observe_all(self) -> Sequence[Observed]:
        """Return every machine the engine knows, in one call."""
        ...

    def observe(self, machine_id: UUID) -> Observed:
        """Return one machine; state GONE when the engine does not know it."""
        ...

    def enrol(self, enrolment: Enrolment) -> None:
        """Make the machine known (or its BMC and NICs as told): REGISTERED afterwards."""
        ...

    def forget(self, machine_id: UUID) -> None:
        """Remove the machine from the engine; no error when it is gone already."""
        ...

    def know_nics(self, machine_id: UUID, macs: Collection[Mac]) -> None:
        """Make exactly these NICs known as the machine's; EngineRefused if one is another's."""
        ...

    def begin(
        self,
        machine_id: UUID,
        verb: Verb,
        *,
        probe_vlans: Collection[int] = (),
        inspected: Sequence[Disk] | None = None,
    ) -> None:
        """Start a task; returns at once. EngineRefused when the state forbids it.

        ``probe_vlans`` are for INSPECT: the VLANs that the ramdisk sends tagged probes on.
        ``inspected`` is for PROVIDE and UNDEPLOY: the disks that inspection saw, none of
        which the cleaning may pass over; None leaves in force what was told before.
        """
        ...

    def hardware(self, machine_id: UUID) -> Hardware | None:
        """Return what the last inspection found, None before the first.

        None too while an inspection runs and after one that failed: older findings
        must not pass for newer ones.
        """
        ...

    def ask_bmc(self, machine_id: UUID) -> str | None:
        """Ask the machine's BMC a question now that changes nothing; None: it answers.

        Else what was said of it, as of a failed verification (rules/fault_of.py reads
        it). Takes as long as the BMC does: well below a second, or half a minute
        when it is silent. EngineRefused 409 while the engine works on the machine.
        """
        ...


class Deployer(Protocol):
    """A machine's life inside of a lease. Same errors and promises as Engine."""

    def allocate(self, lease_id: UUID, candidates: Sequence[UUID]) -> UUID | None:
        """Take one of the candidates for the lease, atomically.

        Returns the same machine when repeated; None when none can be taken now.
        """
        ...

    def deploy(self, order: DeployOrder) -> None:
        """Attach the order's networks, start writing the allocated machine; returns at once.

        EngineRefused for a NIC that the engine does not know of: nothing is written then.
        """
        ...

    def attached(self, machine_id: UUID) -> Attached:
        """Return which networks are attached to which of the machine's NICs and bonds.

        They stay through a failed deployment, until the machine is undeployed or freed.
        """
        ...

    def free(self, lease_id: UUID) -> None:
        """Give an allocation back that never led to a deployment; no error when gone."""
        ...

    def change_bmc_password(self, machine_id: UUID, password: str) -> None:
        """Replace the BMC's password as the engine knows it."""
        ...
