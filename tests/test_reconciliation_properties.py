"""Whatever sources report and people set, in whatever order, the graph is what a plain oracle says.

On the embedded store: that both stores reconcile alike is the conformance suite's matter.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cmdb.change_sets import ChangeSet, Operation, Relate, Unrelate, Update
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.reconciliation import runs
from cmdb.reconciliation.observations import Link, Observation, Ref
from cmdb.reconciliation.planning import ACTIONS
from cmdb.reconciliation.precedence import Precedence
from cmdb.reconciliation.recomputing import recompute
from cmdb.reconciliation.sources import precedence_of, sources
from cmdb.store import GraphStore, create_store
from schema.loading import load_model
from tests.support.reporting import carry_out, linked, report

MODEL = load_model([])
PRECEDENCE = {"ledger": 70, "ansible": 50, "nmap": 30}
RACKING = {"netbox": 60}
"""What it says of racks is which machines are in them: the other end's word."""
RANKS = PRECEDENCE | RACKING
MACHINES = ("m0", "m1", "m2")
RACKS = ("R1", "R2")
ATTRIBUTES = {"memory_mib": st.integers(1, 3), "os_name": st.sampled_from("ABC")}
STATEMENT = st.fixed_dictionaries({}, optional={**ATTRIBUTES, "rack": st.sampled_from(RACKS)})


def observation(machine: str, said: dict[str, Any]) -> Observation:
    values = {n: v for n, v in said.items() if n != "rack"}
    links = []
    if "rack" in said:
        links.append(Link("CONTAINED_IN", rack_of(said["rack"])))
    return Observation("Server", machine, {"asset_number": machine, **values}, links)


def rack_of(name: str, machines: Collection[str] = ()) -> Observation:
    room = Link("CONTAINED_IN", Observation("Room", "room", {"name": "A301"}))
    inside = [Link("CONTAINS", observation(machine, {})) for machine in sorted(machines)]
    return Observation("Rack", f"rack/{name}", {"name": name}, [room, *inside])


class Reconciling(RuleBasedStateMachine):
    """What each source said last of each machine and rack, and what people set, related and closed."""

    store: GraphStore
    folder: Path

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store = create_store(f"sqlite:///{self.folder}/store.db", MODEL)
        self.said: dict[str, dict[str, dict[str, Any]]] = {s: {} for s in PRECEDENCE | RACKING}
        self.held: dict[str, frozenset[str]] = dict.fromkeys(RACKS, frozenset())
        self.racks: dict[str, set[str | None]] = {}
        self.by_hand: dict[str, str | None] = {}
        self.closed: set[tuple[str, str]] = set()
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
        self._report(source, items, complete)
        before = {machine: dict(said) for machine, said in self.said[source].items()}
        self.said[source] |= told
        for machine in told:
            self._spoken_of(source, machine)
        if complete:
            for machine in self.said[source].keys() - told.keys():
                if any(machine in said for s, said in self.said.items() if s != source):
                    del self.said[source][machine]
                else:
                    self.said[source][machine].pop("rack", None)
                    self.gone.add((source, machine))
        for machine in MACHINES:
            was, now = before.get(machine, {}), self.said[source].get(machine, {})
            if "rack" in {**was, **now} and (was != now or machine not in before):
                self._settle(machine)

    @rule(held=st.dictionaries(st.sampled_from(RACKS), st.frozensets(st.sampled_from(MACHINES))))
    def racks_are_reported(self, held: dict[str, frozenset[str]]) -> None:
        self._report("netbox", [rack_of(*told) for told in sorted(held.items())], False)
        touched: set[str] = set()
        for rack, machines in held.items():
            if machines != self.held[rack]:
                touched |= machines | self.held[rack]
                for machine in machines:
                    self.said["netbox"].setdefault(machine, {})
                    self._spoken_of("netbox", machine)
        self.held |= held
        for machine in touched:
            self._settle(machine)

    def _report(self, source: str, items: list[Observation], complete: bool) -> None:
        options: dict[str, Any] = {
            "precedence": RANKS[source],
            "complete": complete,
            "vanish_limit": 100.0,
        }
        planned = report(self.store, source, *items, apply=False, **options)
        done = report(self.store, source, *items, **options)
        assert planned.counts == done.counts, (planned.lines, done.lines)
        newest = self.store.last_revision().number
        again = report(self.store, source, *items, **options)
        assert self.store.last_revision().number == newest, again.lines

    def _spoken_of(self, source: str, machine: str) -> None:
        """What vanished had the last word only until somebody else spoke."""
        self.gone.discard((source, machine))
        for other in [o for o, m in self.gone if m == machine]:
            self.said[other].pop(machine, None)
            self.gone.discard((other, machine))

    @rule(machine=st.sampled_from(MACHINES), rack=st.sampled_from((None, *RACKS)))
    def somebody_moves(self, machine: str, rack: str | None) -> None:
        """By hand: out of the rack it is in, and into another one or none."""
        ids = {
            type_: {r.attributes[name]: r.id for r in self.store.find(Query(type_)).records}
            for type_, name in (("Server", "asset_number"), ("Rack", "name"))
        }
        if machine not in ids["Server"] or (rack and rack not in ids["Rack"]):
            return
        [now] = self.racks[machine]
        operations: list[Operation] = []
        if now is not None and now != rack:
            operations.append(Unrelate(ids["Rack"][now], "CONTAINS", ids["Server"][machine]))
            if any(said == now for *_, said in self._claims(machine).get("rack", [])):
                self.closed.add((machine, now))
        if rack is not None:
            operations.append(Relate(ids["Rack"][rack], "CONTAINS", ids["Server"][machine]))
        self.by_hand[machine] = rack
        self.racks[machine] = {rack}
        self.store.commit(ChangeSet(operations, "li"))

    def _claims(self, machine: str) -> dict[str, list[tuple[int, str, Any]]]:
        found: dict[str, list[tuple[int, str, Any]]] = {}
        for source, said in self.said.items():
            for name, value in said.get(machine, {}).items():
                found.setdefault(name, []).append((RANKS[source], source, value))
        for rack, machines in self.held.items():
            if machine in machines:
                found.setdefault("rack", []).append((RANKS["netbox"], "netbox", rack))
        return found

    def _settle(self, machine: str) -> None:
        """Where it is now: as the highest say, and of those where it was."""
        by_hand = self.by_hand.get(machine)
        self.closed.discard((machine, by_hand or ""))
        claims = self._claims(machine).get("rack", [])
        claims += [(100, "manual", by_hand)] if by_hand else []
        claims = [c for c in claims if (machine, c[2]) not in self.closed]
        best = {rack for rank, _, rack in claims if rank == max(claims)[0]}
        self.racks[machine] = (best & self.racks.get(machine, {None})) or best or {None}

    # -- what holds ---------------------------------------------------------------------------------

    @invariant()
    def each_machine_is_one_record_that_stands_where_it_should(self) -> None:
        if not hasattr(self, "store"):
            return
        found = {r.attributes["asset_number"]: r for r in self.store.find(Query("Server")).records}
        assert found.keys() == {machine for said in self.said.values() for machine in said}
        for machine, record in found.items():
            racks = [name for way, name in linked(self.store, record) if way == "CONTAINED_IN"]
            assert len(racks) < 2
            rack = racks[0] if racks else None
            assert rack in self.racks.setdefault(machine, {None})
            self.racks[machine] = {rack}

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
    max_examples=60, stateful_step_count=8, deadline=None, phases=[Phase.generate]
)
TestReconciling = Reconciling.TestCase


KEYS = ("k1", "k2", "k3", "k4")
THINGS = st.builds(
    Observation,
    type=st.sampled_from(("Server", "Rack", "Person", "Department", "Switch")),
    key=st.sampled_from(KEYS),
    attributes=st.fixed_dictionaries(
        {"name": st.sampled_from(("one", "two"))},
        optional={
            "serial_number": st.sampled_from(("SN1", "SN2")),
            "employee_number": st.sampled_from(("7", "8")),
            "memory_mib": st.sampled_from((1, 2)),
        },
    ),
    links=st.lists(
        st.builds(
            Link,
            name=st.sampled_from(
                ("CONTAINED_IN", "CONTAINS", "DEPENDS_ON", "PART_OF", "custodian", "organisation")
            ),
            to=st.builds(Ref, st.sampled_from((*KEYS, "k5"))),
        ),
        max_size=3,
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    before=st.lists(THINGS, max_size=4),
    now=st.lists(THINGS, min_size=1, max_size=4, unique_by=lambda thing: thing.key),
    same=st.booleans(),
    complete=st.booleans(),
    batch=st.sampled_from((1, 5_000)),
)
def test_a_dry_run_counts_what_applying_does(
    before: list[Observation], now: list[Observation], same: bool, complete: bool, batch: int
) -> None:
    with new_store() as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "BATCH", batch)
        report(store, "netbox" if same else "ledger", *before)
        options: dict[str, Any] = {"complete": complete, "vanish_limit": 100.0}
        planned = report(store, "netbox", *now, apply=False, **options)
        done = report(store, "netbox", *now, **options)
        assert planned.counts == done.counts, (planned.lines, done.lines)
        for action in ACTIONS:
            assert planned.lines_of(action) == done.lines_of(action)


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
    carry_out(store, plan)


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
