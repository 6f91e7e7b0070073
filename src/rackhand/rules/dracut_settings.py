"""What dracut's settings files say together (dracut.conf(5))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath


def last_dracut_setting(texts: Mapping[str, str], name: str) -> str | None:
    """Return what a setting ends up with: dracut.conf, then all conf.d files by their name.

    A file in /etc replaces one of the same name in /usr/lib.
    """
    folders = ("/usr/lib/dracut/dracut.conf.d", "/etc/dracut.conf.d")
    files = {PurePosixPath(p).name: p for f in folders for p in texts if p.startswith(f + "/")}
    value = None
    for path in ("/etc/dracut.conf", *(files[file] for file in sorted(files))):
        pattern = rf"^[ \t]*{name}=[\"']?([^\"'\s#]*)"
        for found in re.findall(pattern, texts.get(path, ""), re.M):
            value = found
    return value
