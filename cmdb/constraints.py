"""Rules that only hold, or not, over a whole change set: cardinality, cycles, uniqueness.

They look at the state in which `cmdb.preparation` is after all operations were applied, and ask the
store for what the operations did not name.
"""

from __future__ import annotations

import graphlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cmdb.commits import End
from cmdb.records import Record, RelationshipKey
from schema.model import UniqueKey

if TYPE_CHECKING:
    from cmdb.preparation import Preparation


def _added(work: Preparation) -> Iterable[RelationshipKey]:
    """The relationships that are new."""
    if not work.live and None not in work.relationships.values():
        return work.relationships
    return (k for k, a in work.relationships.items() if a is not None and k not in work.live)


def check_retyped(work: Preparation) -> None:
    """A record that became another type fits in where it stands: its relationships and what refers
    to it allow the new type."""
    retyped = {
        id: work.types[id]
        for id in work.after
        if id in work.before and work.before[id].type != work.types[id]
    }
    if not retyped:
        return
    _check_retyped_with_new(work, retyped)
    names = list(work.model.relationship_types)
    ends: tuple[tuple[End, str], ...] = (("source", "sources"), ("target", "targets"))
    for end, allowed in ends:
        for key in work.view.relationships_at(end, list(retyped), names):
            id = getattr(key, end)
            relationship_type = work.model.relationship_types[key.type]
            if retyped[id] not in getattr(relationship_type, allowed) and not work.closes(key):
                work.problem(
                    work.index_of[id],
                    id,
                    "endpoint",
                    f"{id} cannot become a {retyped[id]}: it has {key}, which that type cannot have.",
                )
    for attribute in {
        a.name: a for t in work.model.record_types.values() for a in t.references
    }.values():
        targets = work.model.record_types[attribute.to or ""].concrete
        lost = [
            id
            for id, type_ in retyped.items()
            if work.before[id].type in targets and type_ not in targets
        ]
        for record in (
            work.view.holders(attribute.declared_by, attribute.name, lost) if lost else ()
        ):
            now = work.after.get(record.id, record.attributes).get(attribute.name)
            for id in now if attribute.many and now else (now,):
                if id in lost:
                    work.problem(
                        work.index_of[id],
                        id,
                        "reference",
                        f"{id} cannot become a {retyped[id]}: it is the {attribute.name} of {record.id}.",
                    )


def _check_retyped_with_new(work: Preparation, retyped: Mapping[str, str]) -> None:
    """What the same change set adds to a record allows its new type, whichever came first."""
    for key in work.relationships:
        type_ = work.model.relationship_types[key.type]
        for id, allowed in ((key.source, type_.sources), (key.target, type_.targets)):
            if id in retyped and retyped[id] not in allowed and not work.closes(key):
                work.problem(
                    work.index_of[id],
                    id,
                    "endpoint",
                    f"{id} cannot become a {retyped[id]}: it has {key}, which that type cannot have.",
                )
    for holder, attributes in _written(work):
        for attribute in work.model.record_types[work.types[holder]].references:
            value: Any = attributes.get(attribute.name)
            targets = work.model.record_types[attribute.to or ""].concrete
            for named in value if attribute.many and value else (value,):
                if named in retyped and retyped[named] not in targets:
                    work.problem(
                        work.index_of[named],
                        named,
                        "reference",
                        f"{named} cannot become a {retyped[named]}: it is the {attribute.name} of {holder}.",
                    )


def check_cardinality(work: Preparation) -> None:
    """At most one relationship of a type at an end that allows only one."""
    limited: dict[End, defaultdict[tuple[str, str], set[RelationshipKey]]] = {
        "source": defaultdict(set),
        "target": defaultdict(set),
    }
    for key in _added(work):
        relationship_type = work.model.relationship_types[key.type]
        if relationship_type.one_target:
            limited["source"][key.source, key.type].add(key)
        if relationship_type.one_source:
            limited["target"][key.target, key.type].add(key)
    for end, groups in limited.items():
        existing = [(id, type_) for id, type_ in groups if id not in work.created]
        if existing:
            ids, types = ({id for id, _ in existing}, {type_ for _, type_ in existing})
            for key in work.view.relationships_at(end, ids, types):
                group = groups.get((getattr(key, end), key.type))
                if group is not None and not work.closes(key):
                    group.add(key)
        for (id, type_), keys in groups.items():
            if len(keys) > 1:
                other = "target" if end == "source" else "source"
                others = ", ".join(sorted(getattr(key, other) for key in keys))
                new = next(key for key in keys if key in work.index_of)
                work.problem(
                    work.index_of[new],
                    new,
                    "cardinality",
                    f"{id} may have one {other} by {type_}, not {len(keys)}: {others}.",
                )


def check_cycles(work: Preparation) -> None:
    """No cycle through the new relationships of an acyclic type.

    A cycle enters and leaves each of its records. So only records that have both an incoming
    and an outgoing relationship matter, and the live graph only where new relationships both
    reach an existing record and leave one.
    """
    added: defaultdict[str, list[RelationshipKey]] = defaultdict(list)
    for key in _added(work):
        if work.model.relationship_types[key.type].acyclic:
            added[key.type].append(key)
    for type_, keys in added.items():
        entered = {key.target for key in keys}
        left = {key.source for key in keys}
        if not entered - work.created.keys() or not left - work.created.keys():
            keys = [k for k in keys if k.source in entered and k.target in left]
        else:
            keys = keys + _live_paths(work, type_, keys)
        if keys:
            _find_cycle(work, type_, keys)


def _live_paths(
    work: Preparation, type_: str, keys: list[RelationshipKey]
) -> list[RelationshipKey]:
    """Live relationships on paths that could close a cycle, walked the narrow way."""
    upward = work.model.relationship_types[type_].one_source
    end: End = "target" if upward else "source"
    other: End = "source" if upward else "target"
    found: list[RelationshipKey] = []
    seen: set[str] = set()
    frontier = {getattr(key, other) for key in keys} - work.created.keys()
    while frontier:
        seen |= frontier
        step = work.view.relationships_at(end, frontier, [type_])
        found += [k for k in step if not work.closes(k)]
        frontier = {getattr(key, other) for key in step} - seen
    return found


def _find_cycle(work: Preparation, type_: str, keys: list[RelationshipKey]) -> None:
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for key in keys:
        sorter.add(key.target, key.source)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        cycle = error.args[1]
        pairs = itertools.pairwise(cycle)
        new = next(k for s, t in pairs if (k := RelationshipKey(s, type_, t)) in work.index_of)
        path = " -> ".join(cycle)
        work.problem(work.index_of[new], new, "cycle", f"{type_} would form a cycle: {path}.")


def check_unique(work: Preparation) -> None:
    """No two records share the values of a unique key."""
    claims: dict[UniqueKey, dict[tuple[Any, ...], str]] = {}
    for id, attributes in _written(work):
        record_type = work.model.record_types[work.types[id]]
        for key in record_type.unique:
            values = tuple(attributes.get(name) for name in key.attributes)
            if None in values or _held_before(work, id, key, values):
                continue
            holder = claims.setdefault(key, {}).setdefault(values, id)
            if holder != id:
                _not_unique(work, id, key, values, holder)
    for key, claimed in claims.items():
        # The most telling attribute is asked for: the organisation alone would match too much.
        name = next(
            (n for n in reversed(key.attributes) if n != "organisation"), key.attributes[-1]
        )
        position = key.attributes.index(name)
        asked = {values[position] for values in claimed}
        for record in work.view.holders(key.record_type, name, asked):
            now = work.after.get(record.id, record.attributes)
            values = tuple(now.get(n) for n in key.attributes)
            claimant = claimed.get(values)
            if claimant is not None and claimant != record.id:
                _not_unique(work, claimant, key, values, record.id)


def _held_before(work: Preparation, id: str, key: UniqueKey, values: tuple[Any, ...]) -> bool:
    before = work.before.get(id)
    if before is not None and key not in work.model.record_types[before.type].unique:
        return False
    return before is not None and values == tuple(before.attributes.get(n) for n in key.attributes)


def _not_unique(
    work: Preparation, id: str, key: UniqueKey, values: tuple[Any, ...], holder: str
) -> None:
    shown = ", ".join(
        f"{name} {'(hidden)' if name in work.model.sensitive else repr(str(value))}"
        for name, value in zip(key.attributes, values, strict=True)
    )
    work.problem(
        work.index_of[id],
        id,
        "not_unique",
        f"{work.types[id]} {id}: {shown} is taken by {holder}.",
        key.attributes[-1],
    )


def _written(work: Preparation) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The records created or updated, as they will be."""
    for record in work.created.values():
        yield record.id, work.after.get(record.id, record.attributes)
    for id, attributes in work.after.items():
        if id not in work.created:
            yield id, attributes


def check_slots(work: Preparation) -> None:
    """What takes up room in something, by position and height, takes room that is free and there.

    Sources are believed even where two devices share a position (front and rear); people are not.
    Asked only for relationships that are made or changed and name a position: three questions a type.
    Linear in what the sources concerned hold, and quadratic in one of them: a rack has some forty units.
    """
    if work.managed:
        return
    declared = {name: t.slots for name, t in work.model.relationship_types.items() if t.slots}
    placed: defaultdict[str, list[RelationshipKey]] = defaultdict(list)
    for key, attributes in work.relationships.items():
        slots = declared.get(key.type)
        if slots and attributes and attributes.get(slots.position) is not None:
            placed[key.type].append(key)
    for type_, keys in placed.items():
        slots = declared[type_]
        sources = {key.source for key in keys}
        existing = sources - work.created.keys()
        there = work.view.relationships_at("source", existing, [type_]) if existing else []
        ids = {end for key in (*there, *keys) for end in (key.source, key.target)}
        unread = [id for id in ids if id not in work.created and id not in work.before]
        stored = {**work.before, **(work.view.records(unread) if unread else {})}
        around = _around(work, type_, sources, there)

        def now(id: str, name: str, default: Any, stored: Mapping[str, Record] = stored) -> Any:
            record = work.created.get(id) or stored[id]
            return work.after.get(id, record.attributes).get(name, default)

        taken: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for key, said in around.items():
            begin = said.get(slots.position)
            if begin is not None:
                end = begin + max(now(key.target, slots.height, 1), 0) - 1
                taken[key.source].append((begin, end, key.target))
        for key in keys:
            first, last = next(
                (begin, end) for begin, end, target in taken[key.source] if target == key.target
            )
            room = now(key.source, slots.capacity, None)
            if room is not None and last > room:
                message = f"{key.target} would reach to position {last} of {key.source}, which has {room}."
                work.problem(work.index_of[key], key, "no_room", message, slots.position)
            for begin, end, target in taken[key.source]:
                if target != key.target and begin <= last and first <= end:
                    name = now(target, "name", target)
                    message = f"Positions {first} to {last} of {now(key.source, 'name', key.source)} are not free: {name} takes {begin} to {end}."
                    names = {target: name}
                    work.problem(work.index_of[key], key, "taken", message, slots.position, names)


def _around(
    work: Preparation, type_: str, sources: set[str], there: Sequence[RelationshipKey]
) -> dict[RelationshipKey, Mapping[str, Any]]:
    """The relationships of a type that leave some records, as they will be."""
    live = work.view.relationships(there) if there else {}
    found = {key: link.attributes for key, link in live.items()}
    for key, attributes in work.relationships.items():
        if key.type == type_ and key.source in sources:
            if attributes is None:
                found.pop(key, None)
            else:
                found[key] = attributes
    return dict(found)
