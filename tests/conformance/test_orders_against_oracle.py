"""Random orders by random people over an estate, against plain rules, on every store.

No device is ever in two states, two open orders or two organisations; nothing scrapped comes back; every state
a device ever had is in its history with who and why; what should have been refused was, and changed nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cmdb.change_sets import Relate, Update
from cmdb.errors import InvalidChangeError
from cmdb.integrity import check
from cmdb.store import GraphStore, create_store
from lifecycle.refusals import NotAllowedError, RefusedError
from tests.conformance.test_against_oracle import bounded
from tests.support.building import commit
from tests.support.neo4j_server import Neo4jServer
from tests.support.observing import shipped_model
from tests.support.office import Office
from tests.support.order_oracle import HOME, STEPS, UNDER_WAY, WAYS, Device, Order, OrderOracle

PEOPLE = st.sampled_from(sorted(HOME))
DEVICES = {"s1": "Server", "s2": "Server", "m1": "Monitor"}
INPUTS: dict[str, dict[str, Any]] = {
    "StockInOrder": {"place": "store"},
    "TransferOrder": {"to_organisation": "north", "to_custodian": "nick"},
    "LoanOrder": {"recipient": "a school", "return_on": "2026-06-30"},
    "ReuseOrder": {"purpose": "tests", "place": "store", "contract": "care"},
}


class OrdersAgainstOracle(RuleBasedStateMachine):
    office: Office

    def new_store(self) -> GraphStore:
        raise NotImplementedError

    @initialize(states=st.tuples(*[st.sampled_from(["in_use", "idle", "in_stock"])] * 3))
    def begin(self, states: tuple[str, ...]) -> None:
        self.office = Office.make(self.new_store())
        devices = {}
        for (name, type_), state in zip(DEVICES.items(), states, strict=True):
            self.office.device(name, type_, state)
            devices[name] = Device(type_ == "Server", state, states=[(state, "tester")])
        app = self.office.create("Application", "app", lifecycle_state="in_use")
        commit(self.office.store, app)
        self.oracle, self.ids = OrderOracle(devices), list[str]()

    def teardown(self) -> None:
        if hasattr(self, "office"):
            assert list(check(self.office.store)) == []
            self.office.store.close()

    def tried(self, expected: bool, action: Callable[[], Any]) -> None:
        """It goes through as expected, or is refused and changes nothing."""
        before = self.office.store.last_revision().number
        try:
            action()
        except (RefusedError, NotAllowedError):
            assert not expected
            assert self.office.store.last_revision().number == before
        else:
            assert expected

    # -- what people do -----------------------------------------------------------------------------

    @rule(
        type_=st.sampled_from(sorted(STEPS)),
        devices=st.sets(st.sampled_from(sorted(DEVICES)), min_size=1),
        person=PEOPLE,
    )
    def draft(self, type_: str, devices: set[str], person: str) -> None:
        said = INPUTS.get(type_, {})
        self.ids.append(self.office.order(type_, *sorted(devices), by=person, **said))
        self.oracle.orders.append(Order(type_, person, {d: [] for d in sorted(devices)}))

    def chosen(self, number: int) -> tuple[str, Order]:
        """The latest orders are the likeliest."""
        index = len(self.ids) - 1 - number % len(self.ids)
        return self.ids[index], self.oracle.orders[index]

    @rule(
        choice=st.integers(0, 1000),
        alone=st.booleans(),
        far=st.integers(1, 6),
        proved=st.booleans(),
    )
    def drive(self, choice: int, alone: bool, far: int, proved: bool) -> None:
        """An order that fits, and goes as orders should, so far."""
        busy = {d for o in self.oracle.orders if o.state in UNDER_WAY for d in o.left()}
        fitting = [
            (type_, name)
            for type_, steps in STEPS.items()
            for name, device in self.oracle.devices.items()
            if name not in busy or choice % 4 == 0
            if steps[0] not in WAYS or device.state in WAYS[steps[0]][0]
        ]
        if not fitting:
            return
        type_, name = fitting[choice % len(fitting)]
        organisation = self.oracle.devices[name].organisation
        devices = {
            other
            for t, other in fitting
            if t == type_ and self.oracle.devices[other].organisation == organisation
        }
        devices = {name} if alone else devices
        self.draft(type_, devices, "ann" if organisation == "south" else "nick")
        if proved:
            for device in sorted(devices):
                self.prove(0, device)
        for _ in range(far):
            self.proceed(0)

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=st.integers(0, 3))
    def proceed(self, number: int) -> None:
        """What comes next, by who should do it."""
        _, order = self.chosen(number)
        if order.state == "draft":
            self.submit(number, True, order.by)
        elif order.state == "in_approval":
            self.vote(number, "bob", "approve", True)
        elif order.left():
            for person in ("ann", "bob", "nick"):
                self.execute(number, person)
        else:
            self.simple(number, order.by, True, "complete")

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=st.integers(0, 3), by_requester=st.booleans(), person=PEOPLE)
    def submit(self, number: int, by_requester: bool, person: str) -> None:
        id, order = self.chosen(number)
        person = order.by if by_requester else person
        expected = self.oracle.submit(order, person)
        self.tried(expected, lambda: self.office.engine.transition(id, "submit", person))

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(
        number=st.integers(0, 3), person=PEOPLE, decision=st.sampled_from(["approve", "reject"]),
        by_bob=st.booleans(),
    )  # fmt: skip
    def vote(self, number: int, person: str, decision: str, by_bob: bool) -> None:
        id, order = self.chosen(number)
        person = "bob" if by_bob else person
        expected = self.oracle.vote(order, person, decision)
        self.tried(expected, lambda: self.office.engine.vote(id, person, decision))

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=st.integers(0, 3), person=PEOPLE)
    def execute(self, number: int, person: str) -> None:
        id, order = self.chosen(number)
        going = self.oracle.execute(order, person)
        try:
            assert self.office.orders.execute(id, person).done == len(going)
        except (RefusedError, NotAllowedError):
            assert not going

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(
        number=st.integers(0, 3), person=PEOPLE, by_requester=st.booleans(),
        name=st.sampled_from(["complete", "complete", "complete_partly", "withdraw", "reopen"]),
    )  # fmt: skip
    def simple(self, number: int, person: str, by_requester: bool, name: str) -> None:
        id, order = self.chosen(number)
        person = order.by if by_requester else person
        expected = self.oracle.simple(order, name, person)
        transition = self.office.engine.transition
        self.tried(expected, lambda: transition(id, name, person, reason="because"))

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=st.integers(0, 3), device=st.sampled_from(sorted(DEVICES)))
    def prove(self, number: int, device: str) -> None:
        """Attach a proof of wiping to an order and a device."""
        id, order = self.chosen(number)
        proof = self.office.create("Evidence", "proof", evidence_kind="wipe_certificate")
        ends = (self.office.ids[device], id)
        commit(self.office.store, proof, *(Relate(e, "DOCUMENTED_BY", proof.id) for e in ends))
        self.oracle.devices[device].proofs.add(self.oracle.orders.index(order))

    @rule(device=st.sampled_from(["s1", "s2"]))
    def use(self, device: str) -> None:
        """Something in service runs on it."""
        self.office.relate("app", "RUNS_ON", device)
        self.oracle.devices[device].used = True

    @rule(
        device=st.sampled_from(sorted(DEVICES)),
        state=st.sampled_from(["idle", "in_use", "scrapped"]),
    )
    def sneak(self, device: str, state: str) -> None:
        """Nobody writes a state past the orders."""
        if self.oracle.devices[device].state != state:
            with pytest.raises(InvalidChangeError):
                commit(
                    self.office.store, Update(self.office.ids[device], {"lifecycle_state": state})
                )

    # -- what must hold -------------------------------------------------------------------------------

    @invariant()
    def devices_are_as_they_should_be(self) -> None:
        if not hasattr(self, "office"):
            return
        office, names = self.office, {id: n for n, id in self.office.ids.items()}
        for name, expected in self.oracle.devices.items():
            record = office.record(name).attributes
            assert record["lifecycle_state"] == expected.state
            assert names[record["organisation"]] == expected.organisation
            assert names[record["custodian"]] == expected.custodian
            transit = office.store.neighbours([office.ids[name]], ["IN_TRANSIT_TO"])
            assert [n.record.name for n in transit] == [expected.transit] * bool(expected.transit)
            used = office.store.neighbours([office.ids[name]], ["RUNS_ON"], "in")
            assert bool(used) == expected.used

    @invariant()
    def orders_are_as_they_should_be(self) -> None:
        for id, order in zip(
            getattr(self, "ids", ()),
            self.oracle.orders if hasattr(self, "oracle") else (),
            strict=True,
        ):
            assert self.office.order_state(id) == order.state
            steps = len(STEPS[order.type])
            assert self.office.outcomes(id) == {
                d: "dropped" if d in order.dropped else "done" if len(t) == steps else "open"
                for d, t in order.items.items()
            }

    @invariant()
    def no_device_is_in_two_open_orders(self) -> None:
        if hasattr(self, "oracle"):
            way = [
                d
                for o in self.oracle.orders
                if o.state in ("in_approval", "approved", "in_progress")
                for d in o.left()
            ]
            assert len(way) == len(set(way))

    @invariant()
    def every_state_is_remembered_with_who_and_why(self) -> None:
        if not hasattr(self, "office"):
            return
        store = self.office.store
        for name, expected in self.oracle.devices.items():
            spans = store.spans([self.office.ids[name]], "lifecycle_state")[self.office.ids[name]]
            revisions = store.revisions([span.since for span in spans])
            told = [(span.value, revisions[span.since].actor) for span in spans]
            assert told == expected.states
            assert all(revisions[span.since].reason for span in spans[1:])


def test_sqlite_keeps_to_the_rules(tmp_path: Path) -> None:
    numbers = itertools.count()

    class Machine(OrdersAgainstOracle):
        def new_store(self) -> GraphStore:
            return create_store(f"sqlite:///{tmp_path}/{next(numbers)}.db", shipped_model())

    run_state_machine_as_test(Machine, settings=bounded(80, 40))


@pytest.mark.neo4j
def test_neo4j_keeps_to_the_rules(neo4j_store_url: str, neo4j_server: Neo4jServer) -> None:
    class Machine(OrdersAgainstOracle):
        def new_store(self) -> GraphStore:
            neo4j_server.empty()
            return create_store(neo4j_store_url, shipped_model())

    run_state_machine_as_test(Machine, settings=bounded(2, 30))
