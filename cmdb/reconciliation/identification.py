"""Identification: which record each subject of a batch is, by the rules of its type.

The rules of a type are tried in order. A rule finds the records that have the same telling values;
a match is *overruled* where a stronger rule has values on both sides that differ, or where the same
source calls that record by another key: it tells the two apart itself (but for the strongest rule, by
which a thing that the source has not named so far is found under its new name). The first rule that finds a
record decides. Where it finds several, and no later rule tells which, or a later rule finds another
record, a person is asked (`Question`); nothing is merged by guess.

Types take part together when they could be one thing (`families`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from cmdb.reconciliation.candidates import Candidates, agree
from cmdb.reconciliation.families import Family
from cmdb.reconciliation.novelty import Novelty
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.standing import standing_of
from cmdb.reconciliation.statements import Claim, Reference, Subject
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.model import IdentificationRule


class Evidence(NamedTuple):
    """One rule that found a record for a subject: on which values."""

    rule: str
    values: Mapping[str, Any]
    record: str


@dataclass
class Question:
    """What a person must decide: a subject fits several records.

    Attributes
    ----------
    held
        Whether the subject waits for the answer; otherwise it went to the first one found.
    """

    subject: Subject
    candidates: list[str]
    evidence: list[Evidence]
    held: bool


@dataclass
class Identity:
    """The record that a subject is; ``record`` is None for one that is yet to be created."""

    id: str
    record: Record | None
    type: str
    evidence: Evidence | None = None


class KnownKeys(Protocol):
    """What a source calls things."""

    def find(self, keys: Sequence[str]) -> list[str | None]:
        """Ids of the records meant by keys, in this run or before; None where that is not known."""
        ...

    def said(self, keys: Sequence[str]) -> bool:
        """Whether one of some keys was stated in this run."""
        ...


class RuleNames(NamedTuple):
    """What the rules of a type look at: relationships, attributes, and what is looked up by."""

    scopes: frozenset[str]
    attributes: frozenset[str]
    absolute: tuple[str, ...]
    optional: tuple[tuple[str, str], ...]
    first: tuple[str, ...]
    """What records are looked up by, within nothing."""


class Identifier:
    """Finds the records of the subjects of one batch.

    Parameters
    ----------
    source
        Whose subjects they are.
    candidates
        Where records are looked for first; what the store is asked for is added.
    known
        What the source has called so far.
    new_id
        Makes the id of a record that is yet to be created.
    novelty
        What need not be looked up.

    Attributes
    ----------
    identities, questions
        The outcome; a subject that is held has no identity.
    """

    def __init__(
        self,
        store: GraphStore,
        source: str,
        candidates: Candidates,
        known: KnownKeys,
        new_id: Callable[[], str],
        decided: Mapping[str, str],
        novelty: Novelty,
    ) -> None:
        self.store, self.model, self.source = store, store.model, source
        self._novelty = novelty
        self.candidates, self._known, self._new_id = candidates, known, new_id
        self._decided = decided
        self._family = Family(self.model)
        self.identities: dict[int, Identity] = {}
        self.questions: list[Question] = []
        self.held: set[int] = set()
        self._names: dict[str, RuleNames] = {}
        self._stated: set[str] = set()
        self._settled: set[int] = set()
        self._parents: dict[int, list[tuple[str, Subject]]] = {}
        self._taken: set[str] = set()
        self._references: dict[int, dict[str, Subject]] = {}

    def identify(
        self,
        subjects: Sequence[Subject],
        claims: Sequence[Claim],
        references: Sequence[Reference],
        fixed: Mapping[int, Identity],
    ) -> None:
        """Find the record of each subject, parents and referred ones first.

        Parameters
        ----------
        fixed
            By ``id(subject)``: what other subjects lean on and is known already.
        """
        self.identities.update(fixed)
        self._settled = set(fixed)
        self._stated = {s.key for s in subjects if s.role == "statement"}
        self._scopes(claims)
        for subject, attribute, target in references:
            if isinstance(target, Subject):
                self._references.setdefault(id(subject), {})[attribute] = target
        pending = [s for s in subjects if id(s) not in self.identities]
        pending = self._by_key(pending)
        while pending:
            wave = [s for s in pending if self._ready(s)] or pending
            self._look_up(wave)
            done = {id(s) for s in wave}
            later = [subject for subject in wave if not self._decide(subject)]
            for subject in later:
                self._decide(subject, last=True)
            pending = [s for s in pending if id(s) not in done]

    # -- what the subjects lean on ----------------------------------------------------------------

    def _scopes(self, claims: Sequence[Claim]) -> None:
        """For each subject, what it hangs on: (relationship as its rule names it, the subject there)."""
        ways: dict[tuple[str, str, str], tuple[str, str]] = {}
        for source, type_, target, *_ in claims:
            if not isinstance(source, Subject) or not isinstance(target, Subject):
                continue
            way = (source.type, type_, target.type)
            if way not in ways:
                ways[way] = self._ways(*way)
            outward, inward = ways[way]
            if outward:
                self._parents.setdefault(id(source), []).append((outward, target))
            if inward:
                self._parents.setdefault(id(target), []).append((inward, source))

    def _ways(self, source: str, type_: str, target: str) -> tuple[str, str]:
        """A relationship as the rules of its source and of its target name it; empty where none does."""
        inverse = self.model.relationship_types[type_].inverse
        return (
            type_ if type_ in self._rule_names(source).scopes else "",
            inverse if inverse in self._rule_names(target).scopes else "",
        )

    def _rule_names(self, type_: str) -> RuleNames:
        """What the rules of a type look at."""
        names = self._names.get(type_)
        if names is None:
            rules = self.model.record_types[type_].identification
            absolute = dict.fromkeys(r.attributes[0] for r in rules if not r.relationship)
            optional = [
                (r.relationship, r.attributes[0]) for r in rules if r.optional and r.relationship
            ]
            names = self._names[type_] = RuleNames(
                frozenset(rule.relationship for rule in rules if rule.relationship),
                frozenset(n for rule in rules for n in (*rule.attributes, *rule.agreeing)),
                tuple(absolute),
                tuple(optional),
                (*absolute, *(first for _, first in optional)),
            )
        return names

    def _ready(self, subject: Subject) -> bool:
        known, held = self.identities, self.held
        for _, parent in self._parents.get(id(subject), ()):
            if id(parent) not in known and id(parent) not in held:
                return False
        named = self._references.get(id(subject))
        if named:
            used = self._rule_names(subject.type).attributes
            for attribute, target in named.items():
                if attribute in used and id(target) not in known and id(target) not in held:
                    return False
        return True

    def _values(self, subject: Subject) -> Mapping[str, Any]:
        """Its attributes, references to known records that its rules look at among them."""
        named = self._references.get(id(subject))
        if not named or not named.keys() & self._rule_names(subject.type).attributes:
            return subject.attributes
        ids = {a: self.identities[id(t)].id for a, t in named.items() if id(t) in self.identities}
        return {**subject.attributes, **ids}

    # -- by the source's own key ------------------------------------------------------------------

    def _by_key(self, subjects: list[Subject]) -> list[Subject]:
        """Take those that the source has reported under the same key before; gives the others."""
        keyed = [s for s in subjects if s.key]
        ids = self._known.find([s.key for s in keyed])
        wanted = {id for id in ids if id and id not in self.candidates.records}
        decided = {self._decided[s.key] for s in keyed if s.key in self._decided}
        wanted |= decided - self.candidates.records.keys()
        stored = self.store.get(wanted) if wanted else {}
        for record in stored.values():
            self.candidates.add(record, ())
        left = [s for s in subjects if not s.key]
        for subject, id_ in zip(keyed, ids, strict=True):
            wanted_id = self._decided.get(subject.key) or id_ or ""
            called = self.candidates.records.get(wanted_id)
            if called is not None and self._still(subject, called):
                self._settle(subject, called, None)
            else:
                left.append(subject)
        return left

    def _still(self, subject: Subject, record: Record) -> bool:
        """Whether a record the source called so can still be what it calls so now."""
        if self._family.common(subject.type, record.type) is None:
            return False
        also = provenance_of(record.attributes).get(self.source, {}).get("also", ())
        if subject.key in self._decided or subject.key in also:
            return True  # a person has said so
        for rule in self._rules(subject):
            if rule.relationship:
                continue
            same = agree(rule, subject.attributes, record.attributes)
            if same is not None:
                return same or "name" in rule.attributes
        return True

    # -- by rules ---------------------------------------------------------------------------------

    def _rules(self, subject: Subject) -> tuple[IdentificationRule, ...]:
        return self.model.record_types[subject.type].identification

    def _look_up(self, subjects: Sequence[Subject]) -> None:
        """Ask the store for all records that a rule of these could find; a statement an attribute."""
        asked: defaultdict[str, set[Any]] = defaultdict(set)
        types: defaultdict[str, set[str]] = defaultdict(set)
        scopes: defaultdict[str, set[str]] = defaultdict(set)
        for subject in subjects:
            values = self._values(subject)
            names_of = self._rule_names(subject.type)
            for first in names_of.absolute:
                if first in values:
                    asked[first].add(values[first])
                    types[first].add(subject.type)
            parents = self._parents.get(id(subject), ()) if names_of.scopes else ()
            for relationship, first in names_of.optional:
                if first in values and not any(name == relationship for name, _ in parents):
                    asked[first].add(values[first])
                    types[first].add(subject.type)
            for relationship, parent in parents:
                known = self.identities.get(id(parent))
                if known and (known.record or id(parent) in self._settled):
                    scopes[relationship].add(known.id)
        subject_types = {subject.type for subject in subjects}
        names = {name for type_ in subject_types for name in self._rule_names(type_).first}
        wholes: set[str] = set()
        for attribute, wanted in asked.items():
            possible = self._novelty.possible(attribute, wanted, types[attribute])
            for record in self.store.holders(attribute, possible) if possible else ():
                if record.type in self.model.record_types:
                    self.candidates.add(record, names)
                    wholes.add(provenance_of(record.attributes).get(self.source, {}).get("of", ""))
        wholes -= {"", *self.candidates.records}
        for record in self.store.get(wholes).values() if wholes else ():
            self.candidates.add(record, ())
        for relationship, ids in scopes.items():
            type_, direction = self.model.direction(relationship)
            way = "in" if direction == "out" else "out"
            for near in self.store.neighbours(ids, [type_.name], way):  # type: ignore[arg-type]
                self.candidates.put_below(near.of, relationship, near.record)
            below = dict(self._stand_by_below(ids, type_.name))
            for id_, record in (self.store.get(below) if below else {}).items():
                self.candidates.put_below(below[id_], relationship, record)

    def _stand_by_below(self, ids: set[str], type_: str) -> Iterator[tuple[str, str]]:
        """(part, whole): what the source has below some records, though it is not in force."""
        for id_ in sorted(ids & self.candidates.records.keys()):
            provenance = provenance_of(self.candidates.records[id_].attributes)
            for source, key in standing_of(provenance):
                if source == self.source and key.type == type_:
                    yield key.target if key.source == id_ else key.source, id_

    def _decide(self, subject: Subject, *, last: bool = False) -> bool:
        """Find a subject's record; False for a part that could be one that another part still means."""
        if any(id(parent) in self.held for _, parent in self._wholes(subject)):
            self.held.add(id(subject))
            return True
        values = self._values(subject)
        found: list[tuple[IdentificationRule, list[Record]]] = []
        holding = self.candidates.by_value
        names = self._rule_names(subject.type)
        if not names.scopes and not any(
            name in values and (name, values[name]) in holding for name in names.absolute
        ):
            self._create(subject, values)  # nothing is like it: by far the most frequent
            return True
        for position, rule in enumerate(self._rules(subject)):
            if rule.relationship is None:
                first = rule.attributes[0]
                if first not in values or (first, values[first]) not in holding:
                    continue
            matches = [
                record
                for record in self._matches(rule, subject, values)
                if self._may_be(subject, values, record, position)
                and (rule.relationship or not self._another_part(subject, record, bool(found)))
            ]
            if matches:
                found.append((rule, matches))
        if not found:
            self._create(subject, values)
            return True
        if not (last or found[0][0].relationship) and self._wholes(subject):
            return False
        rule, matches = found[0]
        own = [r for r in matches if self._is_own(subject, r)]
        if len(own) == 1:
            matches = own
        for _, others in found[1:]:
            narrowed = [r for r in matches if any(r.id == o.id for o in others)]
            if len(matches) > 1 and narrowed:
                matches = narrowed
        candidates = {r.id: None for _, some in found for r in some}
        if len(matches) > 1:
            self._ask(subject, values, found, held=True)
            self.held.add(id(subject))
            return True
        if len(candidates) > 1 and not own:
            self._ask(subject, values, found, held=False)
        self._settle(subject, matches[0], self._evidence(rule, values, matches[0]))
        return True

    def _matches(
        self, rule: IdentificationRule, subject: Subject, values: Mapping[str, Any]
    ) -> list[Record]:
        if not all(n in values for n in rule.attributes):
            return []
        parents = {
            id(parent): parent
            for relationship, parent in self._parents.get(id(subject), ())
            if relationship == rule.relationship
        }
        if rule.relationship is None or (rule.optional and not parents):
            near = self.candidates.holding(rule.attributes[0], values[rule.attributes[0]])
        else:
            wholes = {self.identities[known].id for known in parents if known in self.identities}
            near = [
                record
                for whole in sorted(wholes)
                for record in self.candidates.below(whole, rule.relationship or "")
            ]
        return [record for record in near if agree(rule, values, record.attributes)]

    def _may_be(
        self, subject: Subject, values: Mapping[str, Any], record: Record, position: int
    ) -> bool:
        if self._family.common(subject.type, record.type) is None:
            return False
        called = self._keys_of(record)
        another = subject.key and called and subject.key not in called
        # by the strongest rule it may be the same under a new key, unless the old one is still there
        if another and (position or not record.revision or self._still_said(called)):
            return False
        for stronger in self._rules(subject)[:position]:
            if stronger.relationship:
                continue
            if agree(stronger, values, record.attributes) is False:
                return False
        return True

    def _still_said(self, keys: Sequence[str]) -> bool:
        """Whether one of some keys is stated in this run, this batch included."""
        return not self._stated.isdisjoint(keys) or self._known.said(keys)

    def _wholes(self, subject: Subject) -> Sequence[tuple[str, Subject]]:
        """What a part hangs on; nothing for a subject that the source has a key for."""
        return () if subject.key else self._parents.get(id(subject), ())

    def _another_part(self, subject: Subject, record: Record, found: bool) -> bool:
        """Whether the source itself tells a part from one that has the same serial number.

        It does where it reports both: in this batch, or as parts of two things of this run. Else the
        part was moved, unless the place it is in has one already (``found``).
        """
        parents = self._wholes(subject)
        if not parents:
            return False
        if record.id in self._taken:
            return True
        whole = provenance_of(record.attributes).get(self.source, {}).get("of")
        if not whole or found:
            return bool(whole)
        own = {known.id for _, p in parents if (known := self.identities.get(id(p)))}
        there = self.candidates.records.get(whole)
        return whole not in own and there is not None and self._known.said(self._keys_of(there))

    def _is_own(self, subject: Subject, record: Record) -> bool:
        """Whether the source has reported a record under this key, or as a part."""
        if subject.key:
            return subject.key in self._keys_of(record)
        return bool(provenance_of(record.attributes).get(self.source, {}).get("of"))

    def _keys_of(self, record: Record) -> Sequence[str]:
        """What the source calls a record; nothing if it has not reported it, or no longer does."""
        claim = provenance_of(record.attributes).get(self.source)
        if not claim or not claim.get("key") or claim.get("vanished"):
            return ()
        return (claim["key"], *claim.get("also", ()))

    def _evidence(
        self, rule: IdentificationRule, values: Mapping[str, Any], record: Record
    ) -> Evidence:
        return Evidence(str(rule), {n: values[n] for n in rule.attributes}, record.id)

    def _ask(
        self,
        subject: Subject,
        values: Mapping[str, Any],
        found: list[tuple[IdentificationRule, list[Record]]],
        *,
        held: bool,
    ) -> None:
        evidence = [self._evidence(rule, values, r) for rule, some in found for r in some]
        candidates = list(dict.fromkeys(e.record for e in evidence))
        self.questions.append(Question(subject, candidates, evidence, held))

    # -- the outcome ------------------------------------------------------------------------------

    def _settle(self, subject: Subject, record: Record, evidence: Evidence | None) -> None:
        type_ = self._family.common(subject.type, record.type)
        assert type_ is not None
        stored = record if record.revision else None
        self.identities[id(subject)] = Identity(record.id, stored, type_, evidence)
        if self._wholes(subject):
            self._taken.add(record.id)

    def _create(self, subject: Subject, values: Mapping[str, Any]) -> None:
        id_ = self._new_id()
        claim = {"key": subject.key} if subject.key else {}
        attributes = {**values, "provenance": {self.source: claim}}
        record = Record(id_, subject.type, 0, attributes)
        self.candidates.add(record, self._rule_names(subject.type).first)
        for relationship, parent in self._parents.get(id(subject), ()):
            known = self.identities.get(id(parent))
            if known is not None:
                self.candidates.put_below(known.id, relationship, record)
        if self._wholes(subject):
            self._taken.add(id_)
        self.identities[id(subject)] = Identity(id_, None, subject.type)
