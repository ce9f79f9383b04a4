"""A store against a plain in-memory oracle: random histories, every reading of them compared."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cmdb.audit import Audit
from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import ConflictError, InvalidChangeError
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.neo4j_server import Neo4jServer
from tests.support.oracle import Oracle, State

NAMES = st.sampled_from(["web", "db", "变电站", "a`b'c\"", "x\\y", "Ω"])
SIZES = st.none() | st.integers(-100, 1000)
DEFAULTS = {"grade": "standard", "lifecycle_state": "planned"}


def record_key(id: str) -> Any:
    return lambda state: state.records.get(id)


class StoreAgainstOracle(RuleBasedStateMachine):
    """Apps and devices are made, changed and related; the past is read at random."""

    store: GraphStore

    def new_store(self) -> GraphStore:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.store = self.new_store()
        self.oracle = Oracle()
        self.apps: list[str] = []
        self.devices: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert list(check(self.store, audit=Audit(self.store))) == []
            self.store.close()

    # -- changes ------------------------------------------------------------------------------------

    def commit(self, operations: list[Any], change: Any) -> None:
        result = self.store.commit(ChangeSet(operations, "tester"))
        assert result.committed == self.oracle.apply(change)
        assert result.revision == self.oracle.revision

    @rule(name=NAMES, size=SIZES, extra=st.integers(0, 2))
    def create(self, name: str, size: int | None, extra: int) -> None:
        app, device = new_id(), new_id()
        operations: list[Any] = [Create("App", {"name": name}, app)]
        operations.append(Create("Device", {"name": name, "size": size}, device))
        if extra:
            operations.append(Relate(app, "RUNS_ON", device, {"port": extra}))

        def change(state: State) -> None:
            attributes = {"name": name, **DEFAULTS, **({} if size is None else {"size": size})}
            state.records[app] = ("App", {"name": name, "lifecycle_state": "planned"})
            state.records[device] = ("Device", attributes)
            if extra:
                state.links[app, "RUNS_ON", device] = {"port": extra}

        self.commit(operations, change)
        self.apps.append(app)
        self.devices.append(device)

    @rule(
        data=st.data(),
        size=SIZES,
        tags=st.none() | st.lists(NAMES, max_size=2),
        current=st.booleans(),
    )
    def update(
        self, data: st.DataObject, size: int | None, tags: list[str] | None, current: bool
    ) -> None:
        if not self.devices:
            return
        id = data.draw(st.sampled_from(self.devices))
        expected = self.oracle.made_at(self.oracle.revision, record_key(id)) if current else None

        def change(state: State) -> None:
            attributes = state.records[id][1]
            for name, value in (("size", size), ("tags", tags)):
                attributes.pop(name, None)
                if value is not None:
                    attributes[name] = value

        self.commit([Update(id, {"size": size, "tags": tags}, expected)], change)

    @rule(data=st.data(), port=st.integers(1, 3))
    def relate(self, data: st.DataObject, port: int) -> None:
        if not self.apps:
            return
        pairs = st.tuples(st.sampled_from(self.apps), st.sampled_from(self.devices))
        chosen = data.draw(st.lists(pairs, min_size=1, max_size=3, unique=True))
        operations = [Relate(app, "RUNS_ON", device, {"port": port}) for app, device in chosen]

        def change(state: State) -> None:
            for app, device in chosen:
                state.links[app, "RUNS_ON", device] = {"port": port}

        self.commit(operations, change)

    @rule(data=st.data())
    def unrelate(self, data: st.DataObject) -> None:
        if not self.oracle.now.links:
            return
        keys = data.draw(
            st.lists(
                st.sampled_from(sorted(self.oracle.now.links)), min_size=1, max_size=3, unique=True
            )
        )

        def change(state: State) -> None:
            for key in keys:
                del state.links[key]

        self.commit([Unrelate(*key) for key in keys], change)

    @rule(data=st.data())
    def lose_to_somebody_else(self, data: st.DataObject) -> None:
        if not self.devices:
            return
        id = data.draw(st.sampled_from(self.devices))
        actual = self.oracle.made_at(self.oracle.revision, record_key(id))
        operations: list[Operation] = [
            Create("Box", {"name": "x"}, new_id()),
            Update(id, {"size": 7}, actual - 1),
        ]
        with pytest.raises(ConflictError) as caught:
            self.store.commit(ChangeSet(operations, "tester"))
        assert caught.value.actual == actual

    @rule(data=st.data())
    def break_a_rule(self, data: st.DataObject) -> None:
        if not self.devices:
            return
        id = data.draw(st.sampled_from(self.devices))
        operations: list[Operation] = [Update(id, {"size": 8}), Relate(id, "RUNS_ON", id)]
        with pytest.raises(InvalidChangeError):
            self.store.commit(ChangeSet(operations, "tester"))

    # -- readings -----------------------------------------------------------------------------------

    @rule(data=st.data())
    def read_the_past(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(1, self.oracle.revision))
        state = self.oracle.states[at]
        assert state_of(self.store, at) == state
        found = self.store.find(Query("Device", {"size": {"gte": 0}}, as_of=at, first=1000)).records
        expected = {id for id, (_, a) in state.records.items() if a.get("size", -1) >= 0}
        assert {record.id for record in found} == expected
        for record in found:
            assert record.revision == self.oracle.made_at(at, record_key(record.id))
        ported = self.store.find(
            Query("App", {"RUNS_ON": {"size": {"null": False}}}, as_of=at, first=1000)
        )
        expected = {s for s, _, t in state.links if "size" in state.records[t][1]}
        assert {record.id for record in ported.records} == expected
        if self.apps:
            id = data.draw(st.sampled_from(self.apps))
            near = self.store.neighbours([id], as_of=at)
            assert {(n.relationship.key, n.record.id) for n in near} == {
                (k, k[2]) for k in state.links if k[0] == id
            }

    @rule(data=st.data())
    def compare_two_revisions(self, data: st.DataObject) -> None:
        numbers = st.integers(1, self.oracle.revision)
        earlier, later = data.draw(numbers), data.draw(numbers)
        changes = self.store.compare(earlier, later)
        records, links = self.oracle.difference(earlier, later)
        assert {change.id for change in changes.records} == records
        assert {tuple(change.key) for change in changes.relationships} == links
        for change in changes.records:
            old = self.oracle.states[earlier].records.get(change.id)
            new = self.oracle.states[later].records.get(change.id)
            assert (change.before and change.before.attributes) == (old and old[1])
            assert (change.after and change.after.attributes) == (new and new[1])

    @rule(data=st.data())
    def read_a_history(self, data: st.DataObject) -> None:
        if not self.devices:
            return
        id = data.draw(st.sampled_from(self.devices + self.apps))
        whole = self.store.history(id, 1000)
        assert [entry.revision.number for entry in whole] == self.oracle.touched(id)
        walked, before = [], None
        while page := self.store.history(id, 2, before):
            walked += page
            before = page[-1].revision.number
        assert walked == whole

    @rule(data=st.data())
    def follow_the_feed(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(0, self.oracle.revision))
        numbers = []
        for revision, changes in self.store.feed(after):
            numbers.append(revision.number)
            if revision.number > 1:
                records, links = self.oracle.difference(revision.number - 1, revision.number)
                assert {change.id for change in changes.records} == records
                assert {tuple(change.key) for change in changes.relationships} == links
        assert numbers == list(range(after + 1, self.oracle.revision + 1))

    @invariant()
    def now_agrees(self) -> None:
        if hasattr(self, "oracle"):
            assert state_of(self.store, None) == self.oracle.now


def state_of(store: GraphStore, at: int | None) -> State:
    records = {r.id: (r.type, dict(r.attributes)) for r in store.scan_records(at)}
    links = {tuple(x.key): dict(x.attributes) for x in store.scan_relationships(at)}
    return State(records, links)  # type: ignore[arg-type]


def test_sqlite_agrees_with_the_oracle(tmp_path: Path, model: Model) -> None:
    numbers = itertools.count()

    class Machine(StoreAgainstOracle):
        def new_store(self) -> GraphStore:
            return create_store(f"sqlite:///{tmp_path}/{next(numbers)}.db", model)

    run_state_machine_as_test(Machine, settings=bounded(60, 30))


@pytest.mark.neo4j
def test_neo4j_agrees_with_the_oracle(
    neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model
) -> None:
    class Machine(StoreAgainstOracle):
        def new_store(self) -> GraphStore:
            neo4j_server.empty()
            return create_store(neo4j_store_url, model)

    run_state_machine_as_test(Machine, settings=bounded(8, 25))


def bounded(examples: int, steps: int) -> settings:
    """Few and short enough for every run; CMDB_HYPOTHESIS=thorough makes them many."""
    many = max(1, settings().max_examples // 100)
    return settings(
        max_examples=examples * many, stateful_step_count=steps, deadline=None, print_blob=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
