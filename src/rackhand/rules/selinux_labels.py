"""SELinux labels of what a conversion writes: it runs where no SELinux gives them.

Source: setfiles(8), selinux-autorelabel (RHEL).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rackhand.model.image_change import RunCommand, Step, WriteFile
from rackhand.model.image_facts import ImageFacts

_SETTINGS = "/etc/selinux/config"
_WHY = "SELinux would keep the system from reading a file that has no label"


def label_files(facts: ImageFacts, steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the step that labels the files which ``steps`` write or make; none without SELinux."""
    settings = facts.texts.get(_SETTINGS, "")
    paths = sorted({path for step in steps for path in _made(step) if "/boot/efi/" not in path})
    if not paths or not re.search(r"^[ \t]*SELINUX=(enforcing|permissive)", settings, re.M):
        return
    # RHEL 7's setfiles leaves out every file system when the kernel has no SELinux.
    if "setfiles" not in facts.tools or (facts.family == "rhel" and facts.version[:1] == "7"):
        what = "all files are labelled at the first start, which then restarts (SELinux)"
        yield WriteFile(what, _WHY, (), "/.autorelabel", "")
        return
    policy = re.search(r"^[ \t]*SELINUXTYPE=(\w+)", settings, re.M)
    contexts = f"/etc/selinux/{policy[1] if policy else 'targeted'}/contexts/files/file_contexts"
    yield RunCommand(
        "the new files are labelled (SELinux)", _WHY, (), ("setfiles", "-F", "-m", contexts, *paths)
    )


def _made(step: Step) -> tuple[str, ...]:
    match step:
        case WriteFile(path=path):
            return (path,)
        case RunCommand(command=("dracut", *_, path, _)):
            return (path,)
        case RunCommand(command=("grub2-mkconfig", "-o", path) | ("grub2-editenv", path, *_)):
            return (path,)
    return ()
