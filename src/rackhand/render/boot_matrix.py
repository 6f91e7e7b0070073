"""The boot matrix of an image as JSON (``boot-matrix.json``) and as a table for people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rackhand.model.boot_matrix import BootMatrix, BootOutcome, BootTrial
from rackhand.model.errors import Flaw, InvalidFile, InvalidValue
from rackhand.model.machine import Firmware
from rackhand.model.names import parse_sha256

FORMAT = "rackhand-boot-matrix/1"
"""Seconds with one decimal, times as ISO 8601 in UTC."""
TRIALS_LIMIT = 1000
_HINT = "give the boot-matrix.json that script/bootmatrix wrote, or run it again"
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_TEXT_LIMIT = 500
_KEYS = {"format", "image_sha256", "emulator", "trials"}
_TRIAL_KEYS = {
    *("firmware", "controller", "nic", "outcome", "seconds", "at"),
    *("reason", "disk_driver", "nic_driver"),
}
_COLUMNS = ("controller", "driver", "firmware", "NIC", "driver", "outcome", "seconds", "day")


def boot_matrix_json(matrix: BootMatrix) -> str:
    """Return the file's text; ``parse_boot_matrix`` reads it again."""
    trials = [
        {
            "firmware": trial.firmware.value,
            "controller": trial.controller,
            "nic": trial.nic,
            "outcome": trial.outcome.value,
            "seconds": round(trial.seconds, 1),
            "at": trial.at.astimezone(UTC).isoformat(timespec="seconds"),
            "reason": trial.reason,
            "disk_driver": trial.disk_driver,
            "nic_driver": trial.nic_driver,
        }
        for trial in matrix.trials
    ]
    facts = {
        "format": FORMAT,
        "image_sha256": matrix.image_sha256,
        "emulator": matrix.emulator,
        "trials": trials,
    }
    return json.dumps(facts, indent=1) + "\n"


def parse_boot_matrix(text: str) -> BootMatrix:
    """Return the matrix that the text holds; InvalidFile names the place of what is wrong."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidFile([Flaw((), f"the boot matrix is no JSON: {error}")], _HINT) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise InvalidFile([Flaw(("format",), f"the boot matrix is not of {FORMAT}")], _HINT)
    place: tuple[str | int, ...] = ()
    try:
        _only(facts, _KEYS)
        listed = facts.get("trials")
        if not isinstance(listed, list) or len(listed) > TRIALS_LIMIT:
            raise InvalidValue("trials", type(listed).__name__, _no_list(listed), _HINT)
        sha256, emulator = parse_sha256(_text(facts, "image_sha256")), _text(facts, "emulator")
        trials: list[BootTrial] = []
        for number, entry in enumerate(listed):
            place = ("trials", number)
            trials.append(_trial(entry, [trial.cell for trial in trials]))
    except InvalidValue as error:
        field = str(error.details["field"])
        raise InvalidFile([Flaw((*place, field), error.sentence)], _HINT) from error
    return BootMatrix(sha256, emulator, tuple(trials))


def boot_matrix_table(matrix: BootMatrix) -> str:
    """Return one line for each trial, and below them why those that failed did."""
    rows = [_COLUMNS, *(_row(trial) for trial in matrix.trials)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    told: dict[str, list[str]] = {}
    for trial in matrix.trials:
        if trial.reason:
            where = f"{trial.controller} {trial.firmware} {trial.nic}"
            told.setdefault(f"{trial.outcome}: {trial.reason}", []).append(where)
    reasons = [f"{', '.join(where)}: {reason}" for reason, where in told.items()]
    return "\n".join([f"{matrix.emulator}, image {matrix.image_sha256[:12]}", *lines, *reasons])


def _row(trial: BootTrial) -> tuple[str, ...]:
    return (
        trial.controller,
        trial.disk_driver or "-",
        trial.firmware.value,
        trial.nic,
        trial.nic_driver or "-",
        trial.outcome.value,
        f"{trial.seconds:.0f}",
        f"{trial.at.astimezone(UTC):%Y-%m-%d}",
    )


def _trial(entry: Any, before: Sequence[object]) -> BootTrial:
    if not isinstance(entry, dict):
        raise InvalidValue("trial", str(entry)[:60], "should be an object", _HINT)
    _only(entry, _TRIAL_KEYS)
    seconds = entry.get("seconds")
    # bool is an int to Python; NaN and infinity are numbers to its JSON.
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < 1e6:
        raise InvalidValue("seconds", seconds, "should be a number from 0", _HINT)
    trial = BootTrial(
        firmware=_one_of(Firmware, entry, "firmware"),
        controller=_word(entry, "controller"),
        nic=_word(entry, "nic"),
        outcome=_one_of(BootOutcome, entry, "outcome"),
        seconds=float(seconds),
        at=_moment(entry),
        reason=_text(entry, "reason"),
        disk_driver=_word(entry, "disk_driver", empty=True),
        nic_driver=_word(entry, "nic_driver", empty=True),
    )
    if (trial.outcome is BootOutcome.REACHED) is bool(trial.reason):
        why = "should be empty for reached, and else say why not"
        raise InvalidValue("reason", trial.reason, why, _HINT)
    if trial.cell in before:
        raise InvalidValue("trials", " ".join(trial.cell), "is there twice", _HINT)
    return trial


def _only(facts: Mapping[str, Any], known: set[str]) -> None:
    for key in facts:
        if key not in known:
            raise InvalidValue(key[:60], str(facts[key])[:60], "is not known here", _HINT)


def _no_list(listed: object) -> str:
    if isinstance(listed, list):
        return f"has {len(listed)} trials, {TRIALS_LIMIT} at most are read"
    return "should be a list of trials"


def _text(facts: Mapping[str, Any], field: str) -> str:
    value = facts.get(field)
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT or not (value + " ").isprintable():
        why = f"should be text of one line, {_TEXT_LIMIT} characters at most"
        raise InvalidValue(field, str(value)[:60], why, _HINT)
    return value


def _word(facts: Mapping[str, Any], field: str, *, empty: bool = False) -> str:
    value = _text(facts, field)
    if not _WORD.fullmatch(value) and not (empty and not value):
        raise InvalidValue(field, value[:60], "is no name of a device or driver", _HINT)
    return value


def _one_of(kind: Any, facts: Mapping[str, Any], field: str) -> Any:
    try:
        return kind(facts.get(field))
    except ValueError as error:
        known = ", ".join(kind)
        raise InvalidValue(field, facts.get(field), f"is none of {known}", _HINT) from error


def _moment(facts: Mapping[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(facts, "at"))
    except ValueError as error:
        raise InvalidValue("at", facts["at"], "is no ISO 8601 time", _HINT) from error
    if moment.tzinfo is None:
        raise InvalidValue("at", facts["at"], "lacks its offset from UTC", _HINT)
    return moment
