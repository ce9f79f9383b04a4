"""Stock-taking on every store: counted in parts, told what is different, settled, signed off."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Relate, Update
from cmdb.errors import InvalidChangeError
from cmdb.integrity import check
from cmdb.store import create_store, open_store
from lifecycle.counting import FOUND, MISPLACED, MISSING
from lifecycle.engine import Engine
from lifecycle.refusals import NotAllowedError, RefusedError
from lifecycle.scanning import Read
from lifecycle.settling import Settling
from lifecycle.stocktake import Stocktakes
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(url: str) -> Any:
    with create_store(url, shipped_model()) as store:
        yield Office.make(store)
        assert list(check(store)) == []


@pytest.fixture
def counts(office: Office) -> Stocktakes:
    return Stocktakes(office.engine)


def shown(counts: Stocktakes, count: str) -> dict[str, tuple[str, str]]:
    """Name -> result and how it was settled, of what is different."""
    return {d.record.name: (d.result, d.settled) for d in counts.report(count).differences}


def test_a_room_is_counted_in_parts_settled_and_signed_off(
    office: Office, counts: Stocktakes
) -> None:
    for name in ("a", "b", "gone"):
        office.device(name, state="in_use", asset_number=f"ZC-{name}")
    office.relate("room", "CONTAINS", "a")
    office.relate("rack", "CONTAINS", "b", rack_position=2)
    office.relate("rack", "CONTAINS", "gone", rack_position=4)
    office.device("elsewhere", state="in_use")
    office.relate("store", "CONTAINS", "elsewhere")
    office.device("northern", state="in_use", organisation="north")
    office.relate("room", "CONTAINS", "northern")
    office.device("scrapped", state="scrapped")
    office.relate("room", "CONTAINS", "scrapped")

    count = counts.open("ann", place=office.ids["room"])
    assert count.attributes["number"] == "PD-2026-000001"
    assert count.attributes["organisation"] == office.ids["south"]
    assert counts.report(count.id).results == {MISSING: 4}
    office.device("late", state="in_use")  # what came after the count was opened is not expected
    office.relate("room", "CONTAINS", "late")

    fed = counts.feed(count.id, "ann", map(Read, ["zc-A", " SN-elsewhere ", "X-1", "", "ＳＮ－ｂ"]))
    assert fed.results == {FOUND: 2, MISPLACED: 1, "unknown": 1}
    assert fed.unknown == ["X-1"]
    again = counts.feed(count.id, "bob", map(Read, ["ZC-a", "SN-a", "X-1", "SN-northern"]))
    assert again.results == {"again": 2, MISPLACED: 1, "unknown": 1}
    revision = office.store.last_revision().number
    assert counts.feed(count.id, "bob", [Read("ZC-b")]).results == {"again": 1}
    assert office.store.last_revision().number == revision
    with pytest.raises(NotAllowedError):
        counts.feed(count.id, "nick", [Read("ZC-b")])

    report = counts.close(count.id, "ann")
    assert report.results == {FOUND: 2, MISSING: 1, MISPLACED: 2}
    assert report.unsettled == 4
    assert shown(counts, count.id) == {
        "gone": (MISSING, ""), "elsewhere": (MISPLACED, ""), "northern": (MISPLACED, ""),
    }  # fmt: skip
    assert report.unknown["X-1"]["by"] == office.ids["ann"]
    with pytest.raises(RefusedError, match="no longer open"):
        counts.feed(count.id, "ann", [Read("ZC-gone")])
    with pytest.raises(InvalidChangeError, match="not changed by hand"):
        commit(office.store, Update(count.id, {"description": "all well"}))

    settling = Settling(office.engine)
    [loss] = settling.by_orders(count.id, "ann", MISSING)
    assert (loss.type, loss.attributes["stocktake"]) == ("LossOrder", count.id)
    assert settling.by_orders(count.id, "ann", MISSING) == []  # it is in a draft already
    assert shown(counts, count.id)["gone"] == (MISSING, "")
    office.engine.transition(loss.id, "submit", "ann")
    assert shown(counts, count.id)["gone"] == (MISSING, "PK-2026-000001 (in_approval)")
    assert settling.by_moving(count.id, "ann", reason="moved last week") == 1
    [place] = office.store.neighbours([office.ids["elsewhere"]], ["CONTAINS"], "in")
    assert place.record.name == "room"
    with pytest.raises(RefusedError) as refused:
        settling.sign_off(count.id, "bob")
    assert refused.value.refusals[0].code == "all_settled"
    assert refused.value.refusals[0].detail["left"] == 2
    [handover] = settling.by_orders(count.id, "ann", MISPLACED)
    assert handover.attributes["organisation"] == office.ids["north"]
    assert handover.attributes["to_organisation"] == office.ids["south"]
    office.engine.transition(handover.id, "submit", "ann")
    assert settling.by_explaining(count.id, "ann", "a visitor's", numbers=["x-1"]) == 1
    with pytest.raises(NotAllowedError):
        settling.sign_off(count.id, "ann")
    settling.sign_off(count.id, "bob")
    assert office.order_state(count.id) == "signed_off"
    newest = office.store.history(count.id)[0].revision
    assert (newest.actor, newest.reason) == ("bob", "PD-2026-000001 sign_off")

    office.engine.vote(loss.id, "bob", "approve")
    assert office.orders.execute(loss.id, "bob").done == 1
    assert office.state("gone") == "lost"


def test_a_rejected_order_settles_nothing_and_counting_goes_on(
    office: Office, counts: Stocktakes
) -> None:
    for name in ("a", "b"):
        office.device(name, state="in_use", organisation="county")
    office.device("north-pc", "DesktopComputer", state="in_use", organisation="north")
    office.device("lent", state="on_loan", organisation="county")
    count = counts.open("bob", organisation=office.ids["south"]).id
    report = counts.close(count, "bob")
    assert report.results == {MISSING: 2}
    settling = Settling(office.engine)
    [loss] = settling.by_orders(count, "bob", MISSING)
    commit(
        office.store,
        Relate(office.ids["dora"], "HAS_ROLE", office.ids["south"], {"roles": ["asset_manager"]}),
    )
    office.engine.transition(loss.id, "submit", "bob")
    office.engine.vote(loss.id, "dora", "reject")
    assert counts.report(count).unsettled == 2
    office.engine.transition(count, "recount", "bob", reason="they were in the cellar")
    fed = counts.feed(count, "bob", map(Read, ["SN-a", "SN-lent"]))
    assert fed.results == {FOUND: 1, MISPLACED: 1}
    counts.close(count, "bob")
    assert shown(counts, count) == {"b": (MISSING, ""), "lent": (MISPLACED, "")}
    lent = next(d for d in counts.report(count).differences if d.record.name == "lent")
    assert lent.why == ["state"]
    assert settling.by_moving(count, "bob") == 0
    done = settling.by_explaining(
        count, "bob", "on the director's desk", devices=[office.ids[n] for n in ("b", "lent")]
    )
    assert done == 2
    settling.sign_off(count, "bob")
    assert counts.report(count).results == {FOUND: 1, MISSING: 1, MISPLACED: 1}


def test_what_a_source_has_reported_since_counts_as_found(
    office: Office, counts: Stocktakes
) -> None:
    for name in ("before", "since", "by-hand"):
        office.device(name, state="in_use")
    reported(office, "before", "nmap", hostname="x1")
    count = counts.open("bob", organisation=office.ids["south"]).id
    reported(office, "since", "nmap", hostname="x2")
    commit(office.store, Update(office.ids["by-hand"], {"hostname": "x3"}))
    assert counts.feed_sightings(count, "bob", "snmp").results == {}
    assert counts.feed_sightings(count, "bob", "nmap").results == {FOUND: 1}
    assert counts.feed_sightings(count, "bob").results == {"again": 1}
    assert {*shown(counts, count)} == {"before", "by-hand"}


def test_two_people_count_at_the_same_time_and_nothing_is_lost(
    office: Office, counts: Stocktakes, url: str
) -> None:
    names = [f"pc{n}" for n in range(12)]
    for name in names:
        office.device(name, "DesktopComputer", state="in_use")
    count = counts.open("bob", organisation=office.ids["south"]).id
    ready, failed = threading.Barrier(2), list[BaseException]()

    def act(person: str, part: list[str]) -> None:
        try:
            with open_store(url) as store:
                own = Stocktakes(Engine(store, lambda: office.now))
                ready.wait(30)
                for name in part:
                    own.feed(count, person, [Read(f"SN-{name}"), Read(f"{person}-{name}")])
        except BaseException as error:
            failed.append(error)

    parts = (("ann", names[:7]), ("bob", names[5:]))
    threads = [threading.Thread(target=act, args=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    report = counts.report(count)
    assert report.results == {FOUND: 12}
    assert {*report.unknown} == {f"{p}-{n}".upper() for p, part in parts for n in part}


def reported(office: Office, name: str, source: str, **values: Any) -> None:
    """A source says something of a device, as its run would commit it."""
    before = office.record(name).attributes.get("provenance") or {}
    said = {**before, source: {"key": name, "values": values}}
    operation = Update(office.ids[name], {**values, "provenance": said})
    office.store.commit(ChangeSet([operation], "run", source, managed=True))
