"""What is wrong with a body or file, in a person's words and without echoing it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rackhand.model.errors import Flaw

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no known key",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "too_short": "must not be empty",
    "json_invalid": "is not JSON",
}


def flaws_of(errors: Iterable[Any], at: Sequence[str | int] = (), drop: int = 0) -> list[Flaw]:
    """Turn pydantic's errors into flaws below ``at``; ``drop`` cuts that many first path parts.

    Only place, kind and message are read: an error's input may be a secret.
    """
    found = []
    for error in errors:
        path: tuple[str | int, ...] = (*at, *error["loc"][drop:])
        if error["type"] == "json_invalid":
            path = ()
        found.append(Flaw(path, f"{dotted(path)}: {_sentence(error)}"))
    return found


def hint_of(errors: Sequence[Any]) -> str:
    """Return the first error's own hint, if it has one."""
    return str(errors[0].get("ctx", {}).get("hint", "")) if errors else ""


def dotted(path: Sequence[str | int]) -> str:
    """Write a path as people do: ``machines[1].nics[0].mac``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "body"


def _sentence(error: Any) -> str:
    message = str(error["msg"])
    if error["type"] == "rackhand":
        # The model's sentence begins with its field, which the path says already.
        return re.sub(r"^\w+: ", "", message)
    return _WORDS.get(error["type"], message[:1].lower() + message[1:])
