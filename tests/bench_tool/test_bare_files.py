"""What the bare deploy hands a machine: its archive, its script, its config drive."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from pathlib import Path

from bench import bare_server
from bench.config_drive import make_config_drive
from bench.places import ADDRESS, HOSTNAME, ROOT, SUBNET
from bench.ssh_greeting import greeting_at


def test_the_archive_adds_a_drop_in_and_the_script(tmp_path: Path) -> None:
    image, drive = tmp_path / "image", tmp_path / "drive"
    root = bare_server._files_to_serve(image, drive, tmp_path)
    listed = subprocess.run(
        ["cpio", "--list", "--quiet"],
        input=(root / "bare.cpio").read_bytes(), capture_output=True, check=True,
    ).stdout.decode().splitlines()  # fmt: skip
    assert bare_server._SCRIPT_PLACE in listed
    assert bare_server._DROP_IN_PLACE in listed
    # Rackhand's archives come after it: they must not hold the same files.
    recipe = ROOT / "src/rackhand/build/making/recipes"
    assert not (recipe / "ramdisk/files" / bare_server._DROP_IN_PLACE).exists()
    unit = recipe / "ramdisk/files/etc/systemd/system/ironic-python-agent.service"
    assert unit.exists(), "the drop-in changes this unit"


def test_the_script_is_valid_for_the_shell_it_runs_in() -> None:
    subprocess.run(["bash", "-n", str(bare_server._SCRIPT)], check=True)


def test_the_config_drive_holds_name_key_and_static_address(tmp_path: Path) -> None:
    iso = make_config_drive("52:54:00:10:0b:01", "ssh-ed25519 AAAA bench", tmp_path)
    label = iso.read_bytes()[16 * 2048 + 40 : 16 * 2048 + 72].decode().strip()
    assert label == "config-2"
    latest = tmp_path / "config-drive/openstack/latest"
    meta = json.loads((latest / "meta_data.json").read_text())
    assert meta["hostname"] == HOSTNAME
    (network,) = json.loads((latest / "network_data.json").read_text())["networks"]
    assert (network["ip_address"], network["netmask"]) == (str(ADDRESS), str(SUBNET.netmask))
    assert "ssh-ed25519 AAAA bench" in (latest / "user_data").read_text()


def test_only_a_banner_counts_as_a_greeting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            for words in (b"HTTP/1.0 400\r\n", b"SSH-2.0-test\r\n"):
                link, _ = server.accept()
                with link:
                    link.sendall(words)

        thread = threading.Thread(target=answer)
        thread.start()
        assert greeting_at("127.0.0.1", port, 10) is not None
        thread.join()
    assert greeting_at("127.0.0.1", port, 0.3) is None
