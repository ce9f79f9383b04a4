"""What is due, on every store: declared queries, as of any day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Relate, Unrelate, Update
from cmdb.integrity import check
from cmdb.reconciliation.sources import note_seen
from cmdb.store import create_store
from lifecycle.due import QUERIES, Moment, ask
from schema.errors import CmdbError
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(url: str) -> Any:
    with create_store(url, shipped_model()) as store:
        made = Office.make(store)
        made.now = datetime.now(UTC)  # what was seen when goes by the store's own clock
        yield made
        assert list(check(store)) == []


def told(office: Office, kind: str, days: float = 0, **said: Any) -> dict[str, int | None]:
    """Name -> days left, of what is due so many days from now."""
    moment = Moment((office.now + timedelta(days=days)).date(), **said)
    return {d.record.name: d.days for d in ask(office.store, kind, moment)}


def day(office: Office, days: int) -> date:
    return office.today + timedelta(days=days)


def test_what_runs_out_or_is_overdue(office: Office) -> None:
    office.device("soon", state="in_use", warranty_until=day(office, 30))
    office.device("over", "UPS", state="in_stock", warranty_until=day(office, -1))
    office.device("later", state="in_use", warranty_until=day(office, 31))
    office.device("north-pc", state="in_use", organisation="north", warranty_until=office.today)
    office.device("gone", state="scrapped", warranty_until=office.today)
    commit(
        office.store,
        office.create("Certificate", "cert", valid_until=day(office, 3), lifecycle_state="in_use"),
        office.create("Certificate", "old", valid_until=office.today, lifecycle_state="retired"),
        office.create("DomainName", "dom", valid_until=day(office, 4), lifecycle_state="in_use"),
        office.create("Licence", "lic", valid_until=day(office, 5), lifecycle_state="in_use"),
        Update(office.ids["care"], {"valid_until": day(office, 6)}),
    )
    assert told(office, "warranties") == {"north-pc": 0, "soon": 30, "over": -1}
    south = office.ids["south"]
    assert told(office, "warranties", within=31, organisation=south) == {
        "soon": 30, "later": 31, "over": -1,
    }  # fmt: skip
    assert told(office, "certificates") == {"cert": 3}
    assert told(office, "certificates", within=2) == {}
    assert told(office, "domains") == {"dom": 4}
    assert told(office, "licences") == {"lic": 5}
    assert told(office, "contracts") == {"care": 6}

    office.device("lent", state="in_stock", holds_data=False)
    loan = office.approved(
        "LoanOrder", "lent", recipient="a school", return_on=day(office, 9), due_on=day(office, 1)
    )
    assert told(office, "loans") == {}
    office.orders.reassign(loan, "bob", "bob")
    assert office.orders.execute(loan, "bob").done == 1
    number = office.store.record(loan).name
    assert told(office, "loans") == {number: 9}
    assert told(office, "orders", 1) == {}
    assert told(office, "orders", 2) == {number: -1}
    before = office.store.last_revision().number
    office.orders.execute(loan, "bob", inputs={"place": office.ids["store"]})
    office.engine.transition(loan, "complete", "bob")
    assert told(office, "loans") == {}
    assert told(office, "loans", as_of=before) == {number: 9}
    with pytest.raises(CmdbError, match="no query 'nothing'"):
        list(ask(office.store, "nothing", Moment(office.today)))
    assert all(query.label.en and query.label.zh for query in QUERIES.values())


def test_idle_and_unseen_devices(office: Office) -> None:
    office.device("spare", state="in_stock")
    office.device("used", state="in_stock", holds_data=False)
    order = office.approved("LoanOrder", "used", recipient="x", return_on=office.today)
    office.orders.reassign(order, "bob", "bob")
    office.orders.execute(order, "bob")
    assert told(office, "idle", 179) == {}
    assert told(office, "idle", 180) == {"spare": -180}
    assert told(office, "idle", 20, idle=20) == {"spare": -20}

    for name in ("seen", "silent", "steady"):
        office.device(name, state="in_use")
    reported(office, "seen", "nmap", {"hostname": "s"})
    reported(office, "steady", "agent", {"hostname": "t"})
    assert told(office, "unseen") == {"silent": None}
    assert told(office, "unseen", 31) == {"silent": None, "seen": -31, "steady": -31}
    commit(office.store, office.create("DataSource", "agent"))
    note_seen(office.store, "agent", {"complete": True, "statements": 1})
    moment = Moment(day(office, 31))
    notes = {d.record.name: d.note for d in ask(office.store, "unseen", moment)}
    assert notes["seen"] == "last seen by nmap"
    assert notes["silent"] == "no source has ever reported it"


def test_what_was_commissioned_is_confirmed_by_a_collection(office: Office) -> None:
    for name in ("srv", "pc"):
        office.device(name, state="in_stock", asset_number=f"ZC-{name}", model="X1")
    order = office.approved(
        "CommissionOrder", "srv", "pc", contract="care", place="room",
        details={"srv": {"model": "X1", "hostname": "srv-1"}},
    )  # fmt: skip
    assert told(office, "unconfirmed") == {}
    done = office.orders.execute(
        order, "ann", [office.ids["srv"]], inputs={"serial_read": "SN-srv"}
    )
    assert done.done == 1
    assert office.orders.execute(order, "ann").done == 1
    assert told(office, "unconfirmed") == {"srv": 7, "pc": 7}
    assert told(office, "unconfirmed", within=6) == {}
    assert told(office, "unconfirmed", organisation=office.ids["north"]) == {}
    commit(office.store, Update(office.ids["pc"], {"hostname": "by-hand"}))
    assert told(office, "unconfirmed", 8) == {"srv": -1, "pc": -1}
    reported(office, "pc", "nmap", {"hostname": "pc-1"})
    assert told(office, "differences") == {}
    reported(office, "srv", "lshw", {"serial_number": "sn-SRV", "model": "X2", "hostname": "srv-1"})
    assert told(office, "unconfirmed", 8) == {}
    [found] = ask(office.store, "differences", Moment(office.today))
    number = office.store.record(order).attributes["number"]
    assert (found.record.name, found.note) == (
        "srv", f"{number}: model is X1 in the order, X2 by lshw",
    )  # fmt: skip
    racked = Relate(office.ids["rack"], "CONTAINS", office.ids["pc"], {
        "rack_position": 3, "provenance": {"netbox": {"key": "k", "values": {"rack_position": 3}}},
    })  # fmt: skip
    away = office.store.neighbours([office.ids["pc"]], ["CONTAINS"], "in")[0].relationship.key
    office.store.commit(ChangeSet([Unrelate(*away), racked], "run", "netbox", managed=True))
    notes = {d.record.name: d.note for d in ask(office.store, "differences", Moment(office.today))}
    assert notes["pc"] == f"{number}: place is room in the order, rack by netbox"


def reported(office: Office, name: str, source: str, values: dict[str, Any]) -> None:
    """A source says something of a device, as its run would commit it."""
    before = office.record(name).attributes.get("provenance") or {}
    said = {**before, source: {"key": name, "values": values}}
    operation = Update(office.ids[name], {**values, "provenance": said})
    office.store.commit(ChangeSet([operation], "run", source, managed=True))
