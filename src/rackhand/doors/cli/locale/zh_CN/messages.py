"""What the command line says, in simplified Chinese. A test finds missing and unused keys."""

from __future__ import annotations

MESSAGES: dict[str, str] = {}
