"""Webhooks in: a discovery tool posts what it observed, in the form of `importers.jsonl`.

Who posts has a token with the permission *observe*, or signs what they send with the secret of their
source (`api.rest.signatures`).
Nothing is planned before all of it has come and the signature was found right.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.access.principals import Grant, Permission, Principal
from api.observing import Asked, may_observe, reconciled
from api.rest.asking import received, services_of
from api.rest.problems import RESPONSES, problem, status_of
from api.rest.signatures import Signed, is_signed
from cmdb.errors import CmdbError
from importers.reading import Document

TYPES: Final = frozenset(
    {"", "application/jsonl", "application/x-ndjson", "application/json", "text/plain"}
    | {"application/octet-stream", "application/x-www-form-urlencoded", "application/gzip"}
)

EXAMPLE: Final = (
    '{"type": "Server", "key": "srv/42", "attributes": {"name": "web-01", "serial_number": "SN42"}, '
    '"links": [{"name": "CONTAINED_IN", "to": {"type": "Rack", "key": "rack/R1", "attributes": {"name": "R1"}}}]}\n'
)
PLAN: Final = {
    "applied": True,
    "statements": 1,
    "kept": 0,
    "seconds": 0.012,
    "revisions": [1043],
    "counts": {"created": 2, "updated": 0, "related": 1, "unrelated": 0, "retired": 0}
    | {"unchanged": 0, "rejected": 0, "duplicate": 0},
    "entries_total": 3,
    "entries": [],
}

router = APIRouter(prefix="/observations", tags=["observations"], responses=RESPONSES)


@router.post(
    "/{source}",
    summary="Reconcile what a discovery tool observed with the graph: the plan, or applied",
    responses={200: {"content": {"application/json": {"example": PLAN}}}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/jsonl": {"schema": {"type": "string"}, "example": EXAMPLE}},
        }
    },
)
async def observe(
    request: Request,
    source: Annotated[str, InPath(description="name of the source", min_length=1, max_length=200)],
    apply: Annotated[bool, Query(description="commit the plan; else it is only shown")] = False,
    complete: Annotated[
        bool, Query(description="this is all the source has: retire what it no longer reports")
    ] = False,
    vanish_limit: Annotated[
        float | None, Query(ge=0, le=100, description="most percent that may be retired")
    ] = None,
    first: Annotated[
        int, Query(ge=0, le=100_000, description="most lines of the plan to give back")
    ] = 1_000,
) -> JSONResponse:
    """A line an observation, gzip or plain. The same again changes nothing. What it answers is what
    `cmdb import jsonl --json` prints; the lines of the plan are for those who may read everything."""
    _check_type(request)
    signed, principal = await run_in_threadpool(_asking, request, source)
    asked = Asked(apply, complete, vanish_limit, first)
    async with received(request, signed.mac.update if signed else lambda _: None) as path:
        if signed:
            await run_in_threadpool(signed.check)
        document = Document("what was posted", "posted", path)
        plan, failed = await run_in_threadpool(
            reconciled, services_of(request).store, principal, source, document, asked
        )
        return _answer(plan, failed)


def _check_type(request: Request) -> None:
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if said not in TYPES or packed not in ("identity", "gzip"):
        raise HTTPException(415, "Observations are JSON Lines, plain or gzip")


def _asking(request: Request, source: str) -> tuple[Signed | None, Principal]:
    """Who posts; with a signature that is yet to be checked, the source itself."""
    services = services_of(request)
    if is_signed(request):
        secret = services.settings.observation_secrets.get(source)
        signed = Signed(services, request, secret)
        principal = Principal(
            source, "", (Grant(frozenset({Permission.OBSERVE}), None),), by="token"
        )
        request.state.principal = principal.name
        return signed, principal
    principal = services.principal(request)
    may_observe(principal)
    return None, principal


def _answer(plan: dict[str, Any], failed: CmdbError | None) -> JSONResponse:
    """The plan; where it broke off after something was done, the problem with the plan in it."""
    if failed is None:
        return JSONResponse(plan)
    return problem(
        status_of(failed), failed.code, failed.message, failed.remedy, more={"plan": plan}
    )
