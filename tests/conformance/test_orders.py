"""Orders on every store: drafted, approved, carried out; refused with reasons; one device in one order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Create, Relate, Update
from cmdb.errors import ConflictError, InvalidChangeError
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.queries import Page, Query
from cmdb.store import create_store, open_store
from lifecycle.approvals import APPROVE, REJECT
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.orders import Orders
from lifecycle.refusals import NotAllowedError, RefusedError
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(url: str) -> Any:
    with create_store(url, shipped_model()) as store:
        yield Office.make(store)
        assert list(check(store)) == []


def codes(error: pytest.ExceptionInfo[RefusedError]) -> set[str]:
    return {refusal.code for refusal in error.value.refusals}


def test_a_device_is_commissioned_decommissioned_reused_and_scrapped(office: Office) -> None:
    esx_id = office.device("esx", purchase_price="CNY 60000")
    order = office.approved(
        "CommissionOrder", "esx", contract="care", to_custodian="ann",
        details={"esx": {"place": "rack", "rack_position": 3}},
    )  # fmt: skip
    assert office.store.record(order).attributes["number"] == "TY-2026-000001"
    carried = office.orders.execute(order, "ann", effective_on=office.today)
    assert (carried.done, carried.refused, office.order_state(order)) == (1, 0, "in_progress")
    esx = office.record("esx").attributes
    assert (esx["lifecycle_state"], esx["commissioned_on"]) == ("in_use", office.today)
    assert esx["custodian"] == office.ids["ann"]
    [rack] = office.store.neighbours([office.ids["esx"]], ["CONTAINS"], "in")
    assert (rack.record.name, rack.relationship.attributes["rack_position"]) == ("rack", 3)
    [contract] = office.store.neighbours([office.ids["esx"]], ["COVERED_BY"])
    assert contract.record.name == "care"
    newest = office.store.history(office.ids["esx"])[0].revision
    assert (newest.actor, newest.effective_on) == ("ann", office.today)
    assert "TY-2026-000001" in newest.reason
    office.engine.transition(order, "complete", "ann")
    assert office.order_state(order) == "completed"

    out = office.approved("DecommissionOrder", "esx", place="store")
    office.orders.execute(out, "ann")
    assert office.state("esx") == "idle"
    [place] = office.store.neighbours([office.ids["esx"]], ["CONTAINS"], "in")
    assert place.record.name == "store"
    office.engine.transition(out, "complete", "ann")

    again = office.approved(
        "ReuseOrder", "esx", purpose="backup", place="rack",
        details={"esx": {"rack_position": 5, "new_name": "bak"}},
    )  # fmt: skip
    office.orders.execute(again, "ann")
    esx = office.store.record(office.ids["esx"]).attributes
    assert (esx["lifecycle_state"], esx["name"], esx["purpose"]) == ("in_use", "bak", "backup")
    office.ids["bak"] = esx_id
    office.engine.transition(again, "complete", "ann")

    third = office.approved("DecommissionOrder", "bak")
    office.orders.execute(third, "ann")
    last = office.order("ScrapOrder", "bak")  # done with in the one before, though that is open
    office.engine.transition(last, "submit", "ann")
    states = [span.value for span in office.store.spans([esx_id], "lifecycle_state")[esx_id]]
    assert states == ["in_stock", "in_use", "idle", "in_use", "idle"]


def test_what_is_used_is_not_decommissioned_and_it_says_who_would_go_down(office: Office) -> None:
    office.device("db-host", state="in_use")
    commit(
        office.store,
        office.create("DatabaseInstance", "db", lifecycle_state="in_use"),
        office.create("Application", "billing", lifecycle_state="in_use"),
    )
    office.relate("db", "RUNS_ON", "db-host")
    office.relate("billing", "DEPENDS_ON", "db")
    order = office.approved("DecommissionOrder", "db-host")
    carried = office.orders.execute(order, "ann")
    assert (carried.done, carried.refused) == (0, 1)
    [refusal] = carried.refusals
    assert (refusal.code, refusal.override) == ("no_live_dependents", "director")
    assert "DatabaseInstance db" in refusal.message
    assert refusal.detail["impact"]["down"] == ["db", "billing"]
    assert office.state("db-host") == "in_use"
    assert office.order_state(order) == "approved"

    carried = office.orders.execute(order, "ann", overrides={"no_live_dependents": "site closes"})
    assert carried.refused == 1
    assert "ann is no director" in carried.refusals[0].message
    office.orders.reassign(order, "bob", "dora")
    carried = office.orders.execute(order, "dora", overrides={"no_live_dependents": "site closes"})
    assert (carried.done, carried.overridden) == (1, 1)
    assert office.state("db-host") == "idle"
    [item] = office.store.neighbours([order], ["CONCERNS"])
    [taken] = item.relationship.attributes["steps_taken"]
    assert taken["overrides"][0]["reason"] == "site closes"
    assert office.store.neighbours([office.ids["db-host"]], ["RUNS_ON"]) == []
    assert office.store.neighbours([office.ids["db-host"]], ["RUNS_ON"], as_of=newest(office) - 1)


def newest(office: Office) -> int:
    return office.store.last_revision().number


def test_an_open_incident_or_change_stands_in_the_way(office: Office) -> None:
    """Whatever kind of process the model declares: here the closest there is is a duplicate task."""
    office.device("sw", "Switch", state="in_use")
    commit(office.store, office.create("DuplicateTask", "task"))
    store = office.store
    task = Relate(office.ids["task"], "CONCERNS", office.ids["sw"])
    with pytest.raises(InvalidChangeError, match="not by hand"):
        commit(store, task)
    store.commit(ChangeSet([task], "x", process=True))
    carried = office.orders.execute(office.approved("DecommissionOrder", "sw"), "ann")
    assert [r.code for r in carried.refusals] == ["no_open_process"]


def test_the_whole_life_is_by_order_only(office: Office) -> None:
    device = office.device("pc", "DesktopComputer", state="in_use")
    with pytest.raises(InvalidChangeError, match="DecommissionOrder"):
        commit(office.store, Update(device, {"lifecycle_state": "idle"}))
    with pytest.raises(NotAllowedError, match="DecommissionOrder"):
        office.engine.transition(device, "decommission", "ann")
    order = office.order("ScrapOrder", "pc")
    written: tuple[dict[str, Any], ...] = (
        {"lifecycle_state": "approved"},
        {"votes": []},
        {"number": "X"},
    )
    for values in written:
        with pytest.raises(InvalidChangeError):
            commit(office.store, Update(order, values))
    with pytest.raises(InvalidChangeError, match="draft"):
        commit(
            office.store,
            Create("ScrapOrder", {"name": "x", "lifecycle_state": "approved"}, new_id()),
        )
    with pytest.raises(InvalidChangeError, match="not by hand"):
        commit(office.store, Relate(order, "CONCERNS", office.ids["rack"]))
    office.engine.correct(device, "idle", "pat", "recorded wrongly in March")
    assert office.state("pc") == "idle"
    with pytest.raises(NotAllowedError):
        office.engine.correct(device, "in_stock", "bob", "x")
    office.engine.transition(order, "submit", "ann")
    with pytest.raises(InvalidChangeError, match="not changed by hand"):
        commit(office.store, Update(order, {"purpose": "other"}))


def test_stages_follow_from_type_and_value(office: Office) -> None:
    office.device("cheap", state="idle", purchase_price="CNY 100")
    office.device("dear", state="idle", purchase_price="CNY 600000")
    small = office.order("ScrapOrder", "cheap")
    office.engine.transition(small, "submit", "ann")
    with pytest.raises(NotAllowedError, match="is not asked"):
        office.engine.vote(small, "dora", APPROVE)
    with pytest.raises(NotAllowedError, match="is not asked"):
        office.engine.vote(small, "nick", APPROVE)
    office.engine.vote(small, "bob", APPROVE)
    assert office.order_state(small) == "approved"
    large = office.order("ScrapOrder", "dear")
    office.engine.transition(large, "submit", "ann")
    office.engine.vote(large, "bob", APPROVE)
    with pytest.raises(NotAllowedError, match="is not asked"):
        office.engine.vote(large, "pat", APPROVE)
    office.engine.vote(large, "dora", APPROVE, "agreed")
    assert office.order_state(large) == "in_approval"
    office.engine.vote(large, "pat", REJECT, "keep it as a spare")
    assert office.order_state(large) == "rejected"
    office.engine.transition(large, "reopen", "ann")
    office.engine.transition(large, "submit", "ann")
    for person in ("bob", "dora", "pat"):
        office.engine.vote(large, person, APPROVE)
    assert office.order_state(large) == "approved"


def test_a_submission_reads_what_it_concerns_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.device("pc", "DesktopComputer", state="idle")
    order, find, asked = office.order("ScrapOrder", "pc"), office.store.find, []

    def counted(query: Query) -> Page:
        asked.append(query)
        return find(query)

    monkeypatch.setattr(office.store, "find", counted)
    office.engine.transition(order, "submit", "ann")
    assert len([q for q in asked if "CONCERNED_BY" in (q.where or {})]) == 1


def test_who_asks_does_not_approve_and_a_deputy_may(office: Office) -> None:
    office.device("pc", "DesktopComputer", state="idle")
    own = office.order("RepairOrder", "pc", by="bob")
    assert office.store.record(own).attributes["requested_by"] == office.ids["bob"]
    order = office.order("ScrapOrder", "pc", by="bob")
    with pytest.raises(RefusedError) as refused:
        office.engine.transition(order, "submit", "bob")
    assert codes(refused) == {"has_approvers"}
    order = office.order("ScrapOrder", "pc")
    with pytest.raises(NotAllowedError, match="no requester"):
        office.engine.transition(order, "submit", "bob")
    office.engine.transition(order, "submit", "ann")
    office.relate("bob", "DELEGATES_TO", "cora", valid_until="2026-03-05")
    office.pass_days(10)
    with pytest.raises(NotAllowedError):
        office.engine.vote(order, "cora", APPROVE)
    office.pass_days(-10)
    office.engine.vote(order, "cora", APPROVE)
    [vote] = office.store.record(order).attributes["votes"]
    assert (vote["by"], vote["for"]) == (office.ids["cora"], office.ids["bob"])
    assert office.order_state(order) == "approved"


def test_a_device_is_in_one_open_order(office: Office) -> None:
    office.device("pc", "DesktopComputer", state="idle")
    first, second = (
        office.order("ScrapOrder", "pc"),
        office.order("StockInOrder", "pc", place="store"),
    )
    office.engine.transition(first, "submit", "ann")
    with pytest.raises(RefusedError, match="open order BF-2026-000001"):
        office.engine.transition(second, "submit", "ann")
    office.engine.transition(first, "withdraw", "ann")
    assert office.outcomes(first) == {"pc": "dropped"}
    office.engine.transition(second, "submit", "ann")
    assert office.order_state(second) == "approved"  # no stage asks for approval


def test_scrapping_asks_for_proof_of_wiping_in_this_order(office: Office) -> None:
    office.device("srv", state="idle")
    office.device("screen", "Monitor", state="idle")
    order = office.approved("ScrapOrder", "srv", "screen")
    carried = office.orders.execute(order, "bob")
    assert (carried.done, carried.refused) == (1, 1)
    assert [(r.name, r.code, r.override) for r in carried.refusals] == [("srv", "data_wiped", None)]
    proof = office.create("Evidence", "proof", evidence_kind="wipe_certificate")
    commit(office.store, proof, Relate(office.ids["srv"], "DOCUMENTED_BY", proof.id))
    assert office.orders.execute(order, "bob").refused == 1
    commit(office.store, Relate(order, "DOCUMENTED_BY", proof.id))
    carried = office.orders.execute(order, "bob")
    assert (carried.done, office.state("srv")) == (1, "scrapped")
    with pytest.raises(RefusedError, match="nothing is left"):
        office.orders.execute(order, "bob")
    with pytest.raises(RefusedError):
        office.engine.correct(office.ids["srv"], "in_use", "pat", "we want it back")
    with pytest.raises(InvalidChangeError):
        commit(office.store, Update(office.ids["srv"], {"lifecycle_state": "idle"}))


def test_a_handover_is_signed_by_both_sides(office: Office) -> None:
    device = office.device("fw", "Firewall", state="in_use")
    order = office.approved("TransferOrder", "fw", to_organisation="north", to_custodian="nick")
    with pytest.raises(NotAllowedError):
        office.orders.execute(order, "nick")
    office.orders.execute(order, "ann")  # its custodian
    [way] = office.store.neighbours([device], ["IN_TRANSIT_TO"])
    assert way.record.name == "north"
    assert office.record("fw").attributes["organisation"] == office.ids["south"]
    with pytest.raises(RefusedError) as refused:
        office.engine.transition(order, "complete_partly", "ann", reason="x")
    assert codes(refused) == {"none_under_way"}
    with pytest.raises(NotAllowedError):
        office.orders.execute(order, "ann")
    office.orders.execute(order, "nick")
    assert office.store.neighbours([device], ["IN_TRANSIT_TO"]) == []
    record = office.record("fw").attributes
    assert (record["organisation"], record["custodian"]) == (
        office.ids["north"],
        office.ids["nick"],
    )
    office.engine.transition(order, "complete", "ann")


def test_commissioning_asks_for_what_the_type_requires(office: Office) -> None:
    office.device("bare", serial_number=None, custodian=None)
    order = office.approved("CommissionOrder", "bare")
    [refusal] = office.orders.execute(order, "ann").refusals
    assert refusal.code == "required"
    assert set(refusal.detail["missing"]) == {
        "custodian", "CONTAINED_IN", "serial_number", "COVERED_BY",
    }  # fmt: skip
    inputs = office.meant({"to_custodian": "ann", "place": "rack", "contract": "care"})
    commit(office.store, Update(office.ids["bare"], {"serial_number": "S1", "rack_height": 2}))
    [refusal] = office.orders.execute(order, "ann", inputs=inputs).refusals
    assert refusal.code == "position_free"
    office.device("other", "PatchPanel", state="in_use")
    office.relate("rack", "CONTAINS", "other", rack_position=4)
    for position, text in ((3, "other takes 4 to 4"), (10, "reach to 11")):
        [refusal] = office.orders.execute(
            order, "ann", inputs={**inputs, "rack_position": position}
        ).refusals
        assert text in refusal.message
    [refusal] = office.orders.execute(
        order, "ann", inputs={**inputs, "rack_position": 5, "serial_read": "S2"}
    ).refusals
    assert refusal.code == "serial_agrees"
    done = office.orders.execute(
        order, "ann", inputs={**inputs, "rack_position": 5, "serial_read": "s1"}
    )
    assert done.done == 1
    with pytest.raises(InvalidChangeError, match="not free: bare takes 5 to 6"):
        office.relate("rack", "CONTAINS", "other", rack_position=6)


def test_the_standard_operating_procedure_is_checked(office: Office) -> None:
    office.device("ups", "UPS", state="in_use")
    sop = office.create(
        "StandardOperatingProcedure", "UPS out", lifecycle_state="in_force",
        applies_to=["UPS"], for_steps=["decommission"], checklist=["battery isolated", "tagged"],
    )  # fmt: skip
    commit(office.store, sop)
    order = office.approved("DecommissionOrder", "ups")
    [refusal] = office.orders.execute(order, "ann", inputs={"checked": ["tagged"]}).refusals
    assert (refusal.code, refusal.detail["missing"]) == ("checklist_done", ["battery isolated"])
    assert office.orders.execute(order, "ann", inputs={"checked": "all"}).done == 1
    [item] = office.store.neighbours([order], ["CONCERNS"])
    [taken] = item.relationship.attributes["steps_taken"]
    assert taken["checked"]["points"] == ["battery isolated", "tagged"]


def test_all_or_none_where_the_order_says_so(office: Office) -> None:
    for name in ("a", "b"):
        office.device(name, "Monitor", state="in_use")
    office.device("c", "Server", state="in_use")
    commit(office.store, office.create("Application", "app", lifecycle_state="in_use"))
    office.relate("app", "RUNS_ON", "c")
    order = office.approved("DecommissionOrder", "a", "b", "c", execution="together")
    with pytest.raises(RefusedError):
        office.orders.execute(order, "ann")
    assert {office.state(n) for n in "abc"} == {"in_use"}
    assert office.orders.execute(order, "ann", dry_run=True).refused == 1
    office.orders.drop(order, "bob", [office.ids["c"]], "still needed")
    office.orders.execute(order, "ann")
    assert [office.state(n) for n in "abc"] == ["idle", "idle", "in_use"]
    office.engine.transition(order, "complete", "ann")
    each = office.approved("StockInOrder", "a", "b", place="store", votes=())
    office.orders.execute(each, "ann", [office.ids["a"]])
    with pytest.raises(RefusedError) as refused:
        office.engine.transition(each, "complete", "ann")
    assert codes(refused) == {"all_done"}
    office.engine.transition(each, "complete_partly", "ann", reason="b is in use elsewhere")
    assert office.outcomes(each) == {"a": "done", "b": "dropped"}


@pytest.mark.parametrize("what", ["vote", "execute"])
def test_of_two_at_the_same_time_one_gets_a_conflict(office: Office, url: str, what: str) -> None:
    office.device("pc", "DesktopComputer", state="in_use")
    commit(
        office.store,
        Relate(
            office.ids["dora"],
            "HAS_ROLE",
            office.ids["south"],
            {"roles": ["director", "asset_manager", "operator"]},
        ),
    )
    order = office.order("DecommissionOrder", "pc")
    office.engine.transition(order, "submit", "ann")
    if what == "execute":
        office.engine.vote(order, "bob", APPROVE)

    def act(orders: Orders, person: str) -> None:
        if what == "vote":
            orders.engine.vote(order, person, APPROVE)
        else:
            orders.execute(order, person)

    people = ("bob", "dora") if what == "vote" else ("ann", "dora")
    outcomes = both_at_once(url, office, act, people)
    assert outcomes.count(None) == 1
    [lost] = [o for o in outcomes if o is not None]
    assert isinstance(lost, ConflictError)
    assert lost.interferences[0].actor in people
    assert office.order_state(order) == ("approved" if what == "vote" else "in_progress")


def both_at_once(
    url: str, office: Office, act: Callable[[Orders, str], None], people: tuple[str, str]
) -> list[BaseException | None]:
    """What two people get who have both decided before either has committed."""
    ready = threading.Barrier(2)
    outcomes: list[BaseException | None] = []

    class Meeting(Engine):
        met = False

        def decide(
            self, actor: str, work: Callable[[], Decision], *, anew: bool = False
        ) -> tuple[Decision, int]:
            def decided() -> Decision:
                decision = work()
                if not self.met:
                    self.met = True
                    ready.wait(60)
                return decision

            return super().decide(actor, decided)

    def run(person: str) -> None:
        try:
            with open_store(url) as store:
                act(Orders(Meeting(store, lambda: office.now)), person)
        except Exception as error:
            outcomes.append(error)
        else:
            outcomes.append(None)

    threads = [threading.Thread(target=run, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_level_that_does_not_stand_above_is_not_asked(office: Office) -> None:
    """Straight below the province there is no city company to ask, whatever the value."""
    office.device("dear", state="idle", organisation="province", purchase_price="CNY 60000")
    roles = {"roles": ["asset_manager"]}
    commit(
        office.store,
        Relate(office.ids["cora"], "HAS_ROLE", office.ids["province"], roles),
        Update(office.ids["pat"], {"organisation": office.ids["province"]}),
    )
    order = office.order("ScrapOrder", "dear", by="pat")
    office.engine.transition(order, "submit", "pat")
    office.engine.vote(order, "cora", APPROVE)
    assert office.order_state(order) == "approved"


def test_what_holds_from_another_day_is_dated_so(office: Office) -> None:
    office.device("sw", "Switch", state="in_use")
    order = office.approved("DecommissionOrder", "sw")
    day = date(2026, 2, 27)
    office.orders.execute(order, "ann", effective_on=day, inputs={"today": date(2020, 1, 1)})
    assert office.record("sw").attributes["decommissioned_on"] == day
    assert office.store.last_revision().effective_on == day


def test_an_order_is_given_to_those_who_carry_out(office: Office) -> None:
    office.device("pc", "DesktopComputer", state="in_use")
    order = office.order("StockInOrder", "pc", place="store", assignee="cora")
    with pytest.raises(RefusedError) as refused:
        office.engine.transition(order, "submit", "ann")
    assert codes(refused) == {"assignee_able"}
    commit(office.store, Update(order, {"assignee": None}))
    office.engine.transition(order, "submit", "ann")
    with pytest.raises(RefusedError, match="cora is no operator"):
        office.orders.reassign(order, "bob", "cora")
    with pytest.raises(NotAllowedError):
        office.orders.reassign(order, "cora", "cora")


def test_a_correction_goes_around_no_rule(office: Office) -> None:
    device = office.device("pc", "DesktopComputer", state="idle")
    order = office.order("ScrapOrder", "pc")
    office.engine.transition(order, "submit", "ann")
    for id, state in ((order, "approved"), (device, "scrapped"), (device, "planned")):
        with pytest.raises(RefusedError):
            office.engine.correct(id, state, "pat", "a mistake")


def test_what_was_committed_is_known_by_its_change_set(office: Office) -> None:
    store = office.store
    revision = store.last_revision()
    before = store.statements
    assert store.committed(revision.change_set) == revision.number
    assert store.statements == before + 1
    assert store.committed(new_id()) is None
