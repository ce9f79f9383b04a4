"""Changes on every store: what they hold back is checked, shown, and applied once as one revision."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.errors import CmdbError, ConflictError, InvalidChangeError
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.store import create_store, open_store
from itsm.changes.desk import Changes
from itsm.changes.moved import moved
from itsm.changes.planned import Planned
from lifecycle.engine import Engine
from lifecycle.refusals import NotAllowedError, OutdatedError, RefusedError
from lifecycle.resume import resume
from schema.loading import load_model
from tests.support.building import commit
from tests.support.change_board import EVENING, ChangeBoard
from tests.support.observing import shipped_model
from tests.support.reporting import report, thing


@pytest.fixture
def board(url: str) -> Iterator[ChangeBoard]:
    with create_store(url, shipped_model()) as store:
        made = ChangeBoard.make(store)
        yield made
        assert list(check(store)) == []


def codes(error: pytest.ExceptionInfo[Any]) -> set[str]:
    return {refusal.code for refusal in error.value.refusals}


def kinds(error: pytest.ExceptionInfo[InvalidChangeError]) -> set[str]:
    return {problem.code for problem in error.value.problems}


def moving_db(board: ChangeBoard) -> tuple[list[Operation], str]:
    """The database moves to a new box, and the old one gets another purpose; gives the new box's id, too."""
    new = board.create("Server", "box2", lifecycle_state="in_use", organisation=board.ids["south"])
    ids = board.ids
    return [
        new,
        Update(ids["box"], {"purpose": "spare", "memory_mib": 65_536}),
        Unrelate(ids["db"], "RUNS_ON", ids["box"]),
        Relate(ids["db"], "RUNS_ON", new.id, {"group": "db"}),
    ], new.id


def test_a_change_holds_back_what_it_does_until_it_is_carried_out(board: ChangeBoard) -> None:
    store, ids = board.store, board.ids
    plan, new = moving_db(board)
    id = board.change("box", plan=plan)
    assert board.told(id, "number", "planned_revision") == ["BG-2050-000001", store.last_revision().number - 1]  # fmt: skip
    assert new not in store.get([new])
    assert store.record(ids["box"]).attributes.get("purpose") is None
    difference = board.changes.difference(board.at(id))
    told = {c.id: c.before is None for c in difference.records}
    assert told == {new: True, ids["box"]: False}
    assert {(c.key.target, c.after is None) for c in difference.relationships} == {(new, False), (ids["box"], True)}  # fmt: skip
    board.go(id, "submit", "assess")
    assert board.told(id, "lifecycle_state", "risk", "hit_organisations") == ["in_approval", "medium", ["south"]]  # fmt: skip
    assert board.at(id).attributes["impact"]["counts"] == {"down": 4}
    board.agreed(id, ["mia", "ada"])
    with pytest.raises(RefusedError) as early:
        board.go(id, "begin", by="ola")
    assert codes(early) == {"in_window"}
    board.now = EVENING + timedelta(minutes=5)
    board.go(id, "begin", by="ola")
    before = store.last_revision().number
    board.now += timedelta(hours=1)
    board.go(id, "confirm", by="ola")
    assert store.last_revision().number == before + 1
    assert board.told(id, "lifecycle_state", "result", "implemented_revision") == ["in_review", "successful", before + 1]  # fmt: skip
    box = store.record(ids["box"]).attributes
    assert (box["purpose"], box["memory_mib"]) == ("spare", 65_536)
    assert [n.record.id for n in store.neighbours([ids["db"]], ["RUNS_ON"], "out")] == [new]
    changed = board.changes.difference(board.at(id))
    assert {c.id for c in changed.records} == {new, ids["box"]}
    assert {c.key.target for c in changed.relationships} == {new, ids["box"]}
    outcomes = {n.record.id: n.relationship.attributes["outcome"] for n in store.neighbours([id], ["CONCERNS"], "out")}  # fmt: skip
    assert outcomes == dict.fromkeys([ids["box"], new, ids["db"]], "done")
    with pytest.raises(RefusedError, match="it is in_review"):
        board.go(id, "confirm", by="ola")
    board.go(id, "close", by="mia", inputs={"review": "went well"})
    assert board.told(id, "lifecycle_state", "review") == ["closed", "went well"]
    told_of = [(e.en, e.zh, e.reason) for e in resume(store, ids["box"]).entries if "BG-" in e.en]
    assert any("implementing" in r or "confirm" in r for _, _, r in told_of)
    sentences = " ".join(en for en, *_ in told_of)
    assert "Approved, scheduled → Being implemented" in sentences
    assert "BG-2050-000001 changed Memory 65536 MiB; Purpose spare." in sentences
    assert any(zh.startswith("BG-2050-000001更改") for _, zh, _ in told_of)


def test_only_what_a_hand_may_is_held_back(board: ChangeBoard) -> None:
    ids, south = board.ids, board.ids["south"]
    id = board.change("box")
    other = board.change("web1")
    held = board.store.last_revision().number
    refused: list[tuple[str, Sequence[Operation]]] = [
        ("governed", [Update(ids["box"], {"lifecycle_state": "idle"})]),
        ("managed", [Update(ids["box"], {"provenance": {}})]),
        ("managed", [Relate(id, "CONCERNS", ids["web1"])]),
        ("unknown_attribute", [Update(ids["box"], {"colour": "red"})]),
        ("not_found", [Unrelate(ids["db"], "RUNS_ON", ids["web1"])]),
        ("not_planned", [Update(other, {"description": "sneaked"})]),
        ("not_planned", [Update(id, {"window_effect": "none"})]),
        ("not_planned", [Create("NormalChange", {"name": "n", "organisation": south}, new_id())]),
        ("not_planned", [Relate(ids["ola"], "HAS_ROLE", south, {"roles": ["director"]})]),
        ("not_planned", [Update(ids["ola"], {"username": "pia2"})]),
        ("too_many", [Update(ids["box"], {"purpose": "x"})] * 5_001),
    ]
    for code, operations in refused:
        with pytest.raises(InvalidChangeError) as error:
            board.changes.plan(id, "eve", operations)
        assert kinds(error) == {code}, operations[0]
    with pytest.raises(ConflictError):
        board.changes.plan(id, "eve", [Update(ids["box"], {"purpose": "x"}, 1)])
    with pytest.raises(NotAllowedError):
        board.changes.plan(id, "ann", [Update(ids["box"], {"purpose": "x"})])

    def forbidden(_: Sequence[Operation]) -> None:
        raise NotAllowedError("No.", "Ask.")

    with pytest.raises(NotAllowedError, match="No"):
        board.changes.plan(id, "eve", [Update(ids["box"], {"purpose": "x"})], forbidden)
    with pytest.raises(InvalidChangeError):
        commit(board.store, Update(id, {"planned": [], "risk": "low"}))
    assert board.store.last_revision().number == held
    board.changes.plan(
        id, "eve", [Update(ids["box"], {"purpose": "x", "warranty_until": "2051-01-01"})]
    )
    board.changes.plan(id, "eve", None)
    assert board.at(id).attributes["planned"][0]["update"]["attributes"]["warranty_until"] == "2051-01-01"  # fmt: skip
    board.changes.plan(id, "eve", [])
    assert board.told(id, "planned", "planned_revision") == [None, None]
    board.go(id, "submit")
    with pytest.raises(RefusedError, match="no longer a draft"):
        board.changes.plan(id, "eve", [Update(ids["box"], {"purpose": "x"})])


def test_carrying_it_out_does_nothing_that_no_hand_may(board: ChangeBoard, tmp_path: Path) -> None:
    """A process commits it, which may write what is managed; what it held back may not."""
    plan = [Update(board.ids["box"], {"purpose": "spare"})]
    id = board.implementing(board.change("box", plan=plan))
    more = tmp_path / "more.yaml"
    more.write_text(
        "record_types:\n  ConfigurationItem:\n    extend: true\n    attributes:\n"
        "      purpose: {kind: string, managed: true, label: {en: Purpose, zh: 用途}}\n"
    )
    board.store.apply_model(load_model([tmp_path]), "tester")
    before = board.store.last_revision().number
    with pytest.raises(RefusedError) as refused:
        board.go(id, "confirm", by="ola", overrides={"planned_fits": "never mind"})
    assert codes(refused) == {"planned_fits"}
    assert board.store.last_revision().number == before
    board.store.apply_model(shipped_model(), "tester")
    board.go(id, "confirm", by="ola")
    assert board.record("box").attributes["purpose"] == "spare"


def test_what_others_changed_since_is_a_conflict_that_tells_the_difference(
    board: ChangeBoard,
) -> None:
    store, ids = board.store, board.ids
    plan, new = moving_db(board)
    id = board.implementing(board.change("box", plan=plan))
    # Of what the plan does not touch, anything may change; and what is so already is no conflict.
    commit(store, Update(ids["box"], {"description": "dusty", "memory_mib": 65_536}), actor="bob")
    commit(store, Unrelate(ids["db"], "RUNS_ON", ids["box"]), actor="bob")
    assert moved(Planned(store, board.at(id))) == []
    commit(store, Update(ids["box"], {"purpose": "archive"}), actor="bob")
    before = store.last_revision().number
    with pytest.raises(OutdatedError) as conflict:
        board.go(id, "confirm", by="ola")
    assert isinstance(conflict.value, ConflictError)
    [by] = conflict.value.interferences
    assert (by.actor, by.revision, by.changed) == ("bob", before, {"purpose": (None, "archive")})
    told = conflict.value.refusals[0].detail["moved"]
    assert (told["was"], told["now"], told["planned"]) == (None, "archive", "spare")
    assert "bob changed it in revision" in str(conflict.value)
    with pytest.raises(OutdatedError):
        board.go(id, "confirm", by="ola", overrides={"planned_unchanged": "I know better"})
    assert store.last_revision().number == before
    # Where something else is wrong, too, it is refused for both.
    commit(store, Update(ids["box"], {"purpose": None}), actor="bob")
    assert moved(Planned(store, board.at(id))) == []
    commit(store, Update(ids["box"], {"purpose": "archive"}), actor="bob")
    commit(store, Relate(ids["mia"], "HAS_ROLE", ids["south"], {"roles": ["change_manager", "operator"]}))  # fmt: skip
    board.go(id, "confirm", by="mia", overrides={"planned_unchanged": "agreed with bob"})
    assert store.record(ids["box"]).attributes["purpose"] == "spare"
    assert "agreed with bob" in store.last_revision().reason
    assert store.record(new).name == "box2"


def test_relationships_and_what_was_to_be_created_may_have_moved_too(board: ChangeBoard) -> None:
    store, ids, south = board.store, board.ids, board.ids["south"]
    fresh = board.create("Server", "box2", serial_number="SN-9", organisation=south)
    plan: list[Operation] = [
        fresh,
        Relate(ids["db"], "RUNS_ON", ids["web1"], {"group": "a"}),
        Unrelate(ids["shop"], "RUNS_ON", ids["web2"]),
        Relate(ids["shop"], "DEPENDS_ON", ids["db"], {"group": "c"}),
        Update(ids["web2"], {"purpose": "spare"}),
    ]
    id = board.change("web2", plan=plan)
    commit(store, Relate(ids["db"], "RUNS_ON", ids["web1"], {"group": "b"}), actor="bob")
    commit(store, Unrelate(ids["shop"], "DEPENDS_ON", ids["db"]), actor="ann")
    report(store, "scan", thing("Server", "k9", name="found", serial_number="SN-9"))
    commit(store, Update(ids["web2"], {"organisation": ids["north"]}), actor="cora")
    board.go(id, "submit")
    with pytest.raises(OutdatedError) as conflict:
        board.go(id, "assess")
    told = {r.detail["moved"]["what"]: r.message for r in conflict.value.refusals if r.detail["moved"]["what"] != "relationship"}  # fmt: skip
    assert told.keys() == {"organisation", "exists"}
    assert "found" in told["exists"]
    links = [r for r in conflict.value.refusals if r.detail["moved"]["what"] == "relationship"]
    assert {tuple(i.actor for i in r.since) for r in links} == {("bob",), ("ann",)}
    board.go(id, "rework", reason="plan it anew")
    board.changes.plan(id, "eve", None)
    assert moved(Planned(store, board.at(id))) == []


def test_of_two_who_confirm_one_does(url: str, board: ChangeBoard) -> None:
    id = board.implementing(board.change("box", plan=moving_db(board)[0]))
    before = board.store.last_revision().number
    outcomes: list[str] = []
    gate = threading.Barrier(4)

    def confirm(person: str) -> None:
        with open_store(url) as store:
            gate.wait()
            try:
                Changes(Engine(store, lambda: board.now)).engine.transition(id, "confirm", person)
            except (ConflictError, RefusedError) as error:
                outcomes.append(error.code)
            else:
                outcomes.append("done")

    people = ("ola", "ann", "eve", "dora")
    threads = [threading.Thread(target=confirm, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes).count("done") == 1
    assert board.store.last_revision().number == before + 1
    assert board.record("box").attributes["purpose"] == "spare"


def test_a_standard_change_follows_its_model(board: ChangeBoard) -> None:
    model = board.create(
        "ChangeModel", "reboot", applies_to=["VirtualMachine"], implementation_plan="shutdown -r", back_out_plan="wait",
    )  # fmt: skip
    commit(board.store, model)
    said: dict[str, Any] = {"kind": "standard", "change_model": model.id, "window_effect": "none"}
    drafted = board.change("web1", implementation_plan=None, **said)
    with pytest.raises(RefusedError, match="reboot is draft, not in force"):
        board.go(drafted, "submit")
    commit(board.store, Update(model.id, {"lifecycle_state": "in_force"}))
    board.go(drafted, "submit", "assess")
    assert board.told(drafted, "lifecycle_state", "implementation_plan", "back_out_plan", "risk") == ["approved", "shutdown -r", "undo it", "low"]  # fmt: skip
    strange = board.change("box", **said)
    with pytest.raises(RefusedError, match="not for box"):
        board.go(strange, "submit")
    with pytest.raises(CmdbError, match="needs change_model"):
        board.go(board.change("web1", kind="standard"), "submit")
    backwards = board.change("web1", hours=-1)
    with pytest.raises(RefusedError, match="ends before it begins"):
        board.go(backwards, "submit")


def test_a_failed_change_opens_an_incident_and_counts_against_the_next(board: ChangeBoard) -> None:
    plan = [Update(board.ids["box"], {"purpose": "spare"})]
    id = board.implementing(board.change("box", plan=plan))
    board.go(id, "fail", by="ola", reason="it does not boot")
    assert board.told(id, "lifecycle_state", "result", "implemented_revision") == ["in_review", "failed", None]  # fmt: skip
    assert board.record("box").attributes.get("purpose") is None
    [caused] = board.store.neighbours([id], ["CAUSED_BY"], "in")
    incident = caused.record
    assert incident.revision == board.at(id).revision
    assert (incident.attributes["channel"], incident.attributes["impact_level"]) == ("change", "significant")  # fmt: skip
    assert board.concerned(incident.id) == {"box": ("open", {"role": "cause", "effect": "down"})}
    assert "does not boot" in incident.name
    second = board.change("box", begins=board.now + timedelta(days=1))
    board.go(second, "submit", "assess")
    factors = {f["name"]: f for f in board.at(second).attributes["risk_explained"]["factors"]}
    assert factors["past_failures"]["points"] == 40
    assert "1 of 1" in factors["past_failures"]["said"]
    board.agreed(second)
    board.now = board.at(second).attributes["starts_at"]
    board.go(second, "begin", by="ola")
    board.go(second, "back_out", by="ola", reason="no spare part")
    assert board.told(second, "lifecycle_state", "result") == ["in_review", "backed_out"]
    assert board.store.neighbours([second], ["CAUSED_BY"], "in") == []
