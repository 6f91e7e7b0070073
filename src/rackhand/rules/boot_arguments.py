"""Kernel arguments for any machine, in the files that boot menus are made of.

Pure edits: text in, text out, and what is right already is left as it is. Sources: GRUB
manual, "Simple configuration"; Boot Loader Specification, type 1 entries; dracut.cmdline(7).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rackhand.model.image_facts import DiskFacts
from rackhand.rules.boot_menu import GRUB_DEFAULTS, grub_settings, with_serial_menu, without_menu
from rackhand.rules.device_names import ONE_DISK, VIRTIO_DISK, replace_names, without_comments

_UNWANTED = re.compile(
    r"(?<!\S)(?:resume(?:_offset)?=\S*|splash(?:=\S*)?|rhgb|quiet"
    r"|cloud-init=disabled|network-config=disabled)(?!\S)[ \t]*"
)
_SERIAL, _VGA = re.compile(r"(?<!\S)console=ttyS\S+"), re.compile(r"(?<!\S)console=tty\d\S*")
DEFAULT_SERIAL, DEFAULT_VGA = "console=ttyS0,115200n8", "console=tty0"
# NAME=value as a shell reads it, with the quotes it has; what follows is a comment at most.
_ASSIGNED = re.compile(
    r"^([ \t]*(?:export[ \t]+)?(GRUB_CMDLINE_LINUX\w*)\+?=)([\"']|(?![\"']))"
    r"(.*?)(\3[ \t]*(?:#.*)?)$", re.M
)  # fmt: skip
_WRONG = {
    "resume": re.compile(r"(?<!\w)resume="),
    "splash": re.compile(r"(?<!\w)(?:splash|rhgb)\b"),
    "cloud-init-off": re.compile(r"(?<!\S)(?:cloud-init|network-config)=disabled"),
    "virtio-disk-name": VIRTIO_DISK,
    "disk-name": ONE_DISK,
}
_WHY = {
    "resume": "a machine would wait for the swap device of another one",
    "splash": "messages that tell why a machine does not start would be hidden",
    "cloud-init-off": "a machine would get neither address nor keys",
    "virtio-disk-name": "only the virtual machine's disk has that name",
    "disk-name": "on another machine this may be another disk, or none",
    "no-serial-console": "the console that the BMC shows would stay dark",
    "no-vga-console": "a screen at the rack would stay dark",
    "no-serial-menu": "the boot menu would not be on the console that the BMC shows",
}
_RIGHT = {
    "no-serial-console": _SERIAL,
    "no-vga-console": _VGA,
    "no-serial-menu": re.compile(r"^GRUB_TERMINAL=.*\bserial\b", re.M),
}
_WITHOUT_INITRAMFS = re.compile(r"^([ \t]*GRUB_FORCE_PARTUUID=\S)", re.M)
_NOT_BY_UUID = re.compile(
    r"^([ \t]*(?:GRUB_DISABLE_(?:LINUX_)?UUID=[\"']?true|GRUB_FORCE_PARTUUID=\S))", re.M
)
_ALL_ENTRIES = "GRUB_CMDLINE_LINUX"
_USUAL_ENTRIES = "GRUB_CMDLINE_LINUX_DEFAULT"


def clean_arguments(words: str, disk: DiskFacts | None) -> str:
    """Take out what waits for one machine's swap or hides messages; name disks lastingly."""
    kept = _UNWANTED.sub("", words)
    return replace_names(kept if kept == words else kept.rstrip(), disk)


def with_consoles(words: str, serial: str = DEFAULT_SERIAL, vga: str = DEFAULT_VGA) -> str:
    """Add the serial and the VGA console where one is missing.

    The last one is /dev/console, which the BMC should show: VGA goes before all others.
    """
    if not _SERIAL.search(words):
        words = f"{words} {serial}".lstrip()
    if not _VGA.search(words):
        words = re.sub(r"(?<!\S)console=", f"{vga} console=", words, count=1)
    return words


def cured_codes(old: str, new: str) -> tuple[str, ...]:
    """Return the codes of the findings that arguments have in ``old`` and no more in ``new``."""
    old, new = without_comments(old), without_comments(new)
    gone = [code for code, wrong in _WRONG.items() if wrong.search(old) and not wrong.search(new)]
    here = [code for code, right in _RIGHT.items() if right.search(new) and not right.search(old)]
    return (*gone, *here)


def why_edited(codes: tuple[str, ...]) -> str:
    """Say why arguments that had these findings are changed."""
    return "; ".join(dict.fromkeys(_WHY[code] for code in codes)) or _WHY["splash"]


def what_changed(old: str, new: str) -> str:
    """Name the words that an edit takes out and puts in."""
    before, after = _words(old), _words(new)
    gone = [word for word in before if word not in after]
    here = [word for word in after if word not in before]
    told = [f"without {' '.join(gone)}"] if gone else []
    told += [f"with {' '.join(here)}"] if here else []
    if "no-serial-menu" in cured_codes(old, new):
        told.append("with the menu on the serial line, too")
    return ", ".join(told)


def _words(text: str) -> list[str]:
    arguments = without_menu(without_comments(text))
    return list(dict.fromkeys(re.findall(r"[^\s\"']+", arguments)))


def edit_arguments(words: str, disk: DiskFacts | None) -> str:
    """Return the arguments of one boot entry for any machine."""
    return with_consoles(clean_arguments(words, disk))


def edit_entry(text: str, disk: DiskFacts | None) -> str:
    """Edit the ``options`` of a Boot Loader Specification entry."""

    def edited(match: re.Match[str]) -> str:
        words = clean_arguments(match[2], disk)
        # $kernelopts stands for arguments that grubenv has, consoles too.
        return match[1] + (words if "$kernelopts" in words else with_consoles(words))

    return re.sub(r"^(options[ \t]+)(.*?)[ \t]*$", edited, text, flags=re.M)


def edit_menu(text: str, disk: DiskFacts | None) -> str:
    """Edit the ``linux`` lines of a GRUB menu that was written by hand."""

    def edited(match: re.Match[str]) -> str:
        return f"{match[1]} {edit_arguments(match[2], disk)}"

    line = r"^([ \t]*linux(?:16|efi)?[ \t]+(?!\S*memtest)\S+)(?:[ \t]+(\S.*?))?[ \t]*$"
    return re.sub(line, lambda m: edited(m) if m[2] else m[0], text, flags=re.M)


def edit_command_line(text: str, disk: DiskFacts | None, *, consoles: bool) -> str:
    """Edit a file that holds arguments only, as /etc/kernel/cmdline; empty lines stay."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith("#"):
            words = clean_arguments(line, disk)
            lines[number] = with_consoles(words) if consoles else words
    return "\n".join(lines) + ("\n" if text.endswith("\n") else "")


def edit_grub_defaults(
    texts: Mapping[str, str], disk: DiskFacts | None, *, by_uuid: bool
) -> dict[str, str]:
    """Edit /etc/default/grub and the files beside it; return those that change, by path.

    The menu comes to the serial line, too (:mod:`rackhand.rules.boot_menu`).
    ``by_uuid`` has GRUB name the root file system by its UUID, whatever was wanted before.
    Consoles go to the arguments of all entries, so that recovery entries have them as well.
    """
    settings = grub_settings(texts)
    if not settings:
        return {}
    off = _NOT_BY_UUID if by_uuid else _WITHOUT_INITRAMFS
    new = {
        path: off.sub(r"# any machine: \1", _cleaned(text, disk)) for path, text in settings.items()
    }
    values = {_ALL_ENTRIES: "", _USUAL_ENTRIES: ""}
    last = ""
    for path in settings:
        for match in _ASSIGNED.finditer(new[path]):
            before = values.get(match[2], "")
            value = re.sub(rf"\$\{{?{match[2]}\b\}}?", lambda _, old=before: old, match[4])
            values[match[2]] = f"{before} {value}" if "+=" in match[1] else value
            last = path if match[2] == _ALL_ENTRIES else last
    if with_consoles(values[_ALL_ENTRIES]) != values[_ALL_ENTRIES]:
        path = last or GRUB_DEFAULTS
        new[path] = _add_consoles(new[path], values)
    new = with_serial_menu(new, without_comments("\n".join(new.values())))
    return {path: text for path, text in new.items() if text != texts[path]}


def _cleaned(text: str, disk: DiskFacts | None) -> str:
    return _ASSIGNED.sub(lambda m: m[1] + m[3] + clean_arguments(m[4], disk) + m[5], text)


def _add_consoles(text: str, values: Mapping[str, str]) -> str:
    """Put the missing consoles where all entries have them, those that the usual ones have."""
    serial = _SERIAL.search(values[_USUAL_ENTRIES])
    vga = _VGA.search(values[_USUAL_ENTRIES])
    known = (serial[0] if serial else DEFAULT_SERIAL, vga[0] if vga else DEFAULT_VGA)
    missing = with_consoles(values[_ALL_ENTRIES], *known)
    places = [match for match in _ASSIGNED.finditer(text) if match[2] == _ALL_ENTRIES]
    if not places:
        # What spans several lines is left as it is, and added to, as a shell reads it.
        there = f"${_ALL_ENTRIES} " if re.search(rf"\b{_ALL_ENTRIES}\+?=", text) else ""
        return text.rstrip("\n") + f'\n{_ALL_ENTRIES}="{there}{missing}"\n'
    at = places[-1]
    quote = at[3] or '"'
    value = with_consoles(at[4], *known)
    ending = at[5] if at[3] else quote + at[5]
    return text[: at.start()] + at[1] + quote + value + ending + text[at.end() :]
