"""What every discoverer promises, on the fake and on a real Ironic that boots nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from agent_report import agent_report
from ironic_process import IronicProcess

from rackhand.adapters.ironic import translate
from rackhand.adapters.ironic.client import IronicClient
from rackhand.adapters.ironic.discovery import DRIVER, IronicDiscoverer
from rackhand.adapters.ironic.engine import IronicEngine
from rackhand.fakes.discoverer import FakeDiscoverer
from rackhand.model.discovery import Report
from rackhand.model.errors import EngineRefused, EngineUnreachable
from rackhand.model.machine import BmcAddress, BmcCredentials, Wire
from rackhand.model.names import Mac
from rackhand.ports.discoverer import Discoverer, Sight
from rackhand.ports.engine import Enrolment

PATIENCE_S = 60.0
NUMBERS = count(1)


def new_mac() -> Mac:
    number = next(NUMBERS)
    return Mac(f"52:54:fb:00:{number >> 8:02x}:{number & 255:02x}")


def as_found(report: dict[str, Any]) -> dict[str, Any]:
    """The same as Ironic keeps it: the inventory, and the rest beside."""
    rest = {key: value for key, value in report.items() if key != "inventory"}
    return {"inventory": report["inventory"], "plugin_data": rest}


def busy_is_no_matter(call: Callable[[], None]) -> None:
    """Call; a refusal because Ironic is at work on the node is none: the loop comes again."""
    try:
        call()
    except EngineRefused as error:
        if error.status != 409:
            raise


@dataclass
class Rung:
    """A discoverer, how a ramdisk reports to it, and how a machine takes a MAC."""

    discoverer: Discoverer
    post: Callable[[dict[str, Any]], bool]
    take_mac: Callable[[Mac], None]

    def sight(self, discovery_id: UUID) -> Sight | None:
        return self.discoverer.look().get(discovery_id)

    def until(
        self,
        discovery_id: UUID,
        mac: Mac,
        done: Callable[[Sight], bool],
        vlans: Sequence[int] = (),
        *,
        expecting: bool = True,
    ) -> Sight:
        """Go on as the loop does: look, and expect unless it is awaited or has reported."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            sight = self.sight(discovery_id) or Sight()
            if done(sight):
                return sight
            assert time.monotonic() < deadline, sight
            if expecting and not sight.awaited:
                step = partial(self.discoverer.expect, discovery_id, mac, vlans)
                busy_is_no_matter(lambda: step(next_one=sight.has_news))  # noqa: B023
            time.sleep(0.05)

    def awaited(self, discovery_id: UUID, mac: Mac) -> None:
        self.until(discovery_id, mac, lambda sight: sight.awaited)

    def gone(self, discovery_id: UUID) -> None:
        self.discoverer.dismiss(discovery_id)
        assert self.sight(discovery_id) is None


def fake_rung() -> Rung:
    fake = FakeDiscoverer()

    def post(report: dict[str, Any]) -> bool:
        return fake.boot(translate.hardware(as_found(report)), report["inventory"]["bmc_address"])

    return Rung(fake, post, fake.taken.add)


def ironic_rung(client: IronicClient, socket: Path) -> Rung:
    engine = IronicEngine(client, driver="rackhand-fake")

    def post(report: dict[str, Any]) -> bool:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=60) as machine:
            # The agent names no version of the API, and gets the oldest.
            answer = machine.post("http://ironic/v1/continue_inspection", json=report)
        assert answer.status_code in (202, 404), answer.text
        return answer.status_code == 202

    def take_mac(mac: Mac) -> None:
        name = f"taken-{mac.replace(':', '-')}"
        credentials = BmcCredentials(BmcAddress("127.0.1.99", 623, "admin"), "secret")
        engine.enrol(Enrolment(uuid4(), name, credentials, (Wire(mac, 100, boot=True),)))

    return Rung(IronicDiscoverer(client), post, take_mac)


@pytest.fixture(params=["fake", "ironic"])
def rung(request: pytest.FixtureRequest) -> Iterator[Rung]:
    if request.param == "fake":
        yield fake_rung()
        return
    process: IronicProcess = request.getfixturevalue("real_ironic")
    client = IronicClient(process.socket)
    yield ironic_rung(client, process.socket)
    client.close()


def test_a_report_of_an_expected_nic_is_taken(rung: Rung) -> None:
    discovery, mac, other = uuid4(), new_mac(), new_mac()
    rung.awaited(discovery, mac)
    report = agent_report([other, mac])
    assert rung.post(report)
    sight = rung.until(discovery, mac, lambda sight: sight.report is not None, expecting=False)
    assert sight == Sight(report=Report(translate.hardware(as_found(report)), "10.1.2.3"))
    assert sight.report is not None
    assert [nic.mac for nic in sight.report.hardware.nics] == [other, mac]
    rung.gone(discovery)
    rung.gone(discovery)


def test_it_is_expected_again_after_a_report(rung: Rung) -> None:
    discovery, mac = uuid4(), new_mac()
    for vendor in ("first", "second"):
        rung.awaited(discovery, mac)
        report = agent_report([mac])
        report["inventory"]["boot"]["current_boot_mode"] = "uefi"  # Ironic keeps it for the next
        report["inventory"]["system_vendor"]["manufacturer"] = vendor
        assert rung.post(report)
        sight = rung.until(discovery, mac, lambda sight: sight.report is not None, expecting=False)
        assert sight.report is not None
        assert sight.report.hardware.vendor == vendor
        # Whoever has not seen the report yet does not drop it.
        rung.discoverer.expect(discovery, mac, next_one=False)
        assert rung.sight(discovery) == sight
        rung.discoverer.expect(discovery, mac, next_one=True)
    rung.gone(discovery)


def test_a_report_of_nobody_expected_leaves_nothing_behind(rung: Rung) -> None:
    discovery, mac = uuid4(), new_mac()
    rung.awaited(discovery, mac)
    before = rung.discoverer.look()
    assert not rung.post(agent_report([new_mac()]))
    assert rung.discoverer.look() == before
    rung.gone(discovery)
    assert not rung.post(agent_report([mac]))
    assert rung.sight(discovery) is None


def test_a_mac_of_a_machine_is_refused(rung: Rung) -> None:
    discovery, mac = uuid4(), new_mac()
    rung.take_mac(mac)
    for _ in range(2):
        with pytest.raises(EngineRefused, match=str(mac)) as caught:
            rung.discoverer.expect(discovery, mac, next_one=False)
        assert caught.value.status == 409
    assert rung.sight(discovery) is None


def test_a_wait_is_ended_at_any_moment(rung: Rung) -> None:
    for steps in range(3):
        discovery, mac = uuid4(), new_mac()
        for _ in range(steps):
            rung.discoverer.expect(discovery, mac, next_one=False)
            rung.until(discovery, mac, lambda _: True)
        deadline = time.monotonic() + PATIENCE_S
        while rung.sight(discovery) is not None:
            assert time.monotonic() < deadline
            busy_is_no_matter(lambda: rung.discoverer.dismiss(discovery))  # noqa: B023


class TestOnIronicAlone:
    """Its boot files, its nodes, and what it can never do to such a machine."""

    @pytest.fixture
    def client(self, real_ironic: IronicProcess) -> Iterator[IronicClient]:
        client = IronicClient(real_ironic.socket)
        yield client
        client.close()

    def test_its_boot_leads_to_the_ramdisk_until_it_is_dismissed(
        self, real_ironic: IronicProcess, client: IronicClient
    ) -> None:
        rung = ironic_rung(client, real_ironic.socket)
        discovery, mac = uuid4(), new_mac()
        link = real_ironic.folder / "http/pxelinux.cfg" / mac.replace(":", "-")
        assert not link.exists()
        rung.discoverer.expect(discovery, mac, (100, 101, 205), next_one=False)
        rung.until(discovery, mac, lambda sight: sight.awaited, (101, 205))
        script = link.read_text()
        assert "ipa-insecure=1" in script
        assert "rackhand-probe-vlans=101,205" in script
        assert "ipa-inspection-callback-url=http://127.0.0.1:1/v1/continue_inspection" in script
        assert "ipa-inspection-collectors=default,pci-devices,rackhand-disks,rack" in script
        # Without the API's address the agent has no token and takes nobody's orders.
        assert "ipa-api-url" not in script
        assert rung.post(agent_report([mac]))
        rung.until(discovery, mac, lambda sight: sight.report is not None, expecting=False)
        rung.awaited(discovery, mac)
        assert link.exists()
        rung.gone(discovery)
        assert not link.is_symlink()
        assert not (real_ironic.folder / "http" / str(discovery)).exists()

    def test_it_cannot_be_installed(self, real_ironic: IronicProcess, client: IronicClient) -> None:
        rung = ironic_rung(client, real_ironic.socket)
        discovery, mac = uuid4(), new_mac()
        rung.awaited(discovery, mac)
        node = client.get(f"/v1/nodes/{discovery}")
        assert (node["driver"], node["deploy_interface"]) == (DRIVER, "noop")
        for verb in ("active", "provide", "deleted"):
            with pytest.raises(EngineRefused):
                client.put(f"/v1/nodes/{discovery}/states/provision", {"target": verb})
        rung.gone(discovery)

    def test_a_report_with_an_error_is_told(
        self, real_ironic: IronicProcess, client: IronicClient
    ) -> None:
        rung = ironic_rung(client, real_ironic.socket)
        discovery, mac = uuid4(), new_mac()
        rung.awaited(discovery, mac)
        assert rung.post(agent_report([mac]) | {"error": "no disks could be listed"})
        rung.until(discovery, mac, lambda sight: not sight.awaited, expecting=False)
        rung.discoverer.expect(discovery, mac, next_one=False)
        sight = rung.until(discovery, mac, lambda sight: bool(sight.error), expecting=False)
        assert "no disks could be listed" in (sight.error or "")
        rung.awaited(discovery, mac)
        rung.gone(discovery)

    def test_a_bmc_without_an_address_is_none(
        self, real_ironic: IronicProcess, client: IronicClient
    ) -> None:
        rung = ironic_rung(client, real_ironic.socket)
        discovery, mac = uuid4(), new_mac()
        rung.awaited(discovery, mac)
        assert rung.post(agent_report([mac], bmc_address="0.0.0.0"))  # noqa: S104  (as ipmitool says)
        sight = rung.until(discovery, mac, lambda sight: sight.report is not None, expecting=False)
        assert sight.report is not None
        assert sight.report.bmc_address is None
        rung.gone(discovery)


def test_an_absent_ironic_is_unreachable(tmp_path: Path) -> None:
    for discoverer in (IronicDiscoverer(IronicClient(tmp_path / "none.sock")), _broken_fake()):
        with pytest.raises(EngineUnreachable):
            discoverer.look()


def _broken_fake() -> FakeDiscoverer:
    fake = FakeDiscoverer()
    fake.unreachable = True
    return fake
