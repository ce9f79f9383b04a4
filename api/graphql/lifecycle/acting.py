"""Acting in processes: who it is, the engine that decides, and what of its refusals may be told.

The engine sees the whole graph, since what it decides must be right; what it tells is told without what
the principal may not see.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from api.access.acting import acting
from api.access.guarded import GuardedStore
from api.access.principals import Permission
from api.context import Context
from cmdb.ids import new_id
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.engine import Engine
from lifecycle.people import Directory
from lifecycle.refusals import OutdatedError, Refusal, RefusedError
from schema.kinds import is_id
from schema.model import ORGANISATION_ATTRIBUTE

BY_IMPACT = ("impact", "together")
"""Details of refusals that name what would go down."""


def product(
    context: Context,
    permission: Permission,
    organisations: Collection[str] = (),
    records: Collection[str] = (),
) -> GraphStore:
    """The store for the product's own parts, once the permission was asked for."""
    store = context.store
    if isinstance(store, GuardedStore):
        return store.as_product(permission, organisations, records)
    return store


def process(context: Context, id: str, permission: Permission) -> Record:
    """A process that is seen, with a permission in one of the organisations it names: that of either side
    of a handover will do. Which side acts is for the engine to say.

    Raises
    ------
    NotFoundError, NotAllowedError
    """
    record = context.store.record(id)
    store, own = context.store, record.attributes.get(ORGANISATION_ATTRIBUTE)
    at = store.model.shared_with(record.attributes) | ({own} if own is not None else set())
    if isinstance(store, GuardedStore) and not any(o in store.reach(permission) for o in at):
        store.require(permission, records=[id])
    return record


def engine_of(
    context: Context, store: GraphStore, ids: Callable[[], str] = new_id
) -> tuple[Engine, str]:
    """The engine over a store, and the user name of the person who asks.

    Raises
    ------
    NotAllowedError
        Whose account it is is no person, or another than the one of that name.
    """
    engine = Engine(store, store.clock, ids)
    return engine, person(context, engine.own_room().directory)


def person(context: Context, directory: Directory) -> str:
    """The name by which the person who asks is known."""
    return acting(context.principal, directory)


def seen(context: Context, ids: Iterable[str]) -> None:
    """Refuse ids of records that are not there, or not seen.

    Raises
    ------
    NotFoundError
    """
    asked = {str(id) for id in ids}
    found = context.store.get({id for id in asked if is_id(id)}) if asked else {}
    for id in sorted(asked - found.keys()):
        context.store.record(id) if is_id(id) else context.store.record(new_id())


@contextmanager
def telling(context: Context) -> Iterator[None]:
    """Refusals are told as far as they may be."""
    try:
        yield
    except (RefusedError, OutdatedError) as error:
        told = shown(context, error.refusals)
        outdated = all(refusal.since for refusal in told)
        raise (OutdatedError(told) if outdated else RefusedError(told)) from None


def shown(context: Context, refusals: Sequence[Refusal]) -> list[Refusal]:
    """Refusals without what is not seen: dependents are counted, and impact by numbers; one that is about
    something that is not seen says only what it would say to the blind. One statement."""
    store = context.store
    if not isinstance(store, GuardedStore) or not store.scope.bounded:
        return list(refusals)
    told = ("dependents", "about")
    named = {d["id"] for r in refusals for name in told for d in r.detail.get(name, ())}
    visible = store.get(named).keys() if named else set()
    return [_shown(refusal, visible) for refusal in refusals]


def _shown(refusal: Refusal, visible: Collection[str]) -> Refusal:
    if any(d["id"] not in visible for d in refusal.detail.get("about", ())):
        return refusal._replace(message=refusal.detail["blind"], detail={}, since=())
    dependents = refusal.detail.get("dependents")
    if dependents is None:
        return refusal
    told = [d for d in dependents if d["id"] in visible]
    hidden = len(dependents) - len(told)
    detail = {n: v for n, v in refusal.detail.items() if n not in BY_IMPACT}
    detail |= {
        n: {effect: len(names) for effect, names in v.items()}
        for n, v in refusal.detail.items()
        if n in BY_IMPACT
    }
    detail |= {"dependents": told, "hidden": hidden}
    names = ", ".join(f"{d['type']} {d['name']}" for d in told)
    more = f"{' and ' if names else ''}{hidden} that you may not see" if hidden else ""
    text = f"in service and dependent on it: {names}{more}"
    return refusal._replace(message=text, detail=detail)
