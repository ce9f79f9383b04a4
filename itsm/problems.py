"""Problems: what lies behind incidents, what to do meanwhile, and the change that puts an end to it.

What their states allow is the model's (`problem_lifecycle`), and carried out by the engine. Which incidents may
have one problem is looked for in `itsm.recurrence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cmdb.change_sets import Operation, Relate, Unrelate, Update
from cmdb.records import Record
from cmdb.store.base import Neighbour
from itsm.assignment import leading
from itsm.incidents import FIXED_BY, number_in
from itsm.opening import INCIDENT, role_of
from lifecycle.cases import Room
from lifecycle.deciding import Decision
from lifecycle.drafting import Drafting
from lifecycle.guards import called, operational
from lifecycle.items import CONCERNS, DROPPED, OPEN
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError, RequestError
from schema.model import ORGANISATION_ATTRIBUTE, STATE_ATTRIBUTE

PROBLEM: Final = "Problem"
CHANGE: Final = "Change"
HAS_PROBLEM: Final = "HAS_PROBLEM"
HIT: Final = "hit_organisations"
SAID: Final = ("root_cause", "workaround")
"""What incidents are told of their problem."""
KNOWN_ERROR: Final = "known_error"
WORKING: Final = ("assignee", "service_desk", "operator", "engineer")
"""Who may say which incidents a problem explains, and what fixes it."""


class Problems(Drafting):
    """What people do with problems. Each method is decided and committed as one revision."""

    kind = PROBLEM
    command = "problem"
    givers = (*WORKING, "administrator")
    takers = ("operator", "engineer")

    def open(
        self,
        actor: str,
        name: str,
        incidents: Sequence[str] = (),
        cis: Iterable[str] = (),
        attributes: Mapping[str, Any] = {},
        reason: str = "",
    ) -> Record:
        """Open a problem that explains some incidents; anybody who is known may. Gives it with its number.

        Parameters
        ----------
        incidents
            Ids. It concerns their probable causes, else the CIs that count most in them.
        cis
            Ids of CIs that it concerns beside.

        Raises
        ------
        RequestError
            It would concern nothing, what was named is no incident, or an attribute is one that is worked out.
        """
        self.refuse_managed(PROBLEM, attributes)
        id, named, more = self.engine.next_id(), list(dict.fromkeys(incidents)), list(cis)

        def work() -> Decision:
            room = self.engine.room(actor)
            found = self._incidents(named)
            concerned = {**dict.fromkeys(more), **dict.fromkeys(suspects(room, found))}
            if not concerned:
                raise RequestError("A problem concerns something.", "Name incidents, or CIs.")
            said = {ORGANISATION_ATTRIBUTE: _organisation(found), HIT: _hit(found) or None}
            said |= {"name": name, **{n: v for n, v in attributes.items() if v is not None}}
            _, made = self.drafted(room, PROBLEM, id, said, concerned)
            made += [Relate(incident.id, HAS_PROBLEM, id) for incident in found]
            text = f"{number_in(made)} opened: {name}"
            return Decision(made, f"{text}: {reason}" if reason else text)

        self.engine.decide(actor, work)
        return self.store.record(id)

    def join(self, problem: str, actor: str, incidents: Sequence[str], reason: str = "") -> int:
        """Say that a problem explains some more incidents, ended ones or not; gives the revision.

        It concerns their CIs too, and those that are open are told what is known.

        Raises
        ------
        RefusedError
            The problem has ended.
        RequestError
            What was named is no incident.
        """
        named = list(dict.fromkeys(incidents))

        def work() -> Decision:
            record, room = self.one(problem, actor)
            there = explained(room, [problem]).get(problem, [])
            new = [i for i in self._incidents(named) if i.id not in {one.id for one in there}]
            concerned = {i.record.id: i for i in room.items(problem) if i.outcome != DROPPED}
            made: list[Operation] = [Relate(incident.id, HAS_PROBLEM, problem) for incident in new]
            made += [
                Relate(problem, CONCERNS, ci, {"outcome": OPEN})
                for ci in suspects(room, new)
                if ci not in concerned
            ]
            if new:
                made.append(Update(problem, {HIT: _hit([*there, *new]) or None}))
            if record.attributes.get(STATE_ATTRIBUTE) == KNOWN_ERROR:
                made += told(room, record, record.attributes, KNOWN_ERROR, new)
            return self._decided(record, made, f"explains {_named(new)}", reason)

        return self.engine.decide(actor, work)[1]

    def leave(self, problem: str, actor: str, incidents: Sequence[str], reason: str = "") -> int:
        """Say that a problem does not explain some incidents after all; gives the revision.

        Raises
        ------
        RequestError
            It does not explain one of them.
        """
        named = list(dict.fromkeys(incidents))

        def work() -> Decision:
            record, room = self.one(problem, actor)
            there = {one.id: one for one in explained(room, [problem]).get(problem, [])}
            if strange := [id for id in named if id not in there]:
                name = self.store.record(strange[0]).name
                raise RequestError(
                    f"{called(record)} does not explain {name}.", "`cmdb problem show` lists them."
                )
            left = [one for id, one in there.items() if id not in named]
            made: list[Operation] = [Unrelate(id, HAS_PROBLEM, problem) for id in named]
            made.append(Update(problem, {HIT: _hit(left) or None}))
            gone = _named([there[id] for id in named])
            return self._decided(record, made, f"does not explain {gone}", reason)

        return self.engine.decide(actor, work)[1]

    def fix(self, problem: str, actor: str, change: str, reason: str = "") -> int:
        """Say which change is to put an end to a problem; gives the revision.

        Raises
        ------
        RequestError
            It is no change.
        """

        def work() -> Decision:
            record, _ = self.one(problem, actor)
            found = self.store.record(change)
            if CHANGE not in self.store.model.record_types[found.type].ancestors:
                raise RequestError(f"{found.name} is a {found.type}, no change.", "Name a change.")
            there = self.store.neighbours([problem], [FIXED_BY], "out")
            made = [] if any(n.record.id == change for n in there) else [Relate(problem, FIXED_BY, change)]  # fmt: skip
            return self._decided(record, made, f"is fixed by {called(found)}", reason)

        return self.engine.decide(actor, work)[1]

    # -- what all of them ask -------------------------------------------------------------------------

    def one(self, problem: str, actor: str) -> tuple[Record, Room]:
        """A problem that has not ended, that an actor may work on, and the room of a decision about it.

        Raises
        ------
        NotFoundError, NotAllowedError, RefusedError, RequestError
        """
        record, room = self.store.record(problem), self.engine.room(actor)
        machine = room.model.record_types[record.type].state_machine
        if record.type != PROBLEM or machine is None:
            raise RequestError(f"{record.name} is a {record.type}, no problem.", "Name one.")
        organisation = record.attributes.get(ORGANISATION_ATTRIBUTE)
        if room.directory.may(room.actor, WORKING, record, organisation) is None:
            raise NotAllowedError(
                f"{called(record)}: {room.actor.record.name} is no {' or '.join(WORKING)} there.",
                "Somebody who has that role may.",
            )
        state = machine.states[str(record.attributes.get(STATE_ATTRIBUTE))]
        if state.terminal:
            raise RefusedError([Refusal(problem, called(record), "state", f"it is {state.name}")])
        return record, room

    def _incidents(self, ids: Sequence[str]) -> list[Record]:
        records, types = self.store.get(ids) if ids else {}, self.store.model.record_types
        for id in ids:
            found = records.get(id) or self.store.record(id)
            if INCIDENT not in types[found.type].ancestors:
                raise RequestError(
                    f"{found.name} is a {found.type}, no incident.", "Name incidents."
                )
        return [records[id] for id in ids]

    def _decided(
        self, record: Record, operations: Sequence[Operation], what: str, reason: str
    ) -> Decision:
        text = f"{called(record)} {what}"
        seen = {record.id: record.revision}
        return Decision(operations, f"{text}: {reason}" if reason else text, seen)


def explained(room: Room, problems: Iterable[str]) -> dict[str, list[Record]]:
    """The incidents that problems explain. One statement."""
    found: dict[str, list[Record]] = {}
    near: Neighbour
    for near in room.store.neighbours([*problems], [HAS_PROBLEM], "in"):
        found.setdefault(near.of, []).append(near.record)
    return found


def suspects(room: Room, incidents: Sequence[Record]) -> list[str]:
    """The CIs that incidents blame: their probable causes, else those that count most in them."""
    found: dict[str, None] = {}
    room.load(incidents)
    for incident in incidents:
        cause = incident.attributes.get("probable_cause")
        if cause is not None:
            found[cause] = None
            continue
        items = [i for i in room.items(incident.id) if i.outcome != DROPPED]
        for record in leading([(item.record, role_of(item.details)) for item in items]):
            found[record.id] = None
    return list(found)


def told(
    room: Room,
    problem: Record,
    said: Mapping[str, Any],
    state: str,
    incidents: Iterable[Record],
    changes: Iterable[Record] = (),
) -> list[Operation]:
    """Comments that tell those incidents that are open what has become of their problem."""
    model, machine = room.model, room.model.record_types[problem.type].state_machine
    assert machine is not None, "problems have states"
    label = machine.states[state].label
    values = {model.attributes[name].label.zh: said.get(name) for name in SAID}
    fixes = ", ".join(map(called, changes))
    values[model.relationship_types[FIXED_BY].label.zh] = fixes
    parts = [f"{called(problem)}: {label.en} / {label.zh}"]
    parts += [f"{name}: {value}" for name, value in values.items() if value]
    comment = {"by": room.actor.id, "at": room.now.isoformat(), "text": "; ".join(parts)}
    return [
        Update(one.id, {"comments": [*(one.attributes.get("comments") or []), comment]})
        for one in incidents
        if operational(model, one)
    ]


def _organisation(incidents: Sequence[Record]) -> str | None:
    """That of the first incident which has one; else it is that of who opens the problem."""
    own = (incident.attributes.get(ORGANISATION_ATTRIBUTE) for incident in incidents)
    return next((organisation for organisation in own if organisation is not None), None)


def _hit(incidents: Iterable[Record]) -> list[str]:
    """The organisations of incidents, and those that they hit: all who are to know of their problem."""
    found: set[str] = set()
    for incident in incidents:
        found |= {*(incident.attributes.get(HIT) or ())}
        found |= {incident.attributes.get(ORGANISATION_ATTRIBUTE) or ""} - {""}
    return sorted(found)


def _named(incidents: Sequence[Record]) -> str:
    return ", ".join(map(called, incidents)) or "nothing new"
