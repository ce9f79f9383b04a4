"""The résumé on every store: all that happened to a device, with who and why."""

from __future__ import annotations

from typing import Any

import pytest

import lifecycle.resume
from cmdb.change_sets import ChangeSet, Relate, Unrelate, Update
from cmdb.errors import NotFoundError
from cmdb.ids import new_id
from cmdb.store import create_store
from lifecycle.resume import Entry, resume
from lifecycle.resume.sentences import KINDS
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(url: str) -> Any:
    with create_store(url, shipped_model()) as store:
        yield Office.make(store)


def said(entries: list[Entry], kind: str) -> list[str]:
    return [entry.en for entry in entries if entry.kind == kind]


def test_all_that_happened_is_told_with_who_and_why(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle.resume, "PAGE", 3)  # several pages
    store = office.store
    sop = office.create(
        "StandardOperatingProcedure", "Take out", lifecycle_state="in_force",
        applies_to=["NetworkDevice"], for_steps=["decommission"], checklist=["off", "tagged"],
    )  # fmt: skip
    commit(store, sop, office.create("DuplicateTask", "doubt"))
    device = office.device("sw", "Switch", "in_stock", snmp_community="s3cret")
    begun = store.last_revision().number

    commissioning = office.approved(
        "CommissionOrder", "sw", details={"sw": {"place": "rack", "rack_position": 3}}
    )
    office.orders.execute(commissioning, "ann", effective_on=office.today, inputs={"serial_read": "SN-sw"})  # fmt: skip
    office.engine.transition(commissioning, "complete", "ann")
    store.commit(ChangeSet([Update(device, {"os_name": "VRP", "snmp_community": "n3w"})], "collector", "snmp", "walk"))  # fmt: skip
    office.device("ups", "UPS", "in_use")
    office.relate("sw", "POWERED_BY", "ups")

    repair = office.approved("RepairOrder", "sw", votes=())
    office.orders.execute(repair, "ann", inputs={"reason": "fan"})
    office.orders.execute(repair, "ann")
    office.engine.transition(repair, "complete", "ann")
    concerns = (office.ids["doubt"], "CONCERNS", device)
    store.commit(ChangeSet([Relate(*concerns)], "x", "desk", process=True))
    out = office.approved("DecommissionOrder", "sw", place="store")
    office.orders.reassign(out, "bob", "dora")
    commit(store, Relate(office.ids["dora"], "HAS_ROLE", office.ids["south"], {"roles": ["director", "asset_manager"]}))  # fmt: skip
    office.orders.execute(out, "dora", overrides={"no_open_process": "agreed", "checklist_done": "done before"})  # fmt: skip
    store.commit(ChangeSet([Unrelate(*concerns)], "x", "desk", process=True))
    office.engine.transition(out, "complete", "ann")
    transfer = office.approved("TransferOrder", "sw", to_organisation="north", to_custodian="nick")
    office.orders.execute(transfer, "bob")
    office.orders.execute(transfer, "nick")

    entries = resume(store, device).entries
    assert {entry.kind for entry in entries} <= KINDS.keys()
    assert [entry.revision for entry in entries] == sorted(entry.revision for entry in entries)
    states = [entry for entry in entries if entry.kind == "state"]
    spans = store.spans([device], "lifecycle_state")[device]
    assert [(s.details["new"], s.revision) for s in states] == [(s.value, s.since) for s in spans]
    assert [(s.details["new"], s.actor, s.reason) for s in states] == [
        ("in_stock", "tester", ""),
        ("in_use", "ann", "TY-2026-000001 commission"),
        ("in_repair", "ann", "WX-2026-000001 send_to_repair: fan"),
        ("in_use", "ann", "WX-2026-000001 finish_repair"),
        ("idle", "dora", "TC-2026-000001 decommission"),
    ]
    assert (states[1].effective_on, states[1].source) == (office.today, "lifecycle")
    assert [s.zh for s in states] == ["状态：库存。", "状态：库存 → 在运。", "状态：在运 → 维修中。", "状态：维修中 → 在运。", "状态：在运 → 闲置。"]  # fmt: skip
    assert said(entries, "place") == [
        "Placed in rack (Lowest rack unit 3 U).",
        "Left rack (Lowest rack unit 3 U).",
        "Placed in store.",
    ]
    powered = ["Now is powered by ups.", "No longer is powered by ups."]
    assert said(entries, "relationship") == powered
    assert said(entries, "owner") == [
        "Organisation: south.",
        "Custodian: ann.",
        "Organisation: south → north.",
        "Custodian: ann → nick.",
    ]
    orders = said(entries, "order")
    assert orders[:7] == [
        "Commission order TY-2026-000001 concerns it.",
        "Commission order TY-2026-000001: Draft.",
        "Commission order TY-2026-000001: Draft → In approval.",
        "Commission order TY-2026-000001: Asset manager granted by bob.",
        "Commission order TY-2026-000001: In approval → Approved.",
        "Commission order TY-2026-000001: Commission, by ann. Serial number read: SN-sw.",
        "Commission order TY-2026-000001: Approved → In progress.",
    ]
    [step] = [text for text in orders if "Decommission, by" in text]
    assert "was set aside by dora: agreed" in step
    assert "was set aside by dora: done before" in step
    assert "Checked by Take out: 0 points." in step
    assert "Repair order WX-2026-000001: Send to repair, by ann. Reason: fan." in said(
        entries, "repair"
    )
    assert said(entries, "process") == [
        "Duplicate to decide doubt concerns it.",
        "Taken out of Duplicate to decide doubt.",
    ]
    transfers = said(entries, "transfer")
    assert "Handed over; in transit to north." in transfers
    assert "Handover order YJ-2026-000001: Accepted, by nick." in transfers
    assert transfers.index("Handed over; in transit to north.") < transfers.index("No longer in transit to north.")  # fmt: skip
    configured = [entry for entry in entries if entry.kind == "configuration"]
    assert ("snmp", "collector", "walk") in {(e.source, e.actor, e.reason) for e in configured}
    assert any("Operating system VRP" in e.en and "操作系统 VRP" in e.zh for e in configured)
    everything = str([entry.plain() for entry in entries])
    assert "s3cret" not in everything
    assert "n3w" not in everything

    then = resume(store, device, begun)
    assert then.entries == [entry for entry in entries if entry.revision <= begun]
    assert then.record.attributes["lifecycle_state"] == "in_stock"
    with pytest.raises(NotFoundError):
        resume(store, new_id())
