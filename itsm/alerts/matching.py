"""Matching: which CI an alert is about, by the identification rules by which discovery knows it.

An alert says attributes, as its labels tell them (`rules.identity`), and not which type they are of. A CI that has
one of these values is found by the first rule of its own type that fits; it is ruled out by a stronger rule of
which both sides have values that differ, and placeholders tell nothing, as in discovery. Of several CIs those count
that were found by what tells most; then those that another rule finds, too; then those in service. Where several
are left nothing is guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from cmdb.reconciliation.candidates import agree
from cmdb.reconciliation.placeholders import is_telling
from cmdb.records import Record
from cmdb.store import GraphStore
from importers.values import split_hostname
from itsm.alerts.rules import AlertRules
from schema.kinds import is_id
from schema.model import STATE_ATTRIBUTE, IdentificationRule, Model

CI: Final = "ConfigurationItem"
ID: Final = "id"
HOSTNAME: Final = "hostname"
"""Told by a name that may have a domain."""
TOLD: Final = 5
"""So many of several CIs are named."""
LIFTS: Final = 3
"""Levels from a part to what it is part of."""


class Match(NamedTuple):
    """The CI that an alert is about, by which rule; or why there is none."""

    ci: Record | None
    by: str = ""
    why: str = ""


class Saying(NamedTuple):
    """An attribute that a label tells of the CI, of types if only of some; and others that it tells with it."""

    attribute: str
    value: Any
    also: Mapping[str, Any]
    types: frozenset[str] | None
    weight: int


class Found(NamedTuple):
    """A CI that so many rules find: the first of them, and how much that tells (the lower, the more). With
    none, the rule that rules it out."""

    weight: int
    rule: str
    record: Record
    rules: int


@dataclass
class Matcher:
    """Finds CIs for alerts, those of a batch together."""

    store: GraphStore
    rules: AlertRules
    _types: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def model(self) -> Model:
        return self.store.model

    def match(self, alerts: Sequence[Mapping[str, str]]) -> list[Match]:
        """For each alert, given by its labels (names in lower case), its CI.

        A statement for each attribute that something is said of, one for ids, and a few for parts.
        """
        said = [self.sayings(labels) for labels in alerts]
        known = self._known(saying for sayings in said for saying in sayings)
        found = [self._found(sayings, known) for sayings in said]
        whole = self._wholes({f.record.id: f.record for some in found for f in some if f.rules})
        return [
            self._chosen(sayings, some, whole) for sayings, some in zip(said, found, strict=True)
        ]

    def sayings(self, labels: Mapping[str, str]) -> list[Saying]:
        """What labels tell of a CI, what tells most first; placeholders tell nothing."""
        found: list[Saying] = []
        for weight, identity in enumerate(self.rules.identity):
            types = self._concrete(identity.types) if identity.types else None
            for name in identity.labels:
                said = self._read(identity.attribute, labels.get(name, ""))
                if (value := said.pop(identity.attribute, None)) is not None:
                    found.append(Saying(identity.attribute, value, said, types, weight))
        return found

    def _concrete(self, names: Sequence[str]) -> frozenset[str]:
        known = self.model.record_types
        return frozenset(c for n in names if n in known for c in known[n].concrete)

    def _read(self, attribute: str, text: str) -> dict[str, Any]:
        """The canonical value of an attribute that a label's text tells, and of others with it."""
        text = text.strip()
        if attribute == ID:
            return {ID: text.lower()} if is_id(text.lower()) else {}
        declared = self.model.attributes.get(attribute)
        if not text or declared is None or declared.many or declared.sensitive:
            return {}
        kind = declared.kind.name
        if attribute == HOSTNAME:
            told: dict[str, Any] = dict(split_hostname(_host(text)))
        else:
            try:
                told = {attribute: declared.parse(_host(text) if kind == "ip_address" else text)}
            except ValueError:
                return {}
        return told if attribute in told and is_telling(kind, told[attribute]) else {}

    # -- looking up -----------------------------------------------------------------------------------

    def _known(self, sayings: Iterable[Saying]) -> dict[tuple[str, Any], list[Record]]:
        """The CIs that have one of the values that are told, by attribute and value."""
        asked: defaultdict[str, set[Any]] = defaultdict(set)
        for saying in sayings:
            asked[saying.attribute].add(saying.value)
        found: defaultdict[tuple[str, Any], list[Record]] = defaultdict(list)
        if ids := asked.pop(ID, None):
            for record in self.store.get(ids).values():
                self._note(found, ID, record.id, record)
        for attribute in sorted(asked.keys() & self._first()):
            values = {v for value in asked[attribute] for v in _written(value)}
            for record in self.store.holders(attribute, values):
                self._note(found, attribute, _folded(record.attributes[attribute]), record)
        return found

    def _note(
        self, found: dict[tuple[str, Any], list[Record]], attribute: str, value: Any, record: Record
    ) -> None:
        if record.type in self.model.record_types[CI].concrete:
            found[attribute, value].append(record)

    def _first(self) -> set[str]:
        """The attributes by which CIs are looked up."""
        types = (self.model.record_types[name] for name in self.model.record_types[CI].concrete)
        return {rule.attributes[0] for type_ in types for rule in _absolute(type_.identification)}

    def _found(
        self, sayings: Sequence[Saying], known: Mapping[tuple[str, Any], list[Record]]
    ) -> list[Found]:
        """All CIs that some value is of; those that are ruled out have no rules."""
        candidates = {
            record.id: record
            for saying in sayings
            for record in known.get((saying.attribute, _folded(saying.value)), ())
            if saying.types is None or record.type in saying.types
        }
        return [self._tried(record, sayings) for record in candidates.values()]

    def _tried(self, record: Record, sayings: Sequence[Saying]) -> Found:
        """How the rules of its type find a CI."""
        mine = [s for s in sayings if s.types is None or record.type in s.types]
        if any(s.attribute == ID and s.value == record.id for s in mine):
            return Found(-1, ID, record, 1)
        found = Found(0, "", record, 0)
        for rule in _absolute(self.model.record_types[record.type].identification):
            outcome = self._agree(rule, record, mine)
            if outcome is False and not found.rules:
                return found._replace(rule=str(rule))
            if outcome is not None and outcome is not False:
                best = found if found.rules else Found(outcome, str(rule), record, 0)
                found = best._replace(rules=best.rules + 1)
        return found

    def _agree(
        self, rule: IdentificationRule, record: Record, sayings: Sequence[Saying]
    ) -> int | bool | None:
        """By which weight a rule finds a CI; False where it rules it out, None where it tells nothing.

        Several labels may tell one attribute; it is enough that one of them fits.
        """
        outcome: bool | None = None
        told = {s.attribute: s.value for s in reversed(sayings)}
        for first in sayings:
            if first.attribute == rule.attributes[0]:
                said = {**told, **first.also, first.attribute: first.value}
                same = agree(rule, said, record.attributes)
                if same:
                    return first.weight
                outcome = same if outcome is None else outcome
        return outcome

    # -- deciding -------------------------------------------------------------------------------------

    def _wholes(self, records: Mapping[str, Record]) -> dict[str, Record]:
        """By id of a part, the device that it stands for: the first that is no such part itself."""
        whole: dict[str, Record] = {}
        frontier = {id: record for id, record in records.items() if self._ways(record)}
        for _ in range(LIFTS):
            if not frontier:
                break
            ways = {way for record in frontier.values() for way in self._ways(record)}
            above: dict[str, Record] = {}
            for way in sorted(ways):
                type_, direction = self.model.direction(way)
                for near in self.store.neighbours(frontier, [type_.name], direction):
                    if way in self._ways(frontier[near.of]):
                        above.setdefault(near.of, near.record)
            whole |= above
            frontier = {r.id: r for r in above.values() if self._ways(r) and r.id not in whole}
        return whole

    def _ways(self, record: Record) -> Sequence[str]:
        return next(
            (
                ways
                for name, ways in self.rules.parts.items()
                if name in self.model.record_types[record.type].ancestors
            ),
            (),
        )

    def _chosen(
        self, sayings: Sequence[Saying], found: Sequence[Found], whole: Mapping[str, Record]
    ) -> Match:
        if not sayings:
            return Match(None, why="It says nothing that identifies a CI.")
        fit = [f for f in found if f.rules]
        if not fit:
            told = ", ".join(dict.fromkeys(f"{s.attribute} {s.value}" for s in sayings))
            out = [f"{f.record.type} {f.record.name} differs in {f.rule}" for f in found if f.rule]
            return Match(
                None, why=f"No CI is {told}: {_some(out)}." if out else f"No CI is {told}."
            )
        best = self._weight(min(f.weight for f in fit))
        lifted: dict[str, Found] = {}
        for one in fit:
            if self._weight(one.weight) == best:
                top = _top(one.record, whole)
                same = lifted.get(top.id)
                count = one.rules + (same.rules if same else 0)
                lifted[top.id] = (same or one)._replace(record=top, rules=count)
        left = list(lifted.values())
        for narrower in (
            [f for f in left if not self._ways(f.record)],
            [f for f in left if f.rules > 1],
            [f for f in left if self._operational(f.record)],
        ):
            left = narrower if len(left) > 1 and narrower else left
        if len(left) == 1:
            return Match(left[0].record, left[0].rule)
        names = sorted(f"{f.record.type} {f.record.name}" for f in left)
        return Match(None, why=f"Several CIs fit by {left[0].rule}: {_some(names)}.")

    def _weight(self, weight: int) -> int:
        """The same for entries of the same labels: an address is one, of a device or as a CI itself."""
        identities = self.rules.identity
        if weight < 0:
            return weight
        same = (n for n, one in enumerate(identities) if one.labels == identities[weight].labels)
        return next(same)

    def _operational(self, record: Record) -> bool:
        type_ = self.model.record_types[record.type]
        return type_.operational(record.attributes.get(STATE_ATTRIBUTE))


def _absolute(rules: Iterable[IdentificationRule]) -> list[IdentificationRule]:
    """The rules by which something is found wherever it is."""
    return [rule for rule in rules if rule.relationship is None or rule.optional]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return f"{', '.join(names[:TOLD])}{more}"


def _top(record: Record, whole: Mapping[str, Record]) -> Record:
    seen = {record.id}
    while (above := whole.get(record.id)) is not None and above.id not in seen:
        record = above
        seen.add(record.id)
    return record


def _host(text: str) -> str:
    """The host of a URL, of ``host:port``, or the text itself."""
    if "://" in text:
        try:
            return urlsplit(text).hostname or ""
        except ValueError:
            return ""
    text = text.partition("/")[0]
    if text.startswith("["):
        return text[1:].partition("]")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        host, colon, port = text.rpartition(":")
        return host if colon and port.isdecimal() else text


def _written(value: Any) -> set[Any]:
    """How a text may be written where it is looked up."""
    return {value, value.lower(), value.upper()} if isinstance(value, str) else {value}


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
