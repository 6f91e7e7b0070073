"""What must be changed in an image's system so that it starts on any machine.

Pure: facts in, steps out, in the order they must happen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackhand.model.image_change import RemovePath, RunCommand, Step, WriteFile
from rackhand.model.image_facts import ImageFacts
from rackhand.rules.boot_arguments import (
    clean_arguments,
    cured_codes,
    edit_arguments,
    edit_command_line,
    edit_entry,
    edit_grub_defaults,
    edit_menu,
    what_changed,
    why_edited,
)
from rackhand.rules.cloud_init_plan import plan_cloud_init
from rackhand.rules.device_names import names_a_disk, replace_in_fstab
from rackhand.rules.image_leftovers import in_initramfs, remove_leftovers
from rackhand.rules.initramfs_plan import plan_initramfs
from rackhand.rules.selinux_labels import label_files

_GENERATED = "### BEGIN /etc/grub.d/"


def plan_conversion(facts: ImageFacts) -> tuple[Step, ...]:
    """Return the steps: settings first, then an initramfs per kernel, boot menus, labels.

    The facts of a system on which they were taken have no step any more. Of a file that is
    no UTF-8 nothing is changed.
    """
    baked_in = tuple(_baked_in(facts))
    others = bool(baked_in) or in_initramfs(facts)
    settings, initramfs = plan_initramfs(facts, others_changed=others)
    arguments = tuple(_arguments(facts))
    new_initramfs = any(kernel.initramfs is None for kernel in facts.kernels) and bool(initramfs)
    menus = tuple(_menus(facts, changed=bool(arguments) or new_initramfs))
    steps: tuple[Step, ...] = (
        *_disks(facts), *baked_in, *settings, *plan_cloud_init(facts), *remove_leftovers(facts),
        *initramfs, *arguments, *menus,
    )  # fmt: skip
    steps = tuple(step for step in steps if not _spoiled(step))
    return (*steps, *label_files(facts, steps))


def _spoiled(step: Step) -> bool:
    """Tell whether a file's text is not what its bytes are, so that it would be damaged."""
    return isinstance(step, WriteFile) and "\ufffd" in step.text


def _edit(path: str, old: str, new: str) -> Iterator[Step]:
    if new != old:
        codes = cured_codes(old, new)
        what = f"{path}: {what_changed(old, new)}"
        yield WriteFile(what, why_edited(codes), codes, path, new)


def _disks(facts: ImageFacts) -> Iterator[Step]:
    for path in ("/etc/fstab", "/etc/crypttab"):
        text = facts.texts.get(path, "")
        yield from _edit(path, text, replace_in_fstab(text, facts.disk))
    for path in ("/boot/grub/device.map", "/boot/grub2/device.map"):
        text = facts.texts.get(path, "")
        if names_a_disk(text):
            codes = cured_codes(text, "")
            what = f"{path} is removed: GRUB finds the disk itself"
            yield RemovePath(what, why_edited(codes), codes, path)


def _baked_in(facts: ImageFacts) -> Iterator[Step]:
    """Yield changes of settings that an initramfs takes in."""
    for path, text in facts.texts.items():
        if path == "/etc/cmdline" or path.startswith("/etc/cmdline.d/"):
            new = edit_command_line(text, facts.disk, consoles=False)
            yield from _edit(path, text, new)
        elif path.startswith("/etc/dracut.conf"):
            assigned = r"^([ \t]*kernel_cmdline\+?=[\"']?)([^\"'\n]*)"
            new = re.sub(
                assigned, lambda m: m[1] + clean_arguments(m[2], facts.disk), text, flags=re.M
            )
            yield from _edit(path, text, new)
    path = "/etc/lvm/lvm.conf"
    text = facts.texts.get(path, "")
    new = re.sub(
        r"^([ \t]*(?:global_)?filter[ \t]*=.*)$",
        lambda m: f"# any machine: {m[1]}" if names_a_disk(m[1]) else m[1], text, flags=re.M,
    )  # fmt: skip
    yield from _edit(path, text, new)


def _arguments(facts: ImageFacts) -> Iterator[Step]:
    by_uuid = any(names_a_disk(" ".join(words)) for words in facts.arguments.values())
    new = edit_grub_defaults(facts.texts, facts.disk, by_uuid=by_uuid)
    for path, text in facts.texts.items():
        if path == "/etc/kernel/cmdline":
            new[path] = edit_command_line(text, facts.disk, consoles=True)
        elif path.startswith("/boot/loader/entries/"):
            new[path] = edit_entry(text, facts.disk)
    for path, text in new.items():
        yield from _edit(path, facts.texts[path], text)
    yield from _stored_arguments(facts)


def _stored_arguments(facts: ImageFacts) -> Iterator[Step]:
    """Yield the change of what ``$kernelopts`` of boot entries stands for (RHEL 8)."""
    for path, text in facts.texts.items():
        stored = re.search(r"^kernelopts=(.*?)[ \t]*$", text, re.M)
        if stored is None or "grub2-editenv" not in facts.tools or "grubenv" not in path:
            continue
        words = edit_arguments(stored[1], facts.disk)
        if words != stored[1]:
            codes = cured_codes(stored[1], words)
            yield RunCommand(
                f"{path}: {what_changed(stored[1], words)}", why_edited(codes), codes,
                ("grub2-editenv", path, "set", f"kernelopts={words}"),
            )  # fmt: skip


def _menus(facts: ImageFacts, *, changed: bool) -> Iterator[Step]:
    for path, text in facts.menus.items():
        command = _menu_command(facts, path)
        if _GENERATED in text and command:
            cures = _cured_entries(facts, path)
            if changed or cures:
                why = why_edited(cures) if cures else "it is made of the settings that changed"
                yield RunCommand(f"{path} is made anew", why, cures, command)
        else:
            yield from _edit(path, text, edit_menu(text, facts.disk))


def _menu_command(facts: ImageFacts, path: str) -> tuple[str, ...]:
    if path == "/boot/grub/grub.cfg" and "update-grub" in facts.tools:
        return ("update-grub",)
    return ("grub2-mkconfig", "-o", path) if "grub2-mkconfig" in facts.tools else ()


def _cured_entries(facts: ImageFacts, menu: str) -> tuple[str, ...]:
    cured: dict[str, None] = {}
    for place, words in facts.arguments.items():
        if place.startswith(f"{menu} "):
            line = " ".join(words)
            cured |= dict.fromkeys(cured_codes(line, edit_arguments(line, facts.disk)))
    return tuple(cured)
