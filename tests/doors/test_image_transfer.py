"""Images sent over real connections that break, to a real server that is killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rackhand.adapters.image_files import HttpImageFiles
from rackhand.doors.api import uploads

from .conftest import TOKEN as HOUSE_TOKEN
from .conftest import House, asking, image_manifest, serving
from .core_process import TOKEN, CoreProcess, Wire, command_line, eventually

SIZE = 8 << 20


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreProcess]:
    core = CoreProcess(tmp_path_factory.mktemp("core"))
    core.start()
    yield core
    core.end()
    assert "Traceback" not in core.log()


@pytest.fixture
def api(core: CoreProcess) -> Iterator[httpx.Client]:
    with asking(core.state, TOKEN) as client:
        yield client


@pytest.fixture
def token(core: CoreProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RACKHAND_TOKEN_FILE", str(core.state / "admin.token"))


@pytest.fixture
def wire(core: CoreProcess, tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(tmp_path / "wire.sock", core.socket)
    yield wire
    wire.close()


class Packed:
    """A packed image of random content."""

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        self.content = os.urandom(size)
        self.sha256 = hashlib.sha256(self.content).hexdigest()
        self.name = f"image-{self.sha256[:8]}"
        self.path = f"/v1/images/{self.name}"
        self.folder = folder
        self.manifest = json.dumps(
            image_manifest(name=self.name, sha256=self.sha256, compressed_bytes=size)
        )
        folder.mkdir()
        (folder / "image.json").write_text(self.manifest)
        (folder / "disk.zst").write_bytes(self.content)

    @property
    def add(self) -> tuple[str | Path, ...]:
        return ("image", "add", self.name, "--from", self.folder)

    def sent(self, client: httpx.Client, start: int, end: int) -> httpx.Response:
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(self.content)}"}
        return client.put(f"{self.path}/content", content=self.content[start:end], headers=headers)

    def arrived(self, client: httpx.Client) -> int:
        return int(client.get(self.path).json()["received_bytes"])

    def stored(self, core: CoreProcess) -> bytes:
        return (core.state / "http/images" / self.sha256).read_bytes()


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    return Packed(tmp_path / "packed")


def error_of(answer: httpx.Response) -> Any:
    return answer.json()["error"]


class TestByApi:
    def test_a_sender_that_goes_away_can_send_the_rest(
        self, core: CoreProcess, api: httpx.Client, packed: Packed
    ) -> None:
        assert api.post("/v1/images", content=packed.manifest).json()["received_bytes"] == 0

        def cut() -> Iterator[bytes]:
            yield packed.content[: SIZE // 2]
            eventually(lambda: packed.arrived(api) > 0)
            raise InterruptedError

        with asking(core.state, TOKEN) as sender, pytest.raises(InterruptedError):
            sender.put(f"{packed.path}/content", content=cut())
        eventually(lambda: packed.sent(api, 0, 1).status_code == 200)  # it was noticed
        answer = packed.sent(api, 1, SIZE // 2)
        assert (answer.json()["ready"], answer.json()["received_bytes"]) == (False, SIZE // 2)
        gap = packed.sent(api, SIZE // 2 + 1, SIZE)
        assert (gap.status_code, error_of(gap)["details"]) == (409, {"received_bytes": SIZE // 2})
        done = packed.sent(api, SIZE // 2, SIZE).json()
        assert (done["ready"], done["received_bytes"]) == (True, SIZE)
        assert packed.stored(core) == packed.content

    @pytest.mark.parametrize(
        ("headers", "words"),
        [
            ({"Content-Range": "bytes 0-9/10"}, "is no part of the"),
            ({"Content-Range": f"bytes 0-9/{10**18}"}, "is no part of the"),
            ({"Content-Range": f"bytes 5-1/{SIZE}"}, "is not Content-Length long"),
            ({"Content-Range": f"bytes 0-3/{SIZE}"}, "is not Content-Length long"),
            ({"Content-Range": "pages 1-2/3"}, "write it as bytes"),
            ({}, "is no part of the"),
        ],
    )
    def test_what_is_announced_wrongly_is_refused_and_loses_nothing(
        self, api: httpx.Client, packed: Packed, headers: dict[str, str], words: str
    ) -> None:
        api.post("/v1/images", content=packed.manifest)
        packed.sent(api, 0, 100)
        answer = api.put(f"{packed.path}/content", content=b"0123456789", headers=headers)
        assert answer.status_code == 400
        assert words in error_of(answer)["sentence"] + error_of(answer)["hint"]
        assert packed.arrived(api) == 100

    @pytest.mark.parametrize(
        ("claim", "status", "words"),
        [
            ({"compressed_bytes": 10**15}, 503, "bytes free, the image needs"),
            ({"size_bytes": 1 << 60}, 400, "size_bytes: "),
        ],
    )
    def test_giant_claims_are_refused_before_anything_is_sent(
        self, api: httpx.Client, claim: dict[str, int], status: int, words: str
    ) -> None:
        before = api.get("/v1/images").json()
        answer = api.post("/v1/images", content=json.dumps(image_manifest(name="giant", **claim)))
        assert answer.status_code == status
        assert words in error_of(answer)["sentence"]
        assert api.get("/v1/images").json() == before


@pytest.mark.usefixtures("token")
class TestByCommandLine:
    def test_it_goes_on_by_itself_after_each_break(
        self, core: CoreProcess, wire: Wire, packed: Packed
    ) -> None:
        wire.cut_at = [SIZE // 4, SIZE // 2]
        with command_line(*packed.add, url=wire.url) as child:
            out, err = child.communicate(timeout=90)
        assert (child.returncode, wire.cut_at) == (0, []), err
        assert f"{packed.name} broke off at" in err
        assert "ready" in out
        assert packed.stored(core) == packed.content

    def test_the_same_command_continues_what_a_killed_one_began(
        self, core: CoreProcess, api: httpx.Client, wire: Wire, packed: Packed
    ) -> None:
        wire.hold_at = SIZE // 2
        with command_line(*packed.add, url=wire.url) as child:
            eventually(lambda: wire.held() and packed.arrived(api) > SIZE // 4)
            with command_line(*packed.add, url=f"unix://{core.socket}") as second:
                _, err = second.communicate(timeout=90)
            assert second.returncode == 3
            assert f"image {packed.name} is being sent by another client" in err
            child.send_signal(signal.SIGKILL)
            child.wait()
        wire.close()
        arrived = packed.arrived(api)
        eventually(lambda: "the sender broke off" in core.log())
        with command_line(*packed.add, url=f"unix://{core.socket}") as child:
            _, err = child.communicate(timeout=90)
        assert child.returncode == 0, err
        assert arrived > SIZE // 4
        assert f"{packed.name} goes on at" in err
        assert packed.stored(core) == packed.content

    def test_ctrl_c_says_how_to_go_on(self, api: httpx.Client, wire: Wire, packed: Packed) -> None:
        wire.hold_at = SIZE // 2
        with command_line(*packed.add, url=wire.url) as child:
            eventually(lambda: wire.held() and packed.arrived(api) > SIZE // 4)
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=90)
        assert child.returncode == 130
        assert "repeat the command to go on" in err
        assert "Traceback" not in err

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
    def test_a_server_that_is_restarted_gets_the_rest(
        self, core: CoreProcess, api: httpx.Client, wire: Wire, packed: Packed, how: signal.Signals
    ) -> None:
        wire.hold_at = SIZE // 2
        with command_line(*packed.add, url=wire.url) as child:
            eventually(lambda: wire.held() and packed.arrived(api) > SIZE // 4)
            core.end(how)
            part = core.state / "http/images/.parts" / packed.sha256
            assert SIZE // 4 < part.stat().st_size < SIZE
            core.start()
            wire.release()
            _, err = child.communicate(timeout=90)
        assert child.returncode == 0, err
        assert f"{packed.name} broke off at" in err
        assert packed.stored(core) == packed.content

    def test_a_part_that_was_spoilt_drops_everything_and_says_why(
        self, core: CoreProcess, api: httpx.Client, packed: Packed
    ) -> None:
        api.post("/v1/images", content=packed.manifest)
        packed.sent(api, 0, SIZE // 2)
        with (core.state / "http/images/.parts" / packed.sha256).open("r+b") as part:
            part.write(b"not what was sent")
        with command_line(*packed.add, "-o", "json", url=f"unix://{core.socket}") as child:
            _, err = child.communicate(timeout=90)
        assert child.returncode == 3
        assert "is the content's digest, announced was" in err
        assert api.get(packed.path).status_code == 404
        assert not list((core.state / "http/images/.parts").glob(packed.sha256))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounts a file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_is_told_at_once_and_the_rest_can_be_sent(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(HttpImageFiles(small_disk / "images", "http://h", reserve_bytes=0))
    (tmp_path / "admin.token").write_text(HOUSE_TOKEN)
    monkeypatch.setenv("RACKHAND_TOKEN_FILE", str(tmp_path / "admin.token"))
    packed, filler = Packed(tmp_path / "packed", 24 << 20), small_disk / "somebody-elses"
    wire = Wire(tmp_path / "wire.sock", tmp_path / "api.sock")
    wire.hold_at = 8 << 20
    with serving(house, tmp_path), asking(tmp_path, HOUSE_TOKEN) as client:
        with command_line(*packed.add, url=wire.url) as child:
            eventually(lambda: wire.held() and packed.arrived(client) > 4 << 20)
            filler.write_bytes(bytes(16 << 20))
            wire.release()
            _, err = child.communicate(timeout=90)
        assert child.returncode == 1
        assert "bytes free, the image needs" in err
        assert "what has arrived is kept" in err
        assert wire.passed < 24 << 20  # it did not send the rest in vain
        arrived = packed.arrived(client)
        assert arrived > 8 << 20
        filler.unlink()
        assert packed.sent(client, arrived, 24 << 20).json()["ready"] is True
    wire.close()


def test_a_silent_sender_is_given_up_and_what_came_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "IDLE_S", 0.2)
    house, packed, answered = House(), Packed(tmp_path / "packed"), threading.Event()

    def silent() -> Iterator[bytes]:
        yield packed.content[:1000]
        answered.wait(90)

    with serving(house, tmp_path), asking(tmp_path, HOUSE_TOKEN) as client:
        client.post("/v1/images", content=packed.manifest)
        sending = threading.Thread(
            target=lambda: client.put(f"{packed.path}/content", content=silent())
        )
        sending.start()
        with asking(tmp_path, HOUSE_TOKEN) as other:
            eventually(lambda: packed.arrived(other) == 1000)
            eventually(lambda: packed.sent(other, 1000, 2000).status_code == 200)
        answered.set()
        sending.join()


def test_a_slow_sender_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "IDLE_S", 2.0)
    house, packed, pause = House(), Packed(tmp_path / "packed", 24), threading.Event()

    def slow() -> Iterator[bytes]:
        for byte in packed.content:
            pause.wait(0.15)
            yield bytes([byte])

    with serving(house, tmp_path), asking(tmp_path, HOUSE_TOKEN) as client:
        client.post("/v1/images", content=packed.manifest)
        answer = client.put(f"{packed.path}/content", content=slow(), timeout=90)
    assert answer.json()["ready"] is True
