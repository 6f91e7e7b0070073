"""One command to a running QEMU (QMP, QEMU Machine Protocol)."""

import json
import socket
from pathlib import Path
from typing import Any

from lab.errors import LabError


def execute(path: Path, command: str, **arguments: Any) -> Any:
    """Run ``command`` over the QMP socket at ``path`` and return its result."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(path))
            stream = connection.makefile("rwb", buffering=0)
            stream.readline()
            _ask(stream, "qmp_capabilities", {})
            return _ask(stream, command, arguments)
        except OSError as error:
            raise LabError(
                f"QEMU at {path} does not answer: {error}", "script/lab status"
            ) from error


def _ask(stream: Any, command: str, arguments: dict[str, Any]) -> Any:
    stream.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
    while line := stream.readline():
        message = json.loads(line)
        if "error" in message:
            raise LabError(f"QEMU refused {command}: {message['error']['desc']}")
        if "return" in message:
            return message["return"]
    raise LabError(f"QEMU closed the connection during {command}", "script/lab status")
