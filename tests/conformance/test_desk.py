"""What people call devices, and what lies on their desks, on every store."""

from __future__ import annotations

from typing import Any

import pytest

from cmdb.errors import NotFoundError
from cmdb.store import create_store
from lifecycle.desk import Desk, open_processes
from lifecycle.naming import find_devices
from lifecycle.orders import Orders
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(url: str) -> Any:
    with create_store(url, shipped_model()) as store:
        yield Office.make(store)


def test_devices_are_found_by_any_of_their_numbers(office: Office) -> None:
    for number in range(4):
        office.device(f"d{number}", asset_number=f"A-{number}")
    office.device("db", "VirtualMachine", "in_use", custodian=None)
    office.device("twin")
    office.device("twin", serial_number="other")
    texts = ["d0", "A-1", "SN-d2", office.ids["d3"], "db", "d0"]
    found = find_devices(office.store, texts, ["Hardware"])
    assert [found[t].name for t in texts] == ["d0", "d1", "d2", "d3", "db", "d0"]
    with pytest.raises(NotFoundError, match="no device x, y"):
        find_devices(office.store, ["d0", "x", "y"])
    with pytest.raises(NotFoundError, match="Several devices go by twin"):
        find_devices(office.store, ["twin"])


def test_an_order_waits_for_whoever_is_next(office: Office) -> None:
    def desks() -> dict[str, str | None]:
        record = office.store.record(order)
        people = ("ann", "bob", "dora", "nick")
        return {
            p: what for p in people if (what := Desk(office.engine, p).asked(record)) is not None
        }

    office.device("esx", "Server", "in_use")
    order = office.order("TransferOrder", "esx", to_organisation="north")
    assert desks() == {"ann": "submit"}
    office.engine.transition(order, "submit", "ann")
    assert desks() == {"bob": "approve"}
    assert [w.what for w in Desk(office.engine, "bob").waiting()] == ["approve"]
    assert list(Desk(office.engine, "dora").waiting()) == []
    office.engine.vote(order, "bob", "approve")
    assert desks() == {"bob": "hand_over"}
    orders = Orders(office.engine)
    orders.execute(order, "bob")
    assert desks() == {"nick": "accept"}
    orders.execute(order, "nick")
    assert desks() == {"ann": "complete", "bob": "complete", "dora": "complete"}
    assert open_processes(office.store).total == 1
    office.engine.transition(order, "complete", "ann")
    assert desks() == {}
    assert open_processes(office.store).total == 0
    assert open_processes(office.store, "ScrapOrder").records == []
