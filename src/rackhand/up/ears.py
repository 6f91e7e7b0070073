"""The gateway's ears: one thread that hears DHCP on every network, and asks now and then.

It also ends the wait of known machines' firmware for an IPv6 router.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from rackhand.adapters.dhcp_ears import DhcpEar
from rackhand.adapters.router_ears import RouterEar
from rackhand.model.network import GatewayNetwork
from rackhand.render.dhcp_watch import watch_frame, watch_mac
from rackhand.up.overheard import Notice, understand

WATCH_S = 20.0
"""Between two questions to foreign servers on a network: three in the minute promised."""
FIRST_WATCH_S = 1.0
CHECK_S = 2.0
"""Between two looks whether the interfaces are still those that were opened."""
_AT_ONCE = 64
"""Frames taken from one network before the others have their turn."""


@dataclass(slots=True)
class _Post:
    """One network listened on; belongs to the thread."""

    network: GatewayNetwork
    interface: str
    ear: DhcpEar
    router_ear: RouterEar
    watch_at: float


@dataclass(frozen=True, slots=True)
class _Wanted:
    network: GatewayNetwork
    interface: str


@dataclass(slots=True)
class _Shared:
    """What other threads say and ask."""

    wanted: dict[int, _Wanted] = field(default_factory=dict)
    listening: frozenset[str] = frozenset()


class Ears(threading.Thread):
    """Listens where it is told to; ``tell`` takes what it notices and must not block.

    An interface that is down, gone or made anew is opened again by itself.
    """

    def __init__(self, tell: Callable[[Notice], None], warn: Callable[[str], None]) -> None:
        super().__init__(name="ears", daemon=True)
        self._tell = tell
        self._warn = warn
        self._lock = threading.Lock()
        self._shared = _Shared()
        self._posts: dict[int, _Post] = {}
        self._deaf: dict[int, str] = {}
        self._ending = threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # ---- asked by any thread ----

    def listen(self, network: GatewayNetwork, interface: str) -> None:
        """Listen to the network on that interface from now on; safe to repeat."""
        with self._lock:
            self._shared.wanted[network.vlan] = _Wanted(network, interface)
        self._wake()

    def leave(self, vlan: int) -> None:
        """Listen there no more."""
        with self._lock:
            self._shared.wanted.pop(vlan, None)
        self._wake()

    def listening(self) -> frozenset[str]:
        """Return the names of the networks that are listened on now."""
        with self._lock:
            return self._shared.listening

    def interface_of(self, network: str) -> str | None:
        """Return the interface of a network that is listened on, None of any other."""
        with self._lock:
            for want in self._shared.wanted.values():
                if want.network.name == network and network in self._shared.listening:
                    return want.interface
        return None

    def stop(self) -> None:
        """Have the thread end."""
        self._ending.set()
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    # ---- the thread ----

    def run(self) -> None:
        """Open, hear, ask, until told to stop."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            check_at = 0.0
            while not self._ending.is_set():
                due = min([check_at, *(post.watch_at for post in self._posts.values())])
                ready = selector.select(max(due - time.monotonic(), 0.0))
                woken = any(key.fd == self._wake_read for key, _ in ready)
                for key, _ in ready:
                    if key.data is not None:
                        key.data()
                if woken or time.monotonic() >= check_at:
                    self._drain()
                    self._follow(selector)
                    check_at = time.monotonic() + CHECK_S
                self._ask(selector)
            for vlan in list(self._posts):
                self._close(selector, vlan)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass

    def _follow(self, selector: selectors.BaseSelector) -> None:
        """Have an ear on each wanted interface, and on no other."""
        with self._lock:
            wanted = dict(self._shared.wanted)
        for vlan, post in list(self._posts.items()):
            want = wanted.get(vlan)
            if want is None or not _is_same(post, want):
                self._close(selector, vlan)
        for vlan, want in wanted.items():
            if vlan in self._posts:
                self._posts[vlan].network = want.network
            else:
                self._open(selector, vlan, want)
        for vlan in set(self._deaf) - set(wanted):
            del self._deaf[vlan]
        with self._lock:
            names = frozenset(post.network.name for post in self._posts.values())
            self._shared.listening = names

    def _open(self, selector: selectors.BaseSelector, vlan: int, want: _Wanted) -> None:
        try:
            with contextlib.ExitStack() as opened:
                ear = opened.enter_context(
                    contextlib.closing(DhcpEar(want.interface, watch_mac(want.network)))
                )
                router_ear = RouterEar(want.interface)
                opened.pop_all()
        except OSError as error:
            if self._deaf.get(vlan) != str(error):
                self._deaf[vlan] = str(error)
                self._warn(
                    f"network {want.network.name}: cannot listen on {want.interface}: {error}\n"
                    f"  hint: it is tried again; see `ip link show dev {want.interface}`"
                )
            return
        self._deaf.pop(vlan, None)
        watch_at = time.monotonic() + FIRST_WATCH_S
        post = _Post(want.network, want.interface, ear, router_ear, watch_at)
        self._posts[vlan] = post
        selector.register(ear, selectors.EVENT_READ, partial(self._hear, selector, post))
        selector.register(router_ear, selectors.EVENT_READ, partial(self._answer, selector, post))

    def _close(self, selector: selectors.BaseSelector, vlan: int) -> None:
        post = self._posts.pop(vlan)
        for ear in (post.ear, post.router_ear):
            selector.unregister(ear)
            ear.close()

    def _hear(self, selector: selectors.BaseSelector, post: _Post) -> None:
        def one() -> None:
            heard = post.ear.hear()
            notice = None if heard is None else understand(heard, post.network)
            if notice is not None:
                self._tell(notice)

        self._take_all(selector, post, one)

    def _answer(self, selector: selectors.BaseSelector, post: _Post) -> None:
        known = {host.mac for host in post.network.hosts}
        self._take_all(selector, post, lambda: post.router_ear.answer(known))

    def _take_all(
        self, selector: selectors.BaseSelector, post: _Post, one: Callable[[], None]
    ) -> None:
        if self._posts.get(post.network.vlan) is not post:
            return  # closed a moment ago, in the same round
        try:
            for _ in range(_AT_ONCE):
                one()
        except BlockingIOError:
            pass
        except OSError:  # the interface went down or away: opened again at the next look
            self._close(selector, post.network.vlan)

    def _ask(self, selector: selectors.BaseSelector) -> None:
        now = time.monotonic()
        for vlan, post in list(self._posts.items()):
            if post.watch_at <= now:
                post.watch_at = now + WATCH_S
                try:
                    post.ear.say(watch_frame(post.network, secrets.randbits(32)))
                except OSError:
                    self._close(selector, vlan)


def _is_same(post: _Post, want: _Wanted) -> bool:
    """Whether what was opened is what is wanted, and not an interface made anew since."""
    if (post.interface, watch_mac(post.network)) != (want.interface, watch_mac(want.network)):
        return False
    try:
        return socket.if_nametoindex(post.interface) == post.ear.index
    except OSError:
        return False
