"""Runs inside cloud-init's Python: our cloud-config through its real NTP module.

run_ntp.py ROOT DISTRO CLIENT TEMPLATES: reads a cloud-config on standard input, acts as if
CLIENT alone were installed, writes below ROOT and prints what it would have done as JSON.
"""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

from cloudinit import helpers, templater
from cloudinit.config import cc_ntp

root, distro_name, client, templates = sys.argv[1:]
config = json.loads(sys.stdin.read().partition("\n")[2])
done = {"installed": [], "services": [], "written": []}
installed = cc_ntp.distro_ntp_client_configs(distro_name)[client]["check_exe"] if client else None
cc_ntp.subp.which = lambda program, *_: program if program == installed else None
cc_ntp.util.rename = lambda *_: None


def render_to_file(template, path, params):
    """Write where it would be written, but below the root."""
    target = Path(root) / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(templater.render_from_file(template, params))
    done["written"].append(path)


cc_ntp.templater = SimpleNamespace(render_to_file=render_to_file)
paths = helpers.Paths({"run_dir": root, "cloud_dir": root})
distro = importlib.import_module(f"cloudinit.distros.{distro_name}").Distro(
    distro_name, {"name": distro_name}, paths
)
distro.install_packages = done["installed"].extend
distro.manage_service = lambda action, service: done["services"].append([action, service])
cloud = SimpleNamespace(
    distro=distro,
    get_template_filename=lambda name: str(Path(templates) / f"{name}.tmpl"),
)
old = cc_ntp.handle.__code__.co_argcount == 5
cc_ntp.handle("ntp", config, cloud, *([cc_ntp.LOG, []] if old else [[]]))
print(json.dumps(done))
