"""What waits to be told: once each, bounded, kept while the core is away."""

from __future__ import annotations

from ipaddress import IPv4Address

from rackhand.model.names import Mac
from rackhand.up.overheard import Kind, Notice
from rackhand.up.reports import BATCH_MAX, QUIET_S, WAITING_MAX, Pending, report_body

NIC, SERVER = Mac("52:54:00:00:00:01"), IPv4Address("10.0.0.66")
STRANGER = Notice(Kind.STRANGER, "front", NIC, vendor_class="PXEClient")
PROBE = Notice(Kind.PROBE, "front", NIC, tag=200)
FOREIGN = Notice(Kind.FOREIGN, "front", NIC, server=SERVER)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def numbered(number: int) -> Notice:
    return Notice(Kind.STRANGER, "front", Mac(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"))


def test_what_is_noticed_often_is_told_once_and_again_after_a_while() -> None:
    clock = Clock()
    pending = Pending(clock)
    for _ in range(10):
        pending.add(STRANGER)
    assert pending.take()[Kind.STRANGER] == [(STRANGER, 100.0)]
    clock.now += QUIET_S[Kind.STRANGER] - 1
    pending.add(STRANGER)
    assert not any(pending.take().values())
    clock.now += 2
    pending.add(STRANGER)
    assert len(pending.take()[Kind.STRANGER]) == 1


def test_a_changed_stranger_and_every_probe_are_told_at_once() -> None:
    pending = Pending(Clock())
    changed = Notice(Kind.STRANGER, "front", NIC, vendor_class="iPXE")
    for notice in (STRANGER, PROBE):
        pending.add(notice)
    pending.take()
    for notice in (changed, PROBE):
        pending.add(notice)
    batch = pending.take()
    assert [n for n, _ in batch[Kind.STRANGER]] == [changed]
    assert [n for n, _ in batch[Kind.PROBE]] == [PROBE]


def test_a_flood_of_strangers_is_bounded_and_crowds_out_no_probe() -> None:
    pending = Pending(Clock())
    for number in range(5 * WAITING_MAX):
        pending.add(numbered(number))
    pending.add(PROBE)
    told = []
    while any((batch := pending.take()).values()):
        assert all(len(taken) <= BATCH_MAX for taken in batch.values())
        told += [notice for taken in batch.values() for notice, _ in taken]
    assert told.count(PROBE) == 1
    assert len(told) == WAITING_MAX + 1


def test_what_could_not_be_told_is_kept_with_its_moment_and_bounded() -> None:
    clock = Clock()
    pending = Pending(clock)
    pending.add(PROBE)
    pending.add(STRANGER)
    failed = pending.take()
    clock.now += 5
    pending.add(PROBE)
    for number in range(WAITING_MAX):
        pending.add(numbered(number))
    pending.put_back(failed)
    batch = pending.take()
    assert batch[Kind.PROBE] == [(PROBE, 105.0)], "the newer moment of the same probe"
    assert batch[Kind.STRANGER][0] == (STRANGER, 100.0), "the oldest first"
    assert len(batch[Kind.STRANGER]) + len(pending.take()[Kind.STRANGER]) == WAITING_MAX


def test_a_report_says_how_long_ago() -> None:
    batch = {Kind.PROBE: [(PROBE, 98.0)], Kind.FOREIGN: [(FOREIGN, 100.5)]}
    assert report_body(batch, frozenset({"front", "back"}), 100.0) == {
        "listening": ["back", "front"],
        "probes": [{"network": "front", "mac": NIC, "age_s": 2.0, "tag": 200}],
        "foreign_dhcp": [{"network": "front", "mac": NIC, "age_s": 0.0, "server": str(SERVER)}],
    }
