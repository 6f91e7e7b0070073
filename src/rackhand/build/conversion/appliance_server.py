"""Lends libguestfs to another process: one request a line on standard input, answers on output.

Run by the system's own Python, which has Debian's bindings (python3-guestfs); it imports
nothing else of Rackhand. A request is ``{"call": name, "args": [...], "options": {...}}``, an
answer ``{"result": ...}`` or ``{"error": ...}``; bytes travel as ``{"base64": ...}``. When the
input ends, the virtual machine is ended too.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Any

import guestfs


def main() -> None:
    """Answer requests until there are no more."""
    # What the C library or a hook prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    handle = guestfs.GuestFS(python_return_dict=True)
    try:
        for line in sys.stdin:
            answers.write(json.dumps(_answer(handle, json.loads(line))) + "\n")
            answers.flush()
    finally:
        handle.close()


def _answer(handle: Any, request: dict[str, Any]) -> dict[str, Any]:
    arguments = [_given(argument) for argument in request["args"]]
    try:
        result = getattr(handle, request["call"])(*arguments, **request["options"])
    except (RuntimeError, UnicodeDecodeError) as error:  # a name may be no text
        return {"error": str(error)}
    return {"result": _sent(result)}


def _given(argument: Any) -> Any:
    if isinstance(argument, dict):
        return base64.b64decode(argument["base64"])
    return argument


def _sent(result: Any) -> Any:
    if isinstance(result, bytes | bytearray):
        return {"base64": base64.b64encode(result).decode()}
    return result


if __name__ == "__main__":
    main()
