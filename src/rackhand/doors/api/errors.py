"""Every error's way to the wire: status, code, sentence, hint, details."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from rackhand.doors.api.flaws import flaws_of, hint_of
from rackhand.model import errors

_LOG = logging.getLogger(__name__)

STATUS: dict[type[errors.RackhandError], int] = {
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.WrongState: 409,
    errors.NoExactMatch: 409,
    errors.InvalidValue: 400,
    errors.InvalidFile: 400,
    errors.NotAllowed: 401,
    errors.AskedWrongly: 400,
    errors.CallFailed: 503,
    errors.RackhandError: 500,
}
"""A class not named here has the status of its nearest ancestor that is."""


class ErrorWords(BaseModel):
    """What went wrong, and what to do."""

    code: str
    sentence: str
    hint: str
    details: dict[str, Any]


class ErrorAnswer(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorWords


def error_response(
    status: int, code: str, sentence: str, hint: str, details: Any = None
) -> JSONResponse:
    """Make the one shape that errors have."""
    words = {"code": code, "sentence": sentence, "hint": hint, "details": details or {}}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": words}, status, headers)


def rackhand_response(error: errors.RackhandError) -> JSONResponse:
    """Map one of our own exceptions."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return error_response(status, error.code, error.sentence, error.hint, dict(error.details))


def add_error_handlers(app: FastAPI) -> None:
    """Map every exception that can leave an endpoint."""
    app.add_exception_handler(errors.RackhandError, _own)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unforeseen)


def _own(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.RackhandError)  # noqa: S101 - registered for this class
    return answer_error(request, error)


def answer_error(request: Request, error: errors.RackhandError) -> JSONResponse:
    """Answer a request that met one of our own exceptions; the log names what failed."""
    if isinstance(error, errors.CallFailed):
        _LOG.warning("%s %s: %s: %s", request.method, request.url.path, error.code, error)
    return rackhand_response(error)


def _malformed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    found = error.errors()
    flaws = flaws_of(found, drop=1)
    more = f" (and {len(flaws) - 1} more)" if len(flaws) > 1 else ""
    return error_response(
        400,
        errors.InvalidValue.code,
        f"{flaws[0].sentence}{more}",
        hint_of(found) or "see the fields in /v1/openapi.json or `rackhand schema`",
        {"flaws": [{"path": list(f.path), "sentence": f.sentence} for f in flaws]},
    )


def _framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    what = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        sentence, code = f"there is nothing at {request.url.path}", errors.NotFound.code
    else:
        sentence, code = f"{what}: {error.detail}", errors.AskedWrongly.code
    return error_response(error.status_code, code, sentence, "see /v1/openapi.json")


def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    # Starlette raises it again after this answer, so the server's log has the traceback.
    _LOG.error("%s %s: %s", request.method, request.url.path, type(error).__name__)
    return error_response(
        500,
        "internal",
        f"Rackhand failed at {request.method} {request.url.path} ({type(error).__name__})",
        "this is a fault of Rackhand: its log has the traceback",
    )
