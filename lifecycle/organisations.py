"""Organisations through time: the tree, roles in it, renames and moves. What was stays as it was, as of then.

`lifecycle.reorganisation` merges and splits them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from cmdb.change_sets import Operation, Relate, Unrelate, Update
from cmdb.queries import AsOf, Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.cases import Room
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.people import HAS_ROLE, ROLE_NAMES
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError, RequestError
from schema.model import ORGANISATION, ORGANISATION_TREE, STATE_ATTRIBUTE

ADMINISTRATOR: Final = "administrator"
SUCCEEDED_BY: Final = "SUCCEEDED_BY"
SINCE: Final = "valid_from"
ACTIVE: Final = "active"
PAGE: Final = 500


@dataclass
class Branch:
    """An organisation and those below it.

    Attributes
    ----------
    since
        From when on it is part of the one above, where that was said.
    successors
        What it was merged into, or what was split from it.
    """

    record: Record
    since: date | None = None
    below: list[Branch] = field(default_factory=list)
    successors: list[Record] = field(default_factory=list)


def tree(
    store: GraphStore, top: str | None = None, as_of: AsOf = None, *, dissolved: bool = False
) -> list[Branch]:
    """The organisations as a tree, by name; one statement a level.

    Parameters
    ----------
    top
        Only this one and those below it.
    dissolved
        Those that are no longer active, too.
    """
    if top is not None:
        found = [Branch(store.record(top, as_of))]
    else:
        roots: dict[str, Any] = {"not": {ORGANISATION_TREE: {}}}
        found, after = [], None
        while True:
            page = store.find(
                Query(
                    ORGANISATION, roots, sort=[Sort("name")], first=PAGE, after=after, as_of=as_of
                )
            )
            found += [Branch(r) for r in page.records if dissolved or active(r)]
            after = page.cursor
            if after is None:
                break
    level = {branch.record.id: branch for branch in found}
    while level:
        links = store.neighbours([*level], [ORGANISATION_TREE], "in", as_of)
        after_it = store.neighbours([*level], [SUCCEEDED_BY], "out", as_of) if dissolved else []
        for near in sorted(after_it, key=lambda n: n.record.name):
            level[near.of].successors.append(near.record)
        following: dict[str, Branch] = {}
        for near in sorted(links, key=lambda n: (n.record.name, n.record.id)):
            if ORGANISATION not in store.model.record_types[near.record.type].ancestors:
                continue  # a team
            if dissolved or active(near.record):
                branch = Branch(near.record, near.relationship.attributes.get(SINCE))
                level[near.of].below.append(branch)
                following[near.record.id] = branch
        level = following
    return found


def active(organisation: Record) -> bool:
    return bool(organisation.attributes.get(STATE_ATTRIBUTE, ACTIVE) == ACTIVE)


class Organisations:
    """The door to changing organisations: for administrators of them, or of one above."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.store = engine, engine.store

    # -- roles ----------------------------------------------------------------------------------------

    def grant(
        self, actor: str, person: str, roles: Collection[str], organisation: str, reason: str = ""
    ) -> int:
        """Give a person roles in an organisation, and so in all below it; gives the revision.

        While nobody at all is an administrator, anybody may make one.

        Raises
        ------
        NotAllowedError, InvalidChangeError
        """

        def work() -> Decision:
            room = self.engine.room(actor)
            who = room.directory.actor(person).record
            if not (ADMINISTRATOR in roles and self._nobody_administers()):
                self.administered(room, organisation)
            held = self._held(who.id, organisation)
            together = sorted(held | {*roles})
            return self._roles(who, together, organisation, f"granted {_words(roles)}", reason)

        return self.engine.decide(actor, work)[1]

    def revoke(
        self, actor: str, person: str, roles: Collection[str], organisation: str, reason: str = ""
    ) -> int:
        """Take roles in an organisation from a person, who may have left; gives the revision.

        Raises
        ------
        NotAllowedError
        RefusedError
            The person does not have them there.
        """

        def work() -> Decision:
            room = self.engine.room(actor)
            who = room.directory.known(person)
            self.administered(room, organisation)
            held = self._held(who.id, organisation)
            if not held >= {*roles}:
                missing = _words({*roles} - held)
                raise RefusedError([Refusal(who.id, who.name, "role", f"is no {missing} there")])
            left = sorted(held - {*roles})
            return self._roles(who, left, organisation, f"revoked {_words(roles)}", reason)

        return self.engine.decide(actor, work)[1]

    def _held(self, person: str, organisation: str) -> set[str]:
        for near in self.store.neighbours([person], [HAS_ROLE], "out"):
            if near.record.id == organisation:
                return {*near.relationship.attributes.get(ROLE_NAMES, ())}
        return set()

    def _roles(
        self, who: Record, roles: list[str], organisation: str, what: str, reason: str
    ) -> Decision:
        operation: Operation = Unrelate(who.id, HAS_ROLE, organisation)
        if roles:
            operation = Relate(who.id, HAS_ROLE, organisation, {ROLE_NAMES: roles})
        return Decision([operation], _because(f"{who.name}: {what}", reason))

    def _nobody_administers(self) -> bool:
        links = self.store.scan_relationships(types=[HAS_ROLE])
        return not any(ADMINISTRATOR in link.attributes.get(ROLE_NAMES, ()) for link in links)

    # -- names and places in the tree -------------------------------------------------------------------

    def rename(
        self,
        actor: str,
        organisation: str,
        name: str,
        *,
        effective_on: date | None = None,
        reason: str = "",
    ) -> int:
        """Give an organisation another name; the old one is kept among its former names."""

        def work() -> Decision:
            record = self.active(organisation)
            self.administered(self.engine.room(actor), organisation)
            if not name.strip() or name == record.name:
                return Decision([], "")
            former = [n for n in record.attributes.get("former_names") or [] if n != record.name]
            said = {"name": name, "former_names": [*former, record.name]}
            return Decision(
                [Update(organisation, said)],
                _because(f"{record.name} renamed {name}", reason),
                {organisation: record.revision},
                effective_on=effective_on,
            )

        return self.engine.decide(actor, work)[1]

    def move(
        self,
        actor: str,
        organisation: str,
        under: str,
        *,
        effective_on: date | None = None,
        reason: str = "",
    ) -> int:
        """Make an organisation, with all below it, part of another one.

        Raises
        ------
        NotAllowedError, RefusedError
            That one is below it, or one of the two is dissolved.
        """

        def work() -> Decision:
            record, above = self.active(organisation), self.active(under)
            room = self.engine.room(actor)
            self.administered(room, organisation)
            self.administered(room, under)
            if room.directory.within(under, organisation):
                why = f"{above.name} is below it"
                raise RefusedError([Refusal(organisation, record.name, "tree", why)])
            return Decision(
                self.part_of(organisation, under, effective_on),
                _because(f"{record.name} is now part of {above.name}", reason),
                {organisation: record.revision},
                effective_on=effective_on,
            )

        return self.engine.decide(actor, work)[1]

    def part_of(self, organisation: str, under: str, since: date | None) -> list[Operation]:
        """What makes an organisation part of another one, and no longer of what it was part of."""
        there = self.store.neighbours([organisation], [ORGANISATION_TREE], "out")
        if any(near.record.id == under for near in there):
            return []
        closing: list[Operation] = [
            Unrelate(organisation, ORGANISATION_TREE, near.record.id) for near in there
        ]
        said = {SINCE: since} if since else {}
        return [*closing, Relate(organisation, ORGANISATION_TREE, under, said)]

    # -- who may, and what is there ---------------------------------------------------------------------

    def administered(self, room: Room, organisation: str) -> None:
        """Raises `NotAllowedError` unless the actor administers an organisation, or one above it."""
        if room.directory.holds(room.actor, ADMINISTRATOR, organisation) is None:
            name = self.store.record(organisation).name
            raise NotAllowedError(
                f"{room.actor.record.name} is no administrator of {name}.",
                "An administrator of it, or of one above it, may do that.",
            )

    def active(self, organisation: str) -> Record:
        """An organisation that is not dissolved.

        Raises
        ------
        CmdbError, RefusedError
        """
        record = self.store.record(organisation)
        if ORGANISATION not in self.store.model.record_types[record.type].ancestors:
            raise RequestError(f"{record.name} is a {record.type}.", "Name an organisation.")
        if not active(record):
            raise RefusedError([Refusal(organisation, record.name, "state", "it is dissolved")])
        return record


def merged_roles(links: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Person -> all the roles that several relationships give."""
    together: defaultdict[str, set[str]] = defaultdict(set)
    for person, roles in links:
        together[person] |= {*roles}
    return {person: sorted(roles) for person, roles in together.items()}


def _because(text: str, reason: str) -> str:
    return f"{text}: {reason}" if reason else text


def _words(roles: Collection[str]) -> str:
    return ", ".join(sorted(roles))
