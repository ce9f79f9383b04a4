"""Whatever sources report and people set, in whatever order, the graph is what a plain oracle says.

On the embedded store: that both stores reconcile alike is the conformance suite's matter.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cmdb.change_sets import ChangeSet, Update
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.reconciliation.observations import Link, Observation
from cmdb.reconciliation.precedence import Precedence
from cmdb.reconciliation.recomputing import apply, recompute
from cmdb.reconciliation.sources import precedence_of, sources
from cmdb.store import GraphStore, create_store
from schema.loading import load_model
from tests.support.reporting import linked, report

MODEL = load_model([])
PRECEDENCE = {"ledger": 70, "ansible": 50, "nmap": 30}
MACHINES = ("m0", "m1", "m2")
ATTRIBUTES = {"memory_mib": st.integers(1, 3), "os_name": st.sampled_from("ABC")}
STATEMENT = st.fixed_dictionaries(
    {}, optional={**ATTRIBUTES, "rack": st.sampled_from(("R1", "R2"))}
)


def observation(machine: str, said: dict[str, Any]) -> Observation:
    values = {n: v for n, v in said.items() if n != "rack"}
    links = []
    if "rack" in said:
        rack = Observation("Rack", f"rack/{said['rack']}", {"name": said["rack"]}, [_room()])
        links.append(Link("CONTAINED_IN", rack))
    return Observation("Server", machine, {"asset_number": machine, **values}, links)


def _room() -> Link:
    return Link("CONTAINED_IN", Observation("Room", "room", {"name": "A301"}))


class Reconciling(RuleBasedStateMachine):
    """What each source said last of each machine, and what people set."""

    store: GraphStore
    folder: Path

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store = create_store(f"sqlite:///{self.folder}/store.db", MODEL)
        self.said: dict[str, dict[str, dict[str, Any]]] = {s: {} for s in PRECEDENCE}
        self.racks: dict[str, str | None] = {}
        self.gone: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    # -- what happens -------------------------------------------------------------------------------

    @rule(
        source=st.sampled_from(sorted(PRECEDENCE)),
        told=st.dictionaries(st.sampled_from(MACHINES), STATEMENT, min_size=1),
        complete=st.booleans(),
    )
    def source_reports(self, source: str, told: dict[str, dict[str, Any]], complete: bool) -> None:
        items = [observation(machine, said) for machine, said in sorted(told.items())]
        options: dict[str, Any] = {
            "precedence": PRECEDENCE[source],
            "complete": complete,
            "vanish_limit": 100.0,
        }
        report(self.store, source, *items, **options)
        newest = self.store.last_revision().number
        again = report(self.store, source, *items, **options)
        assert self.store.last_revision().number == newest, again.lines
        self.said[source] |= told
        for machine in told:  # what vanished had the last word only until somebody else spoke
            self.gone.discard((source, machine))
            for other in [o for o, m in self.gone if m == machine]:
                self.said[other].pop(machine, None)
                self.gone.discard((other, machine))
        if complete:
            for machine in self.said[source].keys() - told.keys():
                if any(machine in said for s, said in self.said.items() if s != source):
                    del self.said[source][machine]
                else:
                    self.said[source][machine].pop("rack", None)
                    self.gone.add((source, machine))
        for machine in MACHINES:
            if any(machine in said for said in self.said.values()):
                self._settle(machine)

    def _claims(self, machine: str) -> dict[str, list[tuple[int, str, Any]]]:
        found: dict[str, list[tuple[int, str, Any]]] = {}
        for source, said in self.said.items():
            for name, value in said.get(machine, {}).items():
                found.setdefault(name, []).append((PRECEDENCE[source], source, value))
        return found

    def _settle(self, machine: str) -> None:
        racks = self._claims(machine).get("rack", [])
        self.racks[machine] = max(racks)[2] if racks else None

    # -- what holds ---------------------------------------------------------------------------------

    @invariant()
    def each_machine_is_one_record_that_stands_where_it_should(self) -> None:
        if not hasattr(self, "store"):
            return
        found = {r.attributes["asset_number"]: r for r in self.store.find(Query("Server")).records}
        assert found.keys() == self.racks.keys()
        for machine, record in found.items():
            racks = {name for way, name in linked(self.store, record) if way == "CONTAINED_IN"}
            wanted = self.racks[machine]
            assert racks == ({wanted} if wanted else set())

    @invariant()
    def every_value_is_the_winners(self) -> None:
        if not hasattr(self, "store"):
            return
        for record in self.store.find(Query("Server")).records:
            machine = record.attributes["asset_number"]
            claims = self._claims(machine)
            for name in ATTRIBUTES:
                if name in claims:
                    best = max(claims[name], key=lambda c: c[0])
                    assert record.attributes.get(name) == best[2]

    @invariant()
    def what_somebody_reports_is_in_use(self) -> None:
        if not hasattr(self, "store"):
            return
        for record in self.store.find(Query("Server")).records:
            machine = record.attributes["asset_number"]
            there = any(
                machine in d and (s, machine) not in self.gone for s, d in self.said.items()
            )
            assert record.attributes["lifecycle_state"] == ("in_use" if there else "idle")

    @invariant()
    def the_store_is_sound(self) -> None:
        if hasattr(self, "store"):
            assert list(check(self.store, lambda _: None)) == []


Reconciling.TestCase.settings = settings(
    max_examples=40, stateful_step_count=6, deadline=None, phases=[Phase.generate]
)
TestReconciling = Reconciling.TestCase


REPORTS = st.lists(
    st.tuples(
        st.sampled_from(sorted(PRECEDENCE)),
        st.dictionaries(
            st.sampled_from(MACHINES), st.fixed_dictionaries({}, optional=ATTRIBUTES), min_size=1
        ),
    ),
    min_size=2,
    max_size=4,
    unique_by=lambda pair: pair[0],
)


@settings(max_examples=20, deadline=None)
@given(reports=REPORTS, order=st.randoms(use_true_random=False))
def test_the_order_of_sources_does_not_matter(reports: list[Any], order: Any) -> None:
    shuffled = list(reports)
    order.shuffle(shuffled)
    assert _outcome(reports) == _outcome(shuffled)


@settings(max_examples=15, deadline=None)
@given(reports=REPORTS, ranks=st.permutations([10, 20, 30]), value=st.integers(4, 9))
def test_recomputing_gives_what_reporting_under_that_precedence_gives(
    reports: list[Any], ranks: list[int], value: int
) -> None:
    precedence = dict(zip(sorted(PRECEDENCE), ranks, strict=True))
    with new_store() as store:
        _report_all(store, reports, PRECEDENCE)
        first = store.find(Query("Server")).records[0]
        store.commit(ChangeSet([Update(first.id, {"cpu_count": value})], "li"))
        _recomputed(store, precedence)
        after = _values(store)
        _recomputed(store, PRECEDENCE)
        back = _values(store)
    expected = _outcome(reports, precedence)
    machine = first.attributes["asset_number"]
    expected[machine] = {**expected[machine], "cpu_count": value}
    assert after == expected
    original = _outcome(reports)
    original[machine] = {**original[machine], "cpu_count": value}
    assert back == original


@contextmanager
def new_store() -> Iterator[GraphStore]:
    with (
        tempfile.TemporaryDirectory() as folder,
        create_store(f"sqlite:///{folder}/store.db", MODEL) as store,
    ):
        yield store


def _recomputed(store: GraphStore, ranks: dict[str, int]) -> None:
    assert set(precedence_of(sources(store)).general) <= set(ranks)
    plan = recompute(store, Precedence(ranks))
    apply(
        store,
        plan,
        actor="li",
        source="precedence",
        reason="",
        report=lambda _: None,
        dry_run=False,
    )


def _outcome(reports: list[Any], ranks: dict[str, int] = PRECEDENCE) -> dict[str, Any]:
    with new_store() as store:
        _report_all(store, reports, ranks)
        return _values(store)


def _report_all(store: GraphStore, reports: list[Any], ranks: dict[str, int]) -> None:
    for source, told in reports:
        items = [observation(machine, said) for machine, said in sorted(told.items())]
        report(store, source, *items, precedence=ranks[source], checked=False)


def _values(store: GraphStore) -> dict[str, Any]:
    left_out = ("provenance", "lifecycle_state")
    return {
        r.attributes["asset_number"]: {n: v for n, v in r.attributes.items() if n not in left_out}
        for r in store.find(Query("Server")).records
    }
