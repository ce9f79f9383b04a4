"""The device ledger on every store: what it says of a device, of whom, as of when, and in all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import lifecycle.ledger
from cmdb.change_sets import Relate, Unrelate, Update
from cmdb.errors import QueryError
from cmdb.queries import Sort
from cmdb.store import create_store
from lifecycle.ledger import DEVICES, Ledger, Scope
from lifecycle.ledger.columns import COLUMNS, chosen
from lifecycle.ledger.getters import text
from schema.errors import UnknownNameError
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(url: str) -> Any:
    with create_store(url, shipped_model()) as store:
        office = Office.make(store)
        furnish(office)
        yield office


def furnish(office: Office) -> None:
    """A site, a department with a custodian of another one, contracts, and devices of both types."""
    commit(
        office.store,
        office.create("Department", "it"),
        office.create("Site", "campus"),
        office.create("Contract", "frame", valid_until="2030-12-31", lifecycle_state="in_force"),
        Update(office.ids["care"], {"document_number": "HT-1", "valid_until": "2027-06-30"}),
        Update(office.ids["nick"], {"employee_number": "0007"}),
    )
    office.relate("it", "PART_OF", "south")
    office.relate("campus", "CONTAINS", "room")
    office.device("esx", organisation="it", asset_number="A-1", purchase_price="CNY 60000", purchase_date="2024-05-06", state="in_use", custodian=office.ids["nick"])  # fmt: skip
    office.device("ups", "UPS", "in_use", vendor="Inspur", purchase_price="CNY 100.50")
    office.device("pc", "DesktopComputer", "idle", "county", purchase_price="USD 12")
    office.device("sw", "Switch", "in_stock", "north")
    office.device("blade", "BladeServer", "in_use")
    office.device("chassis", "BladeChassis", "in_use")
    office.relate("rack", "CONTAINS", "esx", rack_position=3)
    office.relate("rack", "CONTAINS", "chassis", rack_position=5)
    office.relate("chassis", "CONTAINS", "blade", slot="2")
    office.relate("esx", "COVERED_BY", "care")
    office.relate("esx", "COVERED_BY", "frame")


def table(ledger: Ledger, *names: str) -> list[list[str]]:
    columns = chosen(ledger.store.model, DEVICES, names)
    return [[text(c.get(row)) for c in columns] for page in ledger.rows(columns) for row in page]


def names(ledger: Ledger) -> list[str]:
    return [name for [name] in table(ledger, "name")]


def test_a_ledger_says_what_an_asset_manager_asks(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle.ledger, "PAGE", 2)  # several pages
    store = office.store
    every = [column.name for column in COLUMNS]
    [row] = table(Ledger(store, Scope(where={"name": "esx"})), *every)
    assert {n: value for n, value in zip(every, row, strict=True) if value} == {
        "number": "A-1", "name": "esx", "type": "Server", "serial": "SN-esx",
        "state": "In use", "organisation": "south", "department": "it", "custodian": "nick",
        "custodian_number": "0007", "custodian_organisation": "north", "place": "campus / room / rack / U3",
        "site": "campus", "room": "room", "rack": "rack", "rack_position": "3",
        "purchase_date": "2024-05-06",
        "purchase_price": "60000", "currency": "CNY", "contract": "care",
        "contract_number": "HT-1", "contract_until": "2027-06-30", "id": office.ids["esx"],
    }  # fmt: skip
    # What stands in a device stands in no place of its own.
    assert table(Ledger(store, Scope(where={"name": "blade"})), "place", "rack", "slot") == [
        ["campus / room / rack / chassis / 2", "", ""]
    ]
    everything = Ledger(store)
    assert names(everything) == ["blade", "chassis", "esx", "pc", "sw", "ups"]
    assert everything.count() == 6
    assert names(Ledger(store, Scope(sort=[Sort("name", True)])))[0] == "sw"
    assert names(Ledger(store, Scope(["UPS"]))) == ["ups"]
    # Facility equipment has no port count: it is none of those, and that is no mistake.
    portless = Ledger(store, Scope(where={"port_count": {"null": True}}))
    assert names(portless) == ["blade", "chassis", "esx", "pc", "sw"]
    with pytest.raises(QueryError, match="Application is no type of device"):
        Ledger(store, Scope(["Application"]))
    with pytest.raises(UnknownNameError, match="colour"):
        Ledger(store, Scope(where={"colour": "red"}))
    with pytest.raises(QueryError, match="never 'blue'"):
        Ledger(store, Scope(where={"criticality": "blue"}))

    totals = everything.totals(chosen(store.model, DEVICES, ["organisation", "state"]))
    told = [(*map(text, t.values), t.count, dict(t.sums)) for t in totals]
    assert sorted(told, key=str) == [
        ("county", "Idle", 1, {"USD": Decimal(12)}),
        ("north", "In stock", 1, {}),
        ("south", "In use", 4, {"CNY": Decimal("60100.50")}),
    ]
    [total] = everything.totals([])
    assert (total.count, dict(total.sums)) == (6, {"CNY": Decimal("60100.50"), "USD": Decimal(12)})


def test_it_is_of_an_organisation_in_transit_and_as_of_any_date(office: Office) -> None:
    store = office.store
    before = store.last_revision().number
    south = Scope(organisation=office.ids["south"])
    assert names(Ledger(store, south)) == ["blade", "chassis", "esx", "pc", "ups"]

    order = office.approved("TransferOrder", "ups", to_organisation="north")
    office.orders.execute(order, "bob")
    between = store.last_revision().number
    flagged = [["ups", "south", "north"]]
    for organisation in ("south", "north", "province"):
        scope = Scope(where={"name": "ups"}, organisation=office.ids[organisation])
        assert table(Ledger(store, scope), "name", "organisation", "in_transit_to") == flagged
        assert Ledger(store, scope).count() == 1
    assert names(Ledger(store, Scope(organisation=office.ids["county"]))) == ["pc"]

    office.orders.execute(order, "nick")
    commit(
        store,
        Update(office.ids["pc"], {"name": "laptop", "organisation": office.ids["north"]}),
        Unrelate(office.ids["rack"], "CONTAINS", office.ids["esx"]),
        Relate(office.ids["store"], "CONTAINS", office.ids["esx"], {}),
        Update(office.ids["room"], {"name": "hall"}),
    )
    north = office.ids["north"]
    assert names(Ledger(store, Scope(organisation=north))) == ["laptop", "sw", "ups"]
    assert names(Ledger(store, Scope(organisation=north, as_of=between))) == ["sw", "ups"]
    assert names(Ledger(store, Scope(organisation=north, as_of=before))) == ["sw"]
    then = store.revisions([between])[between].at
    for as_of, place in ((before, "campus / room / rack / U3"), (then, "campus / room / rack / U3"), (None, "store")):  # fmt: skip
        ledger = Ledger(store, Scope(where={"name": "esx"}, as_of=as_of))
        assert table(ledger, "place") == [[place]]


def test_what_is_committed_meanwhile_is_not_in_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle.ledger, "PAGE", 2)
    ledger = Ledger(office.store)
    columns = chosen(office.store.model, DEVICES, ["name", "organisation"])
    pages = ledger.rows(columns)
    seen = [row.record.name for row in next(pages)]
    commit(office.store, Update(office.ids["sw"], {"name": "aaa"}), Update(office.ids["south"], {"name": "renamed"}))  # fmt: skip
    office.device("new")
    rows = [row for page in pages for row in page]
    assert seen + [row.record.name for row in rows] == [
        "blade",
        "chassis",
        "esx",
        "pc",
        "sw",
        "ups",
    ]
    assert "renamed" not in {text(row.company) for row in rows}
