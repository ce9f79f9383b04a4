"""Who acts, in which roles, and for whom: people, organisations, delegation, as of now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import NamedTuple

from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.refusals import NotAllowedError
from schema.kinds import is_id
from schema.model import ORGANISATION_TREE, STATE_ATTRIBUTE
from schema.process_checks import ROLES
from schema.processes import RELATIVE_ROLES, SYSTEM

HAS_ROLE, ROLE_NAMES = ROLES
DELEGATES_TO = "DELEGATES_TO"
PERSON = "Person"


class Actor(NamedTuple):
    """A person who acts; ``acts_for`` are the ids of those who have delegated to them today."""

    record: Record
    acts_for: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def ids(self) -> tuple[str, ...]:
        """The person's own id, then those they act for."""
        return (self.record.id, *self.acts_for)


class Directory:
    """What one decision asks about people; it remembers what it has read.

    Parameters
    ----------
    today
        The day on which delegations must be in force.
    at
        The revision as of which the lines of organisations are asked for; now, without one.
    """

    def __init__(self, store: GraphStore, today: date, at: int | None = None) -> None:
        self.store, self.today, self.at = store, today, at
        self._lines: dict[str, list[Record]] = {}
        self._held: dict[str, Mapping[str, frozenset[str]]] = {}
        self._holders: dict[str, Mapping[str, frozenset[str]]] = {}

    def actor(self, name: str) -> Actor:
        """The person who goes by this user name, employee number, id, or unambiguous name.

        Raises
        ------
        NotAllowedError
            There is none, there are several, or they have left.
        """
        record = self.known(name)
        if not self._active(record):
            raise NotAllowedError(
                f"{record.name} is no longer with us.", "Somebody else must do it."
            )
        given = self.store.neighbours([record.id], [DELEGATES_TO], "in")
        acts_for = [
            n.record.id
            for n in given
            if self._in_force(n.relationship.attributes) and self._active(n.record)
        ]
        return Actor(record, tuple(acts_for))

    def product(self) -> Actor:
        """The product itself, as an actor: nobody's role, and nobody's name."""
        return Actor(Record(SYSTEM, "", 0, {"name": SYSTEM}), ())

    def known(self, name: str) -> Record:
        """The person of that name, though they may have left.

        Raises
        ------
        NotAllowedError
        """
        # An id first: nobody may go by the id of somebody else.
        for attribute in ("id", "username", "employee_number", "name"):
            if attribute == "id" and not is_id(name):
                continue
            page = self.store.find(Query(PERSON, {attribute: {"eq": name}}, first=2))
            if len(page.records) == 1:
                return page.records[0]
            if page.records:
                raise NotAllowedError(
                    f"Several people have the {attribute} {name!r}.", "Give a user name or an id."
                )
        raise NotAllowedError(
            f"Nobody is known as {name!r}, so nobody can answer for it.",
            f"`cmdb create Person name=… username={name}`, and give --actor a user name.",
        )

    def _ancestors(self, record: Record) -> Collection[str]:
        return self.store.model.record_types[record.type].ancestors

    def _active(self, record: Record) -> bool:
        record_type = self.store.model.record_types[record.type]
        return record_type.operational(record.attributes.get(STATE_ATTRIBUTE))

    def _in_force(self, attributes: Mapping[str, object]) -> bool:
        begins, ends = attributes.get("valid_from"), attributes.get("valid_until")
        return (not isinstance(begins, date) or begins <= self.today) and (
            not isinstance(ends, date) or self.today <= ends
        )

    def line(self, organisation: str | None) -> list[Record]:
        """An organisation and those above it, itself first. One statement a level, once."""
        if organisation is None:
            return []
        if organisation not in self._lines:
            found = list(self.store.get([organisation], self.at).values())
            while found:
                above = self.store.neighbours([found[-1].id], [ORGANISATION_TREE], "out", self.at)
                if not above:
                    break
                found.append(above[0].record)
            self._lines[organisation] = found
        return self._lines[organisation]

    def load(
        self, organisations: Iterable[str], people: Iterable[str] = (), *, holders: bool = False
    ) -> None:
        """Read the lines of organisations and the roles of people together. A statement a level, and
        two or three more; none for what is known."""
        organisations = set(organisations)
        wanted = organisations - self._lines.keys()
        known = dict(self.store.get(wanted, self.at)) if wanted else {}
        above: dict[str, str] = {}
        frontier = set(known)
        while frontier:
            found = self.store.neighbours(frontier, [ORGANISATION_TREE], "out", self.at)
            above |= {n.of: n.record.id for n in reversed(found)}
            new = {n.record.id: n.record for n in found if n.record.id not in known}
            known |= new
            frontier = set(new)
        for id in wanted:
            line: list[Record] = []
            following: str | None = id
            while following in known and known[following] not in line:
                line.append(known[following])
                following = above.get(following)
            self._lines[id] = line
        if holders:
            self._read_holders({r.id for id in organisations for r in self._lines[id]})
        if asked := {id for id in people if id not in self._held}:
            held: dict[str, dict[str, frozenset[str]]] = {id: {} for id in asked}
            for near in self.store.neighbours(asked, [HAS_ROLE], "out"):
                names = frozenset(near.relationship.attributes.get(ROLE_NAMES, ()))
                held[near.of][near.record.id] = names
            self._held.update(held)

    def _read_holders(self, organisations: Iterable[str]) -> None:
        asked = {id for id in organisations if id not in self._holders}
        found: dict[str, defaultdict[str, set[str]]] = {id: defaultdict(set) for id in asked}
        for near in self.store.neighbours(asked, [HAS_ROLE], "in") if asked else ():
            if PERSON in self._ancestors(near.record) and self._active(near.record):
                for name in near.relationship.attributes.get(ROLE_NAMES, ()):
                    found[near.of][name].add(near.record.id)
        for id, named in found.items():
            self._holders[id] = {n: frozenset(ids) for n, ids in named.items()}

    def within(self, organisation: str | None, other: str | None) -> bool:
        """Whether an organisation is another one, or stands below it."""
        return any(record.id == other for record in self.line(organisation))

    def holders(self, role: str, organisation: str) -> frozenset[str]:
        """Ids of the people who have a role in this very organisation."""
        self._read_holders([organisation])
        return self._holders[organisation].get(role, frozenset())

    def holds(self, actor: Actor, role: str, organisation: str | None) -> str | None:
        """Who of those that the actor speaks for has a role in an organisation or above it: an id."""
        if organisation is None:
            return None
        above = {record.id for record in self.line(organisation)}
        for person in actor.ids:
            if any(role in roles for at, roles in self._roles(person).items() if at in above):
                return person
        return None

    def able(self, person: str, roles: Iterable[str], organisation: str | None) -> bool:
        """Whether a person has one of some roles in an organisation, or above it."""
        above = {record.id for record in self.line(organisation)}
        held = self._roles(person).items()
        return any(not named.isdisjoint(roles) for at, named in held if at in above)

    def _roles(self, person: str) -> Mapping[str, frozenset[str]]:
        if person not in self._held:
            self._held[person] = {
                n.record.id: frozenset(n.relationship.attributes.get(ROLE_NAMES, ()))
                for n in self.store.neighbours([person], [HAS_ROLE], "out")
            }
        return self._held[person]

    def may(
        self,
        actor: Actor,
        roles: Iterable[str],
        record: Record,
        organisation: str | None,
        process: Record | None = None,
    ) -> str | None:
        """In whose name the actor may do what is open to these roles: an id, or None.

        Parameters
        ----------
        record
            What it is done to: relative roles are read off it, and off the process.
        organisation
            Where the other roles must be held, or above it.
        """
        for role in roles:
            if role in RELATIVE_ROLES:
                attribute = "requested_by" if role == "requester" else role
                named = {r.attributes.get(attribute) for r in (record, process) if r is not None}
                found = next((id for id in actor.ids if id in named), None)
            else:
                found = self.holds(actor, role, organisation)
            if found is not None:
                return found
        return None
