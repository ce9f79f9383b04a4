"""Attached files: evidence for orders and devices, up and down.

What is sent is the file itself. It is kept only if it is a document, a picture or text by its content; it
always comes back as something to keep, never as something to show.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.access.acting import acting
from api.access.guarded import GuardedStore
from api.access.principals import Permission
from api.app import Context, Services
from api.rest.asking import Asking, attachment, received, services_of
from api.rest.problems import RESPONSES
from cmdb.store import GraphStore
from lifecycle.attachments import OTHER, Attached, Attachments
from lifecycle.contents import ALLOWED, TEXT, safe_name
from lifecycle.drafting import Drafting
from lifecycle.engine import Engine
from lifecycle.files import Files, folder_of

UNSAID: Final = ("", "application/octet-stream", "application/x-www-form-urlencoded")
"""Content types by which clients say nothing."""

router = APIRouter(tags=["attachments"], responses=RESPONSES)


class Evidence(BaseModel):
    """A file that is attached."""

    id: str
    name: str
    sha256: str
    content_type: str
    size: int
    revision: int = Field(description="in which it was attached")


EXAMPLE: Final = {
    "id": "0197c2b0-a3f2-7d5e-8b1c-9d0e7f6a5b4c",
    "name": "handover.png",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "content_type": "image/png",
    "size": 48213,
    "revision": 1042,
}


@router.post(
    "/attachments",
    status_code=201,
    summary="Attach a file to an order, and to devices it concerns",
    responses={201: {"content": {"application/json": {"example": EXAMPLE}}}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("application/octet-stream", TEXT, *sorted(ALLOWED))
            },
        }
    },
)
async def attach(
    request: Request,
    context: Asking,
    order: Annotated[str, Query(description="its number or id", examples=["BF-2026-0001"])],
    name: Annotated[str, Query(description="what to call it", examples=["handover.png"])],
    device: Annotated[list[str], Query(description="ids of devices", max_length=1000)] = [],  # noqa: B006
    kind: Annotated[str, Query(description="photograph, wipe_certificate, signature …")] = OTHER,
    comment: Annotated[str, Query(max_length=10_000)] = "",
) -> Evidence:
    """The body is the file. The same content attached again is the same evidence."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said not in UNSAID and said not in ALLOWED and said != TEXT:
        raise HTTPException(415, f"Files of the type {said[:80]!r} are not kept")
    async with received(request) as path:

        def work() -> Attached:
            id = Drafting(Engine(context.store)).find(order).id
            engine = Engine(_ordering(context, id, device))
            return Attachments(engine, _files(services_of(request))).attach(
                id,
                acting(context.principal, engine.own_room().directory),
                path,
                devices=device,
                kind=kind,
                name=safe_name(name),
                comment=comment,
            )

        attached = await run_in_threadpool(work)
    evidence, stored = attached.evidence, attached.stored
    return Evidence(
        id=evidence.id,
        name=evidence.name,
        sha256=stored.sha256,
        content_type=stored.content_type,
        size=stored.size,
        revision=attached.revision,
    )


@router.get(
    "/attachments/{evidence}",
    summary="The content of an attached file",
    response_class=Response,
    responses={
        200: {
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            }
        },
        304: {"description": "It is what you have"},
    },
)
def attached_file(evidence: str, request: Request, context: Asking) -> Response:
    """By its id, or the SHA-256 of its content; checked against that before it is sent."""
    door = _door(services_of(request), context)
    record = door.find(evidence)
    said = record.attributes
    sha256 = str(said.get("sha256", ""))
    headers = {
        "content-disposition": attachment(str(said.get("file_name") or record.name)),
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "cache-control": "private, no-cache",
        "etag": f'"{sha256}"',
    }
    if f'"{sha256}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    kind = str(said.get("content_type", ""))
    return StreamingResponse(
        _begun(door.files.chunks(sha256)),
        headers=headers,
        media_type=kind if kind in ALLOWED else "application/octet-stream",
    )


def _begun(pieces: Iterator[bytes]) -> Iterator[Any]:
    """The pieces, the first already there: what is refused is refused before anything is sent."""
    return chain([next(pieces, b"")], pieces)


def _door(services: Services, context: Context) -> Attachments:
    return Attachments(Engine(context.store), _files(services))


def _files(services: Services) -> Files:
    settings = services.settings
    return Files(settings.files or folder_of(services.store.url, {}), settings.upload_limit)


def _ordering(context: Context, order: str, devices: list[str]) -> GraphStore:
    """The store as the process engine takes it, if who asks may order where the order is from or goes to.

    Raises
    ------
    NotFoundError
        The order, or a device, is not seen.
    NotAllowedError
    """
    store = context.store
    if not isinstance(store, GuardedStore):
        return store
    store.require(Permission.READ, records=devices)
    said, reach = store.record(order).attributes, store.reach(Permission.ORDER)
    shared = any(organisation in reach for organisation in store.model.shared_with(said))
    return store.as_product(Permission.ORDER, records=() if shared else [order])
