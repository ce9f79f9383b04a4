"""Mergers and splits of organisations: in change sets of some hundreds of records, resumable, nothing forgotten.

While one is under way, what has been moved is of the new organisation and the rest still of the old one.
The same call goes on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.records import Record
from lifecycle.deciding import Decision
from lifecycle.effects import IN_TRANSIT_TO
from lifecycle.engine import Engine
from lifecycle.organisations import (
    PAGE,
    SUCCEEDED_BY,
    Organisations,
    merged_roles,
)
from lifecycle.people import HAS_ROLE, ROLE_NAMES
from lifecycle.refusals import Refusal, RefusedError
from schema.model import ORGANISATION, ORGANISATION_TREE, STATE_ATTRIBUTE, Model, RecordType


@dataclass
class Moved:
    """What a merger or split came to: records, organisations below, and people's roles that moved."""

    into: Record
    records: int = 0
    children: int = 0
    roles: int = 0
    revisions: list[int] = field(default_factory=list)


class Reorganisation:
    """The door to mergers and splits.

    Parameters
    ----------
    size
        Most records in one change set.
    """

    def __init__(self, engine: Engine, size: int = PAGE) -> None:
        self.engine, self.store, self.size = engine, engine.store, size
        self.organisations = Organisations(engine)

    def merge(
        self,
        actor: str,
        organisation: str,
        into: str,
        *,
        effective_on: date | None = None,
        reason: str = "",
        progress: Callable[[int], None] = lambda _: None,
    ) -> Moved:
        """Merge an organisation into another one, and dissolve it.

        What is below it, people's roles in it, and all records that name it go to the other one, save
        processes that have ended: they stay what they were.

        Raises
        ------
        RefusedError
            The other one is below it, or one of the two is dissolved.
        NotAllowedError, InvalidChangeError
        """
        name = self.store.record(organisation).name
        moved = Moved(self.organisations.active(into))
        text = f"{name} merged into {moved.into.name}" + (f": {reason}" if reason else "")

        def begun() -> Decision:
            record, room = self.organisations.active(organisation), self.engine.room(actor)
            later = self.store.neighbours([organisation], [SUCCEEDED_BY], "out")
            going = any(near.record.id == into for near in later)
            for id in (into,) if going else (organisation, into):  # roles may have moved already
                self.organisations.administered(room, id)
            if room.directory.within(into, organisation):
                why = f"{moved.into.name} is the same, or below it"
                raise RefusedError([Refusal(organisation, record.name, "tree", why)])
            link: list[Operation] = [] if going else [Relate(organisation, SUCCEEDED_BY, into)]
            return Decision(link, text, effective_on=effective_on)

        self._commit(actor, begun, moved)
        while True:
            before = len(moved.revisions)
            self._children(actor, organisation, into, None, effective_on, text, moved)
            self._roles(actor, organisation, into, effective_on, text, moved)
            self._transit(actor, organisation, into, effective_on, text, moved)
            self._records(actor, organisation, into, None, effective_on, text, moved, progress)
            if len(moved.revisions) == before:
                break
        self._commit(
            actor,
            lambda: self._closed(actor, organisation, effective_on, text),
            moved,
        )
        return moved

    def split(
        self,
        actor: str,
        organisation: str,
        name: str,
        *,
        type_: str = "",
        children: Collection[str] = (),
        records: Query | None = None,
        effective_on: date | None = None,
        reason: str = "",
        progress: Callable[[int], None] = lambda _: None,
    ) -> Moved:
        """Make a new organisation out of a part of one: beside it, of its type unless another is named.

        Parameters
        ----------
        name
            Of the new one; one of this name that was split off before goes on being filled.
        children
            Ids of the organisations below it that go along.
        records
            Which of the records that name it go along; none if None.
        """
        old = self.organisations.active(organisation)
        text = f"{name} split from {old.name}" + (f": {reason}" if reason else "")
        later = self.store.neighbours([organisation], [SUCCEEDED_BY], "out")
        there = next((n.record for n in later if n.record.name == name), None)
        id = there.id if there else new_id()

        def begun() -> Decision:
            self.organisations.active(organisation)
            self.organisations.administered(self.engine.room(actor), organisation)
            if there is not None:
                return Decision([], "")
            said: dict[str, Any] = {
                "name": name,
                "organisation": old.attributes.get("organisation"),
            }
            said["established_on"] = effective_on or self.engine.clock().date()
            operations: list[Operation] = [
                Create(type_ or old.type, {n: v for n, v in said.items() if v is not None}, id),
                Relate(organisation, SUCCEEDED_BY, id),
            ]
            for near in self.store.neighbours([organisation], [ORGANISATION_TREE], "out"):
                operations += self.organisations.part_of(id, near.record.id, effective_on)
            return Decision(operations, text, effective_on=effective_on)

        moved = Moved(old)
        self._commit(actor, begun, moved)
        moved.into = self.store.record(id)
        self._children(actor, organisation, id, children, effective_on, text, moved)
        if records is not None:
            self._records(actor, organisation, id, records, effective_on, text, moved, progress)
        return moved

    # -- parts ----------------------------------------------------------------------------------------

    def _commit(self, actor: str, work: Callable[[], Decision], moved: Moved) -> Any:
        decision, revision = self.engine.decide(actor, work)
        if decision.operations:
            moved.revisions.append(revision)
        return decision.result

    def _children(
        self,
        actor: str,
        organisation: str,
        into: str,
        only: Collection[str] | None,
        since: date | None,
        text: str,
        moved: Moved,
    ) -> None:
        """Organisations and teams below go along."""

        def work() -> Decision:
            near = self.store.neighbours([organisation], [ORGANISATION_TREE], "in")
            ids = [n.record.id for n in near if only is None or n.record.id in only][: self.size]
            operations: list[Operation] = []
            for id in ids:
                operations += self.organisations.part_of(id, into, since)
            return Decision(operations, text, effective_on=since, result=len(ids))

        while done := self._commit(actor, work, moved):
            moved.children += done

    def _roles(
        self,
        actor: str,
        organisation: str,
        into: str,
        since: date | None,
        text: str,
        moved: Moved,
    ) -> None:
        """Who had a role in it has it in the other one, beside those they have there."""

        def work() -> Decision:
            near = self.store.neighbours([organisation], [HAS_ROLE], "in")[: self.size]
            people = {n.record.id: n.relationship for n in near}
            there = self.store.neighbours([*people], [HAS_ROLE], "out") if people else []
            links = [(id, link.attributes.get(ROLE_NAMES, ())) for id, link in people.items()]
            links += [
                (n.of, n.relationship.attributes.get(ROLE_NAMES, ()))
                for n in there
                if n.record.id == into
            ]
            operations: list[Operation] = []
            for person, roles in merged_roles(links).items():
                said = {**people[person].said, ROLE_NAMES: roles}
                operations.append(Unrelate(person, HAS_ROLE, organisation))
                operations.append(Relate(person, HAS_ROLE, into, said))
            return Decision(operations, text, effective_on=since, result=len(people))

        while done := self._commit(actor, work, moved):
            moved.roles += done

    def _transit(
        self,
        actor: str,
        organisation: str,
        into: str,
        since: date | None,
        text: str,
        moved: Moved,
    ) -> None:
        """What is on its way to it is on its way to the other one."""

        def work() -> Decision:
            near = self.store.neighbours([organisation], [IN_TRANSIT_TO], "in")[: self.size]
            operations: list[Operation] = []
            for n in near:
                operations.append(Unrelate(*n.relationship.key))
                said = n.relationship.said
                operations.append(Relate(n.record.id, IN_TRANSIT_TO, into, said))
            return Decision(operations, text, effective_on=since, result=len(near))

        while self._commit(actor, work, moved):
            pass

    def _records(
        self,
        actor: str,
        organisation: str,
        into: str,
        only: Query | None,
        since: date | None,
        text: str,
        moved: Moved,
        progress: Callable[[int], None],
    ) -> None:
        """Records that name it name the other one."""
        for owner, attribute in _naming(self.store.model, organisations_only=only is not None):
            many = self.store.model.attributes[attribute].many
            where: dict[str, Any] = {attribute: {"contains" if many else "eq": organisation}}
            type_ = owner
            if only is not None:
                type_, where = only.type, {"and": [where, dict(only.where or {})]}
            query: Query | None = Query(type_, where, first=self.size)
            while query is not None:

                def work(query: Query = query, name: str = attribute) -> Decision:
                    page = self.store.find(query)
                    chosen = [
                        r for r in page.records if r.id != organisation and not self._ended(r)
                    ]
                    operations = [
                        Update(r.id, {name: _renamed(r.attributes[name], organisation, into)})
                        for r in chosen
                    ]
                    result = (page.cursor, len(chosen))
                    return Decision(operations, text, effective_on=since, result=result)

                cursor, done = self._commit(actor, work, moved)
                moved.records += done
                progress(moved.records)
                query = replace(query, after=cursor) if cursor else None

    def _ended(self, record: Record) -> bool:
        """Whether a record is a process in its last state."""
        type_ = self.store.model.record_types[record.type]
        machine = type_.state_machine
        if machine is None or "ProcessRecord" not in type_.ancestors:
            return False
        state = machine.states.get(str(record.attributes.get(STATE_ATTRIBUTE)))
        return state is not None and state.terminal

    def _closed(self, actor: str, organisation: str, since: date | None, text: str) -> Decision:
        """The organisation is dissolved; its place in the tree stays, for what ended in its time."""
        record, room = self.organisations.active(organisation), self.engine.room(actor)
        case = self.engine.case(record, self.engine.way(record, "leave"), room, {}, {})
        case.sets["dissolved_on"] = since or room.today
        self.engine.settle([case], room)
        self.engine.stop(case.refusals)
        return Decision(
            case.operations(), text, {organisation: record.revision}, effective_on=since
        )


def _renamed(named: str | list[str], organisation: str, into: str) -> str | list[str]:
    """What a reference names when an organisation is another one, each once."""
    if isinstance(named, str):
        return into
    return [*dict.fromkeys(into if id == organisation else id for id in named)]


def _naming(model: Model, *, organisations_only: bool) -> Iterator[tuple[str, str]]:
    """The attributes that name organisations, each with the types that bring it in; ``organisation``
    first."""
    if organisations_only:
        yield "Record", "organisation"
        return
    found: dict[tuple[str, str], None] = {("Record", "organisation"): None}
    for type_ in model.record_types.values():
        for attribute in type_.references:
            if attribute.name != "organisation" and ORGANISATION in _meant(model, attribute):
                owner = next(a for a in type_.ancestors if _has(model.record_types[a], attribute))
                found[owner, attribute.name] = None
    yield from found


def _has(type_: RecordType, attribute: Any) -> bool:
    return attribute.name in type_.attributes


def _meant(model: Model, attribute: Any) -> Collection[str]:
    """The types whose records a reference may name, with their ancestors below the root."""
    target = model.record_types[attribute.to]
    return () if target.name == "Record" else target.ancestors
