"""Errors over plain HTTP: problem details (RFC 9457) with the code, what happened, what to do, and the request.

Nothing of the inside is told: what is a defect is logged, under the same request id.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.logs import request_id
from schema.errors import CmdbError

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[dict[str, int]] = {
    "unauthenticated": 401,
    "not_allowed": 403,
    "password_change_required": 403,
    "password_refused": 422,
    "account_refused": 422,
    "not_found": 404,
    "conflict": 409,
    "refused": 409,
    "vanish_refused": 409,
    "too_large": 413,
    "throttled": 429,
    "invalid_change": 422,
    "source_invalid": 422,
    "file_refused": 422,
    "invalid_calendar": 422,
    "alerts_unreadable": 422,
    "store_full": 507,
}
"""Error code -> status; every other ``store_…`` is 503, the rest 400."""

CODES: Final[dict[int, tuple[str, str]]] = {
    400: ("invalid_request", "Correct the request."),
    401: ("unauthenticated", "Sign in, or send a token: `Authorization: Bearer …`."),
    403: ("not_allowed", "Ask an administrator for the permission."),
    404: ("not_found", "/openapi.json says what there is."),
    405: ("method_not_allowed", "The Allow header says which methods there are."),
    413: ("too_large", "Send less at once."),
    415: ("unsupported_media_type", "/openapi.json says what it takes."),
}


class Problem(BaseModel):
    """Problem details of RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str = Field(description="stable, for programs")
    remedy: str = Field("", description="what to do")
    request_id: str = Field("", description="under which the server logged it")
    problems: list[str] = Field([], description="where there are several, each")


CLIENT_GONE: Final = 499
"""In logs and measures: who asked did not wait for the answer."""


class TooLargeError(CmdbError):
    """More was asked for, or sent, than one request may."""

    code = "too_large"


def status_of(error: CmdbError) -> int:
    """The status that an error is answered with."""
    code = error.code
    return STATUS.get(code, 503 if code.startswith("store_") else 400)


def problem(
    status: int,
    code: str,
    message: str,
    remedy: str = "",
    *,
    problems: list[str] | None = None,
    headers: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
) -> JSONResponse:
    """The answer that tells of an error."""
    said = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=message,
        code=code,
        remedy=remedy,
        request_id=request_id.get(),
        problems=problems or [],
    )
    content = {**said.model_dump(exclude_defaults=True), **(more or {})}
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def of_error(error: CmdbError) -> JSONResponse:
    """The answer to an error of the product's tree."""
    status = status_of(error)
    several = [str(p) for p in getattr(error, "problems", ()) or getattr(error, "refusals", ())]
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if retry := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(int(retry))
    message = error.message if status < 500 else _outside(error)
    return problem(status, error.code, message, error.remedy, problems=several, headers=headers)


def _outside(error: CmdbError) -> str:
    """What those who ask are told of a store's failure; where it stands is for the log."""
    logger.error("%s", error, extra={"code": error.code})
    return "The store could not do it now."


def of_defect() -> JSONResponse:
    """The answer to a defect of the program."""
    return problem(500, "internal", "This is a defect.", "Report it with the request id.")


def handle_errors(app: FastAPI) -> None:
    """Let an app answer every error as problem details."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, CmdbError)
        if getattr(request.state, "left", False):
            return Response(status_code=CLIENT_GONE)
        request.state.code, request.state.noted = error.code, getattr(error, "noted", False)
        return of_error(error)

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code, remedy = CODES.get(error.status_code, ("invalid_request", ""))
        headers = dict(error.headers or {})
        return problem(error.status_code, code, f"{error.detail}.", remedy, headers=headers)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        found = [_mistake(e) for e in error.errors()]
        return problem(400, *("invalid_request", found[0], CODES[400][1]), problems=found)

    app.add_exception_handler(CmdbError, known)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def _mistake(error: Any) -> str:
    return f"{'.'.join(map(str, error['loc'][1:])) or 'The request'}: {error['msg']}."


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "Problem details (RFC 9457)",
        "content": {
            MEDIA_TYPE: {
                "schema": Problem.model_json_schema(),
                "example": {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no evidence 'af12'.",
                    "code": "not_found",
                    "remedy": "Name its id, or its whole SHA-256.",
                    "request_id": "0197c2b0a3f24d5e8b1c9d0e7f6a5b4c",
                },
            }
        },
    }
}
"""For OpenAPI: what every route may answer."""
