"""What others have changed since a change set was planned, and not to what is planned.

What is planned stands on what was there: the values it replaces, the relationships it makes or closes, whose the
records are. Where one of these is otherwise now, and not as it is to be, carrying the plan out would undo
somebody's work unseen. What a source has found to be as planned in the meantime is as planned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

from cmdb.change_sets import Update
from cmdb.commits import StaleError
from cmdb.errors import Interference
from cmdb.reconciliation.candidates import agree
from cmdb.reconciliation.families import Family
from cmdb.records import Record, RelationshipKey, same_values
from itsm.changes.planned import Planned, plain_value
from schema.kinds import write_datetime
from schema.model import ORGANISATION_ATTRIBUTE, STATE_ATTRIBUTE, Model

PAGE: Final = 50
EXISTS: Final = "exists"
RELATIONSHIP: Final = "relationship"


class Moved(NamedTuple):
    """Something that is not as it was when it was planned to be otherwise.

    Attributes
    ----------
    subject, name
        Id of the record, or ``source TYPE target``; and what people call it.
    what
        An attribute; ``type``; ``relationship``; or ``exists`` for what was to be created.
    was, now, planned
        Canonical values: when it was planned, now, and what is planned.
    since
        Who changed it, the newest first.
    """

    subject: str
    name: str
    what: str
    was: Any
    now: Any
    planned: Any
    since: tuple[Interference, ...]

    def __str__(self) -> str:
        who = "; ".join(f"{i.actor} changed it in revision {i.revision}" for i in self.since[:3])
        if self.what == EXISTS:
            return f"{self.name} is there already, as {self.now}: {who}"
        if self.what == RELATIONSHIP:
            return f"{self.name} was {_there(self.was)} when it was planned, and is {_there(self.now)}: {who}"
        planned = "" if self.planned is None else f" to be {_shown(self.planned)}"
        return f"{self.what} was {_shown(self.was)} when it was planned{planned}, and is {_shown(self.now)}: {who}"

    def plain(self, model: Model) -> dict[str, Any]:
        """As JSON."""
        sides = {"was": self.was, "now": self.now, "planned": self.planned}
        if self.what in model.attributes:
            sides = {n: plain_value(model, self.what, v) for n, v in sides.items()}
        elif self.what == RELATIONSHIP:
            sides = {n: v and model.to_json(v) for n, v in sides.items()}
        return {
            "subject": self.subject,
            "name": self.name,
            "what": self.what,
            **sides,
            "since": [
                {
                    "revision": i.revision,
                    "at": write_datetime(i.at),
                    "actor": i.actor,
                    "changed": {
                        n: [plain_value(model, n, v) for v in sides]
                        for n, sides in i.changed.items()
                    },
                }
                for i in self.since
            ],
        }


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def _there(attributes: Any) -> str:
    if attributes is None:
        return "not there"
    said = ", ".join(f"{n} {v}" for n, v in attributes.items())
    return f"there with {said}" if said else "there"


def moved(planned: Planned) -> list[Moved]:
    """What no longer is as it was when it was planned.

    A fixed number of statements, and one or two more for each thing that moved.
    """
    if not planned:
        return []
    found = _Moves(planned)
    return [*found.records(), *found.links(), *found.there_already()]


class _Moves:
    def __init__(self, planned: Planned) -> None:
        self.planned, self.store, self.model = planned, planned.store, planned.model

    def records(self) -> Iterator[Moved]:
        planned: dict[str, dict[str, Any]] = {id: {} for id in self.planned.ids}
        for operation in self.planned.operations:
            if isinstance(operation, Update) and operation.id in self.planned.now:
                type_ = operation.type or self.planned.now[operation.id].type
                planned[operation.id] |= self.planned.values(operation, type_)
        for id, values in planned.items():
            was, now = self.planned.then.get(id), self.planned.now.get(id)
            if was is None or now is None or was.revision == now.revision:
                continue
            if was.type != now.type:
                yield self._moved(now, "type", was.type, now.type, None)
            if self._ended(now) and not self._ended(was):
                before, after = (r.attributes.get(STATE_ATTRIBUTE) for r in (was, now))
                yield self._moved(now, STATE_ATTRIBUTE, before, after, None)
            for name in sorted({*values, ORGANISATION_ATTRIBUTE}):
                before, after = was.attributes.get(name), now.attributes.get(name)
                wanted = values.get(name, before)
                if not same_values(before, after) and not same_values(after, wanted):
                    yield self._moved(now, name, before, after, values.get(name))

    def _ended(self, record: Record) -> bool:
        machine = self.model.record_types[record.type].state_machine
        state = machine.states.get(str(record.attributes.get(STATE_ATTRIBUTE))) if machine else None
        return state is not None and state.terminal

    def _moved(self, now: Record, what: str, was: Any, is_: Any, planned: Any) -> Moved:
        stale = StaleError(now.id, self.planned.planned_on, now.revision)
        every = self.store.conflict(stale).interferences
        since = [replace(i, changed={what: i.changed[what]}) for i in every if what in i.changed]
        who = tuple(since or every) or self._by([now.revision])
        return Moved(now.id, now.name, what, was, is_, planned, who)

    def _by(self, revisions: Collection[int]) -> tuple[Interference, ...]:
        found = self.store.revisions(revisions)
        return tuple(
            Interference(n, found[n].at, found[n].actor, {}) for n in sorted(found, reverse=True)
        )

    def links(self) -> Iterator[Moved]:
        wanted, moved = self.planned.wanted(), []
        for key in sorted(wanted):
            sides = (side.get(key) for side in (self.planned.links_then, self.planned.links_now))
            was, now = (None if link is None else link.said for link in sides)
            closing = was is not None and now is not None and wanted[key] is None
            if not (closing or same_values(was, now) or self.planned.is_so(key, wanted[key])):
                moved.append((key, was, now))
        since = self._changed_since({key for key, *_ in moved})
        for key, was, now in moved:
            names = [
                self.planned.now[id].name if id in self.planned.now else id
                for id in (key.source, key.target)
            ]
            name = f"{names[0]} {key.type} {names[1]}"
            who = self._by(since[key])
            yield Moved(str(key), name, RELATIONSHIP, was, now, wanted[key], who)

    def _changed_since(self, keys: Collection[RelationshipKey]) -> dict[RelationshipKey, list[int]]:
        """The revisions since it was planned that made, changed or closed relationships."""
        found: defaultdict[RelationshipKey, list[int]] = defaultdict(list)
        for source in sorted({key.source for key in keys}):
            before: int | None = None
            while page := self.store.history(source, PAGE, before):
                for commit in page:
                    if commit.revision.number > self.planned.planned_on:
                        for link in commit.changes.relationships:
                            found[link.key].append(commit.revision.number)
                before = page[-1].revision.number
                if before <= self.planned.planned_on or len(page) < PAGE:
                    break
        return found

    def there_already(self) -> Iterator[Moved]:
        """Records that came since and are, by the identification rules, what is to be created."""
        family = Family(self.model)
        for id, operation in self.planned.created.items():
            values = self.planned.values(operation, operation.type)
            type_ = self.model.record_types.get(operation.type)
            for rule in type_.identification if type_ else ():
                first = rule.attributes[0]
                if (
                    rule.relationship
                    or values.get(first) is None
                    or self.model.attributes[first].many
                ):
                    continue
                twins = [
                    record
                    for record in self.store.holders(first, [values[first]])
                    if family.common(operation.type, record.type)
                    and agree(rule, values, record.attributes)
                ]
                known = (
                    self.store.get([t.id for t in twins], self.planned.planned_on) if twins else {}
                )
                new = [twin for twin in twins if twin.id not in known]
                if new:
                    name = str(values.get("name", id))
                    told = f"{new[0].type} {new[0].name} ({rule})"
                    yield Moved(id, name, EXISTS, None, told, None, self._by([new[0].revision]))
                    break
