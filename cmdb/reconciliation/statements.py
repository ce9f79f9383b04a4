"""Statements: observations checked against the model and laid flat, ready to be identified.

One statement is an observation with everything nested in it: *subjects* (the thing itself, its parts,
what it mentions) and *claims* (relationships and references between them). Values are canonical;
what is sensitive, or looks like a secret, is left out here, before anything else sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from cmdb.reconciliation.observations import Link, Observation, Ref, Rejection
from cmdb.reconciliation.placeholders import is_telling
from cmdb.reconciliation.secrets import REMOVED, is_secret_name, without_secrets
from schema.attributes import Attribute
from schema.errors import UnknownNameError
from schema.model import Model, RecordType, RelationshipType

Role = Literal["statement", "part", "mention"]

REUSED: Final = 10_000
"""Mentions that are remembered; then they are forgotten and met again."""
NAMING: Final = ("hostname", "ip_address", "network", "slot", "serial_number")
"""Attributes that a thing without a name may be called by."""
DEPTH_LIMIT: Final = 50
"""How deep observations may be nested in each other."""


@dataclass(slots=True)
class Subject:
    """One thing that a statement speaks of.

    Attributes
    ----------
    attributes
        Canonical values; those that could identify but tell nothing (placeholders) are left out.
    called
        A name for it where the source gives none: for a new record, and no claim of the source.
    id
        Of its record, once that is known and stored; set by the run.
    """

    type: str
    key: str
    attributes: dict[str, Any]
    role: Role
    place: str
    called: str = ""
    id: str = ""

    @property
    def name(self) -> str:
        return str(self.attributes.get("name") or self.called or self.key)

    def __str__(self) -> str:
        return f"{self.type} {self.name[:100]}".rstrip()


class Claim(NamedTuple):
    """(source)-[:type]->(target) with attributes; ends are subjects, or a key of the source.

    ``by_source`` says whether the subject at the source end is the one that reported it.
    """

    source: Subject | Ref
    type: str
    target: Subject | Ref
    attributes: dict[str, Any]
    by_source: bool


class Reference(NamedTuple):
    """A reference attribute of a subject, named by an observation."""

    subject: Subject
    attribute: str
    target: Subject | Ref


@dataclass(slots=True)
class Statement:
    """What one observation at the top says, laid flat. `subjects[0]` is the thing itself."""

    subjects: list[Subject] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.subjects[0].key


class Way(NamedTuple):
    """What a link means: a relationship and which way it reads, or (None) a reference attribute."""

    type: RelationshipType | None
    outward: bool
    role: Role


class UnusableError(ValueError):
    """An observation that does not fit the model; the text says why."""


class Reader:
    """Makes statements of observations, by one model.

    What is learned of a type is kept, so that reading costs about as much as parsing the values.

    Parameters
    ----------
    reuse
        An observation object that is mentioned again is the same subject again, and what it says
        itself is not repeated.
    """

    def __init__(self, model: Model, *, reuse: bool = False) -> None:
        self.model = model
        self._reused: dict[int, tuple[Observation, Subject]] | None = {} if reuse else None
        self._readers: dict[str, dict[str, ValueReader]] = {}
        self._ways: dict[tuple[str, str, str | None], Way] = {}

    def statement(self, observation: Observation) -> Statement:
        """The statement an observation makes.

        Raises
        ------
        UnusableError
            The observed thing itself does not fit the model. Values, parts and mentions that do not
            are left out, and are among the statement's `rejections`.
        """
        if not observation.key:
            raise UnusableError(f"the {observation.type} has no key")
        statement = Statement()
        self._add(statement, observation, "statement", observation.place, {}, 0)
        return statement

    def _add(
        self,
        statement: Statement,
        observation: Observation,
        role: Role,
        place: str,
        seen: dict[int, Subject],
        depth: int,
    ) -> Subject:
        if id(observation) in seen:
            return seen[id(observation)]
        if self._reused is not None and role == "mention":
            known = self._reused.get(id(observation))
            if known is not None:
                statement.subjects.append(known[1])
                return known[1]
        if depth > DEPTH_LIMIT:
            raise UnusableError("observations are nested too deep")
        record_type = self.model.record_types.get(observation.type)
        if record_type is None or record_type.abstract:
            what = "is abstract" if record_type else "is not in the model"
            raise UnusableError(f"the record type {observation.type!r} {what}")
        if record_type.administered:
            raise UnusableError(f"no source says who may do what, as {record_type.name} does")
        place = observation.place or place
        attributes, unfit = self._values(record_type, observation.attributes)
        if unfit and not (attributes or observation.links):
            raise UnusableError(next(iter(unfit.values())))
        called = ""
        if "name" not in attributes:
            names = (str(attributes[n]) for n in NAMING if n in attributes)
            called = (next(names, "") or clean_key(observation.key))[:1000]
        key = clean_key(observation.key)
        subject = Subject(observation.type, key, attributes, role, place, called)
        seen[id(observation)] = subject
        statement.subjects.append(subject)
        if unfit:
            statement.rejections += [
                Rejection(place, f"{subject}: {why}") for why in unfit.values()
            ]
        if self._reused is not None and role == "mention":
            if len(self._reused) >= REUSED:
                self._reused.clear()
            self._reused[id(observation)] = (observation, subject)
        for link in observation.links:
            try:
                self._link(statement, record_type, subject, link, place, seen, depth)
            except UnusableError as error:
                statement.rejections.append(Rejection(place, f"{link.name} of {subject}: {error}"))
        return subject

    def _link(
        self,
        statement: Statement,
        record_type: RecordType,
        subject: Subject,
        link: Link,
        place: str,
        seen: dict[int, Subject],
        depth: int,
    ) -> None:
        to = link.to
        far_type = to.type if isinstance(to, Observation) else None
        way = self._ways.get((record_type.name, link.name, far_type))
        if way is None:
            way = self._way(record_type, link.name, far_type)
            self._ways[record_type.name, link.name, far_type] = way
        type_ = way.type
        attributes: dict[str, Any] = {}
        unfit: dict[str, str] = {}
        if type_ and link.attributes:
            attributes, unfit = self._values(type_, link.attributes)
        far: Subject | Ref
        if isinstance(to, Ref):
            far = to if clean_key(to.key) == to.key else Ref(clean_key(to.key))
        else:
            far = self._add(statement, to, way.role, place, seen, depth + 1)
        if far is subject:
            raise UnusableError("it is linked to itself")
        if unfit:
            statement.rejections += [
                Rejection(place, f"{link.name} of {subject}: {why}") for why in unfit.values()
            ]
        if type_ is None:
            statement.references.append(Reference(subject, link.name, far))
        elif way.outward:
            statement.claims.append(Claim(subject, type_.name, far, attributes, True))
        else:
            statement.claims.append(Claim(far, type_.name, subject, attributes, False))

    def _way(self, near: RecordType, name: str, far: str | None) -> Way:
        """What a link of a name means between two types; raises `UnusableError` if it may not be."""
        if name[:1].islower():
            reference = near.attributes.get(name) if name in self.model.references else None
            if reference is None or reference.many:
                raise UnusableError(f"{name} is no reference attribute of {near.name}")
            return Way(None, True, "mention")
        try:
            type_, direction = self.model.direction(name)
        except UnknownNameError:
            raise UnusableError(f"there is no relationship {name!r}") from None
        if type_.administered:
            raise UnusableError(f"no source says who may do what, as {type_.name} does")
        outward = direction == "out"
        own, other = type_.sources, type_.targets
        if not outward:
            own, other = other, own
        for end, allowed in ((near.name, own), (far, other)):
            if end is not None and end not in allowed:
                raise UnusableError(
                    f"a {end} cannot be there ({' | '.join(type_.source)})-[:{type_.name}]->({' | '.join(type_.target)})"
                )
        part = far is not None and self._is_part(far, name, outward)
        return Way(type_, outward, "part" if part else "mention")

    def _is_part(self, type_: str, name: str, outward: bool) -> bool:
        """Whether a type is told apart only by what it hangs on through this link."""
        record_type = self.model.record_types.get(type_)
        if record_type is None:
            return False
        for rule in record_type.identification:
            if rule.relationship is None or rule.optional:
                continue
            relationship_type, direction = self.model.direction(rule.relationship)
            own, _ = self.model.direction(name)
            if own is relationship_type and (direction == "out") != outward:
                return True
        return False

    def _values(
        self, owner: RecordType | RelationshipType, given: Any
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Canonical values of what is said; and attribute -> why its value cannot be, without secrets.

        Nothing, secrets and placeholders are left out.

        Raises
        ------
        UnusableError
            What cannot be is a value that every record or relationship of the type must have.
        """
        readers = self._readers.get(owner.name) or self._readers_of(owner)
        values: dict[str, Any] = {}
        unfit: dict[str, str] = {}
        for name, value in given.items():
            try:
                known, read = readers[name]
                kind = type(value)
                if (kind is str or kind is int or kind is date) and value in known:
                    parsed = known[value]
                elif value is None:
                    continue
                else:
                    parsed = read(value)
            except KeyError:
                unfit[name] = f"{owner.name} has no attribute {name!r}"
                continue
            except ValueError as error:
                unfit[name] = f"{name} {without_secrets(str(error))}"
                continue
            if parsed is not None:
                values[name] = parsed
        for name, why in unfit.items():
            if name in owner.required and name != "name":  # without that it is called otherwise
                raise UnusableError(why)
        return values, unfit

    def _readers_of(self, owner: RecordType | RelationshipType) -> dict[str, ValueReader]:
        """For each attribute, what makes a canonical value of what a source says, or None."""
        telling = self._telling(owner)
        readers = self._readers[owner.name] = {
            name: _reader(attribute, telling.get(name))
            for name, attribute in owner.attributes.items()
            if not attribute.managed
        }
        return readers

    def _telling(self, owner: RecordType | RelationshipType) -> dict[str, str]:
        """Attributes that tell records apart by themselves, with their kinds."""
        names: set[str] = set()
        if isinstance(owner, RecordType):
            for rule in owner.identification:
                if rule.relationship is None:
                    names.update(rule.attributes)
        names = (names - {"name", "vlan_id"}) & owner.attributes.keys()
        return {n: owner.attributes[n].kind.name for n in names}


WRITTEN: Final = ("string", "text", "url", "email", "json", "enum")
"""Kinds whose values are free text; those of others can hold neither secrets nor control characters."""
REMEMBERED: Final = 2_000
"""Texts of one attribute that are remembered."""


ValueReader = tuple[dict[Any, Any], Callable[[Any], Any]]
"""What is known of an attribute's texts and dates, and what makes a canonical value of any other."""


def _reader(attribute: Attribute, telling: str | None) -> ValueReader:
    """Makes canonical values of an attribute; None of what says nothing.

    Sources repeat themselves (a vendor, a date, an operating system): texts and dates are remembered.
    """
    if attribute.sensitive:
        return {}, lambda _: None
    parse, free = attribute.parse, attribute.kind.name in WRITTEN
    known: dict[Any, Any] = {"": None}

    def read(value: Any) -> Any:
        kind = type(value)
        if kind is str:
            rough = free or not value.isprintable()
            text = clean(value, attribute) if rough else value.strip()
            parsed = parse(text) if text else None
        elif value == []:
            parsed = None
        else:
            parsed = parse(value)
            if free:
                parsed = _cleaned(parsed, attribute)
        if telling is not None and parsed is not None and not is_telling(telling, parsed):
            parsed = None
        if kind is str or kind is int or kind is date:
            if len(known) >= REMEMBERED:
                known.clear()
            known[value] = parsed
        return parsed

    return known, read


def _cleaned(value: Any, attribute: Attribute) -> Any:
    """A parsed value whose texts, however deep, hold no secrets."""
    if isinstance(value, str):
        return clean(value, attribute)
    if isinstance(value, list):
        return [_cleaned(element, attribute) for element in value]
    if isinstance(value, dict):
        return {
            name: REMOVED if element and is_secret_name(name) else _cleaned(element, attribute)
            for name, element in value.items()
        }
    return value


@lru_cache(maxsize=16_384)
def clean_key(key: str) -> str:
    """A key without control characters and secrets; what others name it by comes again and again."""
    if not key.isprintable():
        key = "".join(c if c.isprintable() else " " for c in key)
    return without_secrets(key)


def clean(value: str, attribute: Attribute) -> str:
    """Text without control characters, secrets and space around it."""
    if not value.isprintable():
        keep = "\n\t" if attribute.kind.name == "text" else ""
        value = "".join(c if c.isprintable() or c in keep else " " for c in value)
    return without_secrets(value.strip())
