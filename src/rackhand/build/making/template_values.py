"""What the words of an image template may be: nothing that could leave its line or quotes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from rackhand.model.errors import InvalidValue
from rackhand.model.names import parse_name

_BUILDERS_ARGUMENTS = ("root", "ro", "rw", "resume", "console", "initrd", "BOOT_IMAGE", "rd.lvm")
_BUILDERS_PLACES = (
    *("/boot", "/dev", "/proc", "/sys", "/run", "/tmp"),  # noqa: S108 - a place in the image
    *("/etc/fstab", "/etc/machine-id", "/etc/default/grub", "/etc/passwd", "/etc/shadow"),
)
_URL_HINT = "write it as http://deb.debian.org/debian"


def _checked(parse: Callable[[str], str]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            return parse(text)
        except InvalidValue as wrong:
            raise PydanticCustomError(
                "rackhand", "{sentence}", {"sentence": wrong.sentence, "hint": wrong.hint}
            ) from None

    return AfterValidator(check)


def _shaped(field: str, pattern: str, what: str, hint: str) -> AfterValidator:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise InvalidValue(field, text, f"is not {what}", hint)
        return text

    return _checked(parse)


def _kernel_argument(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(=[A-Za-z0-9_.,:;=/@%+-]*)?", text):
        raise InvalidValue(
            "argument", text, "is not one plain kernel argument",
            "write NAME or NAME=VALUE, an entry each, without blanks and quotes",
        )  # fmt: skip
    if text.split("=", maxsplit=1)[0] in _BUILDERS_ARGUMENTS or text.startswith("rd.lvm."):
        raise InvalidValue(
            "argument", text, "is set by the builder", "leave it out; see also serial_console"
        )
    return text


def _time_zone(text: str) -> str:
    known = available_timezones()
    shaped = re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", text)
    if not shaped or (known and text not in known):
        raise InvalidValue("time_zone", text, "is no time zone", "as Europe/Zurich or Etc/UTC")
    return text


def _place(text: str) -> str:
    path = PurePosixPath(text)
    plain = re.fullmatch(r"/[A-Za-z0-9_.@:+/-]+", text)
    if not plain or str(path) != text or ".." in path.parts:
        raise InvalidValue(
            "path", text, "is not an absolute path in plain characters",
            "as /etc/motd, without '..', '//', blanks and a '/' at the end",
        )  # fmt: skip
    return text


def _file_place(text: str) -> str:
    if any(path_is_at_or_below(_place(text), place) for place in _BUILDERS_PLACES):
        raise InvalidValue(
            "path", text, "is the builder's own or does not last", "choose another place"
        )
    return text


def path_is_at_or_below(path: str, place: str) -> bool:
    """Whether an absolute path is ``place`` or lies below it."""
    return path == place or path.startswith(place.rstrip("/") + "/")


Name = Annotated[str, _checked(lambda text: parse_name("name", text))]
Url = Annotated[
    str, _shaped("url", r"https?://[A-Za-z0-9._:@/%~+-]+", "a mirror's address", _URL_HINT)
]
Package = Annotated[
    str,
    # A name that ends in '-' would have apt remove a package.
    _shaped("package", r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]", "a Debian package", "as tcpdump"),
]
VolumeName = Annotated[
    str,
    _shaped("name", r"[a-z][a-z0-9_]{0,11}", "a volume's name", "1 to 12 of a-z, 0-9 and '_'"),
]
MountPoint = Annotated[str, _checked(lambda text: text if text == "/" else _place(text))]
FilePlace = Annotated[str, _checked(_file_place)]
Mode = Annotated[str, _shaped("mode", "0?[0-7]{3}", "a file mode", 'as "0644", in quotes')]
TimeZone = Annotated[str, _checked(_time_zone)]
Locale = Annotated[
    str,
    _shaped(
        "locale", r"C\.UTF-8|[a-z]{2,3}_[A-Z]{2}\.UTF-8", "a locale", "as C.UTF-8 or de_CH.UTF-8"
    ),
]
Keymap = Annotated[
    str,
    _shaped(
        "keymap", r"[a-z]{2,8}(\([a-z0-9_-]{1,20}\))?", "a keyboard layout (XKB)",
        "as us, de or ch(fr)",
    ),
]  # fmt: skip
SerialPort = Annotated[str, _shaped("port", r"ttyS[0-7]", "a serial port", "ttyS0 to ttyS7")]
KernelArgument = Annotated[str, _checked(_kernel_argument)]

# What OpenSSH 9.2 (Debian 12) and 10.0 (Debian 13) both know, without what is broken.
Cipher = Literal[
    "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com",
    "aes256-ctr", "aes192-ctr", "aes128-ctr",
]  # fmt: skip
Mac = Literal[
    "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com",
    "hmac-sha2-512", "hmac-sha2-256", "umac-128@openssh.com",
]  # fmt: skip
Kex = Literal[
    "sntrup761x25519-sha512@openssh.com", "curve25519-sha256", "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256",
]  # fmt: skip
