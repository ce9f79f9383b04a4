"""Incidents, for all doors: opened, added to, handed on, related, and who may do so.

What their states allow is the model's (`incident_lifecycle`), and carried out by the engine. Incidents are taken
together and apart in `itsm.merging`, and kept up with the graph in `itsm.refreshing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cmdb.change_sets import Operation, Relate, Update
from cmdb.errors import NotFoundError
from cmdb.queries import Query
from cmdb.records import Record
from impact.rules import Effect
from itsm.assignment import levels, on_call
from itsm.opening import INCIDENT, ROLE, Items, joined, opened
from lifecycle import effects
from lifecycle.cases import Room
from lifecycle.deciding import Decision
from lifecycle.drafting import Drafting
from lifecycle.guards import called, operational
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError, RequestError
from schema.kinds import is_id

WORK: Final = "resolve"
"""Who may take this transition may do all that people do to an incident."""
CHANNEL: Final = "channel"
RELATIONS: Final = {
    "Incident": "RELATED_TO",
    "Problem": "HAS_PROBLEM",
    "Change": "CAUSED_BY",
    "KnowledgeArticle": "DESCRIBED_BY",
}
"""How an incident is related to a record of a type, unless said otherwise."""
FIXED_BY: Final = "FIXED_BY"


class Incidents(Drafting):
    """What people and tools do with incidents.

    Each method is decided and committed as one revision; where somebody else has changed the incident
    meanwhile, it is a conflict.
    """

    kind = INCIDENT
    command = "incident"
    givers = ("assignee", "service_desk", "operator", "engineer", "administrator")
    takers = ("service_desk", "operator", "engineer")

    def team(self, text: str) -> Record | None:
        """A team by its id or name; None where none is called so.

        Raises
        ------
        RequestError
            Several are.
        """
        by = "id" if is_id(text) else "name"
        found = self.store.find(Query("Team", {by: {"eq": text}}, first=2)).records
        if len(found) > 1:
            raise RequestError(f"Several teams are called {text!r}.", "Name the one by its id.")
        return found[0] if found else None

    def open(
        self,
        actor: str,
        name: str,
        items: Items | Iterable[str],
        attributes: Mapping[str, Any] = {},
        *,
        roots: Mapping[str, Effect] | None = None,
        channel: str = "person",
    ) -> Record:
        """Open an incident; anybody who is known may.

        Parameters
        ----------
        items
            Ids of CIs, with details if need be (`itsm.opening.Items`).
        attributes
            Urgency, description, when it occurred …; none that are managed.
        roots
            What has happened to the CIs; they are down unless it or their details say otherwise.
        channel
            By way of what it was reported.

        Raises
        ------
        RequestError
            It concerns nothing that is there, or a managed attribute is given.
        """
        self.refuse_managed(INCIDENT, attributes)
        concerned = items if isinstance(items, Mapping) else {id: {} for id in items}
        if not concerned:
            raise RequestError("An incident concerns at least one CI.", "Name one.")
        id = self.engine.next_id()
        said = {**attributes, CHANNEL: channel}

        def work() -> Decision:
            room = self.engine.room(actor)
            made = opened(
                self.engine, room, id, name=name, items=concerned, attributes=said, roots=roots
            )
            return Decision(made, f"{number_in(made)} opened: {name}")

        self.engine.decide(actor, work)
        return self.store.record(id)

    def include(
        self, incident: str, actor: str, items: Items, roots: Mapping[str, Effect] | None = None
    ) -> int:
        """Say that an open incident concerns CIs too, or what has happened to those it does; gives the
        revision. What it hits, its priority and its clocks follow.

        Raises
        ------
        RefusedError, NotAllowedError, RequestError
        """

        def work() -> Decision:
            record, room = self.open_one(incident, actor)
            made = joined(self.engine, room, record, items, roots)
            return self._decided(record, made, f"{len(items)} CIs said")

        return self.engine.decide(actor, work)[1]

    def exclude(self, incident: str, actor: str, cis: Sequence[str], reason: str = "") -> int:
        """Say that an open incident does not concern some CIs after all; gives the revision.

        Raises
        ------
        RefusedError
            It concerns no others.
        """

        def work() -> Decision:
            record, room = self.open_one(incident, actor)
            staying(room, record, cis)
            made = joined(self.engine, room, record, {}, without=cis)
            return self._decided(record, made, f"{len(cis)} CIs taken off", reason)

        return self.engine.decide(actor, work)[1]

    def rate(self, incident: str, actor: str, urgency: str, reason: str = "") -> int:
        """Say how urgent an open incident is; its priority follows. Gives the revision."""

        def work() -> Decision:
            record, room = self.open_one(incident, actor)
            made = joined(self.engine, room, record, {}, attributes={"urgency": urgency})
            return self._decided(record, made, f"urgency {urgency}", reason)

        return self.engine.decide(actor, work)[1]

    def declare(self, incident: str, actor: str, major: bool, reason: str = "") -> int:
        """Declare an open incident a major one, or none; gives the revision."""

        def work() -> Decision:
            record, _ = self.open_one(incident, actor)
            what = "declared a major incident" if major else "is no major incident"
            return self._decided(record, [Update(incident, {"major": major})], what, reason)

        return self.engine.decide(actor, work)[1]

    # -- who sees to it -------------------------------------------------------------------------------

    def escalate(self, incident: str, actor: str, reason: str) -> int:
        """Hand an open incident to the next line of support, and make it known a level further up; gives
        the revision.

        Raises
        ------
        RefusedError
            It is with the last line, or there is no reason.
        """

        def work() -> Decision:
            record, room = self.open_one(incident, actor)
            why = "" if reason else "it needs a reason"
            if record.attributes.get("support_level") == levels(room.model)[-1]:
                why = "it is with the last line of support"
            if why:
                raise RefusedError([Refusal(incident, record.name, "escalate", why)])
            case = self.engine.case(record, None, room, {"reason": reason}, {}, links=[])
            for name in ("escalate", "hand_up"):
                effects.apply(name, case, room)
            return self._decided(record, case.operations(), "escalated", reason)

        return self.engine.decide(actor, work)[1]

    def give(self, incident: str, actor: str, team: str, reason: str = "") -> int:
        """Give an open incident to a team, and to who of it is on call; gives the revision.

        Raises
        ------
        NotFoundError, RequestError
        """

        def work() -> Decision:
            record, room = self.open_one(incident, actor)
            found = self.store.record(team)
            if found.type != "Team":
                raise RequestError(f"{found.name} is a {found.type}, no team.", "Name a team.")
            who = on_call(self.store, team, room.now)
            given = Update(incident, {"assigned_team": team, "assignee": who})
            return self._decided(record, [given], f"given to {found.name}", reason)

        return self.engine.decide(actor, work)[1]

    # -- what it has to do with others --------------------------------------------------------------------

    def relate(self, incident: str, actor: str, other: str, how: str = "", reason: str = "") -> int:
        """Relate an incident to another one, a problem, a change that caused or fixed it, or a knowledge
        article; gives the revision.

        Parameters
        ----------
        how
            ``FIXED_BY`` for a change that fixed it; by default it follows from the type of the other record.

        Raises
        ------
        RequestError
            It is not related to such records, or not so.
        """
        known = {*RELATIONS.values(), FIXED_BY}
        if how and how not in known:
            raise RequestError(f"An incident is not {how}.", f"It is {', '.join(sorted(known))}.")

        def work() -> Decision:
            record, room = self.one(incident, actor)
            found = self.store.record(other)
            type_ = how or relation(room, found)
            there = self.store.neighbours([incident], [type_])
            made = (
                [] if any(n.record.id == other for n in there) else [Relate(incident, type_, other)]
            )
            return self._decided(record, made, f"{type_} {called(found)}", reason)

        return self.engine.decide(actor, work)[1]

    def cause(self, incident: str, actor: str, other: str, reason: str = "") -> int:
        """Say what caused an incident: a change, or a CI, which it then concerns; gives the revision.

        Raises
        ------
        RequestError
            It is neither.
        """
        found = self.store.record(other)
        ancestors = self.store.model.record_types[found.type].ancestors
        if "ConfigurationItem" not in ancestors:
            if "Change" not in ancestors:
                what = f"{found.name} is a {found.type}"
                raise RequestError(f"{what}, no cause of an incident.", "Name a change or a CI.")
            return self.relate(incident, actor, other, reason=reason)

        def work() -> Decision:
            record, room = self.open_one(incident, actor)
            items, blamed = {other: {ROLE: "cause"}}, {"probable_cause": other}
            made = joined(self.engine, room, record, items, attributes=blamed)
            return self._decided(record, made, f"caused by {found.name}", reason)

        return self.engine.decide(actor, work)[1]

    # -- what all of them ask -------------------------------------------------------------------------

    def one(self, incident: str, actor: str) -> tuple[Record, Room]:
        """An incident that an actor may work on, and the room of a decision about it.

        Raises
        ------
        NotFoundError, NotAllowedError
        """
        record, room = self.store.record(incident), self.engine.room(actor)
        type_ = room.model.record_types[record.type]
        if INCIDENT not in type_.ancestors or type_.state_machine is None:
            raise RequestError(f"{record.name} is a {record.type}, no incident.", "Name one.")
        way = type_.state_machine.transitions.get(WORK)
        roles = way.by if way is not None else self.givers
        organisation = record.attributes.get("organisation")
        if roles and room.directory.may(room.actor, roles, record, organisation) is None:
            raise NotAllowedError(
                f"{called(record)}: {room.actor.record.name} is no {' or '.join(roles)} there.",
                "Somebody who has that role may.",
            )
        return record, room

    def open_one(self, incident: str, actor: str) -> tuple[Record, Room]:
        """The same, of an incident that is open.

        Raises
        ------
        RefusedError
        """
        record, room = self.one(incident, actor)
        if not operational(room.model, record):
            state = record.attributes.get("lifecycle_state")
            why = f"it is {state}, no longer open"
            raise RefusedError([Refusal(incident, called(record), "state", why)])
        return record, room

    def _draft(self, order: str, actor: str) -> Record:
        """An incident is never a draft: what it concerns decides what it hits."""
        raise RequestError("An incident is no draft.", "Include CIs in it, or exclude them.")

    def _decided(
        self, record: Record, operations: Sequence[Operation], what: str, reason: str = ""
    ) -> Decision:
        text = f"{called(record)} {what}"
        return Decision(
            operations, f"{text}: {reason}" if reason else text, {record.id: record.revision}
        )


def number_in(operations: Sequence[Operation]) -> str:
    """The number of the incident that operations open."""
    return str(operations[0].attributes["number"])  # type: ignore[union-attr]


def staying(room: Room, incident: Record, leaving: Sequence[str]) -> list[str]:
    """The ids of the CIs that an incident concerns still when some have left it.

    Raises
    ------
    NotFoundError
        It does not concern one of those.
    RefusedError
        None would stay.
    """
    there = [
        item.record.id
        for item in room.items(incident.id, linked=False)
        if item.outcome != "dropped"
    ]
    if strange := [id for id in leaving if id not in there]:
        raise NotFoundError(
            f"{called(incident)} does not concern {strange[0]}.",
            "`cmdb incident show` lists what it does.",
        )
    stay = [id for id in there if id not in leaving]
    if not stay:
        why = "it would concern nothing any more"
        raise RefusedError([Refusal(incident.id, called(incident), "items", why)])
    return stay


def relation(room: Room, other: Record) -> str:
    """The type of relationship from an incident to another record.

    Raises
    ------
    RequestError
    """
    ancestors = room.model.record_types[other.type].ancestors
    found = next((RELATIONS[name] for name in reversed(ancestors) if name in RELATIONS), None)
    if found is None:
        known = ", ".join(RELATIONS)
        raise RequestError(
            f"An incident is not related to a {other.type}.", f"It is to: {known}; or to CIs."
        )
    return found
