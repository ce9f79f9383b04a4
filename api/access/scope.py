"""What somebody may see: as bounds of every question, and as a test of records already read.

The rule, for a permission held in some organisations and below them:

- an organisation is seen by those who see it or one below it;
- a record that names an organisation (``organisation``, or an attribute that the model says `shares`)
  is seen where one of those is within reach;
- one that names none is seen by all, unless it is part of something (the model says of what, `part`)
  that is out of reach, directly or through up to `LEVELS` wholes that name none either;
- what decides who may do what (`administered`) is seen by administrators of its organisation only;
- a record that tells of others (`Model.tellers`) is seen where, besides, all of them are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from api.access.organisations import Tree
from api.access.principals import Grant, Permission
from cmdb.owners import LEVELS, rules_of
from cmdb.queries import (
    AMONG,
    ANYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Naming,
    Not,
    OfType,
    Owned,
    Reaching,
    Way,
    both,
)
from cmdb.records import Record
from schema.kinds import KINDS
from schema.model import ORGANISATION, ORGANISATION_ATTRIBUTE, PROVENANCE, Direction, Model


@dataclass(frozen=True, slots=True)
class Reach:
    """The organisations in which somebody has a permission, those below them included.

    ``whole`` says that it is held everywhere; ``shared`` that it reaches records of no organisation.
    """

    whole: bool
    ids: frozenset[str]
    shared: bool

    def __bool__(self) -> bool:
        return self.whole or self.shared or bool(self.ids)

    def __contains__(self, organisation: object) -> bool:
        return self.whole or organisation in self.ids


def reach(tree: Tree, grants: Iterable[Grant], permission: Permission) -> Reach:
    """Where a permission is held. Records of no organisation are for all to read; to do more with them
    it must be held everywhere, or in an organisation that has none above it."""
    roots = {g.organisation for g in grants if permission in g.permissions}
    named = frozenset(root for root in roots if root is not None)
    top = any(root not in tree.parents for root in named)
    reading = permission is Permission.READ and bool(roots)
    return Reach(None in roots, tree.below(named), None in roots or top or reading)


class Scope:
    """Where somebody has a permission, in a model and a tree of organisations that stay as they are.

    Parameters
    ----------
    permission
        By default, to read. Others do not reach organisations above, nor what is only shared, nor
        records of no organisation where they are held below the top (`Reach.shared`).

    Attributes
    ----------
    bounded
        Whether anything may be hidden from them at all.
    seen_organisations
        The organisations that are seen.
    kept_back, masking
        Names of the attributes that something may be withheld of, of relationships and of records.
    """

    def __init__(
        self,
        model: Model,
        tree: Tree,
        grants: tuple[Grant, ...],
        permission: Permission = Permission.READ,
    ) -> None:
        self.model, self.tree = model, tree
        self._reaches = {p: reach(tree, grants, p) for p in Permission}
        self.held = self._reaches[permission]
        self.administering = self._reaches[Permission.ADMINISTER]
        self._rules, self._at = rules_of(model), tree.revision
        self._named = self.held.ids
        self._sharing: tuple[str, ...] = ()
        if permission is Permission.READ:
            roots = {g.organisation for g in grants if permission in g.permissions}
            above = (a for root in roots if root is not None for a in tree.above(root))
            self._named, self._sharing = self.held.ids | set(above), model.sharing
        organisation = model.record_types.get(ORGANISATION)
        self.organisations = organisation.concrete if organisation else frozenset()
        self._administered = frozenset().union(
            *(model.record_types[name].concrete for name in model.administered)
        )
        self._tellers = model.tellers
        whole = self.administering.whole or not self._administered
        self.bounded = not (self.held.whole and whole)
        self.seen_organisations = (
            frozenset(tree.names) if self.held.whole else self._named & tree.names.keys()
        )
        self._references: dict[str, tuple[str, ...]] = {}
        self.kept_back = model.sensitive | {PROVENANCE}
        self.masking = self.kept_back | (model.references if self.bounded else frozenset())
        self._conditions: dict[frozenset[str], Condition] = {}
        self._among = {
            ids: _among(ORGANISATION_ATTRIBUTE, ids)
            for ids in (self.held.ids, self.administering.ids)
        }
        self._wholes = {True: self._ways("in"), False: self._ways("out")}

    def reach(self, permission: Permission) -> Reach:
        """Where a permission is held."""
        return self._reaches[permission]

    # -- as a test ------------------------------------------------------------------------------------

    def sees(self, record: Record) -> bool | None:
        """Whether a record is seen; None where that depends on what it is part of."""
        if not self.held:
            return False
        if record.type in self._administered:
            return record.attributes.get(ORGANISATION_ATTRIBUTE) in self.administering
        own = record.attributes.get(ORGANISATION_ATTRIBUTE)
        if record.type in self._tellers and self.bounded:
            return None if own is None or own in self.held else False
        if self.held.whole:
            return True
        if record.type in self.organisations:
            return record.id in self._named
        named = {own} if own is not None else set()
        if self._sharing:
            named |= self.model.shared_with(record.attributes)
        if named:
            return not named.isdisjoint(self.held.ids)
        return None if self._part({record.type}) else self.held.shared

    def references(self, type: str) -> tuple[str, ...]:
        """Names of the attributes by which records of a type refer to others."""
        if type not in self._references:
            found = self.model.record_types[type].references
            self._references[type] = tuple(attribute.name for attribute in found)
        return self._references[type]

    def sees_all(self, types: frozenset[str]) -> bool:
        """Whether all records of some concrete types are seen, whatever they say."""
        return not self.bounded or (
            self.held.whole and types.isdisjoint(self._administered | self._tellers.keys())
        )

    def sees_organisation(self, id: str) -> bool | None:
        """Whether an organisation is seen; None where it is none."""
        if id not in self.tree:
            return None
        return self.held.whole or id in self._named

    # -- as bounds ------------------------------------------------------------------------------------

    def bounds(self, types: frozenset[str]) -> Condition:
        """What records of some concrete types must be to be seen: `cmdb.queries.Query.within`."""
        if types not in self._conditions:
            self._conditions[types] = self._owned(types)
        return self._conditions[types]

    def _owned(self, types: frozenset[str]) -> Condition:
        """The same by owners, where it is by organisations."""
        exactly, rules = self._condition(types), self._rules
        if not self.held or types <= rules.asked:
            return exactly
        held = None if self.held.whole else self.held.ids
        sharing = any(self._has(name, types) for name in rules.naming[1:])
        asked = sharing or not types.isdisjoint(rules.asked | rules.types)
        shared = self.held.whole or self.held.shared
        return Owned(held, shared, self._at, exactly, asked)

    def _has(self, attribute: str, types: Iterable[str]) -> bool:
        """Whether records of some types may have an attribute."""
        return any(attribute in self.model.record_types[t].attributes for t in types)

    def _condition(self, types: frozenset[str], telling: bool = True) -> Condition:
        """``telling`` says that what tells of others is seen with those only."""
        if not self.held:
            return NOTHING
        special = [(types & self._administered, self._administrators())]
        if telling and self.bounded:
            alike: dict[tuple[str, ...], set[str]] = {}
            for name in types & self._tellers.keys() - self._administered:
                alike.setdefault(self._tellers[name], set()).add(name)
            special += [
                (frozenset(names), self._with_all(names, references))
                for references, names in alike.items()
            ]
        if not self.held.whole:
            named = _among("id", self._named)
            special.append(
                ((types & self.organisations).difference(*(t for t, _ in special)), named)
            )
        special = [(chosen, condition) for chosen, condition in special if chosen]
        rest = types.difference(*(chosen for chosen, _ in special))
        arms = [both(self._of(chosen, types), condition) for chosen, condition in special]
        if rest:
            others = [Not(self._of(chosen, types)) for chosen, _ in special]
            plain = ANYTHING if self.held.whole else self._plain(rest)
            arms.append(_all([*others, plain]))
        return arms[0] if len(arms) == 1 else AnyOf(tuple(arms))

    def _of(self, chosen: frozenset[str], types: frozenset[str]) -> Condition:
        """Being of the chosen ones among some types."""
        if chosen == types:
            return ANYTHING
        declared = self.model.record_types
        tops = [n for n in (*self.model.administered, ORGANISATION) if n in declared]
        for name in tops:
            if declared[name].concrete & types == chosen:
                return OfType(name, tuple(sorted(declared[name].concrete)))
        return AnyOf(tuple(OfType(n, tuple(sorted(declared[n].concrete))) for n in sorted(chosen)))

    def _with_all(self, types: set[str], references: tuple[str, ...]) -> Condition:
        """What holds for records of types that tell of others: all that they name is seen. One that names
        nothing is for who sees everything: nobody knows what it tells of."""
        parts: list[Condition] = []
        if not self.held.whole:
            within = self._among[self.held.ids]
            parts.append(AnyOf((within, _null(ORGANISATION_ATTRIBUTE))))
        for reference in references:
            if not self.held.whole:
                parts.append(_null(reference, False))
            to = {self.model.record_types[t].attributes[reference].to for t in types}
            named = frozenset().union(*(self.model.record_types[t].concrete for t in to if t))
            seen = self._condition(named, telling=False)
            parts.append(Not(Naming(tuple(sorted(types)), reference, Not(seen))))
        return AllOf(tuple(parts))

    def _administrators(self) -> Condition:
        if self.administering.whole:
            return ANYTHING
        return self._among[self.administering.ids]

    def _plain(self, types: frozenset[str]) -> Condition:
        sharing = [name for name in self._sharing if self._has(name, types)]
        within = self._among[self.held.ids]
        attributes = self.model.attributes
        named = [within]
        named += [within._replace(attribute=n, many=attributes[n].many) for n in sharing]
        none: list[Condition] = [_null(name) for name in (ORGANISATION_ATTRIBUTE, *sharing)]
        if steps := self._steps(types):
            # Whether it names one comes last: what the parser of a store takes has an end.
            out_of_reach = AllOf((Not(within), _null(ORGANISATION_ATTRIBUTE, False)))
            through = _null(ORGANISATION_ATTRIBUTE)
            none.append(Not(Reaching(steps, through, out_of_reach)))
            none += [] if self.held.shared else [Reaching(steps, through, within)]
        elif not self.held.shared:
            none.append(NOTHING)
        return AnyOf((*named, AllOf(tuple(none))))

    def _steps(self, types: frozenset[str]) -> tuple[tuple[Way, ...], ...]:
        """The ways from records of some types to what they are part of, step by step."""
        steps: list[tuple[Way, ...]] = []
        while len(steps) < LEVELS and (ways := self._part(types)):
            steps.append(tuple(ways))
            types = frozenset().union(*(self._far(way) for way in ways))
        return tuple(steps)

    def _far(self, way: Way) -> frozenset[str]:
        found = (self.model.relationship_types[name] for name in way[1])
        return frozenset().union(*(t.sources if way[0] == "in" else t.targets for t in found))

    def _part(self, types: Iterable[str]) -> list[Way]:
        """By which relationship types, and which way round, records of some types are parts."""
        asked = set(types)
        found: list[Way] = []
        for inwards, ways in self._wholes.items():
            chosen = tuple(name for name, parts in ways.items() if not parts.isdisjoint(asked))
            if chosen:
                found.append(("in" if inwards else "out", chosen))
        return found

    def _ways(self, direction: Direction) -> dict[str, frozenset[str]]:
        """Relationship type -> types of the parts, of those that lead this way from part to whole."""
        end = "target" if direction == "in" else "source"
        return {
            t.name: t.targets if direction == "in" else t.sources
            for t in self.model.relationship_types.values()
            if t.part == end
        }


@lru_cache(256)
def scope_of(
    model: Model,
    tree: Tree,
    grants: tuple[Grant, ...],
    permission: Permission = Permission.READ,
) -> Scope:
    """A scope, made once for all requests of somebody with these grants."""
    return Scope(model, tree, grants, permission)


def _among(attribute: str, ids: Iterable[str]) -> Comparison:
    return Comparison(attribute, KINDS["reference"], False, AMONG, tuple(sorted(ids)))


def _null(attribute: str, is_null: bool = True) -> Comparison:
    return Comparison(attribute, KINDS["reference"], False, "null", is_null)


def _all(parts: list[Condition]) -> Condition:
    kept = tuple(part for part in parts if part != ANYTHING)
    return kept[0] if len(kept) == 1 else AllOf(kept)
