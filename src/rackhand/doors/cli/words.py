"""The words people read, in their language."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

LANGUAGES = ("en", "zh_CN")


def language(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language to speak: RACKHAND_LANG, else the locale (POSIX precedence)."""
    for variable in ("RACKHAND_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        wanted = environment.get(variable, "")
        if wanted:
            return "zh_CN" if wanted.lower().startswith("zh") else "en"
    return "en"


@cache
def _catalogue() -> Mapping[str, str]:
    # A Python dictionary instead of gettext's .mo: nothing to compile or to ship
    # beside the code, and a test can see that no key is missing or left over.
    if language() == "en":
        return {}
    from rackhand.doors.cli.locale.zh_CN.messages import MESSAGES

    return MESSAGES


def _(text: str) -> str:
    """Return ``text`` in the person's language; itself where there is no translation."""
    return _catalogue().get(text, text)
