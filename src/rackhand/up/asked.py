"""Answers the core's questions: which addresses are in use on our networks?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

from rackhand.adapters.address_probe import who_has
from rackhand.adapters.ip_link import mac_of, own_addresses
from rackhand.model.errors import CallFailed, RackhandError
from rackhand.model.names import Mac
from rackhand.model.network import IpAddress
from rackhand.up.core_desk import CoreDesk

WAIT_S = 20.0
RETRY_S = 2.0
_AT_ONCE = 16
"""Networks that are asked at the same time."""


class Asked(threading.Thread):
    """Takes questions one batch after the other; the networks of a batch side by side.

    ``interface_of`` tells the interface of a network that is served, None of any other.
    """

    def __init__(
        self,
        core: CoreDesk,
        interface_of: Callable[[str], str | None],
        warn: Callable[[str], None],
    ) -> None:
        super().__init__(name="asked", daemon=True)
        self._core = core
        self._interface_of = interface_of
        self._warn = warn
        self._ending = threading.Event()

    def stop(self) -> None:
        """Have the thread end; it may still wait for the core's answer."""
        self._ending.set()

    def run(self) -> None:
        """Wait for questions, answer them."""
        while not self._ending.is_set():
            try:
                questions = self._core.get(f"questions?wait_s={WAIT_S}", WAIT_S + 10)
                if questions:
                    self._core.post("answers", self.answers(questions))
            except (KeyError, TypeError, ValueError) as error:
                self._warn(
                    f"gateway: the core's question is none: {error!r}\n"
                    "  hint: are `rackhand up` and the core of one version? stop and start both"
                )
                self._ending.wait(RETRY_S)
            except RackhandError:
                # The gateway's own thread asks the same core, and says that it is away.
                self._ending.wait(RETRY_S)

    def answers(self, questions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return who has which of the addresses asked for; why not, where nobody can tell."""
        asked: dict[str, set[IpAddress]] = {}
        for question in questions:
            texts = question["addresses"]
            asked.setdefault(question["network"], set()).update(map(ip_address, texts))
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="who-has") as pool:
            found = dict(zip(asked, pool.map(self._found, asked, asked.values()), strict=True))
        return [_answer(question, *found[question["network"]]) for question in questions]

    def _found(
        self, network: str, addresses: set[IpAddress]
    ) -> tuple[Mapping[IpAddress, Mac], str | None]:
        interface = self._interface_of(network)
        if interface is None:
            return {}, f"the gateway does not serve network {network} now"
        try:
            own = addresses & own_addresses()
            others = addresses - own
            heard = who_has(interface, others) if others else {}
            return {**dict.fromkeys(own, mac_of(interface)), **heard}, None
        except CallFailed as error:
            self._warn(f"gateway: {error.sentence}\n  hint: {error.hint}")
            return {}, error.sentence


def _answer(
    question: Mapping[str, Any], found: Mapping[IpAddress, Mac], failure: str | None
) -> dict[str, Any]:
    wanted = {ip_address(text) for text in question["addresses"]}
    taken = [
        {"address": str(address), "mac": mac} for address, mac in found.items() if address in wanted
    ]
    return {"id": question["id"], "taken": taken, "failure": failure}
