"""Images: sent in pieces, retired, tried, and what lies in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rackhand.fakes.server import Task
from rackhand.model.boot_matrix import BootMatrix, BootOutcome, BootTrial
from rackhand.model.errors import (
    AlreadyExists,
    CallFailed,
    InvalidFile,
    InvalidValue,
    NotFound,
    StoreBroken,
    WrongState,
)
from rackhand.model.image import ImageContents
from rackhand.model.image_facts import PartitionFact, VolumeGroupFact
from rackhand.model.image_layout import ImageLayout
from rackhand.model.lease import LeaseState
from rackhand.model.machine import Firmware
from rackhand.work.image_upload import Piece

from .world import World, manifest, pooled, spec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_image_content_is_verified_and_can_be_sent_again() -> None:
    world = World()
    content = b"content"
    image = world.images.add(manifest(content)).image
    assert world.images.add(manifest(content)).image == image
    with pytest.raises(AlreadyExists):
        world.images.add(manifest(b"other!!"))
    for wrong in (b"c0ntent", b"content and more"):
        with pytest.raises(InvalidValue):
            world.images.receive("debian", iter([wrong]))
        found = world.images.find("debian")
        assert (found.image.ready, found.received_bytes) == (False, 0)
        assert world.files.path(image.sha256) is None
    assert world.images.receive("debian", iter([content])).image.ready
    assert world.images.receive("debian", iter([])).image.ready
    world.images.remove("debian")
    with pytest.raises(NotFound):
        world.images.find("debian")
    assert world.files.path(image.sha256) is None


def test_an_image_of_the_same_content_needs_no_second_transfer() -> None:
    world = World()
    image = world.images.add(manifest(b"content")).image
    world.images.receive("debian", iter([b"content"]))
    assert world.images.add(manifest(b"content"), name="copy").image.ready
    world.images.remove("debian")
    assert world.files.path(image.manifest_sha256) is not None  # the copy needs it
    assert world.files.path(image.sha256) is not None


class TestPieces:
    def test_they_join_and_what_is_sent_again_replaces_what_was_there(self) -> None:
        world = World()
        world.images.add(manifest(b"content"))
        for start, part, arrived in ((0, b"cX", 2), (1, b"on", 3), (3, b"ten", 6)):
            piece = Piece(start, start + len(part), 7)
            view = world.images.receive("debian", iter([part]), piece)
            assert (view.image.ready, view.received_bytes) == (False, arrived)
        done = world.images.receive("debian", iter([b"t"]), Piece(6, 7, None))
        assert (done.image.ready, done.received_bytes) == (True, 7)

    @pytest.mark.parametrize(
        ("piece", "error"),
        [
            (Piece(3, 7, 7), WrongState),
            (Piece(0, 8, 8), InvalidValue),
            (Piece(0, 2, 10**18), InvalidValue),
            (Piece(2, 8, 7), InvalidValue),
            (Piece(2, 2, 7), InvalidValue),
        ],
        ids=["gap", "another length", "giant claim", "beyond the end", "nothing"],
    )
    def test_one_that_does_not_belong_there_takes_nothing_and_loses_nothing(
        self, piece: Piece, error: type[Exception]
    ) -> None:
        world = World()
        world.images.add(manifest(b"content"))
        world.images.receive("debian", iter([b"co"]), Piece(0, 2, 7))

        def never() -> Iterator[bytes]:
            raise AssertionError("nothing should be read")
            yield b""

        with pytest.raises(error):
            world.images.receive("debian", never(), piece)
        assert world.images.find("debian").received_bytes == 2

    def test_one_sends_at_a_time_under_any_name(self) -> None:
        world = World()
        for name in ("debian", "copy"):
            world.images.add(manifest(b"content"), name=name)
        seen: list[str] = []

        def sending() -> Iterator[bytes]:
            yield b"con"
            for name in ("debian", "copy"):
                with pytest.raises(WrongState, match="being sent by another client") as error:
                    world.images.receive(name, iter([b"content"]))
                assert error.value.details["running"] is True
                seen.append(str(error.value))
            with pytest.raises(WrongState, match="image debian is being sent"):
                world.images.remove("debian")
            yield b"tent"

        assert world.images.receive("debian", sending()).image.ready
        assert [words.split()[1] for words in seen] == ["debian", "copy"]
        assert world.images.receive("copy", iter([b"content"])).image.ready

    def test_what_came_before_a_break_stays_until_the_image_is_removed(self) -> None:
        world = World()
        world.images.add(manifest(b"content"))

        def broken() -> Iterator[bytes]:
            yield b"cont"
            raise CallFailed("the sender broke off", "")

        with pytest.raises(CallFailed):
            world.images.receive("debian", broken())
        assert world.images.add(manifest(b"content")).received_bytes == 4
        world.images.remove("debian")
        assert world.images.add(manifest(b"content")).received_bytes == 0

    def test_an_image_without_room_is_refused_before_it_is_added(self) -> None:
        world = World()
        world.files.room_bytes = 6
        with pytest.raises(StoreBroken):
            world.images.add(manifest(b"content"))
        assert world.images.all() == []


class TestRetirement:
    def test_no_new_leases_but_those_that_are_there_go_on(self) -> None:
        world = pooled()
        waiting = world.leases.request(spec())
        retired = world.images.retire("debian").image
        assert retired.retired_at is not None
        assert world.images.retire("debian").image == retired
        for refused in (world.leases.plan, world.leases.request):
            with pytest.raises(WrongState, match="image debian was retired") as error:
                refused(spec(hostname="web-02"))
            assert "rackhand image retire debian --undo" in error.value.hint
        world.until(waiting, LeaseState.ACTIVE)
        kinds = [event.kind for event in world.journal.read()]
        assert kinds.count("image.retired") == 1

    def test_a_failed_lease_of_a_retired_image_is_tried_again(self) -> None:
        world = pooled()
        server = world.engine.server(world.machines.find("n1").machine.id)
        server.failing[Task.DEPLOY] = "broken"
        lease = world.leases.request(spec())
        world.until(lease, LeaseState.FAILED)
        world.images.retire("debian")
        del server.failing[Task.DEPLOY]
        world.leases.retry("web-01")
        world.until(lease, LeaseState.ACTIVE)

    def test_it_can_be_taken_back(self) -> None:
        world = pooled()
        world.images.retire("debian")
        assert world.images.retire("debian", undo=True).image.retired_at is None
        assert world.leases.plan(spec()).machine == "n1"
        assert world.leases.request(spec()).name == "web-01"

    def test_a_retired_image_that_no_lease_names_can_be_removed(self) -> None:
        world = pooled()
        world.images.retire("debian")
        world.images.remove("debian")
        assert world.images.all() == []


def test_a_boot_matrix_is_kept_with_its_own_image_only() -> None:
    world = pooled()
    image = world.images.find("debian").image
    with pytest.raises(NotFound, match="boot matrix of image 'debian'"):
        world.images.boot_matrix("debian")
    trial = BootTrial(Firmware.BIOS, "ahci", "e1000", BootOutcome.REACHED, 50.5, NOON)
    matrix = BootMatrix(image.sha256, "QEMU 7.2.22, TCG", (trial,))
    with pytest.raises(InvalidValue, match="is not the content of image debian"):
        world.images.keep_boot_matrix("debian", replace(matrix, image_sha256="0" * 64))
    for _ in range(2):
        world.images.keep_boot_matrix("debian", matrix)
    assert world.images.boot_matrix("debian") == matrix
    kinds = [event.kind for event in world.journal.read()]
    assert kinds.count("image.boot-matrix") == 1


def test_what_lies_in_an_image_is_read_from_its_manifest() -> None:
    world = World()
    partition = {"number": 4, "offset": 4096, "size_bytes": 8192, "type": "0x8e", "name": ""}
    group = {"name": "rootvg", "volumes": {"root": 4096}, "free_bytes": 0}
    layout = {"table": "mbr", "partitions": [partition], "volume_groups": [group]}
    world.images.add(manifest(b"old"), name="old")
    world.images.add(manifest(b"x", kernel_versions=["6.1.0"], layout=layout), name="new")
    assert world.images.contents("old") == ImageContents()
    contents = world.images.contents("new")
    assert contents.kernel_versions == ("6.1.0",)
    assert contents.layout == ImageLayout(
        "mbr",
        (PartitionFact(4, 4096, 8192, "0x8e"),),
        (VolumeGroupFact("rootvg", {"root": 4096}),),
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "qcow2"}, "format"),
        ({"extents": []}, "extents"),
        ({"extents": [[0, 1 << 30], [4096, 4096]]}, "extents"),
        ({"extents": [[4 << 30, 1 << 30]]}, "extents"),
        ({"extents": [[0, 4096]]}, "data_bytes"),
        ({"sha256": "short"}, "sha256"),
        ({"size_bytes": 1 << 50}, "size_bytes"),
        ({"layout": {"table": "gpt"}}, "layout"),
        ({"kernel_versions": [6]}, "kernel_versions"),
        ({"size_bytes": True}, "size_bytes"),
        ({"compressed_bytes": -1}, "compressed_bytes"),
        ({"firmware": ["coreboot"]}, "firmware"),
        ({"os": {"version": "12"}}, "family"),
        ({"created_at": "yesterday"}, "created_at"),
    ],
)
def test_manifests_that_cannot_be_used(change: dict[str, object], field: str) -> None:
    world = World()
    with pytest.raises(InvalidFile) as error:
        world.images.add(manifest(b"x", **change))
    assert error.value.flaws[0].path == (field,)
    assert world.images.all() == []
