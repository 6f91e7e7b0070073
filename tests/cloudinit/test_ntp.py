"""The real cloud-init gives our time servers to the client the image has, and installs none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from real_cloudinit import RELEASES, fetch

from rackhand.model.lease import LeaseSpec
from rackhand.render.user_data import user_data

SERVERS = ("10.1.0.123", "2001:db8::123")
CLIENTS = [
    ("debian", "systemd-timesyncd", "etc/systemd/timesyncd.conf.d/cloud-init.conf"),
    ("debian", "chrony", "etc/chrony/chrony.conf"),
    ("sles", "chrony", "etc/chrony.conf"),
    ("rhel", "chrony", "etc/chrony.conf"),
    ("ubuntu", "systemd-timesyncd", "etc/systemd/timesyncd.conf.d/cloud-init.conf"),
]
SERVICES = {"debian": "chrony", "ubuntu": "chrony", "sles": "chronyd", "rhel": "chronyd"}


@pytest.mark.parametrize(("distro", "client", "file"), CLIENTS)
@pytest.mark.parametrize("release", RELEASES)
def test_servers_reach_the_client(
    tmp_path: Path, release: str, distro: str, client: str, file: str
) -> None:
    cloud_init = fetch(release)
    package = Path(cloud_init.path.partition(":")[0]).parents[3]
    done = subprocess.run(
        [
            *(sys.executable, Path(__file__).with_name("run_ntp.py")),
            *(tmp_path, distro, client, package / "etc/cloud/templates"),
        ],
        input=user_data(LeaseSpec("small", "image", "db-01", ()), tuple(map(ip_address, SERVERS))),
        env={**os.environ, "PYTHONPATH": cloud_init.path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["installed"] == []
    service = client if client != "chrony" else SERVICES[distro]
    assert said["services"] == [["reload", service]]
    text = (tmp_path / file).read_text()
    for server in SERVERS:
        assert server in text
    lines = [line.split()[:1] for line in text.splitlines()]
    assert ["pool"] not in lines, "no server but ours"
