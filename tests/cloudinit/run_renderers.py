"""Runs inside cloud-init's Python: network_data.json through its real renderers.

run_renderers.py SITE JOB…: reads JOB/network_data.json and JOB/names.json, writes
JOB/<renderer>/… . SITE is a folder with our plug-in, which its .pth file registers.
Nothing is ever written outside the jobs.
"""

import json
import os
import site
import sys
from pathlib import Path

jobs = [Path(argument).resolve() for argument in sys.argv[2:]]
site.addsitedir(sys.argv[1])

from cloudinit.distros import debian, opensuse, photon, rhel  # noqa: E402
from cloudinit.net import renderers  # noqa: E402
from cloudinit.net.network_state import parse_net_config_data  # noqa: E402
from cloudinit.sources.helpers.openstack import convert_net_json  # noqa: E402

CHOICES = {
    "eni": ("eni", debian.Distro.renderer_configs["eni"]),
    "netplan": ("netplan", {"netplan_path": "etc/netplan/50-cloud-init.yaml", "postcmds": False}),
    "sysconfig": ("sysconfig", rhel.Distro.renderer_configs["sysconfig"]),
    "network-manager": ("network-manager", {}),
    "networkd": ("networkd", photon.Distro.renderer_configs["networkd"]),
    "sysconfig-suse": ("sysconfig", opensuse.Distro.renderer_configs["sysconfig"]),
    "wicked": ("wicked", {}),
}


def refuse_writes_elsewhere(event, arguments):
    """Stop the process before it can change the machine that tests it."""
    path = arguments[0] if arguments else None
    writes = event == "os.mkdir" or (
        event == "open"
        and isinstance(arguments[2], int)
        and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    )
    if not writes or not isinstance(path, (str, bytes)):
        return
    real = os.path.realpath(os.fsdecode(path))
    if real != "/dev/null" and not any(real.startswith(f"{job}/") for job in jobs):
        sys.stderr.write(f"would write {real}\n")
        os._exit(70)


def run(job):
    data = json.loads((job / "network_data.json").read_text())
    config = convert_net_json(data, known_macs=json.loads((job / "names.json").read_text()))
    for folder, (name, settings) in CHOICES.items():
        target = job / folder
        target.mkdir()
        renderer = renderers.NAME_TO_RENDERER[name].Renderer(config=dict(settings))
        state = parse_net_config_data(config, renderer=renderer)
        try:
            # networkd joins its folder to the target without a slash.
            renderer.render_network_state(state, target=f"{target}/")
        except Exception as error:  # whatever it is, the next renderer runs; the test tells
            (target / "refused.txt").write_text(f"{type(error).__name__}: {error}")


sys.addaudithook(refuse_writes_elsewhere)
for each in jobs:
    run(each)
