"""A lease as typed: file and options become the API's body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.noun_commands import need
from rackhand.doors.cli.password import ask_password, hash_password, read_password_file
from rackhand.doors.cli.words import _
from rackhand.doors.cli.yaml_file import YamlFile

REQUIRED = {
    "flavor": "--flavor",
    "image": "--image",
    "hostname": "--hostname",
    "networks": "--network",
}


def lease_body(source: YamlFile | None, options: Mapping[str, Any], secrets: bool) -> Any:
    """Return the request's body: the file's values, the options over them.

    ``secrets`` False (a plan) leaves the root password alone: nothing is asked or read.
    Raises a usage error for what is missing when there is no file.
    """
    body = _file_body(source, secrets)
    if not isinstance(body, dict):
        return body
    for field in ("name", "flavor", "image", "hostname", "zone", "volume_group_size"):
        if options.get(field) is not None:
            body[field] = options[field]
    if options["networks"]:
        body["networks"] = [_network(text) for text in options["networks"]]
    if options.get("bonds"):
        body["bonds"] = [_bond(text) for text in options["bonds"]]
    if options["ssh_key_files"]:
        body["ssh_keys"] = _keys([Path(name) for name in options["ssh_key_files"]])
    if source is None:
        need(body, REQUIRED)
    if secrets:
        password = _root_password(options)
        if password is not None:
            body["root_password_hash"] = hash_password(password)
    return body


def _root_password(options: Mapping[str, Any]) -> str | None:
    if options["root_password_file"]:
        return read_password_file(Path(options["root_password_file"]))
    if options["ask_root_password"]:
        return ask_password(_("Root password of the installed system"))
    return None


def _file_body(source: YamlFile | None, secrets: bool) -> Any:
    if source is None:
        return {}
    if not isinstance(source.value, dict):
        return source.value
    body, folder = dict(source.value), Path(source.name).parent
    key_files = body.get("ssh_key_files")
    if isinstance(key_files, list) and all(isinstance(name, str) for name in key_files):
        del body["ssh_key_files"]
        paths = [folder / Path(name).expanduser() for name in key_files]
        keys = body.get("ssh_keys", [])
        body["ssh_keys"] = (keys if isinstance(keys, list) else []) + _keys(paths)
    password_file = body.get("root_password_file")
    if isinstance(password_file, str):
        del body["root_password_file"]
        if secrets:
            cleartext = read_password_file(folder / Path(password_file).expanduser())
            body["root_password_hash"] = hash_password(cleartext)
    return body


def _network(text: str) -> dict[str, str]:
    name, equals, address = text.partition("=")
    return {"network": name, "address": address} if equals else {"network": name}


def _bond(text: str) -> dict[str, Any]:
    """Read ``front,back:802.3ad:4``; what else a bond can be told stands in a file."""
    networks, _colon, rest = text.partition(":")
    mode, _colon, members = rest.partition(":")
    if not networks or not mode or (members and not members.isdigit()):
        raise click.UsageError(_("{!r} is no bond: write NETWORK,…:MODE[:N]").format(text))
    bond: dict[str, Any] = {"mode": mode, "networks": networks.split(",")}
    return bond | {"members": int(members)} if members else bond


def _keys(paths: Sequence[Path]) -> list[str]:
    """Return every key of the files, which may hold several, and comments."""
    keys = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise Complaint(
                "invalid-file", f"ssh key file {path}: {why}", "name a .pub file"
            ) from error
        if any("PRIVATE KEY" in line for line in lines):
            raise Complaint(
                "invalid-file", f"ssh key file {path} is a private key", f"name {path}.pub"
            )
        keys += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return keys
