"""Real cloud-init, out of Debian's packages: unpacked into the cache, never installed.

cloud-init itself comes from several Debian releases, what it imports from Debian 12. apt
checks the signatures; its lists and downloads stay below the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

MIRROR = os.environ.get("RACKHAND_DEBIAN_MIRROR", "http://deb.debian.org/debian")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# sid is left out unless asked for: its version changes any day.
RELEASES = os.environ.get("RACKHAND_CLOUDINIT_RELEASES", "bookworm trixie").split()
IMPORTED = (
    "attr", "certifi", "chardet", "configobj", "idna", "jinja2", "json-pointer", "jsonpatch",
    "jsonschema", "markupsafe", "netifaces", "oauthlib", "pyrsistent", "requests", "serial",
    "six", "urllib3", "yaml",
)  # fmt: skip


class CloudInit(NamedTuple):
    """One cloud-init: upstream's version, and the path for PYTHONPATH."""

    version: str
    path: str


def fetch(release: str) -> CloudInit:
    """Return the release's cloud-init; downloads about 2 MB (and lists) once."""
    cache = Path(os.environ.get("RACKHAND_CACHE", "/var/cache/rackhand")) / "cloud-init"
    ready = cache / release
    if not (ready / "version").exists():
        work = cache / f".{release}-{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        _download(work, release)
        shutil.rmtree(ready, ignore_errors=True)
        work.rename(ready)
    packages = "usr/lib/python3/dist-packages"
    return CloudInit(
        (ready / "version").read_text(),
        f"{ready}/cloud-init/{packages}:{ready}/imported/{packages}",
    )


def _download(work: Path, release: str) -> None:
    for folder in ("lists/partial", "archives/partial", "debs"):
        (work / folder).mkdir(parents=True)
    suites = dict.fromkeys(["bookworm", release])
    lines = [f"deb [signed-by={KEYS}] {MIRROR} {suite} main\n" for suite in suites]
    (work / "sources.list").write_text("".join(lines))
    options = [
        f"Dir::State={work}", "Dir::State::lists=lists", f"Dir::Cache={work}",
        f"Dir::Etc::sourcelist={work}/sources.list", "Dir::Etc::sourceparts=-",
        "APT::Sandbox::User=root", "Acquire::Languages=none",
    ]  # fmt: skip
    apt = ["apt-get", "-qq", *(f"-o{option}" for option in options)]
    wanted = [f"cloud-init/{release}", *(f"python3-{name}/bookworm" for name in IMPORTED)]
    for command in ([*apt, "update"], [*apt, "download", *wanted]):
        done = subprocess.run(
            command, cwd=work / "debs", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    for deb in (work / "debs").iterdir():
        tree = "cloud-init" if deb.name.startswith("cloud-init_") else "imported"
        subprocess.run(["dpkg-deb", "-x", str(deb), str(work / tree)], check=True)
    (deb,) = (work / "debs").glob("cloud-init_*")
    (work / "version").write_text(deb.name.split("_")[1].partition("-")[0])
    for folder in ("lists", "archives", "debs"):
        shutil.rmtree(work / folder)
