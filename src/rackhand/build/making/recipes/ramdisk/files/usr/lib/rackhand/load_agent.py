"""Loads the agent's modules in half the time that plain imports take.

Loading is most of the seconds between a ramdisk's start and its first heartbeat (ten on
an emulated processor). Nothing of the agent is changed; what it would do later anyway is
put off, and what is the same at every start was done when the ramdisk was built:

* regular expressions come compiled, as modules do (a third of all loading);
* modules that a deploy hardly ever uses are loaded when they are;
* no garbage is collected among objects that all stay.
"""

import gc
import importlib
import importlib.util
import marshal
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

PATTERNS = Path(__file__).with_name("patterns.marshal")
# Modules that others import, but only use in rare tasks.
_LATER = ("zeroconf", "ironic_python_agent.burnin", "oslo_utils.specs_matcher")

# What _sre.compile takes: flags, code, groups, group names, names by number.
_Compiled = tuple[int, list[int], int, dict[str, int], tuple[str | None, ...]]
_Key = tuple[str | bytes, int]

_sre: Any = importlib.import_module("_sre")
_compiler: Any = re._compiler  # type: ignore[attr-defined]


class UnitsLater:
    """Stands for pint's registry of units until a unit is converted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Remember how to make the real registry."""
        self._made: Any = None
        self._wanted = (args, kwargs)
        self._definitions: list[str] = []

    def define(self, definition: str) -> None:
        """Remember a definition."""
        self._definitions.append(definition)

    def _real(self) -> Any:
        if self._made is None:
            sys.modules.pop("pint", None)
            args, kwargs = self._wanted
            self._made = importlib.import_module("pint").UnitRegistry(*args, **kwargs)
            for definition in self._definitions:
                self._made.define(definition)
        return self._made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Convert, with the real registry."""
        return self._real()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Ask the real registry."""
        return getattr(self._real(), name)


def load() -> ModuleType:
    """Import the agent's program; return its module."""
    gc.disable()
    if PATTERNS.exists():
        _use(marshal.loads(PATTERNS.read_bytes()))  # noqa: S302  (our own file)
    for name in _LATER:
        _import_later(name)
    units = ModuleType("pint")
    units.UnitRegistry = UnitsLater  # type: ignore[attr-defined]
    sys.modules["pint"] = units
    agent = importlib.import_module("ironic_python_agent.cmd.agent")
    if sys.modules.get("pint") is units:
        del sys.modules["pint"]
    gc.freeze()
    gc.enable()
    return agent


def _import_later(name: str) -> None:
    """Make ``import name`` give a module that loads itself when first looked into."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)


def _use(known: dict[_Key, _Compiled]) -> None:
    """Let ``re`` take compiled patterns from ``known`` and compile only others."""
    compile_now = _compiler.compile

    def compile_or_take(pattern: Any, flags: int = 0) -> Any:
        found = known.get((pattern, flags)) if isinstance(pattern, str | bytes) else None
        if found is None:
            return compile_now(pattern, flags)
        return _sre.compile(pattern, *found)

    _compiler.compile = compile_or_take


def record() -> dict[_Key, _Compiled]:
    """Load the agent and return every pattern it compiled."""
    known: dict[_Key, _Compiled] = {}
    make = _sre.compile
    asked: list[_Key] = []
    compile_now = _compiler.compile

    def note(pattern: Any, flags: int, *rest: Any) -> Any:
        code, groups, names, by_number = rest
        if asked and isinstance(pattern, str | bytes) and asked[-1][0] == pattern:
            known[asked[-1]] = (
                int(flags),
                [int(word) for word in code],
                groups,
                dict(names),
                tuple(by_number),
            )
        return make(pattern, flags, *rest)

    def remember(pattern: Any, flags: int = 0) -> Any:
        asked.append((pattern, int(flags)))
        try:
            return compile_now(pattern, flags)
        finally:
            asked.pop()

    _compiler.compile, _compiler._sre = remember, _Recorder(note)
    load()
    return known


class _Recorder:
    """The ``_sre`` module as ``re`` sees it, with another ``compile``."""

    def __init__(self, compile_pattern: Any) -> None:
        self.compile = compile_pattern

    def __getattr__(self, name: str) -> Any:
        return getattr(_sre, name)


if __name__ == "__main__":
    PATTERNS.write_bytes(marshal.dumps(record()))
