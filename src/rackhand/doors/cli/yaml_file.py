"""YAML files that remember where each value stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rackhand.doors.cli.exits import Complaint


class _PlainLoader(yaml.SafeLoader):
    """YAML with JSON's words only: a MAC address is text, and so are yes, on and dates."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML declares it so


for _tag, _pattern, _first in (
    ("bool", r"true|false|True|False", "tfTF"),
    ("null", r"~|null|Null|", "~nN\0"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?[0-9]+\.[0-9]+", "-0123456789"),
    ("merge", r"<<", "<"),
):
    _PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(f"^(?:{_pattern})$"),
        [*_first.replace("\0", ""), *([""] if "\0" in _first else [])],
    )


class YamlFile:
    """A parsed file: its value and the place of each part of it.

    ``below`` is where the value of interest stands, for messages about a part.
    """

    def __init__(self, name: str, value: Any, node: yaml.Node) -> None:
        self.name = name
        self.value = value
        self.below: tuple[str | int, ...] = ()
        self._node = node

    def place(self, path: Sequence[str | int]) -> str:
        """Return ``file:line:column`` of a path, or of the nearest part above it."""
        node = self._node
        for part in (*self.below, *path):
            child = _child(node, part)
            if child is None:
                break
            node = child
        mark = node.start_mark
        return f"{self.name}:{mark.line + 1}:{mark.column + 1}"

    def flaw(self, path: Sequence[str | int], sentence: str, hint: str) -> Complaint:
        """Make the complaint about one part of the file."""
        flaws = {"flaws": [{"path": list(path), "sentence": sentence}]}
        complaint = Complaint("invalid-file", sentence, hint, flaws)
        complaint.file = self
        return complaint


def read_yaml(path: str) -> YamlFile:
    """Read a file, or standard input for ``-``. Complaint names line and column."""
    name = "<stdin>" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Complaint(
            "invalid-file", f"{name}: {error.strerror}", "name a file that can be read"
        ) from error
    except UnicodeDecodeError as error:
        raise Complaint(
            "invalid-file", f"{name}: byte {error.start} is not UTF-8", "save the file as UTF-8"
        ) from error
    try:
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise Complaint("invalid-file", f"{name}:1:1: the file is empty", "see docs/files.md")
        _refuse_duplicates(name, node)
        return YamlFile(name, loader.construct_document(node), node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise Complaint(
            "invalid-file", f"{place}: not YAML: {error.problem}", "correct the syntax there"
        ) from error
    except yaml.YAMLError as error:
        raise Complaint("invalid-file", f"{name}: not YAML: {error}", "save it as text") from error


def _child(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        items: list[yaml.Node] = node.value
        return items[part] if part < len(items) else None
    if isinstance(node, yaml.MappingNode):
        # Later pairs win, as they do in the value (merged ones stand first).
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
        return next((value for key, value in reversed(pairs) if key.value == part), None)
    return None


def _refuse_duplicates(name: str, node: yaml.Node, seen: frozenset[int] = frozenset()) -> None:
    if id(node) in seen:
        return
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys and key.value != "<<":
                mark = key.start_mark
                raise Complaint(
                    "invalid-file",
                    f"{name}:{mark.line + 1}:{mark.column + 1}: {key.value} stands here twice",
                    "keep one of them",
                )
            keys.add(str(key.value))
            _refuse_duplicates(name, value, seen | {id(node)})
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(name, value, seen | {id(node)})
