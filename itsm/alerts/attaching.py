"""Attaching an alert to a CI by hand: what could not be matched then goes the way of all others."""

from __future__ import annotations

from typing import Final

from cmdb.errors import NotFoundError
from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.alerts.matching import CI, Match
from itsm.alerts.outcomes import ALERT, BY_HAND, Change, Outcomes
from itsm.alerts.rules import AlertRules
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.refusals import NotAllowedError, RequestError
from schema.kinds import is_id
from schema.model import ORGANISATION_ATTRIBUTE

WHO: Final = ("service_desk", "operator", "engineer", "administrator")
"""Roles of which one is needed, in the organisation of the CI or above it; in one's own if that has none."""


def attach(engine: Engine, alert: str, ci: str, actor: str, rules: AlertRules) -> int:
    """Say which CI an alert is about; gives the revision. It stays so, whatever is received of it later.

    Raises
    ------
    NotFoundError, NotAllowedError, RequestError
    """

    def work() -> Decision:
        record, item = named(engine.store, alert), engine.store.record(ci)
        if item.type not in engine.store.model.record_types[CI].concrete:
            raise RequestError(f"{item.name} is a {item.type}, no CI.", "Name a CI.")
        room = engine.room(actor)
        own = room.actor.record.attributes.get(ORGANISATION_ATTRIBUTE)
        where = item.attributes.get(ORGANISATION_ATTRIBUTE, own)
        if room.directory.may(room.actor, WHO, item, where) is None:
            raise NotAllowedError(
                f"{room.actor.record.name} is no {' or '.join(WHO)} there.",
                "Somebody who has that role may.",
            )
        change = Change.of(record)
        change.matched = Match(item, BY_HAND)
        operations = Outcomes(engine.store, rules, room.now).operations([change])
        return Decision(
            operations, f"{record.name}: about {item.name}", {record.id: record.revision}
        )

    return engine.decide(actor, work)[1]


def named(store: GraphStore, text: str) -> Record:
    """An alert by its id, fingerprint, or unambiguous name.

    Raises
    ------
    NotFoundError
    """
    if is_id(text):
        found = [r for r in store.get([text]).values() if r.type == ALERT]
    else:
        found = [r for r in store.holders("fingerprint", [text]) if r.type == ALERT]
        found = found or store.find(Query(ALERT, {"name": {"eq": text}}, first=2)).records
    if len(found) != 1:
        what = "Several alerts are" if found else "There is no alert"
        raise NotFoundError(f"{what} called {text!r}.", "`cmdb alert list` lists them.")
    return found[0]
