"""The figures on every store: counted, of the time in states, of reuse and deadlines, as of any date."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Update
from cmdb.errors import QueryError
from cmdb.store import create_store
from lifecycle.figures import chosen, evaluate, evaluators, moment
from lifecycle.figures.evaluators import Answer, Moment
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(url: str) -> Any:
    with create_store(url, shipped_model()) as store:
        yield Office.make(store)


def answer(asked: Moment, name: str) -> Answer:
    [figure] = chosen(asked.store.model, [name])
    return evaluate(figure, asked)


def groups(asked: Moment, name: str) -> dict[Any, float]:
    found = answer(asked, name)
    return {next(iter(g.key.values())): g.value for g in found.groups}


def recorded(office: Office, name: str, on: date, type_: str = "Server", **attributes: Any) -> None:
    """A device that is in stock from a day on."""
    said = {
        "organisation": office.ids["south"],
        "custodian": office.ids["ann"],
        "lifecycle_state": "in_stock",
        "serial_number": f"SN-{name}",
        **attributes,
    }
    office.store.commit(ChangeSet([office.create(type_, name, **said)], "tester", effective_on=on))


def carried_out(office: Office, type_: str, device: str, on: date, **said: Any) -> None:
    order = office.approved(
        type_, device, votes=() if type_ == "StockInOrder" else ("bob",), **said
    )
    office.orders.execute(order, "ann", effective_on=on)
    office.engine.transition(order, "complete", "ann", effective_on=on)


def test_figures_follow_the_life_of_devices(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluators, "PAGE", 2)  # several pages
    store = office.store
    now = datetime(2026, 3, 20, tzinfo=UTC)
    recorded(office, "one", date(2026, 1, 1), purchase_date="2020-02-29")
    recorded(office, "two", date(2026, 1, 1), "Switch", purchase_date="2025-03-20")
    recorded(office, "ups", date(2026, 1, 21), "UPS")
    recorded(office, "far", date(2026, 1, 1), "Monitor", organisation=office.ids["north"], purchase_date="2025-03-21")  # fmt: skip
    before = store.last_revision().number
    start = {"place": "rack", "contract": "care"}
    carried_out(office, "CommissionOrder", "one", date(2026, 1, 11), details={"one": {"rack_position": 1}}, due_on="2026-01-11", **start)  # fmt: skip
    carried_out(office, "CommissionOrder", "two", date(2026, 1, 21), details={"two": {"rack_position": 2}}, due_on="2026-01-20", **start)  # fmt: skip
    carried_out(office, "DecommissionOrder", "one", date(2026, 1, 31))
    carried_out(office, "DecommissionOrder", "two", date(2026, 2, 10))
    carried_out(office, "ReuseOrder", "one", date(2026, 2, 10), purpose="backup", details={"one": {"rack_position": 1}}, **start)  # fmt: skip
    office.order("RepairOrder", "one", due_on="2026-03-19")  # open, and past it
    office.order("RepairOrder", "ups", due_on="2026-03-20")  # open, today is the day
    withdrawn = office.order("RepairOrder", "two", due_on="2026-01-01")
    office.engine.transition(withdrawn, "withdraw", "ann")

    asked = moment(store, clock=lambda: now)
    assert groups(asked, "devices_by_state") == {"in_use": 1, "idle": 1, "in_stock": 2}
    assert groups(asked, "devices_by_type") == {"Server": 1, "Switch": 1, "UPS": 1, "Monitor": 1}
    assert groups(asked, "devices_by_organisation") == {
        office.ids["south"]: 3,
        office.ids["north"]: 1,
    }
    # By the day it was commissioned (one, two), else bought (far): 0, 0 and 0 years; nothing is known of the UPS.
    assert groups(asked, "devices_by_age") == {
        "0–1": 3,
        "1–3": 0,
        "3–5": 0,
        "5–8": 0,
        "8+": 0,
        None: 1,
    }
    # In stock: 10, 20, and up to now 58 and 78; in use: 20, 20 and up to now 38; idle: 10 and up to now 38.
    times = answer(asked, "time_in_state")
    assert {g.key["lifecycle_state"]: (g.value, g.count) for g in times.groups} == {
        "in_stock": (41.5, 4),
        "in_use": (26.0, 3),
        "idle": (24.0, 2),
    }
    assert answer(asked, "reuse_rate")[:2] == (50.0, 2)
    assert answer(asked, "idle_rate")[:2] == (25.0, 4)
    on_time = answer(asked, "orders_on_time")
    assert on_time[:2] == (33.33, 3)
    assert groups(asked, "orders_on_time") == {"CommissionOrder": 50.0, "RepairOrder": 0.0}

    north = moment(store, None, office.ids["north"], lambda: now)
    assert groups(north, "devices_by_state") == {"in_stock": 1}
    assert answer(north, "orders_on_time")[:2] == (None, 0)
    assert answer(north, "reuse_rate")[:2] == (None, 0)

    for as_of in (before, store.revisions([before])[before].at):
        then = moment(store, as_of)
        assert groups(then, "devices_by_state") == {"in_stock": 4}
        assert {g.key["lifecycle_state"] for g in answer(then, "time_in_state").groups} == {
            "in_stock"
        }
        assert answer(then, "idle_rate")[:2] == (0.0, 4)
        assert answer(then, "orders_on_time").count == 0
    empty = moment(store, 1)
    assert [answer(empty, figure.name).count for figure in chosen(store.model, [])] == [0] * 21


def test_ages_are_in_whole_years(office: Office) -> None:
    for name, bought in (("a", "2025-03-21"), ("b", "2025-03-20"), ("c", "2023-03-20"), ("d", "2018-03-21"), ("e", "2018-03-20"), ("f", "2027-01-01")):  # fmt: skip
        office.device(name, "Monitor", purchase_date=bought)
    office.device("gone", "Monitor", "scrapped", purchase_date="2025-03-21")
    asked = moment(office.store, clock=lambda: datetime(2026, 3, 20, tzinfo=UTC))
    assert groups(asked, "devices_by_age") == {"0–1": 2, "1–3": 1, "3–5": 1, "5–8": 1, "8+": 1}
    office.store.commit(
        ChangeSet([Update(office.ids["e"], {"commissioned_on": "2026-01-01"})], "x")
    )
    asked = moment(office.store, clock=lambda: datetime(2028, 2, 29, tzinfo=UTC))
    assert groups(asked, "devices_by_age") == {"0–1": 0, "1–3": 4, "3–5": 1, "5–8": 0, "8+": 1}
    with pytest.raises(QueryError, match="no figure 'x'"):
        chosen(office.store.model, ["idle_rate", "x"])
