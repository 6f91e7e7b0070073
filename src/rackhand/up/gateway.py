"""The gateway: asks the core for its plan and keeps a port and a dnsmasq per network."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from rackhand.adapters.dnsmasq import NetworkDnsmasq, wait_for
from rackhand.adapters.ip_link import ensure_addresses
from rackhand.model.errors import CallFailed, RackhandError
from rackhand.model.names import parse_mac
from rackhand.model.network import DhcpHost, GatewayNetwork, GatewayPlan
from rackhand.up.core_desk import CoreDesk
from rackhand.up.ears import Ears
from rackhand.up.program import Program
from rackhand.up.supervisor import Supervisor

WAIT_S = 20.0
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 10.0
DNSMASQ_START_S = 8.0


class VlanPorts(Protocol):
    """Where VLANs come from: Open vSwitch, or the kernel."""

    def ensure(self, vlan: int, mtu: int) -> str:
        """Have the VLAN's interface; returns its name. Safe to repeat; CallFailed."""
        ...

    def remove(self, vlan: int) -> None:
        """Remove the VLAN's interface; no error when gone."""
        ...

    def existing(self) -> set[int]:
        """Return the VLANs that have an interface of ours, from earlier runs too."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayPlace:
    """What a gateway needs to know of its installation. ``ports`` None serves nothing."""

    folder: Path
    tftp_root: Path
    management_address: IPv4Address
    dnsmasq_group: str
    ports: VlanPorts | None
    dnsmasq_user: str = "dnsmasq"

    @property
    def boot_url(self) -> str:
        """iPXE's first script, which Ironic keeps in nginx's root."""
        return f"http://{self.management_address}/boot.ipxe"


class Gateway(threading.Thread):
    """Puts one plan after the other in force and says which one is."""

    def __init__(
        self,
        place: GatewayPlace,
        core: CoreDesk,
        ears: Ears,
        supervisor: Supervisor,
        *,
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        super().__init__(name="gateway", daemon=True)
        self._place = place
        self._core = core
        self._ears = ears
        self._supervisor = supervisor
        self._say = say
        self._warn = warn
        self._stop = threading.Event()
        self._served: dict[int, GatewayNetwork] = {}
        self._in_force: str | None = None
        self._told = ""

    def stop(self) -> None:
        """Have the thread end; it may still wait for the core's answer."""
        self._stop.set()

    def run(self) -> None:
        """Ask, apply, ask again; a failure is told once and tried again."""
        pause_s = RETRY_FIRST_S
        while not self._stop.is_set():
            try:
                self.follow(self._ask())
            except RackhandError as error:
                self._in_force = None
                self._tell_once(error)
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, RETRY_MAX_S)
            else:
                pause_s, self._told = RETRY_FIRST_S, ""

    def _tell_once(self, error: RackhandError) -> None:
        quiet = self._stop.is_set() or self._supervisor.stopping
        if error.sentence != self._told and not quiet:
            self._told = error.sentence
            self._warn(f"gateway: {error.sentence}\n  hint: {error.hint}")

    def _ask(self) -> GatewayPlan:
        question: dict[str, str | float] = {}
        if self._in_force is not None and self._all_ready():
            question = {"in_force": self._in_force, "wait_s": WAIT_S}
        body = self._core.get(f"plan?{urlencode(question)}", timeout_s=WAIT_S + 10)
        return plan_from_json(body)

    def _all_ready(self) -> bool:
        return all(self._supervisor.is_ready(_program_name(n)) for n in self._served.values())

    def follow(self, plan: GatewayPlan) -> None:
        """Put the plan in force. CallFailed names each network that cannot be served."""
        if plan.revision == self._in_force:
            return
        failures: list[RackhandError] = []
        if self._place.ports is not None:
            wanted = {network.vlan for network in plan.networks}
            for vlan in (self._place.ports.existing() | set(self._served)) - wanted:
                self._withdraw(self._place.ports, vlan)
            for network in plan.networks:
                try:
                    self._serve(self._place.ports, network)
                except RackhandError as error:
                    failures.append(error)
        if failures:
            raise CallFailed(
                "; ".join(failure.sentence for failure in failures),
                "; ".join(dict.fromkeys(failure.hint for failure in failures)),
            )
        self._in_force = plan.revision

    def _withdraw(self, ports: VlanPorts, vlan: int) -> None:
        self._ears.leave(vlan)
        network = self._served.pop(vlan, None)
        if network is not None:
            self._supervisor.drop(_program_name(network))
            self._say(f"network {network.name} (VLAN {vlan}) … no longer served")
        ports.remove(vlan)
        shutil.rmtree(self._place.folder / str(vlan), ignore_errors=True)

    def _serve(self, ports: VlanPorts, network: GatewayNetwork) -> None:
        place = self._place
        if place.management_address in network.subnet:
            raise CallFailed(
                f"network {network.name}: its subnet {network.subnet} contains the management "
                f"address {place.management_address}",
                "set another management_address in the settings file",
            )
        old = self._served.get(network.vlan)
        if old is not None and old.name != network.name:
            self._supervisor.drop(_program_name(old))
        interface = ports.ensure(network.vlan, network.mtu)
        own = IPv4Interface((network.gateway_address, network.subnet.prefixlen))
        ensure_addresses(interface, {own})
        self._ears.listen(network, interface)
        dnsmasq = NetworkDnsmasq(place.folder / str(network.vlan), place.tftp_root)
        read_from = dnsmasq.log_size()
        conf_changed, hosts_changed = dnsmasq.write(
            network,
            interface,
            place.boot_url,
            (place.dnsmasq_user, place.dnsmasq_group),
        )
        name = _program_name(network)
        self._served[network.vlan] = network
        if conf_changed or not self._supervisor.is_ready(name):
            self._supervisor.keep(_program(name, dnsmasq))
            if conf_changed:
                self._supervisor.restart(name)
            self._supervisor.wait_ready(name, DNSMASQ_START_S)
        elif hosts_changed:
            self._reread(name, dnsmasq, read_from)
        dnsmasq.release_stale_leases(network, interface)

    def _reread(self, name: str, dnsmasq: NetworkDnsmasq, read_from: int) -> None:
        """Signal dnsmasq and wait until its log says that it has read the hosts.

        One that was started anew meanwhile says so as well.
        """
        self._supervisor.signal(name, signal.SIGHUP)
        wait_for(
            lambda: dnsmasq.has_read(read_from),
            DNSMASQ_START_S,
            lambda: f"{name} has not read {dnsmasq.hosts} again",
            f"see {dnsmasq.log}",
        )


def _program_name(network: GatewayNetwork) -> str:
    return f"dnsmasq of network {network.name} (VLAN {network.vlan})"


def _program(name: str, dnsmasq: NetworkDnsmasq) -> Program:
    return Program(
        name=name,
        argv=("dnsmasq", "--keep-in-foreground", f"--conf-file={dnsmasq.conf}"),
        log=dnsmasq.log,
        hint="another DHCP server on this machine (`ss -lunp 'sport = 67'`)? else see the log",
        ready=dnsmasq.has_read,
        before_start=dnsmasq.forget_stale_leases,
        ready_timeout_s=DNSMASQ_START_S,
        stop_timeout_s=3.0,
    )


def plan_from_json(body: Any) -> GatewayPlan:
    """Return the plan of the core's answer; CallFailed when it is none."""
    try:
        networks = tuple(_network(entry) for entry in body["networks"])
        return GatewayPlan(str(body["revision"]), networks)
    except (KeyError, TypeError, ValueError, RackhandError) as error:
        raise CallFailed(
            f"the core's answer is no gateway plan: {error!r}",
            "are `rackhand up` and the core of one version? stop and start both",
        ) from error


def _network(entry: Mapping[str, Any]) -> GatewayNetwork:
    own = IPv4Interface(f"{entry['gateway_address']}/{str(entry['subnet']).rpartition('/')[2]}")
    return GatewayNetwork(
        name=str(entry["name"]),
        vlan=int(entry["vlan"]),
        subnet=own.network,
        gateway_address=own.ip,
        mtu=int(entry["mtu"]),
        hosts=tuple(
            DhcpHost(parse_mac(host["mac"]), IPv4Address(host["address"]))
            for host in entry["hosts"]
        ),
    )
