"""An artefact is built once, and is whole or not there."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from rackhand.build.making.artefact import KEPT, ArtefactKind, build_once, hash_inputs
from rackhand.build.progress import BuildFailed, Progress

KIND = ArtefactKind("thing", "thing")


def test_built_once_then_cached_and_linked(tmp_path: Path) -> None:
    calls: list[Path] = []

    def recipe(out: Path, progress: Progress) -> None:
        calls.append(out)
        with progress.step("write"):
            (out / "file").write_text("content")

    first = build_once(tmp_path, KIND, "1", recipe)
    assert build_once(tmp_path, KIND, "1", recipe) == first
    assert len(calls) == 1
    assert (tmp_path / "thing/file").read_text() == "content"
    newer = build_once(tmp_path, KIND, "2", recipe)
    assert (tmp_path / "thing").resolve() == newer.resolve()
    build_once(tmp_path, KIND, "1", recipe)
    assert (tmp_path / "thing").resolve() == first.resolve()


def test_the_last_used_stay_and_older_ones_go(tmp_path: Path) -> None:
    (tmp_path / "thing-base-00000000000000ff").mkdir()  # of another kind
    made = []
    for number in range(KEPT):
        made.append(
            build_once(tmp_path, KIND, f"{number:016x}", lambda out, _: (out / "f").touch())
        )
        os.utime(made[-1], (number, number))
    build_once(tmp_path, KIND, f"{0:016x}", lambda out, _: (out / "f").touch())  # used again
    newest = build_once(tmp_path, KIND, "f" * 16, lambda out, _: (out / "f").touch())
    assert made[0].is_dir()
    assert newest.is_dir()
    assert not made[1].exists()
    assert (tmp_path / "thing-base-00000000000000ff").is_dir()


def test_a_failed_build_leaves_no_half_and_names_its_log(tmp_path: Path) -> None:
    def recipe(out: Path, progress: Progress) -> None:
        (out / "half").write_text("x")
        progress.run("sh", "-c", "echo no such mirror >&2; exit 7", hint="is the mirror up")

    with pytest.raises(BuildFailed) as failed:
        build_once(tmp_path, KIND, "1", recipe)
    assert "status 7: no such mirror" in failed.value.sentence
    assert "is the mirror up" in failed.value.hint
    log = tmp_path / "logs/thing-1.log"
    assert str(log) in failed.value.hint
    assert "no such mirror" in log.read_text()
    assert not (tmp_path / "thing").exists()
    assert not list(tmp_path.glob(".*building"))


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".thing-0.building").mkdir()
    build_once(tmp_path, KIND, "1", lambda out, _: (out / "f").touch())
    assert not (tmp_path / ".thing-0.building").exists()


def test_an_interrupted_command_ends_with_all_that_it_started(tmp_path: Path) -> None:
    left, signs = tmp_path / "pid", tmp_path / "signs"
    script = f"trap 'echo cleaned > {signs}; exit 1' INT; sleep 4321 & echo $! > {left}; wait"

    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        while not (left.exists() and left.read_text().strip()):
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    with (tmp_path / "log").open("wb") as log:
        progress = Progress("t", log, tmp_path / "log")
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            progress.run("sh", "-c", script)
    assert signs.read_text() == "cleaned\n"
    while Path(f"/proc/{left.read_text().strip()}/cmdline").exists():  # as init reaps it
        time.sleep(0.01)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_is_named_whatever_the_command_made_of_it(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", tmp_path], check=True)
    try:
        (tmp_path / "large").write_bytes(bytes(1_500_000))
        with (tmp_path / "log").open("wb") as log, pytest.raises(BuildFailed) as failed:
            Progress("t", log, tmp_path / "log").run("false", hint="is the mirror up")
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
    assert f"the disk of {tmp_path} is full" in failed.value.sentence
    assert "make room" in failed.value.hint


def test_of_many_errors_the_first_that_apt_told_is_named(tmp_path: Path) -> None:
    said = "echo E: Unable to locate package nono >&2; echo I: bye >&2; exit 25"
    with (tmp_path / "log").open("wb") as log, pytest.raises(BuildFailed) as failed:
        Progress("t", log, tmp_path / "log").run("sh", "-c", said)
    assert failed.value.sentence.endswith("status 25: E: Unable to locate package nono")


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        progress = Progress("t", log, tmp_path / "log")
        with pytest.raises(BuildFailed, match="no-such-tool is not installed"):
            progress.run("no-such-tool")


def test_hash_follows_content_mode_and_words(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    seen = {hash_inputs([file]), hash_inputs([file], "mirror")}
    file.write_text("2")
    seen.add(hash_inputs([file]))
    file.chmod(0o755)
    seen.add(hash_inputs([file]))
    assert len(seen) == 4
