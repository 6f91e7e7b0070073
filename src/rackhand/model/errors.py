"""The one exception tree.

    RackhandError                 code, sentence, hint, details
    ├── AskedWrongly              a person can mend it by asking differently
    │   ├── NotFound              no such object
    │   ├── AlreadyExists         a name, MAC, address, BMC or hostname is taken
    │   ├── InvalidValue          a field's value cannot be used
    │   ├── InvalidFile           a file or batch with errors, each with its place
    │   ├── WrongState            right object, wrong moment
    │   ├── NoExactMatch          no machine fits; a reason for each
    │   └── NotAllowed            unknown or insufficient credentials
    └── CallFailed                a foreign system failed; the loop comes round again
        ├── EngineUnreachable     Ironic does not answer
        ├── EngineRefused         Ironic answered with an error
        └── StoreBroken           the database failed (never looks like NotFound)

A machine that failed is no exception: it is a stored :class:`Fault`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a machine or lease stands still: a stored outcome, not an exception."""

    code: str
    sentence: str
    hint: str
    at: datetime


class RackhandError(Exception):
    """Something went wrong; ``str()`` is one sentence that names object and value."""

    code: ClassVar[str] = "error"

    def __init__(self, sentence: str, hint: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.details: Mapping[str, Any] = details or {}


class AskedWrongly(RackhandError):
    """A person can mend it by asking differently."""

    code = "asked-wrongly"


class NotFound(AskedWrongly):
    """There is no ``kind`` with that name or id."""

    code = "not-found"

    def __init__(self, kind: str, value: str, hint: str | None = None) -> None:
        listing = _LISTINGS.get(kind, f"{kind} list")
        super().__init__(
            f"there is no {kind} {value!r}", hint or f"see `rackhand {listing}`", {kind: value}
        )


_LISTINGS = {
    "discovery": "machine adopted",
    "stranger": "machine seen",
    "boot matrix of image": "image list",
}
"""What lists the kinds that have no command group of their own."""


class AlreadyExists(AskedWrongly):
    """Another object holds this name, MAC, address, BMC or hostname."""

    code = "already-exists"

    def __init__(self, kind: str, field_name: str, value: str, holder: str) -> None:
        super().__init__(
            f"{kind}: {field_name} {value!r} is already taken by {holder}",
            f"choose another {field_name}, or change or remove {holder} first",
            {"kind": kind, "field": field_name, "value": value, "holder": holder},
        )


class InvalidValue(AskedWrongly):
    """A field's value cannot be used; says why."""

    code = "invalid-value"

    def __init__(self, field_name: str, value: object, why: str, hint: str = "") -> None:
        super().__init__(
            f"{field_name}: {value!r} {why}",
            hint or f"correct {field_name} and ask again",
            {"field": field_name, "value": str(value)},
        )


@dataclass(frozen=True, slots=True)
class Flaw:
    """One error in a batch; ``path`` is its place, as keys and indices from the top."""

    path: tuple[str | int, ...]
    sentence: str


class InvalidFile(AskedWrongly):
    """A batch holds errors; ``details["flaws"]`` names each with its place."""

    code = "invalid-file"

    def __init__(self, flaws: Sequence[Flaw], hint: str) -> None:
        self.flaws = tuple(flaws)
        first = self.flaws[0].sentence
        more = f" (and {len(flaws) - 1} more)" if len(flaws) > 1 else ""
        super().__init__(
            f"{first}{more}",
            hint,
            {"flaws": [{"path": list(f.path), "sentence": f.sentence} for f in flaws]},
        )


class WrongState(AskedWrongly):
    """The object cannot do that now; the sentence names its state."""

    code = "wrong-state"


class NoExactMatch(AskedWrongly):
    """No machine fits exactly; ``details["reasons"]`` maps machine name to its reasons.

    ``details["nic_tables"]`` maps those whose cables do not fit to a row for each NIC,
    ``details["disk_tables"]`` those where no disk can be written to a row for each disk.
    """

    code = "no-exact-match"

    def __init__(
        self,
        asked: str,
        reasons: Mapping[str, Sequence[str]],
        nic_tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        disk_tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        super().__init__(
            f"no machine matches {asked} exactly ({len(reasons)} looked at)",
            "see each machine's reason; `rackhand lease plan` shows them without asking again",
            {
                "reasons": {name: list(why) for name, why in reasons.items()},
                "nic_tables": {name: list(rows) for name, rows in (nic_tables or {}).items()},
                "disk_tables": {name: list(rows) for name, rows in (disk_tables or {}).items()},
            },
        )


class NotAllowed(AskedWrongly):
    """The token is missing, unknown or does not allow this."""

    code = "not-allowed"


class CallFailed(RackhandError):
    """A foreign system failed; the loop comes round again."""

    code = "call-failed"


class EngineUnreachable(CallFailed):
    """Ironic does not answer."""

    code = "engine-unreachable"


class EngineRefused(CallFailed):
    """Ironic answered with an error; ``status`` is its HTTP status."""

    code = "engine-refused"

    def __init__(self, sentence: str, hint: str, status: int) -> None:
        super().__init__(sentence, hint, {"status": status})
        self.status = status


class StoreBroken(CallFailed):
    """The database failed; never to be taken for an object that is missing."""

    code = "store-broken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes, or no with every reason; reasons are sentences for a person."""

    reasons: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons
