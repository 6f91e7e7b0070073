"""Gateway and core together: a real store, the real API on its socket, a real segment."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from uuid import uuid4

import namespaces
import pytest
import uvicorn
from dhcp_client import DISCOVER
from fastapi import FastAPI
from gateway_site import FIRST, STRANGER, A, Site, eventually, network

from rackhand.adapters.database.store import open_store
from rackhand.adapters.oui import Vendors
from rackhand.doors.api.bearer import BearerGate
from rackhand.doors.api.gateway import gateway_routes
from rackhand.model.network import AddressRange, IpAddress, Network
from rackhand.render.vlan_probe import mark
from rackhand.up.asked import Asked
from rackhand.up.reports import Pending, Reporter
from rackhand.work.address_questions import AddressQuestions
from rackhand.work.changes import Changes
from rackhand.work.gateway import GatewayDesk
from rackhand.work.wire_desk import WireDesk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")

NEIGHBOUR, SILENT = IPv4Address("10.100.0.77"), IPv4Address("10.100.0.78")


class Core:
    """The core's part that talks to gateways; goes away and comes back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "token").write_text("secret\n")
        self.store = open_store(folder / "rackhand.db")
        self.changes = Changes()
        self.questions = AddressQuestions(uuid4)
        self.wires = WireDesk(
            self.store,
            self.questions,
            lambda: datetime.now(UTC),
            self.changes.announce,
            Vendors().of,
        )
        served, first = network(), IPv4Address("10.100.0.10")
        with self.store.transaction() as session:
            session.networks.add(
                Network(
                    id=uuid4(),
                    name=served.name,
                    zone="lab",
                    vlan=served.vlan,
                    subnet=served.subnet,
                    gateway_address=served.gateway_address,
                    ranges=(AddressRange(first, first + 90),),
                )
            )

    @contextmanager
    def serving(self) -> Iterator[None]:
        app = FastAPI()
        desk = GatewayDesk(self.store, self.changes)
        app.include_router(gateway_routes(desk, self.wires, self.questions), prefix="/v1")
        app.add_middleware(BearerGate, token="secret")
        config = uvicorn.Config(
            app,
            uds=str(self._folder / "api.sock"),
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            eventually(lambda: server.started)
            yield
        finally:
            server.should_exit = True
            thread.join()

    def heard(self) -> list[tuple[str, int | None]]:
        since = datetime.now(UTC) - timedelta(minutes=5)
        return [(one.mac, one.tag) for one in self.wires.probes_heard([A, STRANGER], since)]


@pytest.fixture
def core(site: Site, open_folder: Path) -> Iterator[Core]:
    """The core, and the threads that speak for the gateway; nobody serves yet."""
    made, pending = Core(open_folder), Pending()
    site.listeners.append(pending.add)
    reporter = Reporter(site.core, pending, site.ears.listening, site.warnings.append)
    asked = Asked(site.core, site.ears.interface_of, site.warnings.append)
    for thread in (reporter, asked):
        thread.start()
    site.follow(network((A, FIRST)))
    yield made
    for thread in (reporter, asked):
        thread.stop()
    made.questions.close()
    for thread in (reporter, asked):
        thread.join()
    made.store.close()


def test_what_is_heard_reaches_the_store(site: Site, core: Core) -> None:
    with core.serving():
        eventually(lambda: core.wires.listened("lab") == [100], 10)
        client = site.client()
        began = time.monotonic()
        assert client.ask(A, DISCOVER, {60: mark(None).encode()}, timeout_s=0.1) is None
        eventually(lambda: core.heard() == [(A, None)])
        print(f"a probe was in the store after {time.monotonic() - began:.1f} s")
        assert client.ask(STRANGER, DISCOVER, {60: b"PXEClient"}, timeout_s=0.1) is None
        eventually(lambda: [one.stranger.mac for one in core.wires.seen()] == [STRANGER])
        assert core.wires.seen()[0].stranger.vendor_class == "PXEClient"


def test_nothing_is_lost_while_the_core_is_away(site: Site, core: Core) -> None:
    with core.serving():
        eventually(lambda: core.wires.listened("lab") == [100], 10)
    client = site.client()
    for tag in (None, 200, 300):
        client.ask(A, DISCOVER, {60: mark(tag).encode()}, timeout_s=0.1)
    time.sleep(2)
    assert core.heard() == []
    with core.serving():
        eventually(lambda: core.heard() == [(A, None), (A, 200), (A, 300)], 10)
    (first, *_) = core.wires.probes_heard([A], datetime.now(UTC) - timedelta(minutes=5))
    assert first.at < datetime.now(UTC) - timedelta(seconds=1.5), "with the moment it was heard"


def test_addresses_in_use_are_asked_for_on_the_wire(site: Site, core: Core) -> None:
    where = site.client_namespace
    namespaces.ip("-n", where, "addr", "add", f"{NEIGHBOUR}/24", "dev", "cl100")
    own = network().gateway_address
    with core.serving():
        eventually(lambda: core.wires.listened("lab") == [100], 10)
        asked: list[tuple[str, IpAddress]] = [("net100", a) for a in (NEIGHBOUR, SILENT, own)]
        began = time.monotonic()
        found = core.wires.in_use(asked)
        print(f"three addresses took {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < 4
        assert set(found) == {("net100", NEIGHBOUR), ("net100", own)}
        link = namespaces.ip("-n", where, "-o", "link", "show", "dev", "cl100")
        assert found["net100", NEIGHBOUR] in link
