"""Who asks by plain HTTP, for what, and as of when: what the routes have in common."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final, cast
from urllib.parse import quote

from fastapi import Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from api.access.principals import Grant, Permission, Principal
from api.app import Context, Services
from api.requests import left
from cmdb.errors import QueryError
from cmdb.queries import AsOf
from cmdb.store import Deadline, GraphStore
from lifecycle.contents import safe_name
from lifecycle.refusals import NotAllowedError

EXPORT_SECONDS: Final = 3_600.0
"""How long the store may read for an export."""
Below = Callable[[frozenset[str]], frozenset[str]]
"""Organisations -> these, and all below them."""


def services_of(request: Request) -> Services:
    """What the process has."""
    return cast("Services", request.app.state.services)


def asking(request: Request) -> Context:
    """What a request works with."""
    return services_of(request).context(request)


async def exporting(request: Request) -> AsyncIterator[Context]:
    """What an export works with: what the principal may read, where they may export. The store reads for it as
    long as somebody waits for it.

    Raises
    ------
    NotAllowedError
    """
    context = await run_in_threadpool(_exporting, request)
    deadline = Deadline(EXPORT_SECONDS)
    watching = asyncio.create_task(_watch(request, deadline))
    try:
        with deadline.held():
            yield context
    finally:
        watching.cancel()


async def _watch(request: Request, deadline: Deadline) -> None:
    """Have the store leave what it reads when who asked has left."""
    await left(request)
    request.state.left = True
    deadline.cancel()


def _exporting(request: Request) -> Context:
    services = services_of(request)
    principal = services.principal(request)
    require(principal, Permission.EXPORT)
    below = services.organisations.below if services.organisations else frozenset
    return services.context(request, narrowed(principal, Permission.EXPORT, below))


Asking = Annotated[Context, Depends(asking)]
Exporting = Annotated[Context, Depends(exporting)]


def require(principal: Principal, permission: Permission) -> None:
    """Refuse who has a permission nowhere.

    Raises
    ------
    NotAllowedError
    """
    if not principal.permits(permission):
        raise NotAllowedError(
            f"{principal.name} lacks the permission {permission}.",
            "An administrator gives it with a role.",
        )


def narrowed(principal: Principal, permission: Permission, below: Below) -> Principal:
    """A principal with every permission only where they have this one, too."""
    grants = []
    for grant in principal.grants:
        for other in principal.grants:
            if permission in other.permissions:
                inner = _inner(grant.organisation, other.organisation, below)
                grants += [Grant(grant.permissions, place) for place in inner]
    return replace(principal, grants=tuple(dict.fromkeys(grants)))


def _inner(one: str | None, other: str | None, below: Below) -> Iterator[str | None]:
    """Where two subtrees overlap: the lower of their tops, if it is in the other."""
    if one is None or one == other:
        yield other
    elif other is None or one in below(frozenset({other})):
        yield one
    elif other in below(frozenset({one})):
        yield other


AS_OF: Final = Query(
    alias="as_of",
    description="Read the past: a revision number, or an instant with its time zone.",
    openapi_examples={
        "a revision": {"value": "42"},
        "an instant": {"value": "2026-03-31T08:00:00+08:00"},
        "now": {"value": ""},
    },
)
WHERE: Final = Query(
    description="A filter, as JSON.",
    openapi_examples={
        "all": {"value": ""},
        "by state": {"value": '{"lifecycle_state": {"eq": "in_use"}}'},
    },
)


def moment(store: GraphStore, text: str) -> int:
    """The revision that is meant; now, for an empty text.

    Raises
    ------
    QueryError
    """
    last = store.last_revision().number
    at: AsOf = last
    if text.isascii() and text.isdecimal() and len(text) < 16:
        at = int(text)
    elif text:
        try:
            at = datetime.fromisoformat(text.strip().replace(" ", "+"))
        except ValueError:
            raise QueryError(
                f"{text[:60]!r} is neither a revision number nor an instant.",
                "Write 42, or 2026-03-31T08:00+08:00.",
            ) from None
    found = store.resolve(at)
    assert found is not None
    if found > last:
        raise QueryError(f"There is no revision {found} yet.", f"The newest is {last}.")
    return found


def condition(text: str) -> Mapping[str, Any] | None:
    """A filter from its JSON.

    Raises
    ------
    QueryError
    """
    if not text.strip():
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise QueryError("where is no JSON object.", 'Write {"name": {"prefix": "web"}}.')
    return found


def attachment(name: str) -> str:
    """The Content-Disposition of a file to be kept, not shown; the name may be anything."""
    safe = safe_name(name)
    plain = safe.encode("ascii", "replace").decode().replace("?", "_").replace("\\", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


@asynccontextmanager
async def received(
    request: Request, feed: Callable[[bytes], Any] = lambda _: None
) -> AsyncIterator[Path]:
    """The body of a request as a file, gone afterwards; no more than a piece of it is in memory.

    Parameters
    ----------
    feed
        Called with each piece.
    """
    with TemporaryDirectory(prefix="cmdb-") as folder:
        path = Path(folder) / "body"
        with path.open("wb") as file:
            async for chunk in request.stream():
                feed(chunk)
                file.write(chunk)
        yield path
