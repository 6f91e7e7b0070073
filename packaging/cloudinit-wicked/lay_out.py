"""Lays out what an image needs for SUSE wicked: `lay_out.py --to DIR --site-packages PATH`.

DIR is the root of the image's tree, PATH the folder of cloud-init's Python below it,
e.g. usr/lib/python3.6/site-packages. Without a PATH only the stand-alone program and its
unit are written. Needs Python 3.11 here; what it writes needs 3.6.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from one_file import one_file  # noqa: E402

SOURCE = HERE.parents[1] / "src" / "rackhand"
MODULES = [
    "model/errors.py",
    "model/names.py",
    "render/wicked_bond.py",
    "render/wicked_links.py",
    "render/wicked_network_data.py",
    "render/wicked.py",
    "plugins/cloudinit/network_state.py",
    "plugins/cloudinit/system_files.py",
    "plugins/cloudinit/at_boot.py",
]
PROGRAM = "usr/sbin/rackhand-wicked"
UNIT = "usr/lib/systemd/system/rackhand-wicked.service"
CHOICE = "etc/cloud/cloud.cfg.d/90-rackhand-wicked.cfg"
_CORE = "Network of SUSE wicked from network_data.json. Made from Rackhand's sources; Apache-2.0."


def program() -> str:
    """Return the stand-alone program, which is the core module with a first line."""
    return "#!/usr/bin/python3\n" + core() + "\nif __name__ == '__main__':\n    sys.exit(main())\n"


def core() -> str:
    """Return the module that renderer and program share."""
    wanted = ("main", "host_files", "read_network_state", "apply_files")
    return one_file([SOURCE / name for name in MODULES], wanted, _CORE)


def site_packages() -> dict[str, str]:
    """Return name and text of what goes beside cloud-init: module, renderer, hook, .pth."""
    plugin = SOURCE / "plugins" / "cloudinit"
    shared = (
        "from rackhand_wicked import CONFIG_PATH, apply_files, host_files, read_network_state\n"
    )
    renderer = one_file(
        [plugin / "renderer.py"], ("Renderer", "available"), "cloud-init's renderer wicked."
    )
    docstring, _, rest = renderer.partition("\n")
    registration = one_file(
        [plugin / "registration.py"], ("install",), "Makes cloud-init's renderer wicked known."
    )
    return {
        "rackhand_wicked.py": core(),
        "rackhand_wicked_renderer.py": f"{docstring}\n{shared}{rest}",
        "rackhand_wicked_registration.py": registration.replace(
            "rackhand.plugins.cloudinit.renderer", "rackhand_wicked_renderer"
        ),
        "rackhand_wicked.pth": "import rackhand_wicked_registration as r; r.install()\n",
    }


def lay_out(root: Path, packages: str | None) -> list[str]:
    """Write everything below ``root``; return the paths. Enables the unit if no PATH."""
    files = {PROGRAM: program(), UNIT: (HERE / "rackhand-wicked.service").read_text()}
    if packages is not None:
        files[CHOICE] = (HERE / "90-rackhand-wicked.cfg").read_text()
        files.update({f"{packages}/{name}": text for name, text in site_packages().items()})
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if name == PROGRAM else 0o644)
    if packages is None:
        link = root / "etc/systemd/system/wicked.service.wants" / Path(UNIT).name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to("/" + UNIT)
    return sorted(files)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="root of the image's tree")
    parser.add_argument("--site-packages", help="below it; without it, no cloud-init plug-in")
    options = parser.parse_args()
    for name in lay_out(options.to, options.site_packages):
        print(name)


if __name__ == "__main__":
    main()
