"""What the doors call: every use case under one name."""

from __future__ import annotations

from dataclasses import dataclass

from rackhand.work.address_questions import AddressQuestions
from rackhand.work.adoption import Adoptions
from rackhand.work.deploy_logs import LeaseLogs
from rackhand.work.events import Journal
from rackhand.work.flavors import Flavors
from rackhand.work.gateway import GatewayDesk
from rackhand.work.images import Images
from rackhand.work.leases import Leases
from rackhand.work.machines import Machines
from rackhand.work.networks import Networks, Zones
from rackhand.work.wire_desk import WireDesk


@dataclass(frozen=True)
class UseCases:
    """All that Rackhand can be asked to do."""

    zones: Zones
    networks: Networks
    flavors: Flavors
    images: Images
    machines: Machines
    adoptions: Adoptions
    leases: Leases
    lease_logs: LeaseLogs
    journal: Journal
    gateway: GatewayDesk
    wires: WireDesk
    questions: AddressQuestions
