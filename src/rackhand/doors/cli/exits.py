"""Exit codes, and the exceptions that carry one. docs/cli.md promises these numbers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rackhand.doors.cli.yaml_file import YamlFile


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    ASKED_WRONGLY = 3
    NOT_FOUND = 4
    NOT_ALLOWED = 5
    NO_EXACT_MATCH = 6
    UNREACHABLE = 7
    FAILED = 8
    TIMED_OUT = 9
    INTERRUPTED = 130


MEANING: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.INTERNAL: "Rackhand, or something behind it, failed",
    ExitCode.USAGE: "wrong usage of the command line",
    ExitCode.ASKED_WRONGLY: "asked wrongly: a value, a file, a conflict, the wrong moment",
    ExitCode.NOT_FOUND: "there is no such object",
    ExitCode.NOT_ALLOWED: "the token is missing, unreadable or unknown",
    ExitCode.NO_EXACT_MATCH: "no machine matches exactly",
    ExitCode.UNREACHABLE: "cannot reach Rackhand",
    ExitCode.FAILED: "the machine or lease failed while waiting, or its pre-flight did",
    ExitCode.TIMED_OUT: "waiting timed out; what was begun goes on",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C); what was begun goes on",
}

_BY_CODE = {
    "asked-wrongly": ExitCode.ASKED_WRONGLY,
    "already-exists": ExitCode.ASKED_WRONGLY,
    "invalid-value": ExitCode.ASKED_WRONGLY,
    "invalid-file": ExitCode.ASKED_WRONGLY,
    "image-unfit": ExitCode.ASKED_WRONGLY,
    "image-refused": ExitCode.ASKED_WRONGLY,
    "target-refused": ExitCode.ASKED_WRONGLY,
    "lock-differs": ExitCode.ASKED_WRONGLY,
    "needs-root": ExitCode.ASKED_WRONGLY,
    "wrong-state": ExitCode.ASKED_WRONGLY,
    "not-found": ExitCode.NOT_FOUND,
    "not-allowed": ExitCode.NOT_ALLOWED,
    "no-exact-match": ExitCode.NO_EXACT_MATCH,
    "unreachable": ExitCode.UNREACHABLE,
    "timed-out": ExitCode.TIMED_OUT,
}


class Complaint(Exception):
    """Something to tell the person, and the exit code that goes with it.

    ``file`` is set where the flaws in ``details`` have a place in a file.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        hint: str,
        details: Mapping[str, Any] | None = None,
        exit_code: ExitCode | None = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.hint = hint
        self.details: Mapping[str, Any] = details or {}
        self.exit_code = exit_code or _BY_CODE.get(code, ExitCode.INTERNAL)
        self.file: YamlFile | None = None


class Unreachable(Complaint):
    """Rackhand does not answer."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            "unreachable",
            f"cannot reach Rackhand at {where}: {why}",
            "is `rackhand up` running? else name it with --url or RACKHAND_URL",
        )
