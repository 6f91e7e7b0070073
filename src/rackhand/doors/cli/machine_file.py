"""The machines file: what is convenience there becomes the API's body here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rackhand.doors.cli.password import read_password_file
from rackhand.doors.cli.yaml_file import YamlFile


def import_body(source: YamlFile, zone: str | None, only_good: bool) -> Any:
    """Return the import's body: zones filled in, password files read.

    ``zone`` (an option) goes before the file's own ``zone:``; a machine's goes before
    both. Whatever has the wrong shape passes as it is: the API names its flaw.
    """
    if not isinstance(source.value, Mapping):
        return source.value
    body = dict(source.value)
    zone = zone or body.pop("zone", None)
    body.pop("zone", None)
    machines = body.get("machines")
    if isinstance(machines, list):
        folder = Path(source.name).parent
        body["machines"] = [_machine(machine, zone, folder) for machine in machines]
    if only_good:
        body["only_good"] = True
    return body


def _machine(machine: Any, zone: str | None, folder: Path) -> Any:
    if not isinstance(machine, Mapping):
        return machine
    filled = ({} if zone is None else {"zone": zone}) | dict(machine)
    bmc = filled.get("bmc")
    if isinstance(bmc, Mapping) and isinstance(bmc.get("password_file"), str):
        rest = {key: value for key, value in bmc.items() if key != "password_file"}
        filled["bmc"] = {"password": read_password_file(folder / bmc["password_file"]), **rest}
    return filled
