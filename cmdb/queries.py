"""Questions a store answers: filters as data, sorting, pages with cursors.

A filter is written as plain data, the same from every door::

    {"cpu_count": {"gte": 8}, "name": {"prefix": "web"}, "or": [{…}, {…}], "not": {…},
     "RUNS_ON": {"name": {"eq": "esx-01"}}}

Entries of one object hold together. `parse_filter` checks it against the model and gives the tree
that the stores compile. Logic is two-valued: a comparison with an attribute that has no value is
false (``ne`` true), so ``not`` is always the exact complement. ``contains`` and ``prefix`` are
case-sensitive; searching is not (`GraphStore.search`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cmdb.errors import QueryError
from cmdb.records import Record
from schema.errors import UnknownNameError
from schema.kinds import KINDS, Kind
from schema.model import ROOT, Direction, Model

if TYPE_CHECKING:
    from cmdb.steps import Step
    from cmdb.store.base import Connected

AsOf = int | datetime | None
"""A revision number, an instant (what had been recorded by then), or None for now."""

PAGE_LIMIT: Final = 10_000
FILTER_DEPTH: Final = 16
RELATED_DEPTH: Final = 3
"""Levels that a filter on related records takes: SQLite's parser has an end."""
FILTER_SIZE: Final = 500
SEARCH_WORDS: Final = 20
MONEY_LIMIT: Final = 100

ORDERING: Final = ("lt", "lte", "gt", "gte")
OPERATORS: Final = ("eq", "ne", *ORDERING, "in", "contains", "prefix", "null")

SYSTEM_KINDS: Final[Mapping[str, Kind]] = {"id": KINDS["reference"], "revision": KINDS["integer"]}
"""What can be asked of every record beside its attributes."""

CLOSENESS: Final = "closeness"
"""How near a record is to a search: its name is the text (0), begins with it (1), or not (2)."""


class Comparison(NamedTuple):
    """One attribute compared with a canonical value (of the attribute's kind, or a tuple for ``in``)."""

    attribute: str
    kind: Kind
    many: bool
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


@dataclass(frozen=True, slots=True)
class Related:
    """At least one record, that the condition holds for, stands at the other end of a relationship of
    one of some types."""

    types: tuple[str, ...]
    direction: Direction
    condition: Condition


@dataclass(frozen=True, slots=True)
class OfType:
    """The record is of a type, or of a subtype; ``concrete`` are the names that has."""

    type: str
    concrete: tuple[str, ...]


Way = tuple[Direction, tuple[str, ...]]
"""Relationships of some types, read from source to target (``out``) or the other way round."""


@dataclass(frozen=True, slots=True)
class Reaching:
    """A record that a condition holds for can be reached, in one step or more, through records that
    another holds for. `steps` has the ways that may be gone in the first step, the second …"""

    steps: tuple[tuple[Way, ...], ...]
    through: Condition
    condition: Condition


@dataclass(frozen=True, eq=False, slots=True)
class Owned:
    """The owner of the record (`cmdb.owners`) is one of some organisations; where it has not one that
    can be said in a word, or of the past, a condition decides. No two are equal: it is made once for many
    questions, and stores keep what they have made of it.

    Attributes
    ----------
    organisations
        Their ids; None stands for all.
    shared
        Whether what is nobody's counts too.
    at
        The revision at which the organisations were looked at.
    exactly
        The condition, which holds for the very same records.
    asked
        Whether there may be such whose owner cannot be said.
    """

    organisations: frozenset[str] | None
    shared: bool
    at: int
    exactly: Condition
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Naming:
    """The record is of one of some concrete types, and names at least one that a condition holds for *now*, by a
    reference, whenever it did so. Asked of types that have few records: all of them are looked at."""

    types: tuple[str, ...]
    attribute: str
    condition: Condition


Condition = Comparison | AllOf | AnyOf | Not | Related | Reaching | OfType | Naming | Owned

ANYTHING: Final = AllOf(())
NOTHING: Final = AnyOf(())

AMONG: Final = "among"
"""The operator of a comparison with very many values, ``in`` for the product's own conditions: it is
tried record by record, as most hold for it."""

Bounds = Callable[[frozenset[str]], Condition]
"""What records of some concrete types must be, to be there at all for the one who asks."""


class Sort(NamedTuple):
    """Order by an attribute; records without a value come last either way."""

    attribute: str
    descending: bool = False


def parse_sort(text: str) -> list[Sort]:
    """``name,-purchase_price``: a minus sorts the other way."""
    keys = [part.strip() for part in text.split(",") if part.strip()]
    return [Sort(key.lstrip("-"), key.startswith("-")) for key in keys]


@dataclass(frozen=True)
class Query:
    """A question for records.

    Attributes
    ----------
    type
        Record type; with its subtypes unless `subtypes` is False.
    where
        Filter as plain data, see the module.
    organisation
        Id of an organisation: only records of it and of those below it.
    sort
        Attributes in order of weight; ids settle ties, so the order is total.
    first
        Most records in the page, 1 to 10,000.
    after
        Cursor of the page before. It belongs to the query it came from.
    as_of
        Ask the past.
    total
        Also count all that match.
    within
        Bounds of what there is for the one who asks: other records do not match, and no filter on
        related records reaches them. Set by the product (`api.access`), beside any filter and its limits.
    beyond
        Ask for what matches outside of the bounds instead.
    attributes
        Names of the attributes that are wanted of the records; None for all. Records may have more than
        these, such as what they are sorted by.
    steps
        Where to go on to from each record of the page (`Page.below`).
    """

    type: str = "Record"
    where: Mapping[str, Any] | None = None
    subtypes: bool = True
    organisation: str | None = None
    sort: Sequence[Sort] = ()
    first: int = 50
    after: str | None = None
    as_of: AsOf = None
    total: bool = False
    within: Bounds | None = field(default=None, compare=False)
    beyond: bool = False
    attributes: Collection[str] | None = None
    steps: Sequence[Step] = ()


@dataclass(frozen=True)
class Page:
    """Some records of an answer.

    `cursor` continues after the last one; None says there are no more. `total` counts all that
    match, where the query asked for it. `below` has a page for each record and each of the query's
    steps, by id and the index of the step.
    """

    records: list[Record]
    cursor: str | None
    total: int | None = None
    below: Mapping[tuple[str, int], Connected] = field(default_factory=dict)


class Count(NamedTuple):
    """How many records share these values (None: no value), in the order they were asked for."""

    values: tuple[Any, ...]
    count: int  # type: ignore[assignment]


class ParsedQuery(NamedTuple):
    """A query checked against the model."""

    types: tuple[str, ...]
    """Concrete record types, sorted."""
    label: str
    """The record type asked for."""
    subtypes: bool
    condition: Condition
    organisation: str | None
    sort: tuple[tuple[str, Kind, bool], ...]
    """(attribute, kind, descending)."""
    first: int
    position: tuple[Any, ...] | None
    """Sort values and id of the last record of the page before."""
    asked: tuple[Any, ...]
    """What a cursor must agree on with the query it continues."""
    text: str | None = None
    """Of a search: its words, folded, one space between."""
    attributes: tuple[str, ...] | None = None
    """Those wanted, sorted, and those sorted by; None for all."""

    def cursor(self, record: Record) -> str:
        """The cursor of a page that ends with this record."""
        values = []
        for name, kind, _ in self.sort:
            value = self._value(record, name)
            values.append(None if value is None else kind.to_json(value))
        text = json.dumps([_digest(self.asked), *values, record.id], ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _value(self, record: Record, name: str) -> Any:
        if name == CLOSENESS:
            folded = fold(record.name)
            return 0 if folded == self.text else 1 if folded.startswith(self.text or "") else 2
        return getattr(record, name) if name in SYSTEM_KINDS else record.attributes.get(name)


def fold(text: str) -> str:
    """Text as a search compares it: whatever its case."""
    return text.lower()


def parse_query(
    model: Model, query: Query, text: str | None = None, relationship: str | None = None
) -> ParsedQuery:
    """Check a query against the model.

    Parameters
    ----------
    text
        Of a search.
    relationship
        Of a step along it (`cmdb.steps`), whose page may be empty.

    Raises
    ------
    QueryError, UnknownNameError
    """
    record_type = model.record_type(query.type)
    if query.subtypes:
        types = tuple(sorted(record_type.concrete))
    else:
        types = () if record_type.abstract else (query.type,)
    fewest = 1 if relationship is None else 0
    if not fewest <= query.first <= PAGE_LIMIT:
        raise QueryError(f"A page of {query.first} records.", f"Ask for {fewest} to {PAGE_LIMIT}.")
    sort: list[tuple[str, Kind, bool]] = []
    if text is not None:
        if query.sort or query.as_of is not None:
            raise QueryError("A search has its own order and looks at the present.", "Use `find`.")
        text = " ".join(fold(_value(KINDS["string"], "the search", text)).split())
        if not text:
            raise QueryError("Nothing to search for.", "Give a word, or a part of one.")
        if text.count(" ") >= SEARCH_WORDS:
            raise QueryError(f"More than {SEARCH_WORDS} words.", "Search for fewer.")
        sort = [(CLOSENESS, KINDS["integer"], False), ("name", KINDS["string"], False)]
    for name, descending in query.sort:
        kind, many = _attribute(model, (query.type,), name)
        if many or kind.name == "json":
            raise QueryError(f"{name} cannot be sorted by.", "Sort by an attribute with one value.")
        if name in model.sensitive:
            raise QueryError(
                f"{name} is sensitive: it cannot be sorted by.", "Sort by another one."
            )
        sort.append((name, kind, descending))
    condition = parse_filter(model, (query.type,), query.where or {})
    if query.within is not None:
        bounds = query.within(frozenset(types))
        inside = bounded(model, condition, query.within)
        condition = both(Not(bounds) if query.beyond else bounds, inside)
    if query.organisation is not None:
        _value(KINDS["reference"], "organisation", query.organisation)
    order = [(entry[0], entry[1]) for entry in query.sort]
    asked: tuple[Any, ...] = (query.type, query.subtypes, query.where, query.organisation, order)
    asked += (text,) if relationship is None else (text, relationship)
    return ParsedQuery(
        types=types,
        label=query.type,
        subtypes=query.subtypes,
        condition=condition,
        organisation=query.organisation,
        sort=tuple(sort),
        first=query.first,
        position=_position(query.after, asked, sort),
        asked=asked,
        text=text,
        attributes=None if query.attributes is None else wanted(model, query.attributes, sort),
    )


def wanted(
    model: Model, attributes: Collection[str], sort: Sequence[tuple[str, Kind, bool]] = ()
) -> tuple[str, ...]:
    """The attributes that are asked of records, and what they are sorted by.

    Raises
    ------
    UnknownNameError
    """
    for name in attributes:
        model.attribute(ROOT, name)
    return tuple(sorted({*attributes, *(n for n, *_ in sort)} - {CLOSENESS, *SYSTEM_KINDS}))


def both(one: Condition, other: Condition) -> Condition:
    """What holds where both do."""
    parts = (part.parts if isinstance(part, AllOf) else (part,) for part in (one, other))
    joined = tuple(part for some in parts for part in some)
    return joined[0] if len(joined) == 1 else AllOf(joined)


def bounded(model: Model, condition: Condition, within: Bounds) -> Condition:
    """A condition of which no part reaches related records outside of the bounds."""
    if isinstance(condition, AllOf | AnyOf):
        return type(condition)(tuple(bounded(model, part, within) for part in condition.parts))
    if isinstance(condition, Not):
        return Not(bounded(model, condition.part, within))
    if not isinstance(condition, Related):
        return condition
    found = (model.relationship_types[name] for name in condition.types)
    far = (t.targets if condition.direction == "out" else t.sources for t in found)
    inner = both(within(frozenset().union(*far)), bounded(model, condition.condition, within))
    return Related(condition.types, condition.direction, inner)


def countable(model: Model, record_type: str, names: Sequence[str]) -> list[Kind | None]:
    """The kinds of attributes to count by; None for ``type``.

    Raises
    ------
    QueryError, UnknownNameError
    """
    if not names:
        raise QueryError("Nothing to count by.", "Name an attribute, or `type`.")
    kinds: list[Kind | None] = []
    for name in names:
        attribute = None if name == "type" else model.attribute(record_type, name)
        if attribute is not None and (attribute.many or attribute.kind.name == "json"):
            raise QueryError(f"{name} cannot be counted by.", "Count by attributes with one value.")
        if name in model.sensitive:
            raise QueryError(
                f"{name} is sensitive: it cannot be counted by.", "Count by another one."
            )
        kinds.append(attribute.kind if attribute else None)
    return kinds


def parse_filter(model: Model, types: Sequence[str], where: Mapping[str, Any]) -> Condition:
    """Check a filter on records of these types against the model.

    Raises
    ------
    QueryError
        Unknown operator, value of the wrong kind, operator that does not fit the kind, a filter
        nested deeper than 16 or with more than 500 parts.
    UnknownNameError
        Attribute or relationship type the model does not have.
    """
    budget = [FILTER_SIZE]
    return _conditions(model, tuple(types), where, FILTER_DEPTH, budget)


def _conditions(
    model: Model, types: tuple[str, ...], where: object, depth: int, budget: list[int]
) -> Condition:
    if not isinstance(where, Mapping):
        raise QueryError(f"A filter is an object, not {where!r}.", 'Write {"name": {"eq": "…"}}.')
    if depth <= 0:
        raise QueryError(f"The filter is nested deeper than {FILTER_DEPTH}.", "Ask in steps.")
    parts: list[Condition] = []
    for key, value in where.items():
        budget[0] -= 1
        if budget[0] < 0:
            raise QueryError(
                f"The filter has more than {FILTER_SIZE} parts.", "Use `in`, or ask in steps."
            )
        if key in ("and", "or"):
            if not isinstance(value, list | tuple):
                raise QueryError(
                    f"`{key}` takes a list of filters.", f'Write {{"{key}": [{{…}}, {{…}}]}}.'
                )
            inner = tuple(_conditions(model, types, v, depth - 1, budget) for v in value)
            parts.append(AllOf(inner) if key == "and" else AnyOf(inner))
        elif key == "not":
            parts.append(Not(_conditions(model, types, value, depth - 1, budget)))
        elif isinstance(key, str) and key.isupper():
            parts.append(_related(model, types, key, value, depth, budget))
        else:
            parts += _comparisons(model, types, str(key), value)
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _related(
    model: Model, types: tuple[str, ...], name: str, value: object, depth: int, budget: list[int]
) -> Related:
    relationship_type, direction = model.direction(name)
    near, far = relationship_type.source, relationship_type.target
    ends = (relationship_type.sources, relationship_type.targets)
    if direction == "in":
        near, far, ends = far, near, (ends[1], ends[0])
    concrete = frozenset().union(*(model.record_type(t).concrete for t in types))
    if not concrete & ends[0]:
        raise QueryError(
            f"{' or '.join(types)} has no relationship {name}.", f"It starts at {', '.join(near)}."
        )
    condition = _conditions(model, far, value, depth - RELATED_DEPTH, budget)
    return Related((relationship_type.name,), direction, condition)


def _comparisons(model: Model, types: tuple[str, ...], name: str, value: object) -> list[Condition]:
    kind, many = _attribute(model, types, name)
    if not isinstance(value, Mapping):
        value = {"eq": value}
    parts: list[Condition] = []
    for operator, operand in value.items():
        if operator not in OPERATORS:
            raise QueryError(
                f"There is no operator {operator!r}.", f"Use one of {', '.join(OPERATORS)}."
            )
        if name in model.secret and operator != "null":
            raise QueryError(f"{name} is secret: it is not compared.", "Ask whether there is one.")
        if name in model.sensitive and operator not in ("eq", "ne", "null"):
            raise QueryError(
                f"{name} is sensitive: it is not compared by `{operator}`.", "Use eq, ne or null."
            )
        if operator == "null":
            if not isinstance(operand, bool):
                raise QueryError(
                    f"`null` takes true or false, not {operand!r}.", 'Write {"null": true}.'
                )
            parsed: Any = operand
        elif many or kind.name == "json":
            if kind.name == "json" or operator != "contains":
                raise QueryError(
                    f"{name} cannot be compared by `{operator}`.",
                    f"It takes {'`contains` and ' if many and kind.name != 'json' else ''}`null`.",
                )
            parsed = _value(kind, name, operand)
        elif operator in ("contains", "prefix"):
            if not kind.textual or not isinstance(operand, str):
                raise QueryError(
                    f"`{operator}` compares text with text; {name} is {kind.name}.",
                    "Use eq, in, lt, lte, gt or gte.",
                )
            parsed = _value(KINDS["text"], name, operand)
        elif operator == "in":
            if not isinstance(operand, list | tuple) or len(operand) > PAGE_LIMIT:
                raise QueryError(
                    f"`in` takes a list of at most {PAGE_LIMIT} values.",
                    f'Write {{"{name}": {{"in": [… , …]}}}}.',
                )
            if kind.name == "money" and len(operand) > MONEY_LIMIT:
                raise QueryError(
                    f"`in` takes at most {MONEY_LIMIT} amounts of money.", "Compare by gte and lte."
                )
            parsed = tuple(_value(kind, name, element) for element in operand)
            _known(model, kind, name, parsed)
        else:
            if operator in ORDERING and not kind.ordered:
                raise QueryError(
                    f"{name} is {kind.name}, which has no order.", "Use eq, ne, in or null."
                )
            parsed = _value(kind, name, operand)
            _known(model, kind, name, (parsed,))
        parts.append(Comparison(name, kind, many, operator, parsed))
    return parts


def _known(model: Model, kind: Kind, name: str, values: Sequence[Any]) -> None:
    """A word that no record can have is a mistake, not an empty answer."""
    if kind.name != "enum":
        return
    words = [word for attribute, word in model.value_labels if attribute == name]
    for value in values:
        if words and value not in words:
            raise QueryError(f"{name} is never {value!r}.", f"It is one of {', '.join(words)}.")


def _attribute(model: Model, types: Sequence[str], name: str) -> tuple[Kind, bool]:
    if name in SYSTEM_KINDS:
        return SYSTEM_KINDS[name], False
    missing: UnknownNameError | None = None
    for record_type in types:
        try:
            attribute = model.attribute(record_type, name)
            return attribute.kind, attribute.many
        except UnknownNameError as error:
            missing = missing or error
    assert missing is not None
    raise missing


def _value(kind: Kind, name: str, value: object) -> Any:
    try:
        return kind.parse(value)
    except ValueError as error:
        raise QueryError(
            f"The value for {name} {error}.", f"Give a value of kind {kind.name}."
        ) from None


def _digest(asked: tuple[Any, ...]) -> str:
    written = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:12]


def _position(
    after: str | None, asked: tuple[Any, ...], sort: Sequence[tuple[str, Kind, bool]]
) -> tuple[Any, ...] | None:
    if after is None:
        return None
    try:
        padded = after + "=" * (-len(after) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(values, list) or len(values) != len(sort) + 2:
            raise ValueError
        parsed = [
            None if value is None else kind.parse(value)
            for (_, kind, _), value in zip(sort, values[1:], strict=False)
        ]
        parsed.append(KINDS["reference"].parse(values[-1]))
    except (ValueError, binascii.Error, UnicodeDecodeError, RecursionError):
        raise QueryError(
            "That is not a cursor of this product.", "Ask again from the start."
        ) from None
    if values[0] != _digest(asked):
        raise QueryError("That cursor belongs to another query.", "Repeat the query it came from.")
    return tuple(parsed)
