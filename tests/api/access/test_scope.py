"""What somebody sees: the bounds in a store, the test in memory, and a plain oracle agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.access.organisations import Organisations
from api.access.principals import Grant, Permission
from api.access.scope import Scope
from cmdb.change_sets import Create, Operation, Relate, Unrelate
from cmdb.ids import new_id
from cmdb.owners import LEVELS
from cmdb.queries import FILTER_DEPTH, RELATED_DEPTH, Query
from cmdb.store import GraphStore
from cmdb.store.base import GraphStore as Store
from cmdb.store.places import MOST
from tests.api.access.conftest import guard
from tests.support.building import add, commit, create

TYPES = (
    "Device",
    "Server",
    "Box",
    "App",
    "Person",
    "Order",
    "Account",
    "Doubt",
    "Remains",
    "Organisation",
)
TELLING = {"Doubt": "doubted", "Remains": "went_into"}
PERMISSIONS = ("read", "read write", "read administer", "write")


class World(NamedTuple):
    """Organisations by their parents, records, and which is part of which."""

    parents: list[int | None]
    records: list[tuple[str, int | None, int | None]]
    parts: list[tuple[int, int]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    count = draw(st.integers(1, 5))
    parents = [draw(st.none() | st.integers(0, i - 1)) if i else None for i in range(count)]
    where = st.none() | st.integers(0, count - 1)
    records = draw(
        st.lists(st.tuples(st.sampled_from(TYPES[:-1]), where, where), min_size=1, max_size=9)
    )
    # A chain of boxes, so that what they hold is part of much.
    records += [("Box", where_, None) for where_ in draw(st.lists(where, max_size=6))]
    pairs = st.tuples(st.integers(0, len(records) - 1), st.integers(0, len(records) - 1))
    return World(parents, records, draw(st.lists(pairs, max_size=16)))


class Built(NamedTuple):
    """A world in a store: ids of organisations and records, and the wholes of each part."""

    tag: str
    organisations: list[str]
    records: dict[str, tuple[str, Mapping[str, Any]]]
    wholes: dict[str, set[str]]


def build(store: Store, world: World) -> Built:
    tag = new_id()
    operations: list[Operation] = []
    organisations = []
    for number, above in enumerate(world.parents):
        made = create("Organisation", f"o{number}", tags=[tag])
        organisations.append(made.id)
        operations.append(made)
        if above is not None:
            operations.append(Relate(made.id, "PART_OF", organisations[above]))
    records: dict[str, tuple[str, Mapping[str, Any]]] = {}
    ids: list[str] = []
    for number, (type_, at, to) in enumerate(world.records):
        attributes: dict[str, Any] = {"tags": [tag]}
        attributes |= {"organisation": organisations[at]} if at is not None else {}
        if type_ == "Order" and to is not None:
            hit = [organisations[to], organisations[(to + 1) % len(organisations)]]
            shared = {"hit_organisations": hit} if number % 2 else {"to_organisation": hit[0]}
            attributes |= shared
        if type_ in TELLING:
            told = [ids[one] for one, other in world.parts if other == number and one < other]
            if to is not None:
                told.append(organisations[to])
            if told:
                attributes[TELLING[type_]] = told if type_ == "Doubt" else told[0]
        made = create(type_, f"r{number}", **attributes)
        operations.append(made)
        records[made.id] = (type_, attributes)
        ids.append(made.id)
    wholes: dict[str, set[str]] = {}
    for part, whole in world.parts:
        kinds = (world.records[whole][0], world.records[part][0])
        one, other = ids[whole], ids[part]
        if kinds[0] == "Box" and kinds[1] in ("Box", "Device", "Server") and whole < part:
            if other not in wholes:  # a part has one box
                operations.append(Relate(one, "CONTAINS", other))
                wholes[other] = {one}
        elif kinds[0] in ("Device", "Server") and kinds[1] == "App":
            operations.append(Relate(other, "PIECE_OF", one))
            wholes.setdefault(other, set()).add(one)
    commit(store, *operations)
    return Built(tag, organisations, records, wholes)


def oracle(built: Built, parents: list[int | None], roots: set[int | None], mode: str) -> set[str]:
    """Ids of what is seen, by the book."""
    able = mode.split()
    count = len(parents)
    line = {i: _line(parents, i) for i in range(count)}
    reach = {i for i in range(count) if None in roots or roots & set(line[i])}
    if "read" not in able or not roots:
        return set()
    within = {built.organisations[i] for i in reach}
    above = {built.organisations[a] for root in roots if root is not None for a in line[root]}

    def hidden(id: str, levels: int) -> bool:
        """Whether what names no organisation is part of something out of reach."""
        for whole in built.wholes.get(id, ()) if levels else ():
            at = built.records[whole][1].get("organisation")
            if (at is not None and at not in within) or (at is None and hidden(whole, levels - 1)):
                return True
        return False

    seen = set(built.organisations) if None in roots else within | above
    told = {}
    for id, (type_, said) in built.records.items():
        names = said.get(TELLING.get(type_, ""), [])
        told[id] = [names] if isinstance(names, str) else names
        named = {said[n] for n in ("organisation", "to_organisation") if n in said}
        named |= {*said.get("hit_organisations", ())}
        at = said.get("organisation")
        if type_ == "Account":
            shown = "administer" in able and (None in roots or at in within)
        elif None in roots:
            shown = True
        else:
            shown = bool(named & within) if named else not hidden(id, LEVELS)
        if shown:
            seen.add(id)
    if None in roots and "administer" in able:
        return seen
    return {
        id
        for id in seen
        if id in built.organisations
        or built.records[id][0] not in TELLING
        or (seen.issuperset(told[id]) and (bool(told[id]) or None in roots))
    }


def _line(parents: list[int | None], start: int) -> list[int]:
    found, at = [], start
    while True:
        found.append(at)
        above = parents[at]
        if above is None:
            return found
        at = above


def agree(store: GraphStore, world: World, roots: set[int | None], mode: str) -> None:
    built = build(store, world)
    permissions = frozenset(map(Permission, mode.split()))
    named = {None if r is None else r % len(world.parents) for r in roots}
    grants = tuple(
        Grant(permissions, None if r is None else built.organisations[r])
        for r in sorted(named, key=str)
    )
    seen = oracle(built, world.parents, named, mode)
    everything = {*built.organisations, *built.records}
    guarded = guard(store, None, "reader")
    guarded.principal = replace(guarded.principal, grants=grants)
    assert guarded.get(everything).keys() == seen
    mine = {"tags": {"contains": built.tag}}
    page = guarded.find(Query(where=mine, first=100, total=True))
    assert {record.id for record in page.records} == seen
    assert page.total == len(seen)
    assert sum(guarded.hidden(Query(where={"id": {"in": sorted(everything)}})).values()) == len(
        everything - seen
    )
    for type_ in ("Device", "App", "Order", "Account", "Doubt", "Organisation"):
        found = {r.id for r in guarded.find(Query(type_, mine, first=100)).records}
        kinds = {"Device", "Server"} if type_ == "Device" else {type_}
        assert found == {id for id in seen if built.records.get(id, ("Organisation",))[0] in kinds}
    past = Query(where=mine, first=100, total=True, as_of=store.last_revision().number)
    then = guarded.find(past)
    assert ({record.id for record in then.records}, then.total) == (seen, len(seen))
    for asked in (Query(where=mine), past):
        assert sum(count.count for count in guarded.count_by(asked, ["type"])) == len(seen)


RULE = given(
    worlds(), st.sets(st.none() | st.integers(0, 4), max_size=2), st.sampled_from(PERMISSIONS)
)


@RULE
def test_bounds_and_test_agree_in_a_file(
    kept_file: GraphStore, world: World, roots: set[int | None], mode: str
) -> None:
    agree(kept_file, world, roots, mode)


@pytest.mark.neo4j
@settings(max_examples=12)
@RULE
def test_bounds_and_test_agree_in_neo4j(
    kept_neo4j: GraphStore, world: World, roots: set[int | None], mode: str
) -> None:
    agree(kept_neo4j, world, roots, mode)


@pytest.mark.parametrize("count", [1, 2 * MOST])
def test_what_lies_between_two_of_mine_is_not_mine(store: GraphStore, count: int) -> None:
    """Owners are intervals of numbers, or a list: an organisation between two within reach is in none."""
    mine = add(store, "Organisation", "mine")
    made = [create("Organisation", f"o{number}") for number in range(2 * count)]
    commit(store, *made, *(Relate(below.id, "PART_OF", mine) for below in made[1::2]))
    devices = [create("Device", "d", organisation=o) for o in (mine, *(o.id for o in made))]
    commit(store, *devices)
    seen = {device.id for device in (devices[0], *devices[2::2])}
    guarded = guard(store, mine, "reader")
    page = guarded.find(Query("Device", total=True))
    assert {record.id for record in page.records} == seen
    assert page.total == len(seen)
    assert guarded.get([device.id for device in devices]).keys() == seen


def test_what_is_a_part_of_two_is_seen_by_who_sees_both(store: GraphStore) -> None:
    top = add(store, "Organisation", "top")
    sides = [add(store, "Organisation", name) for name in "AB"]
    app = add(store, "App", "app")
    devices = [create("Device", "d", organisation=side) for side in sides]
    commit(
        store,
        *devices,
        *(Relate(side, "PART_OF", top) for side in sides),
        *(Relate(app, "PIECE_OF", device.id) for device in devices),
    )
    for at, seen in ((top, 1), (sides[0], 0), (sides[1], 0)):
        assert guard(store, at, "reader").find(Query("App", total=True)).total == seen


def test_what_a_moved_organisation_owns_is_seen_from_where_it_is_now(store: GraphStore) -> None:
    """No owner changes: it is the tree that says who sees it."""
    sides = [add(store, "Organisation", name) for name in "AB"]
    moved = add(store, "Organisation", "moved")
    device, app = create("Device", "d", organisation=moved), create("App", "a")
    commit(store, device, app, Relate(app.id, "PIECE_OF", device.id))
    owners = store._owners([device.id, app.id])
    for at, before in ((0, 1), (1, 0), (0, 1)):
        gone = [Unrelate(moved, "PART_OF", sides[before])]
        there = store.neighbours([moved], ["PART_OF"], "out")
        commit(store, *(gone if there else []), Relate(moved, "PART_OF", sides[at]))
        for side in (0, 1):
            guarded = guard(store, sides[side], "reader")
            counts = [guarded.find(Query(t, total=True)).total for t in ("Device", "App")]
            assert counts == ([1, 1] if side == at else [0, 0])
    assert store._owners([device.id, app.id]) == owners == dict.fromkeys(owners, moved)


def test_the_deepest_filter_fits_beside_the_bounds(store: GraphStore) -> None:
    organisation = add(store, "Organisation", "A")
    box = add(store, "Box", "box", organisation=organisation)
    other = add(store, "Box", "inner")
    commit(store, Relate(box, "CONTAINS", other))
    where: dict[str, Any] = {"name": {"eq": "box"}}
    for number in range((FILTER_DEPTH - 1) // RELATED_DEPTH):
        where = {"CONTAINS" if number % 2 else "INSIDE": where}
    page = guard(store, organisation, "reader").find(Query("Box", where, total=True))
    assert page.total == 1


def test_a_filter_reaches_nothing_that_is_not_seen(store: GraphStore) -> None:
    mine, theirs = add(store, "Organisation", "A"), add(store, "Organisation", "B")
    app = add(store, "App", "app", organisation=mine)
    hidden = add(store, "Server", "srv", organisation=theirs, serial_number="S1")
    commit(store, Relate(app, "RUNS_ON", hidden, {"port": 1}))
    guarded = guard(store, mine, "reader")
    for where in ({"name": {"eq": "srv"}}, {"serial_number": {"prefix": "S"}}, {}):
        asked = Query("App", {"RUNS_ON": where})
        assert guarded.find(asked).records == []
        assert len(store.find(asked).records) == 1
    assert len(guarded.find(Query("App", {"not": {"RUNS_ON": {}}})).records) == 1


def test_of_the_past_a_record_is_judged_by_what_it_was(store: GraphStore) -> None:
    from cmdb.change_sets import Update

    one, other = add(store, "Organisation", "A"), add(store, "Organisation", "B")
    device = add(store, "Device", "d", organisation=one)
    before = store.last_revision().number
    commit(store, Update(device, {"organisation": other}))
    giver, taker = guard(store, one, "reader"), guard(store, other, "reader")
    assert not giver.get([device])
    assert giver.get([device], before)
    assert taker.get([device])
    assert not taker.get([device], before)
    assert (
        len(taker.history(device)) == 2
    )  # what is seen now is told with all that ever happened to it
    (change,) = giver.compare(before).records
    assert change.before is not None
    assert change.after is None
    (change,) = taker.compare(before).records
    assert change.before is None
    assert change.after is not None


def test_the_tree_is_followed(store: GraphStore) -> None:
    clock = [0.0]
    organisations = Organisations(store, lambda: clock[0])
    top, below = add(store, "Organisation", "top"), add(store, "Organisation", "below")
    assert organisations.below([top]) == {top}
    link = Relate(below, "PART_OF", top)
    commit(store, link)
    sent = store.statements
    assert organisations.below([top]) == {top}
    assert store.statements == sent
    clock[0] = 1.0
    assert organisations.below([top]) == {top, below}
    assert organisations.above(below) == [top]
    assert organisations.name(top) == "top"
    late = Create("Organisation", {"name": "late"}, new_id())
    commit(store, late, Relate(late.id, "PART_OF", below))
    for commit_ in store.feed(organisations.tree().revision):
        organisations.follow(commit_)
    assert organisations.below([top]) == {top, below, late.id}


def test_a_scope_of_a_permission_to_act(store: GraphStore) -> None:
    """To write, what is shared or of organisations above is out of reach."""
    top, mine = add(store, "Organisation", "top"), add(store, "Organisation", "mine")
    commit(store, Relate(mine, "PART_OF", top))
    order = add(store, "Order", "order", organisation=top, to_organisation=mine)
    nobody = add(store, "Device", "nobody's")
    box, device = add(store, "Box", "box", organisation=mine), add(store, "Device", "in it")
    commit(store, Relate(box, "CONTAINS", device))
    grants = (Grant(frozenset(Permission), mine),)
    tree = Organisations(store).tree()
    reading = Scope(store.model, tree, grants)
    writing = Scope(store.model, tree, grants, Permission.WRITE)

    def reached(scope: Scope) -> set[str]:
        return {r.id for r in store.find(Query(first=100, within=scope.bounds)).records}

    assert reached(reading) == {top, mine, order, nobody, box, device}
    assert reached(writing) == {mine, box, device}
