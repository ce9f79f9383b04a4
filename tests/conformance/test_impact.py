"""What follows from an outage in a store: however it is found, the plain reference says the same."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.ids import new_id
from cmdb.store import GraphStore
from impact.analysis import Outage
from impact.dependencies import dependencies
from impact.rules import Effect
from impact.snapshots import Snapshot, partial, standing
from impact.topology import Topology
from impact.views import View
from schema.loading import load_model
from schema.model import Model
from tests.impact.estates import RULES, answer, estate, known, spelled
from tests.impact.test_against_reference import CIS, IDS, LABELS, LINKS, ROOTS, Change
from tests.support.building import add, commit, create
from tests.support.impact_reference import (
    DOWN,
    Answer,
    Ci,
    Estate,
    Link,
    Redundancy,
    propagate,
    reachable,
)

MORE = """\
record_types:
  Record:
    extend: true
    attributes:
      name: {kind: string, label: {en: Name, zh: 名称}}
      organisation: {kind: reference, to: Organisation, label: {en: Organisation, zh: 单位}}
  Server:
    extend: true
    attributes:
      redundancy: {kind: json, label: {en: Redundancy, zh: 冗余}}
  Organisation: {parent: Record, label: {en: Organisation, zh: 单位}}
"""
TYPES: Final = tuple(RULES.rules)
STATES: Final = {True: "in_use", False: "planned"}
LABELLED: Final = {"RUNS_ON", "CALLS"}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The model of the tests of `impact`, as a store needs it."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "more.yaml").write_text(MORE, encoding="utf-8")
    own = Path(__file__).parent.parent / "impact" / "model"
    return load_model([own, folder], shipped=False)


# -- an estate in a store -----------------------------------------------------------------------------


def written(before: Estate, change: Change) -> tuple[list[Operation], Estate]:
    """A change as operations, and the estate after it."""
    after, operations = before.copy(), list[Operation]()
    for id, ci in change.cis.items():
        said = {"redundancy": spelled(ci) or None, "lifecycle_state": STATES[ci.operational]}
        if id not in before.cis:
            given = {name: value for name, value in said.items() if value is not None}
            operations.append(Create(ci.type, given, id))
        else:
            operations.append(Update(id, said, type=ci.type))
        after.cis[id] = ci
    for link, label in change.links.items():
        source, target = link.dependent, link.provider
        if link.type == "FEEDS":
            source, target = target, source
        if not {source, target} <= after.cis.keys():
            continue
        if label is None:
            if after.links.pop(link, None) is not None:
                operations.append(Unrelate(source, link.type, target))
            continue
        label = label if link.type in LABELLED else ""
        operations.append(Relate(source, link.type, target, {"group": label} if label else {}))
        after.links[link] = label
    return operations, after


def scanned(store: GraphStore, ids: Collection[str], at: int | None = None) -> Estate:
    """What a store holds, read by scanning."""
    found = estate()
    for record in store.scan_records(at):
        if record.id in ids and record.type != "Organisation":
            said = record.attributes.get("redundancy") or {}
            needs = {
                type: Redundancy(x["needed"], True) if isinstance(x, dict) else Redundancy(x)
                for type, x in said.items()
            }
            serves = record.attributes["lifecycle_state"] == "in_use"
            found.cis[record.id] = Ci(record.type, serves, needs)
    for x in store.scan_relationships(at, TYPES):
        if x.source in ids:
            ends = (x.source, x.target) if x.type == "FEEDS" else (x.target, x.source)
            found.links[Link(x.type, *ends)] = x.attributes.get("group") or ""
    return found


def said(
    found: Topology | tuple[Topology, View], roots: Mapping[str, int], depth: int | None = None
) -> Answer:
    """What a topology says of some roots, leaving out groups that have lost nothing."""
    topology, view = found if isinstance(found, tuple) else (found, found.live)
    return touched(answer(topology, roots, depth, view))


def touched(found: Answer) -> Answer:
    groups = {group: state for group, state in found.groups.items() if state.effect}
    return found._replace(groups=groups)


def by_levels(
    store: GraphStore, roots: Mapping[str, int], at: int | None = None, depth: int | None = None
) -> Answer:
    given = {id: Effect(effect) for id, effect in roots.items()}
    found = partial(store, given, as_of=at, depth=depth)
    assert found is not None
    return said(found, roots, depth)


CHANGES = st.lists(
    st.builds(
        Change,
        st.dictionaries(st.sampled_from(IDS), CIS, max_size=3),
        st.dictionaries(LINKS, st.none() | LABELS, max_size=8),
    ),
    min_size=1,
    max_size=6,
)
FIRST = st.builds(
    Change,
    st.fixed_dictionaries(dict.fromkeys(IDS[:7], CIS)),
    st.dictionaries(LINKS, LABELS, min_size=4, max_size=20),
)
DEPTHS = st.none() | st.integers(0, 3)


class History:
    """Some revisions of new CIs in a store, and what held at each."""

    def __init__(self, store: GraphStore) -> None:
        self.store, self.ids = store, {id: new_id() for id in IDS}
        self.states: dict[int, Estate] = {store.last_revision().number: estate()}

    @property
    def state(self) -> Estate:
        return self.states[max(self.states)]

    def change(self, plain: Change) -> None:
        ids = self.ids
        change = Change(
            {ids[id]: ci for id, ci in plain.cis.items()},
            {
                Link(x.type, ids[x.provider], ids[x.dependent]): y
                for x, y in plain.links.items()
                if x.provider != x.dependent
            },
        )
        operations, after = written(self.state, change)
        if operations:
            commit(self.store, *operations)
            self.states[self.store.last_revision().number] = after

    def roots(self, plain: Mapping[str, int]) -> dict[str, int]:
        return {self.ids[id]: effect for id, effect in plain.items()}

    def check(
        self, kept: Snapshot, roots: Mapping[str, int], depth: int | None, newest: bool
    ) -> None:
        """Every way to the answer, for now and for each revision there was."""
        revisions = list(self.states)
        state = self.state
        there, expected = known(state, roots), touched(propagate(state, known(state, roots)))
        assert scanned(self.store, set(self.ids.values())) == state
        assert said(kept.now(), there) == expected
        assert said(Snapshot(self.store).now(), there) == expected
        assert by_levels(self.store, there) == expected
        assert by_levels(self.store, there, depth=depth) == touched(propagate(state, there, depth))
        for at in revisions[-1:] if newest else revisions:
            state = scanned(self.store, set(self.ids.values()), at)
            assert state == self.states[at]
            there = known(state, roots)
            expected = touched(propagate(state, there))
            assert said(kept.at(at), there) == expected
            assert by_levels(self.store, there, at) == expected
            expected = touched(propagate(state, there, depth))
            assert said(kept.at(at), there, depth) == expected
            assert by_levels(self.store, there, at, depth) == expected


def check_history(store: GraphStore, data: st.DataObject) -> None:
    history, kept = History(store), Snapshot(store)
    first, more, later = data.draw(FIRST), data.draw(CHANGES), data.draw(CHANGES)
    roots, depth = history.roots(data.draw(ROOTS)), data.draw(DEPTHS)
    history.change(first)
    for change in more:
        history.change(change)
    history.check(kept, roots, depth, newest=True)
    loaded = Snapshot(store)
    history.check(loaded, roots, depth, newest=False)
    for change in later:
        history.change(change)
    for snapshot in (kept, loaded):
        history.check(snapshot, roots, depth, newest=False)


QUIET = list(HealthCheck)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Making an example smaller takes too long: each is a history of commits."""


@given(data=st.data())
@settings(max_examples=10, suppress_health_check=QUIET, phases=PHASES)
def test_sqlite_says_what_the_reference_says(kept_file: GraphStore, data: st.DataObject) -> None:
    check_history(kept_file, data)


@given(data=st.data())
@settings(max_examples=3, suppress_health_check=QUIET, phases=PHASES)
def test_neo4j_says_what_the_reference_says(kept_neo4j: GraphStore, data: st.DataObject) -> None:
    check_history(kept_neo4j, data)


# -- by example ---------------------------------------------------------------------------------------


def chain(store: GraphStore, count: int) -> list[str]:
    """Each feeds the next one."""
    servers = [create("Server", str(n), lifecycle_state="in_use") for n in range(count)]
    ids = [server.id for server in servers]
    commit(store, *servers, *(Relate(one, "FEEDS", other) for one, other in pairwise(ids)))
    return ids


@pytest.mark.parametrize(("depth", "reached"), [(0, 1), (1, 2), (3, 4), (4, 5), (9, 5), (None, 5)])
def test_a_depth_that_is_not_enough_is_said_to_be(
    store: GraphStore, depth: int | None, reached: int
) -> None:
    ids = chain(store, 5)
    whole = Snapshot(store).now()
    some = partial(store, {ids[0]: Effect.DOWN}, depth=depth)
    assert some is not None
    for topology in (whole, some):
        outage = Outage(topology, {ids[0]: Effect.DOWN}, at=topology.revision, depth=depth)
        assert [one.id for one in outage.affected] == ids[:reached]
        assert bool(outage.truncated) == (reached < 5)
    for topology in (whole, standing(store, [ids[-1]], depth=depth)):
        found = dependencies(topology, [ids[-1]], depth=depth)
        assert [one.id for one in found.found] == ids[-2::-1][: reached - 1]
        assert bool(found.truncated) == (reached < 5)


def test_a_level_is_one_statement(store: GraphStore) -> None:
    counted: Any = store
    ids = chain(store, 6)
    at = store.last_revision().number
    for _ in range(2):
        before = counted.statements
        partial(store, {ids[0]: Effect.DOWN}, as_of=at)
        middle = counted.statements
        standing(store, [ids[-1]], as_of=at)
        assert (middle - before, counted.statements - middle) == (6, 6)
        before = counted.statements
        partial(store, {ids[0]: Effect.DOWN}, as_of=at, depth=2)
        standing(store, [ids[-1]], as_of=at, depth=2)
        assert counted.statements - before == 6


def test_more_than_is_wanted_is_not_fetched(store: GraphStore) -> None:
    ids = chain(store, 6)
    roots = {ids[0]: Effect.DOWN}
    assert partial(store, roots, most=3) is None
    assert partial(store, roots, most=6) is not None


def test_what_was_seen_of_the_past_stays_true_when_a_state_changes_again(
    store: GraphStore,
) -> None:
    ids = chain(store, 2)
    served = store.last_revision().number
    for state in ("planned", "in_use"):
        commit(store, Update(ids[0], {"lifecycle_state": state}))
    snapshot, roots = Snapshot(store), {ids[0]: DOWN}
    for state in ("planned", "in_use", "planned"):
        for at in range(served, store.last_revision().number + 1):
            expected = [ids[0]] if (at - served) % 2 else ids
            assert list(said(snapshot.at(at), roots).effects) == expected, at
        commit(store, Update(ids[0], {"lifecycle_state": state}))


def test_an_answer_of_the_past_knows_the_type_of_then(store: GraphStore) -> None:
    """(cluster)-[:RUNS_ON]->(two servers), of which it needs both; as a server it needed one."""
    ids = [add(store, "Server", name, lifecycle_state="in_use") for name in "abc"]
    app, one, two = ids
    commit(store, *(Relate(app, "RUNS_ON", x, {"group": "nodes"}) for x in (one, two)))
    before, kept = store.last_revision().number, Snapshot(store)
    after = commit(store, Update(app, {}, type="Cluster"))
    for snapshot in (kept, Snapshot(store)):
        assert said(snapshot.at(before), {one: DOWN}).effects[app] == Effect.AT_RISK
        assert said(snapshot.at(after), {one: DOWN}).effects[app] == Effect.DOWN
        topology, view = snapshot.at(before)
        outage = Outage(topology, {one: Effect.DOWN}, at=before, view=view)
        assert outage.why(app)[0].group is not None


def test_who_is_no_ci_is_in_no_topology(store: GraphStore) -> None:
    """However the topology came about."""
    kept = Snapshot(store)
    nobody = add(store, "Organisation", "nobody")
    at = store.last_revision().number
    for topology in (kept.now(), Snapshot(store).now()):
        assert Outage(topology, {nobody: Effect.DOWN}, at=at).unknown == [nobody]


# -- what CIs stand on --------------------------------------------------------------------------------


@pytest.fixture
def tangle(store: GraphStore) -> tuple[GraphStore, History]:
    """Some CIs with cycles, some of which serve nobody, and what they were before."""
    history, chance = History(store), random.Random(7)
    cis = {id: Ci("Server", chance.random() < 0.8) for id in IDS}
    links: dict[Link, str | None] = {
        Link(type, *chance.sample(IDS, 2)): "" for type in TYPES * 3 if chance.random() < 0.9
    }
    history.change(Change(cis, links))
    for _ in range(4):
        gone: list[Link] = chance.sample(sorted(links), 2)
        links = {link: "" for link in links if link not in gone}
        changed = {chance.choice(IDS): Ci("Cluster", chance.random() < 0.5)}
        history.change(Change(changed, dict.fromkeys(gone)))
    return store, history


def test_what_cis_stand_on_is_what_could_reach_them(tangle: tuple[GraphStore, History]) -> None:
    store, history = tangle
    snapshot = Snapshot(store)
    most = 0
    for at, state in list(history.states.items())[1:]:
        for asked in ([id] for id in history.ids.values()):
            away = {asked[0]: 0}
            for distance in range(1, len(IDS)):
                near = {link.provider for link in state.active() if link.dependent in away}
                away = {**dict.fromkeys(near, distance), **away}
            whole, view = snapshot.at(at)
            for depth in (None, 0, 1, 2):
                expected = {id: n for id, n in away.items() if n and (depth is None or n <= depth)}
                fetched = standing(store, asked, as_of=at, depth=depth)
                for found in (
                    dependencies(whole, asked, view=view, depth=depth),
                    dependencies(fetched, asked, depth=depth),
                ):
                    assert {d.id: d.distance for d in found.found} == expected
                    assert bool(found.truncated) == (len(expected) < len(away) - 1)
                    for d in found.found:
                        by = Link(d.relationship, d.id, d.by)
                        assert by in state.active()
                        assert away[d.by] == d.distance - 1
            most = max(most, len(away))
            reached = {id for id in state.cis if asked[0] in reachable(state, [id])}
            assert reached == away.keys()
    assert most > 5
