"""Whose a record is, in one word: what stores keep beside each live record, to bound questions by it.

The *owner* of a record is the organisation that it names or, where it names none, that of what it is a
part of (`part` of a relationship type), through up to `LEVELS` wholes that name none either. It is worked
out when something is written that it depends on, and kept as an index is: it is in no record, no history
and no dump, and `cmdb check` makes it again.

Whose a record is where that takes more than one word is `ASKED` of the record itself, with the whole of
the rule (`api.access.scope`): what is shared, what is a part of two organisations' things, organisations,
and what decides who may do what.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from cmdb.commits import End, Plan, WriteTransaction
from cmdb.records import Record, RelationshipKey
from schema.model import ORGANISATION, ORGANISATION_ATTRIBUTE, Model

LEVELS: Final = 4
"""Parts of parts: a transceiver in a line card in a blade in a chassis."""

NOBODY: Final = "-"
"""The owner of what names no organisation and is no part of what does: it is everybody's."""
ASKED: Final = "~"
"""Stands for what no one organisation owns. Neither sorts among ids."""


class Rules(NamedTuple):
    """What a model says of owners.

    Attributes
    ----------
    asked
        Concrete types whose records are asked, whatever they name.
    naming
        The attributes that name organisations, the owner first.
    parts
        Relationship type -> the end at which the part is.
    types
        Concrete types that can be parts.
    """

    asked: frozenset[str]
    naming: tuple[str, ...]
    parts: Mapping[str, End]
    types: frozenset[str]

    @property
    def text(self) -> str:
        """Equal for rules that make the same owners."""
        plain = [sorted(p) if isinstance(p, frozenset) else p for p in self]
        return json.dumps([LEVELS, *plain], sort_keys=True)

    def own(self, record: Record) -> str | None:
        """The owner as far as the record itself says; None where that is for its wholes to say."""
        if record.type in self.asked:
            return ASKED
        said = record.attributes
        owner = said.get(ORGANISATION_ATTRIBUTE)
        for name in self.naming[1:]:
            if said.get(name) not in (None, owner):
                return ASKED
        return owner or (None if record.type in self.types else NOBODY)

    def ends(self) -> dict[End, list[str]]:
        """Part relationship types by the end of the part."""
        found: dict[End, list[str]] = {"source": [], "target": []}
        for name, end in self.parts.items():
            found[end].append(name)
        return found


@lru_cache(maxsize=4)
def rules_of(model: Model) -> Rules:
    """The rules of a model."""
    types, declared = model.record_types, model.relationship_types
    asked = {ORGANISATION} & types.keys() | model.administered | model.tellers.keys()
    parts = {t.name: t.part for t in declared.values() if t.part is not None}
    return Rules(
        frozenset().union(*(types[name].concrete for name in asked)),
        (ORGANISATION_ATTRIBUTE, *model.sharing),
        parts,
        frozenset().union(
            *(
                declared[n].sources if e == "source" else declared[n].targets
                for n, e in parts.items()
            )
        ),
    )


class Ownership:
    """Whose records are, as a store has them and as it will after a plan.

    Parameters
    ----------
    transaction
        Of it only `records` and `relationships_at` are asked.

    Attributes
    ----------
    made
        The records that the plan creates.
    """

    def __init__(
        self, model: Model, transaction: WriteTransaction, plan: Plan | None = None
    ) -> None:
        self.model, self.plan = model, plan or Plan()
        self.rules = rules_of(model)
        self.made = {record.id: record for record in self.plan.created}
        self.changed = {after.id: after for _, after in self.plan.updated}
        self._transaction = transaction

    def read(self, ids: Collection[str]) -> dict[str, Record]:
        """Records as they are stored. One statement at most."""
        return self._transaction.records(ids) if ids else {}

    def organisations(
        self,
        records: Mapping[str, Record],
        later: bool,
        own: Callable[[Record], str | None] = lambda r: r.attributes.get(ORGANISATION_ATTRIBUTE),
    ) -> dict[str, set[str]]:
        """The organisations of records or, where they name none, of what they are part of.

        Two statements for each level of wholes above what names none.

        Parameters
        ----------
        later
            As it will be after the plan; the records are then those that it will leave.
        own
            What a record names.
        """
        owners: dict[str, set[str]] = {id: set() for id in records}
        known, frontier = dict(records), {id: {id} for id in records}
        for level in range(LEVELS + 1):
            unowned = []
            for id, origins in frontier.items():
                organisation = own(known[id])
                if organisation is None:
                    unowned.append(id)
                for origin in origins if organisation is not None else ():
                    owners[origin].add(organisation)  # type: ignore[arg-type]
            above: defaultdict[str, set[str]] = defaultdict(set)
            for part, whole in self.steps(unowned, later) if level < LEVELS else ():
                above[whole] |= frontier[part]
            known |= self._as(later, [id for id in above if id not in known])
            frontier = {id: origins for id, origins in above.items() if id in known}
        return owners

    def steps(
        self, ids: Collection[str], later: bool, up: bool = True
    ) -> Iterable[tuple[str, str]]:
        """(part, whole) of some parts; or (whole, part) of some wholes."""
        for part, types in self.rules.ends().items():
            whole: End = "target" if part == "source" else "source"
            near, far = (part, whole) if up else (whole, part)
            for key in self._links(near, ids, types, later):
                yield getattr(key, near), getattr(key, far)

    def _as(self, later: bool, ids: Collection[str]) -> dict[str, Record]:
        """Records as they are, or as they will be."""
        if not later:
            return self.read(ids)
        coming = self.made | self.changed
        found = {id: coming[id] for id in ids if id in coming}
        return found | self.read([id for id in ids if id not in coming])

    def _links(
        self, end: End, ids: Collection[str], types: Collection[str], later: bool
    ) -> set[RelationshipKey]:
        asked = sorted(id for id in ids if id not in self.made)
        found: set[RelationshipKey] = set()
        if asked and types:
            found.update(self._transaction.relationships_at(end, asked, types))
        if later:
            among = frozenset(ids)
            found -= {link.key for link in self.plan.unrelated}
            found |= {
                link.key
                for link in self.plan.related
                if link.type in types and getattr(link, end) in among
            }
        return found

    # -- owners ---------------------------------------------------------------------------------------

    def owners(self, records: Mapping[str, Record]) -> dict[str, str]:
        """The owners of records as they will be after the plan."""
        found, open_ = {}, {}
        for id, record in records.items():
            owner = self.rules.own(record)
            if owner is None:
                open_[id] = record
            else:
                found[id] = owner
        for id, named in self.organisations(open_, later=True).items() if open_ else ():
            found[id] = NOBODY if not named else ASKED if len(named) > 1 else next(iter(named))
        return found

    def affected(self) -> dict[str, Record]:
        """The stored records whose owner may become another one by the plan, as they will be: those that
        are changed, and what is part of them."""
        rules = self.rules
        moved = {
            after.id: after
            for before, after in self.plan.updated
            if before.type != after.type
            or any(before.attributes.get(n) != after.attributes.get(n) for n in rules.naming)
        }
        ends = {
            getattr(link, rules.parts[link.type])
            for link in (*self.plan.related, *self.plan.unrelated)
            if link.type in rules.parts
        }
        found = moved | self._as(True, sorted(ends - moved.keys() - self.made.keys()))
        frontier = [id for id, record in found.items() if id in moved or rules.own(record) is None]
        for _ in range(LEVELS if rules.parts else 0):
            if not frontier:
                break
            parts = {part for _, part in self.steps(frontier, later=True, up=False)}
            new = self._as(True, sorted(parts - found.keys() - self.made.keys()))
            found |= new
            frontier = [id for id, record in new.items() if rules.own(record) is None]
        return found


def owners_after(model: Model, transaction: WriteTransaction, plan: Plan) -> dict[str, str]:
    """The owners that a plan gives: of all that it creates, and of what is stored and may get another.

    Costs nothing but memory where nothing is a part and nobody is handed over; else at most two
    statements a level, of parts below what changes and of wholes above.
    """
    ownership = Ownership(model, transaction, plan)
    return ownership.owners(ownership.made | ownership.affected())


def owners_of(model: Model, transaction: WriteTransaction, ids: Collection[str]) -> dict[str, str]:
    """The owners of stored records as they are."""
    ownership = Ownership(model, transaction)
    return ownership.owners(ownership.read(ids))
