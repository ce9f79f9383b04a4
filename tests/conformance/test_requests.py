"""Service requests on every store: from what a user wants to a device in use, by an order of its life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import create_store
from itsm.requests import Requests
from lifecycle.refusals import NotAllowedError, RefusedError
from lifecycle.resume import resume
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(url: str) -> Iterator[Office]:
    with create_store(url, shipped_model()) as store:
        made = Office.make(store)
        yield made
        assert list(check(store)) == []


def asked(
    office: Office, wanted: str | None = "DesktopComputer", by: str = "cora", **said: Any
) -> str:
    """A request that is approved; gives its id."""
    requests = Requests(office.engine)
    attributes = {
        "name": "a machine for the new clerk",
        "wanted_type": wanted,
        **office.meant(said),
    }
    id = requests.new("ServiceRequest", by, attributes).id
    office.engine.transition(id, "submit", by)
    office.engine.vote(id, "bob", "approve")
    return id


def order_of(office: Office, request: str) -> Record:
    return office.store.record(office.store.record(request).attributes["fulfilled_by"])


def ordered(office: Office, request: str, by: str = "dora") -> Record:
    office.engine.transition(request, "order", by)
    return order_of(office, request)


def state(office: Office, id: str) -> str:
    return str(office.store.record(id).attributes["lifecycle_state"])


def test_a_request_leads_to_a_device_that_is_used_again(office: Office) -> None:
    office.device("laptop", "Laptop", state="idle")
    office.device("pc", "DesktopComputer", state="idle")
    id = asked(
        office,
        "台式机",
        wanted_for="cora",
        wanted_place="room",
        purpose="reception",
        due_on="2026-03-20",
    )
    assert state(office, id) == "approved"
    order = ordered(office, id)
    assert (order.type, order.attributes["number"]) == ("ReuseOrder", "CY-2026-000001")
    # The device is the city's, and becomes the county's of the user who wants it.
    said = {
        n: order.attributes.get(n)
        for n in ("organisation", "to_organisation", "to_custodian", "place")
    }
    assert said == office.meant(
        {
            "organisation": "south",
            "to_organisation": "county",
            "to_custodian": "cora",
            "place": "room",
        }
    )
    assert (order.attributes["purpose"], order.attributes["due_on"]) == (
        "reception",
        date(2026, 3, 20),
    )
    assert order.attributes["requested_by"] == office.ids["dora"]
    assert office.outcomes(order.id) == {"pc": "open"} == office.outcomes(id)
    assert office.store.revisions([order.revision])[order.revision].reason == "QQ-2026-000001 order"
    with pytest.raises(RefusedError, match="CY-2026-000001, which fulfils it, is draft"):
        office.engine.transition(id, "fulfil", "dora")

    office.engine.transition(order.id, "submit", "dora")
    office.engine.vote(order.id, "bob", "approve")
    assert office.orders.execute(order.id, "ann").refusals == []
    with pytest.raises(RefusedError, match="is in_progress"):
        office.engine.transition(id, "fulfil", "dora")
    office.engine.transition(order.id, "complete", "dora")
    assert state(office, id) == "being_fulfilled"
    office.engine.transition(id, "fulfil", "dora")
    assert (state(office, id), office.outcomes(id)) == ("fulfilled", {"pc": "done"})
    device = office.record("pc").attributes
    assert (office.state("pc"), device["purpose"]) == ("in_use", "reception")
    assert (device["organisation"], device["custodian"]) == (
        office.ids["county"],
        office.ids["cora"],
    )

    told = resume(office.store, office.ids["pc"]).entries
    assert {e.kind for e in told if "QQ-" in e.en} == {"request"}
    assert "Service request QQ-2026-000001 concerns it." in [e.en for e in told]
    assert {e.zh for e in told} >= {
        "服务请求 QQ-2026-000001：待办理 → 办理中（办理工单 重新使用单 CY-2026-000001）。",
        "服务请求 QQ-2026-000001：办理中 → 已办结。",
    }


@pytest.mark.parametrize("way", ["withdraw", "refuse"])
def test_an_order_that_comes_to_nothing_leads_back(office: Office, way: str) -> None:
    office.device("pc", "DesktopComputer", state="idle")
    id = asked(office)
    order = ordered(office, id)
    if way == "withdraw":
        office.engine.transition(order.id, "withdraw", "dora")
    else:
        office.engine.transition(order.id, "submit", "dora")
        office.engine.vote(order.id, "bob", "reject")
    back = office.store.record(id)
    assert (state(office, id), back.attributes.get("fulfilled_by")) == ("approved", None)
    assert "CY-2026-000001" in back.attributes["comments"][-1]["text"]
    assert office.outcomes(id) == {"pc": "dropped"}
    again = ordered(office, id)
    assert (again.attributes["number"], office.outcomes(id)) == ("CY-2026-000002", {"pc": "open"})
    assert office.outcomes(again.id) == {"pc": "open"}


def test_another_device_may_take_the_place_of_the_one_ordered(office: Office) -> None:
    office.device("pc", "DesktopComputer", state="idle")
    office.device("other", "DesktopComputer", state="idle")
    id = asked(office, wanted_place="room")
    order = ordered(office, id)
    [first] = office.outcomes(order.id)
    [second] = {"pc", "other"} - {first}
    office.orders.remove(order.id, "dora", [office.ids[first]])
    office.orders.add(order.id, "dora", [office.ids[second]])
    office.engine.transition(order.id, "submit", "dora")
    office.engine.vote(order.id, "bob", "approve")
    assert office.orders.execute(order.id, "ann").refusals == []
    office.engine.transition(order.id, "complete", "dora")
    assert office.outcomes(id) == {first: "dropped", second: "done"}
    office.engine.transition(id, "fulfil", "dora")
    assert office.record(second).attributes["custodian"] == office.ids["cora"]


def test_devices_that_others_want_are_left_to_them(office: Office) -> None:
    """The nearest organisation first; what was in use before what is new, and that before what is planned."""
    office.device("theirs", "DesktopComputer", state="idle", organisation="north")
    office.device("planned", "DesktopComputer", state="planned", organisation="county")
    office.device("new", "DesktopComputer", state="in_stock", organisation="province")
    office.device("used", "DesktopComputer", "in_stock", "province", commissioned_on="2020-01-01")
    office.device("near", "DesktopComputer", "idle", "south")
    office.device("wanted", "DesktopComputer", "idle", "south")
    office.order("ReuseOrder", "wanted", purpose="somebody else's")  # but a draft
    office.device("broken", "DesktopComputer", "in_repair", "county")
    found = []
    for _ in range(4):
        order = ordered(office, asked(office))
        found.append((order.type, *office.outcomes(order.id)))
    assert found == [
        ("ReuseOrder", "near"),
        ("ReuseOrder", "used"),
        ("CommissionOrder", "new"),
        ("CommissionOrder", "planned"),
    ]
    id = asked(office)
    before = office.store.last_revision().number
    with pytest.raises(RefusedError, match="nothing to reuse, so buy one"):
        office.engine.transition(id, "order", "dora")
    [choice] = [
        c
        for c in office.engine.choices(office.store.record(id), "dora")
        if c.transition.name == "order"
    ]
    assert [r.code for r in choice.refusals] == ["draft_order"]
    assert office.store.last_revision().number == before
    # A subtype of what is wanted will do.
    office.device("slim", "Laptop", "idle", "county")
    assert office.outcomes(ordered(office, asked(office, "Terminal")).id) == {"slim": "open"}


def test_what_is_no_device_needs_no_order(office: Office) -> None:
    requests = Requests(office.engine)
    said = {"name": "more disk", "wanted_type": "Teapot"}
    id = requests.new("ServiceRequest", "cora", said).id
    with pytest.raises(RefusedError, match="'Teapot' is no type of device"):
        office.engine.transition(id, "submit", "cora")
    advice = asked(office, None)
    with pytest.raises(RefusedError, match="does not say what type"):
        office.engine.transition(advice, "order", "dora")
    with pytest.raises(NotAllowedError):
        office.engine.transition(advice, "fulfil", "cora")
    office.engine.transition(advice, "fulfil", "ann")
    assert state(office, advice) == "fulfilled"
    assert office.store.find(Query("LifecycleOrder", total=True)).total == 0
