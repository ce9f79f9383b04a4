"""GET /healthz and /readyz: for those who start, stop and balance servers. They tell no secrets, and ask for none."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from anyio import move_on_after
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from cmdb.errors import CmdbError
from itsm.desk import Desk

if TYPE_CHECKING:
    from api.app import Services

PATIENCE: Final = 5.0
"""Seconds that a store may take to answer."""

router = APIRouter(tags=["watching"])


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class DeskState(BaseModel):
    """What is done in this process, if no other does it: alerts, incidents, timers."""

    holds: bool = Field(description="whether this process does it")
    backlog: int = Field(description="received alerts that are not taken in yet")
    ran_at: datetime | None = Field(None, description="when alerts were looked at last")
    failing: list[str] = Field([], description="jobs that failed last time; the log says why")


class Ready(BaseModel):
    """Whether requests can be served."""

    ready: bool
    code: str = Field("", description="why not: a code; the log says more")
    revision: int | None = Field(None, description="the newest one")
    types: int | None = Field(None, description="record types of the model")
    followers: dict[str, int] = Field({}, description="how many revisions each is behind")
    desk: DeskState | None = Field(None, description="what goes on by itself")


@router.get("/healthz", summary="The process is alive")
async def healthz() -> Alive:
    return Alive()


@router.get(
    "/readyz",
    summary="The store answers",
    responses={
        503: {
            "model": Ready,
            "content": {"application/json": {"example": {"ready": False, "code": "store_busy"}}},
        }
    },
)
async def readyz(request: Request, response: Response) -> Ready:
    """Whether the store answers, its model can be read, and how far its followers are behind."""
    services: Services = request.app.state.services
    found = Ready(ready=False, code="store_timeout")
    with move_on_after(PATIENCE):
        found = await run_sync(_asked, services, abandon_on_cancel=True)
    if services.stopping:
        found = found.model_copy(update={"ready": False, "code": "stopping"})
    response.status_code = 200 if found.ready else 503
    return found


def _asked(services: Any) -> Ready:
    try:
        last = services.store.last_revision().number
        types = len(services.store.model.record_types)
        lags = {name: max(0, last - at()) for name, at in services.followers.items()}
        desk = _desk(services.desk) if services.desk is not None else None
    except CmdbError as error:
        return Ready(ready=False, code=error.code)
    return Ready(ready=True, revision=last, types=types, followers=lags, desk=desk)


def _desk(desk: Desk) -> DeskState:
    how = desk.condition()
    return DeskState(
        holds=how.holds, backlog=how.backlog, ran_at=how.ran_at, failing=sorted(how.failing)
    )
