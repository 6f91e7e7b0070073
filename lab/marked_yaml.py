"""YAML values that remember where they stand, so that every complaint names line and column."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import yaml

from lab.errors import LabError

_E = TypeVar("_E", bound=StrEnum)
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, order=True)
class Problem:
    """One complaint about a file; line and column count from 1."""

    line: int
    column: int
    message: str
    hint: str = ""


class FileRefusedError(LabError):
    """A file that cannot be used, with all its problems, first line first."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        """Render each problem as ``file:line:column: message`` with its hint below."""
        self.problems = sorted(problems)
        lines = []
        for p in self.problems:
            lines.append(f"{source}:{p.line}:{p.column}: {p.message}")
            if p.hint:
                lines.append(f"  hint: {p.hint}")
        super().__init__("\n".join(lines))


@dataclass
class Problems:
    """Collects complaints while a file is read to its end."""

    source: str
    found: list[Problem] = field(default_factory=list)

    def raise_if_any(self) -> None:
        """Raise FileRefusedError when something was found."""
        if self.found:
            raise FileRefusedError(self.source, self.found)


class Spot:
    """A YAML value at its place. A wrong value is noted and a stand-in returned."""

    def __init__(self, node: yaml.Node, path: str, problems: Problems) -> None:
        """``path`` is how messages call this value, such as ``machines[0].cpus``."""
        self.node = node
        self.path = path
        self._problems = problems

    def complain(self, message: str, hint: str = "") -> None:
        """Note a problem at this value's line and column."""
        mark = self.node.start_mark
        self._problems.found.append(Problem(mark.line + 1, mark.column + 1, message, hint))

    def _tag(self) -> str:
        return str(self.node.tag).removeprefix(_TAG)

    def is_null(self) -> bool:
        """Whether the file says null (or nothing) here."""
        return self._tag() == "null"

    def mapping(self, required: Collection[str], optional: Collection[str]) -> "dict[str, Spot]":
        """Key to value; unknown, duplicate and missing keys are noted."""
        if not isinstance(self.node, yaml.MappingNode):
            self.complain(f"{self.path} must be a mapping, is {self._tag()}")
            return {}
        known = [*required, *optional]
        values: dict[str, Spot] = {}
        for key_node, value_node in self.node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            here = Spot(key_node, f"{self.path}.{key}".removeprefix("file."), self._problems)
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
                here.complain(f"{here.path}: unknown key", hint)
            elif key in values:
                here.complain(f"{here.path} stands here twice", "keep one of them")
            else:
                values[key] = Spot(value_node, here.path, self._problems)
        for key in required:
            if key not in values:
                self.complain(f"{self.path}: the key {key} is missing", f"add {key}: …")
        return values

    def items(self, at_least: int = 0) -> "list[Spot]":
        """The entries of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.complain(f"{self.path} must be a list, is {self._tag()}")
            return []
        if len(self.node.value) < at_least:
            self.complain(f"{self.path} must have at least {at_least} entry")
        return [Spot(n, f"{self.path}[{i}]", self._problems) for i, n in enumerate(self.node.value)]

    def raw(self) -> str:
        """The scalar as written, whatever YAML takes it for (a MAC can look like a number)."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null():
            self.complain(f"{self.path} must be a single value, is {self._tag()}")
            return ""
        return str(self.node.value)

    def text(self, longest: int, allow_empty: bool = False) -> str:
        """Printable ASCII of at most ``longest`` characters."""
        if self._tag() != "str":
            self.complain(f"{self.path} must be text, is {self._tag()}", "put it in quotes")
            return ""
        value = str(self.node.value)
        if not value and not allow_empty:
            self.complain(f"{self.path} is empty", "write a value")
        if len(value) > longest:
            self.complain(
                f"{self.path} has {len(value)} characters, at most {longest} fit", "shorten it"
            )
        if not all(" " <= c <= "~" for c in value) or '"' in value:
            self.complain(f"{self.path} must be printable ASCII without double quotes: {value!r}")
        return value

    def integer(self, lowest: int, highest: int) -> int:
        """A whole number between both bounds, bounds included."""
        value = self.number(lowest, highest)
        if value != int(value):
            self.complain(f"{self.path} must be a whole number, is {value}")
        return int(value)

    def number(self, lowest: float, highest: float) -> float:
        """A number between both bounds, bounds included."""
        raw = str(self.node.value) if isinstance(self.node, yaml.ScalarNode) else ""
        try:
            if self._tag() not in ("int", "float"):
                raise ValueError(raw)
            value = float(raw)
        except ValueError:
            self.complain(
                f"{self.path} must be a number, is {raw or self._tag()!r}",
                f"write a number from {lowest} to {highest}",
            )
            return lowest
        if not lowest <= value <= highest:
            self.complain(f"{self.path} is {raw}", f"write a number from {lowest} to {highest}")
            return lowest
        return value

    def boolean(self) -> bool:
        """``true`` or ``false``."""
        if self._tag() != "bool":
            self.complain(f"{self.path} must be true or false, is {self._tag()}")
            return False
        return str(self.node.value).lower() in ("true", "yes", "on")

    def choice(self, kind: type[_E]) -> _E:
        """One of an enumeration's words."""
        raw = self.raw()
        try:
            return kind(raw)
        except ValueError:
            words = [e.value for e in kind]
            near = difflib.get_close_matches(raw, words, 1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(words)}"
            self.complain(f"{self.path}: {raw!r} is not known", hint)
            return next(iter(kind))


class Seen:
    """What must be unique in a file."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}

    def once(self, kind: str, value: str, spot: Spot) -> None:
        """Complain when ``value`` was already used for the same kind of thing."""
        before = self._first.setdefault((kind, value), spot.path)
        if value and before != spot.path:
            spot.complain(
                f"{spot.path}: {kind} {value} is already used by {before}", f"choose another {kind}"
            )


def read(text: str, problems: Problems) -> Spot:
    """Parse YAML; raises FileRefusedError when it is not YAML or is empty."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = Problem(line, column, f"not YAML: {error.problem}", "correct the syntax here")
        raise FileRefusedError(problems.source, [problem]) from error
    except yaml.YAMLError as error:
        problem = Problem(1, 1, f"not YAML: {error}", "save the file as UTF-8 text")
        raise FileRefusedError(problems.source, [problem]) from error
    if node is None:
        raise FileRefusedError(problems.source, [Problem(1, 1, "the file is empty")])
    return Spot(node, "file", problems)
