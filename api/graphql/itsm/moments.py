"""Processes as the product has them, and the moment at which somebody looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from api.access.principals import Permission
from api.context import Context
from api.graphql.lifecycle.acting import product
from api.graphql.views import View
from cmdb.queries import AsOf
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.cases import Room
from lifecycle.engine import Engine
from schema.errors import CmdbError

PROCESS: Final = "ServiceProcess"
INCIDENT: Final = "Incident"
CHANGE: Final = "Change"


class NowOnlyError(CmdbError):
    """What is asked of a moment of the past can only be said of now."""

    code = "invalid_query"


def now_only(view: View, what: str) -> None:
    """Refuse what cannot be said of the past.

    Raises
    ------
    NowOnlyError
    """
    if view.at is not None:
        raise NowOnlyError(f"{what} is told as things are.", "Leave `asOf` out.")


def moments(views: Iterable[View]) -> Mapping[AsOf, list[View]]:
    """Views by the moment that they were asked for."""
    found: dict[AsOf, list[View]] = {}
    for view in views:
        found.setdefault(view.at, []).append(view)
    return found


def whole(context: Context, views: Sequence[View]) -> dict[View, Record]:
    """Records as the product has them; they were seen. One statement for each moment, where something of them
    is withheld from who asks."""
    found = {view: view.record for view in views}
    store = product(context, Permission.READ)
    for at, some in moments(v for v in views if v.masked).items():
        records = store.get([view.record.id for view in some], at)
        found |= {view: records[view.record.id] for view in some}
    return found


def room_at(store: GraphStore, at: AsOf) -> tuple[Room, int | None]:
    """What it takes to look at processes at a moment: a room whose clock shows it, and the revision."""
    room, revision = Engine(store, store.clock).own_room(), store.resolve(at)
    if isinstance(at, datetime):
        room.now = at
    elif revision is not None:
        known = store.revisions([revision])
        room.now = known[revision].at if revision in known else room.now
    return room, revision
