"""GRUB's menu on the serial line, too: the terminals that /etc/default/grub names.

Menus use the graphics card alone where nothing is said (gfxterm): serial over LAN shows none,
and GRUB for BIOS stops for good on a machine without graphics. Source: GRUB manual, "Simple
configuration" and "serial"; util/grub.d/00_header: GRUB_TERMINAL goes before the other two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

GRUB_DEFAULTS = "/etc/default/grub"
_TERMINAL = re.compile(
    r"^([ \t]*(?:export[ \t]+)?GRUB_TERMINAL(_OUTPUT|_INPUT|)=[\"']?([^\"'#\n]*).*)$", re.M
)
_SERIAL_COMMAND = re.compile(r"^[ \t]*(?:export[ \t]+)?GRUB_SERIAL_COMMAND=.*$", re.M)
_CONSOLE = re.compile(r"(?<![^\s\"'])console=ttyS(\d+)(?:,(\d+))?")
_KERNELS_SPEED = 9600
"""Of a console without one: Documentation/admin-guide/serial-console.rst."""


def grub_settings(texts: Mapping[str, str]) -> dict[str, str]:
    """Return those of a system's texts that its menus are made of, in the order of reading."""
    if GRUB_DEFAULTS not in texts:
        return {}
    paths = [GRUB_DEFAULTS, *sorted(p for p in texts if p.startswith(f"{GRUB_DEFAULTS}.d/"))]
    return {path: texts[path] for path in paths}


def menu_on_serial(texts: Mapping[str, str]) -> bool:
    """Say if the menu that these settings make is on the serial line."""
    named = {"": "", "_OUTPUT": "", "_INPUT": ""}
    for text in texts.values():
        named |= {kind: value for _, kind, value in _TERMINAL.findall(text)}
    return "serial" in (named[""] or named["_OUTPUT"]).split()


def with_serial_menu(texts: Mapping[str, str], arguments: str) -> dict[str, str]:
    """Have the menu on screen and serial line; returns all settings, the first one added to.

    The port and its speed are those of ``console=ttyS…`` in the kernel's ``arguments``.
    """
    if menu_on_serial(texts) or not texts:
        return dict(texts)
    new = {path: _TERMINAL.sub(r"# any machine: \1", text) for path, text in texts.items()}
    added = ['GRUB_TERMINAL="console serial"']
    if not any(_SERIAL_COMMAND.search(text) for text in texts.values()):
        added.append(f'GRUB_SERIAL_COMMAND="{serial_command(arguments)}"')
    first = next(iter(new))
    new[first] = "\n".join([new[first].rstrip("\n"), *added, ""])
    return new


def without_menu(text: str) -> str:
    """Return a setting's text without what it says of the menu's terminals."""
    return _SERIAL_COMMAND.sub("", _TERMINAL.sub("", text))


def serial_command(arguments: str) -> str:
    """Return GRUB's command for the serial console that the kernel's arguments name."""
    console = _CONSOLE.search(arguments)
    port, speed = (console[1], console[2] or _KERNELS_SPEED) if console else (0, 115200)
    return f"serial --unit={port} --speed={speed}"
