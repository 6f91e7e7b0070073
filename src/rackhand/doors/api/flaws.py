"""What is wrong with a body or file, in a person's words; values only where none is secret."""

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

_ADDRESSES = (
    *("address", "address_v6", "router", "router_v6", "gateway", "dns", "ntp", "search"),
    *("subnet", "subnet_v6", "ranges", "ranges_v6", "exclude", "routes", "destination", "via"),
    *("vlan", "tagged", "mtu", "mac", "group", "port"),
)
_NAMES = ("name", "hostname", "zone", "network", "networks", "flavor", "image")
_CHOICES = (
    *("mode", "members", "miimon_ms", "lacp_rate", "xmit_hash_policy", "cipher_suite"),
    *("vcpus", "memory_mib", "to", "after", "wait_s"),
)
_SHOWN = frozenset((*_ADDRESSES, *_NAMES, *_CHOICES))
"""Fields whose wrong value is repeated: none of them can hold a secret. What is not named
here is never repeated, and neither is a key that nobody knows: it may be a password's."""
_NOT_THE_FIELDS_OWN = frozenset({"missing", "extra_forbidden"})
"""Errors whose input is what stands around the field, or what nobody knows."""
_SHOWN_MAX = 100


def flaws_of(errors: Iterable[Any], at: Sequence[str | int] = (), drop: int = 0) -> list[Flaw]:
    """Turn pydantic's errors into flaws below ``at``; ``drop`` cuts that many first path parts.

    An error's input is repeated for the fields of ``_SHOWN`` only: others may be secret.
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
    return _WORDS.get(error["type"], message[:1].lower() + message[1:]) + _shown(error)


def _shown(error: Any) -> str:
    """Return the value that was given, where it may be repeated."""
    value = error.get("input")
    plain = isinstance(value, str | int | float) and error["type"] not in _NOT_THE_FIELDS_OWN
    if not plain or not any(part in _SHOWN for part in error["loc"]):
        return ""
    text = repr(value)
    return f" (given: {text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + '…'})"
