"""Reports of machines without a BMC, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from rackhand.model.discovery import Report
from rackhand.model.errors import EngineRefused, EngineUnreachable
from rackhand.model.machine import Hardware
from rackhand.model.names import Mac
from rackhand.ports.discoverer import Sight


@dataclass
class _Expected:
    """One NIC that is expected; ``steps`` counts calls, as Ironic needs several."""

    mac: Mac
    steps: int = 0
    probe_vlans: tuple[int, ...] = ()
    sight: Sight = Sight()  # noqa: RUF009  (frozen)


class FakeDiscoverer:
    """Discoverer in memory, thread-safe.

    :meth:`boot` is what a machine does that boots from the network. ``unreachable`` makes
    every call raise EngineUnreachable; ``taken`` are MACs of the engine's own machines.
    """

    def __init__(self) -> None:
        self.unreachable = False
        self.taken: set[Mac] = set()
        self._expected: dict[UUID, _Expected] = {}
        self._lock = Lock()

    def boot(
        self, hardware: Hardware, bmc_address: str | None = None, error: str | None = None
    ) -> bool:
        """Report as the ramdisk does; False: none of its NICs is expected, nothing is kept.

        With ``error`` the report cannot be used.
        """
        macs = {nic.mac for nic in hardware.nics}
        with self._lock:
            for one in self._expected.values():
                if one.mac in macs and one.sight.awaited:
                    report = None if error else Report(hardware, bmc_address)
                    one.sight = Sight(report=report, error=error)
                    return True
        return False

    def probe_vlans(self, mac: Mac) -> Sequence[int]:
        """Return the VLANs that the ramdisk of this NIC was told to probe."""
        with self._lock:
            return next(one.probe_vlans for one in self._expected.values() if one.mac == mac)

    def look(self) -> Mapping[UUID, Sight]:
        """Return every discovery that is known."""
        with self._lock:
            self._enter()
            return {key: one.sight for key, one in self._expected.items()}

    def expect(
        self, discovery_id: UUID, mac: Mac, probe_vlans: Sequence[int] = (), *, next_one: bool
    ) -> None:
        """Take one of two steps: known, then awaited."""
        with self._lock:
            self._enter()
            others = {one.mac for key, one in self._expected.items() if key != discovery_id}
            if mac in self.taken | others:
                raise EngineRefused(
                    f"a port with MAC address {mac} already exists", "forget that one first", 409
                )
            one = self._expected.setdefault(discovery_id, _Expected(mac))
            if one.sight.has_news and not next_one:
                return
            one.steps += 1
            one.probe_vlans = tuple(probe_vlans)
            one.sight = Sight(awaited=one.steps > 1)

    def dismiss(self, discovery_id: UUID) -> None:
        """Expect it no more; no error when it is gone already."""
        with self._lock:
            self._enter()
            self._expected.pop(discovery_id, None)

    def _enter(self) -> None:
        if self.unreachable:
            raise EngineUnreachable("the fake engine does not answer", "set unreachable to False")
