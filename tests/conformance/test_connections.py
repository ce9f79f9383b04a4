"""Pages of connected records, many records and many steps at a time, on both stores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmdb.change_sets import Relate, Unrelate, Update
from cmdb.errors import QueryError, UnknownNameError
from cmdb.ids import new_id
from cmdb.queries import Query, Sort
from cmdb.records import Record
from cmdb.steps import Step
from cmdb.store import GraphStore, create_store
from cmdb.store.base import Connected
from schema.model import Model
from tests.conformance.test_against_oracle import state_of
from tests.support.building import add, commit, create
from tests.support.oracle import State, holds

STEPS = (
    Step("RUNS_ON"),
    Step("RUNS_ON", Query("Server", {"size": {"gte": 1}}, total=True)),
    Step("RUNS_ON", Query("Device", subtypes=False, sort=[Sort("size", True), Sort("name")])),
    Step("RUNS", Query("App", {"name": {"in": ["a", "b"]}}, sort=[Sort("note")], total=True)),
    Step("RUNS", Query("Item", {"not": {"name": "a"}})),
    Step("CALLED_BY", Query("App", total=True)),
    Step("CALLS", Query("Box", total=True)),
)
CALLERS = Step("CALLED_BY", Query("App", first=1, total=True))
BESIDE = Query("App", first=2, sort=[Sort("note")], attributes=["name"], steps=[CALLERS])
CHAIN = Query(
    "Item",
    first=4,
    total=True,
    sort=[Sort("name", True)],
    attributes=["size"],
    steps=[
        Step(
            "RUNS_ON",
            Query(first=2, attributes=[], steps=[Step("RUNS", BESIDE, ["port"])]),
            only_records=True,
        ),
        Step("CALLS", Query("App", organisation=new_id(), steps=[CALLERS])),
    ],
)
"""Steps behind steps."""
DEVICE = st.tuples(st.sampled_from(["Device", "Server"]), st.none() | st.integers(0, 2))
APP = st.tuples(st.sampled_from("abc"), st.none() | st.sampled_from("xy"))
ENDS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=15)


class Graph(NamedTuple):
    """Plain data: what is made, and what it is changed to."""

    apps: list[tuple[str, str | None]]
    devices: list[tuple[str, int | None]]
    runs_on: list[tuple[int, int]]
    calls: list[tuple[int, int]]
    then: list[tuple[int, int]]
    sizes: list[int | None]


GRAPHS = st.builds(
    Graph, st.lists(APP, min_size=1, max_size=5), st.lists(DEVICE, min_size=1, max_size=5),
    ENDS, ENDS, ENDS, st.lists(st.none() | st.integers(0, 2), max_size=3),
)  # fmt: skip


def made(store: GraphStore, graph: Graph) -> tuple[list[str], list[int]]:
    """Ids, and the revisions: of the records, then related, then changed."""
    apps = [create("App", name, note=note) for name, note in graph.apps]
    devices = [create(type_, f"d{n % 2}", size=s) for n, (type_, s) in enumerate(graph.devices)]

    def links(
        pairs: list[tuple[int, int]], type_: str, far: list[Any]
    ) -> set[tuple[str, str, str]]:
        return {(apps[a % len(apps)].id, type_, far[b % len(far)].id) for a, b in pairs}

    before = links(graph.runs_on, "RUNS_ON", devices) | links(graph.calls, "CALLS", apps)
    after = links(graph.then, "RUNS_ON", devices)
    revisions = [commit(store, *apps, *devices)]
    revisions.append(commit(store, *(Relate(*key) for key in sorted(before))))
    changes: list[Any] = [Unrelate(*key) for key in sorted(before - after)]
    changes += [Relate(*key, {"port": 7}) for key in sorted(after) if key[1] == "RUNS_ON"]
    changes += [Update(d.id, {"size": size}) for d, size in zip(devices, graph.sizes, strict=False)]
    revisions.append(commit(store, *changes))
    return [operation.id for operation in (*apps, *devices)], revisions


def expected(state: State, model: Model, of: str, step: Step) -> list[tuple[Any, str]]:
    """(key, id) of all that a step leads to, in order."""
    type_, direction = model.direction(step.relationship)
    query = step.query
    near, far = (0, 2) if direction == "out" else (2, 0)
    allowed = model.record_types[query.type].concrete if query.subtypes else {query.type}
    found = []
    for key in state.links:
        found_type, attributes = state.records[key[far]]
        fits = found_type in allowed and holds(_written(query.where or {}), attributes)
        if (key[1], key[near]) == (type_.name, of) and fits:
            found.append((key, key[far]))
    found.sort(key=lambda item: item[1])
    for name, descending in reversed(query.sort):
        values: dict[str, Any] = {id: state.records[id][1].get(name) for _, id in found}
        have = [item for item in found if values[item[1]] is not None]
        # sorting keeps the order of equal ones, whichever way it goes
        have.sort(key=lambda item, v=values: v[item[1]], reverse=descending)  # type: ignore[misc]
        found = have + [item for item in found if values[item[1]] is None]
    return found


def _written(where: Any) -> Any:
    """A filter with every comparison written out."""
    return {
        key: _written(value)
        if key == "not"
        else value
        if isinstance(value, dict)
        else {"eq": value}
        for key, value in where.items()
    }


def walked(
    store: GraphStore, ids: list[str], step: Step, size: int, as_of: int | datetime | None
) -> dict[str, list[tuple[Any, str]]]:
    """All pages of a step, those of each record one after the other."""
    found: dict[str, list[tuple[Any, str]]] = {}
    asked: dict[str | None, list[str]] = {None: ids}
    while asked:
        cursors: dict[str | None, list[str]] = {}
        for cursor, of in asked.items():
            query = Query(**{**step.query.__dict__, "first": size, "after": cursor})
            pages = store.connections(of, [step._replace(query=query)], as_of)
            for (id, index), page in pages.items():
                assert index == 0
                assert len(page.records) <= size
                found.setdefault(id, []).extend(near(page))
                if page.cursor is not None:
                    cursors.setdefault(page.cursor, []).append(id)
        asked = cursors
    return found


def near(page: Connected) -> list[tuple[Any, str]]:
    """(key, id) of what a page has."""
    pairs = zip(page.relationships, page.records, strict=True)
    return [(tuple(link.key), record.id) for link, record in pairs]


def check_pages(store: GraphStore, graph: Graph, size: int) -> None:
    ids, revisions = made(store, graph)
    instants = {r.number: r.at for r in store.revisions(revisions).values()}
    moments: list[tuple[Any, int]] = [(None, revisions[2]), *((r, r) for r in revisions)]
    moments.append((instants[revisions[1]], revisions[1]))
    for as_of, revision in moments:
        state = state_of(store, revision)
        whole = store.connections([*ids, new_id()], STEPS, as_of)
        assert whole.keys() == {(id, n) for id in ids for n in range(len(STEPS))}
        records = store.get(ids, as_of)
        for (id, n), page in whole.items():
            wanted = expected(state, store.model, id, STEPS[n])
            assert near(page) == wanted
            assert page.total == (len(wanted) if STEPS[n].query.total else None)
            assert page.cursor is None
            assert page.records == [records[record.id] for record in page.records]
            for link in page.relationships:
                assert link.attributes == state.links[link.source, link.type, link.target]
    for step in STEPS:
        for as_of in (None, revisions[1]):
            state = state_of(store, as_of)
            assert walked(store, ids, step, size, as_of) == {
                id: expected(state, store.model, id, step) for id in ids
            }
    assert not store.connections(ids, STEPS, revisions[0] - 1)


def check_chains(store: GraphStore, graph: Graph) -> None:
    ids, revisions = made(store, graph)
    for as_of in (None, revisions[1]):
        page = store.find(replace(CHAIN, as_of=as_of))
        plain = store.find(replace(CHAIN, as_of=as_of, attributes=None, steps=()))
        assert (page.cursor, page.total) == (plain.cursor, plain.total)
        check_some(page.records, plain.records, {"size", "name"})
        check_below(store, page.below, [r.id for r in page.records], CHAIN.steps, as_of)
    chain = store.connections(ids, CHAIN.steps, revisions[1])
    check_below(store, chain, ids, CHAIN.steps, revisions[1])


def check_some(some: list[Record], whole: list[Record], wanted: Collection[str] | None) -> None:
    """Records have the attributes that are wanted of them."""
    assert some == [
        r._replace(attributes={n: v for n, v in r.attributes.items() if not wanted or n in wanted})
        for r in whole
    ]


def check_below(
    store: GraphStore,
    below: Mapping[tuple[str, int], Connected],
    ids: Collection[str],
    steps: Sequence[Step],
    as_of: Any,
) -> None:
    """What comes with a page is what is found by asking for it, level by level."""
    plain = [
        Step(step.relationship, replace(step.query, attributes=None, steps=())) for step in steps
    ]
    found = store.connections(ids, plain, as_of)
    assert below.keys() == found.keys()
    for key, page in below.items():
        step, whole = steps[key[1]], found[key]
        assert (page.cursor, page.total) == (whole.cursor, whole.total)
        wanted = step.query.attributes
        if wanted is not None:
            wanted = {*wanted, *(sort.attribute for sort in step.query.sort), "?"}
        check_some(page.records, whole.records, wanted)
        if step.only_records:
            assert not page.relationships
            continue
        for link, other in zip(page.relationships, whole.relationships, strict=True):
            kept = {
                name: value
                for name, value in other.attributes.items()
                if step.attributes is None or name in step.attributes
            }
            assert link == other._replace(attributes=kept)
    for number, step in enumerate(steps):
        pages = [page for (_, index), page in below.items() if index == number]
        far = {record.id for page in pages for record in page.records}
        for page in pages[:1]:
            check_below(store, page.below, far, step.query.steps, as_of)


SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))


@given(graph=GRAPHS, size=st.integers(1, 3))
@settings(SETTINGS, max_examples=25)
def test_sqlite_pages_as_a_plain_computation_does(
    kept_file: GraphStore, graph: Graph, size: int
) -> None:
    check_pages(kept_file, graph, size)


@pytest.mark.neo4j
@given(graph=GRAPHS, size=st.integers(1, 3))
@settings(SETTINGS, max_examples=5)
def test_neo4j_pages_as_a_plain_computation_does(
    kept_neo4j: GraphStore, graph: Graph, size: int
) -> None:
    check_pages(kept_neo4j, graph, size)


@given(graph=GRAPHS)
@settings(SETTINGS, max_examples=25)
def test_sqlite_goes_on_from_a_page_as_level_by_level(kept_file: GraphStore, graph: Graph) -> None:
    check_chains(kept_file, graph)


@pytest.mark.neo4j
@given(graph=GRAPHS)
@settings(SETTINGS, max_examples=4)
def test_neo4j_goes_on_from_a_page_as_level_by_level(kept_neo4j: GraphStore, graph: Graph) -> None:
    check_chains(kept_neo4j, graph)


class Hub(NamedTuple):
    store: GraphStore
    device: str
    apps: list[str]
    north: str
    related: int


@pytest.fixture(scope="module")
def hub(module_url: str, model: Model) -> Iterator[Hub]:
    """A device with 30 apps, ten of which belong to an organisation; then they are taken from it."""
    with create_store(module_url, model) as store:
        root, north = create("Organisation", "root"), create("Organisation", "north")
        device = create("Device", "hub")
        apps = [
            create("App", f"app {n:02}", organisation=north.id if n < 10 else root.id)
            for n in range(30)
        ]
        commit(store, root, north, device, *apps, Relate(north.id, "PART_OF", root.id))
        related = commit(store, *(Relate(app.id, "RUNS_ON", device.id) for app in apps))
        gone = [Unrelate(app.id, "RUNS_ON", device.id) for app in apps[:5]]
        commit(store, Unrelate(north.id, "PART_OF", root.id), *gone)
        yield Hub(store, device.id, [app.id for app in apps], north.id, related)


def test_only_a_total(hub: Hub) -> None:
    step = Step("RUNS", Query("App", first=0, total=True))
    for as_of, total in ((None, 25), (hub.related, 30)):
        found = hub.store.connections([hub.device], [step], as_of)
        assert found == {(hub.device, 0): Connected([], [], None, total)}
    [nothing] = hub.store.connections([hub.device], [Step("RUNS", Query(first=0))]).values()
    assert nothing == Connected([], [], None)


def test_a_page_goes_on_where_it_ended_whatever_came_since(hub: Hub) -> None:
    query = Query("App", sort=[Sort("name", True)], first=4)
    [page] = hub.store.connections([hub.device], [Step("RUNS", query)]).values()
    assert [r.name for r in page.records] == ["app 29", "app 28", "app 27", "app 26"]
    later = Query("App", sort=[Sort("name", True)], first=40, after=page.cursor, total=True)
    [rest] = hub.store.connections([hub.device], [Step("RUNS", later)]).values()
    assert [r.name for r in rest.records] == [f"app {n:02}" for n in range(25, 4, -1)]
    assert (rest.cursor, rest.total) == (None, 25)


def test_of_an_organisation_and_those_below_it(hub: Hub) -> None:
    root = hub.store.find(Query("Organisation", {"name": "root"})).records[0].id
    steps = [Step("RUNS", Query("App", organisation=o, total=True)) for o in (root, hub.north)]
    for as_of, totals in ((None, [20, 5]), (hub.related, [30, 10])):
        found = hub.store.connections([hub.device], steps, as_of)
        assert [found[hub.device, n].total for n in (0, 1)] == totals
        assert [len(found[hub.device, n].records) for n in (0, 1)] == totals


def test_filters_on_what_is_further_away(hub: Hub) -> None:
    for where in ({"RUNS_ON": {"name": "hub"}}, {"RUNS_ON": {"size": {"null": True}}}):
        step = Step("RUNS", Query("App", where, first=2, total=True))
        for as_of, total in ((None, 25), (hub.related, 30)):
            [page] = hub.store.connections([hub.device], [step], as_of).values()
            assert (len(page.records), page.total) == (2, total)


def test_it_is_one_statement(hub: Hub) -> None:
    store: Any = hub.store
    steps = [
        Step("RUNS", Query("App", total=True)),
        Step("RUNS_ON", Query("Device")),
        Step("CALLS"),
    ]
    for ids in (hub.apps[:1], [hub.device, *hub.apps]):
        for as_of in (None, hub.related):
            _ = store.model
            before = store.statements
            found = store.connections(ids, steps, as_of)
            assert store.statements == before + 1
            assert len(found) == 3 * len(ids)


def test_steps_behind_a_page_are_of_the_same_statement(hub: Hub) -> None:
    behind = Step("RUNS_ON", Query("Device", steps=[Step("RUNS", Query(first=2))]))
    levels = 1 if hub.store.url.startswith("bolt") else 3
    for as_of in (None, hub.related):
        before = hub.store.statements
        page = hub.store.find(Query("App", first=20, as_of=as_of, steps=[behind]))
        assert hub.store.statements == before + levels
        last = page.below[page.records[-1].id, 0]
        [device] = last.records
        beside = last.below[device.id, 0].records
        first = 0 if as_of else 5
        assert [record.id for record in beside] == hub.apps[first : first + 2]


def test_organisations_of_steps_behind_a_page(hub: Hub) -> None:
    root = hub.store.record(hub.apps[-1]).attributes["organisation"]
    runs = [Step("RUNS", Query("App", organisation=o, total=True)) for o in (hub.north, root)]
    for as_of, totals in ((None, [5, 20]), (hub.related, [10, 30])):
        query = Query(
            "App", organisation=root, as_of=as_of, steps=[Step("RUNS_ON", Query(steps=runs))]
        )
        page = hub.store.find(query)
        below = page.below[page.records[-1].id, 0].below
        assert [below[hub.device, n].total for n in (0, 1)] == totals


def test_some_attributes_of_records_by_id(hub: Hub) -> None:
    for as_of in (None, hub.related):
        found = hub.store.get([hub.apps[-1], hub.device], as_of, ["note", "name"])
        assert {r.name: dict(r.attributes) for r in found.values()} == {
            name: {"name": name} for name in ("app 29", "hub")
        }
        assert not hub.store.get([hub.device], as_of, [])[hub.device].attributes


def test_nothing_asked_is_nothing_found(hub: Hub) -> None:
    assert hub.store.connections([], [Step("RUNS")]) == {}
    assert hub.store.connections([hub.device], []) == {}
    assert hub.store.connections(["变电站", "no id"], [Step("RUNS")]) == {}


def test_a_relationship_to_itself_is_found_from_both_ends(store: GraphStore) -> None:
    app = add(store, "App", "a")
    commit(store, Relate(app, "CALLS", app))
    found = store.connections([app], [Step("CALLS"), Step("CALLED_BY")])
    assert [r.id for page in found.values() for r in page.records] == [app, app]


def test_any_value_comes_as_it_is(store: GraphStore) -> None:
    name, note = "\" \\ ' $ % 变电站", 'line\n"two"\t\u2028'
    app, device = create("App", name, note=note), create("Device", name, facts={"a": ['"', None]})
    commit(store, app, device, Relate(app.id, "RUNS_ON", device.id))
    for as_of in (None, store.last_revision().number):
        [page] = store.connections([app.id], [Step("RUNS_ON")], as_of).values()
        assert page.records == [store.record(device.id)]
        assert page.relationships[0].attributes == {"port": 80}


def test_steps_are_checked(hub: Hub) -> None:
    store, ids = hub.store, [hub.device]
    with pytest.raises(UnknownNameError):
        store.connections(ids, [Step("RUNS_OFF")])
    with pytest.raises(UnknownNameError):
        store.connections(ids, [Step("RUNS", Query("App", {"size": 1}))])
    with pytest.raises(UnknownNameError):
        store.connections(ids, [Step("RUNS", attributes=["port`}"])])
    with pytest.raises(UnknownNameError):
        store.find(Query(attributes=["name`}"]))
    with pytest.raises(UnknownNameError):
        store.get(ids, None, ["name`}"])
    with pytest.raises(UnknownNameError):
        store.find(Query(steps=[Step("RUNS", Query(steps=[Step("RUNS_OFF")]))]))
    with pytest.raises(QueryError, match="beside the steps"):
        store.connections(ids, [Step("RUNS", Query(as_of=1))])
    with pytest.raises(QueryError, match="Ask for 0 to"):
        store.connections(ids, [Step("RUNS", Query(first=-1))])
    with pytest.raises(QueryError):
        store.connections(ids, [Step("RUNS")], -1)
    cursor = store.connections(ids, [Step("RUNS", Query(first=1))])[hub.device, 0].cursor
    with pytest.raises(QueryError, match="another query"):
        store.connections(ids, [Step("RUNS_ON", Query(first=1, after=cursor))])
    with pytest.raises(QueryError, match="another query"):
        store.find(Query(first=1, after=cursor))
