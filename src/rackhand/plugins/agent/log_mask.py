"""Keeps secrets out of the agent's logs, before any handler sees a line.

The agent writes its token in access lines and lookup results, and whole deploy steps
with their config drive (it holds the root password's hash).
"""

from __future__ import annotations

import logging
import re
from typing import Any

MASK = "***"
_KEYS = r"agent_token|agent_secret_token|configdrive|user_data|password|ipmi_password"
_QUOTED = re.compile(
    rf"""((?:{_KEYS})\\?["']?\s*[:=]\s*[bu]?)(\\?["'])(?:(?!\2)(?:\\.|[^\\]))*\2""", re.DOTALL
)
_IN_URL = re.compile(r"\b(agent_token=)[^&\s\"']+")


def mask(text: str) -> str:
    """Return the text with the values of secret keys replaced (repr, JSON and URL forms)."""
    return _IN_URL.sub(rf"\g<1>{MASK}", _QUOTED.sub(rf"\g<1>\g<2>{MASK}\g<2>", text))


class _MaskingFactory:
    """Makes log records whose message is masked already."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return record  # a wrong format: its handler will complain
        masked = mask(message)
        if masked != message:
            record.msg, record.args = masked, None
        return record


def install() -> None:
    """Mask every record that this process makes from now on; safe to repeat."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _MaskingFactory):
        logging.setLogRecordFactory(_MaskingFactory(make))
