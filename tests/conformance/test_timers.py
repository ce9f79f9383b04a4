"""Timers on every store: once for each stay, by the product itself, as often as it is run."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cmdb.integrity import check
from cmdb.store import create_store
from lifecycle import timers
from lifecycle.engine import Engine
from schema.loading import load_model
from tests.support.office import Office

OWN = """
state_machines:
  order_lifecycle:
    extend: true
    states:
      draft:
        label: {en: Draft, zh: 草稿}
        timers:
          refused: {label: {en: Refused, zh: 不允许}, after: P30D, transition: never}
          forgotten: {label: {en: Forgotten, zh: 长期未提交}, after: P30D, transition: give_up}
    transitions:
      give_up: {label: {en: Given up, zh: 作废}, source: [draft], target: withdrawn, by: [system]}
      never: {label: {en: Never, zh: 不允许}, source: [draft], target: rejected, by: [system], requires: [due_on]}
"""


@pytest.fixture
def office(url: str, tmp_path: Path) -> Any:
    own = tmp_path / "own"
    own.mkdir()
    (own / "timers.yaml").write_text(OWN, encoding="utf-8")
    with create_store(url, load_model([own])) as store:
        made = Office.make(store)
        made.now = datetime.now(UTC)  # stays begin by the store's own clock
        yield made
        assert list(check(store)) == []


def fired(office: Office, days: float = 0) -> list[tuple[str, str, bool]]:
    """Name, timer and whether it went, of what fires so many days later."""
    office.pass_days(days)
    return [
        (str(f.record.attributes["number"])[:2], f.timer.name, f.revision is not None)
        for f in timers.run(office.engine)
    ]


def test_an_approval_that_waits_escalates_once_for_each_stay(office: Office) -> None:
    office.device("srv", state="in_use")
    order = office.order("DecommissionOrder", "srv")
    office.engine.transition(order, "submit", "ann")
    assert fired(office, 4.9) == []
    assert fired(office, 0.2) == [("TC", "waiting", True)]
    assert office.store.record(order).attributes["escalation"] == 1
    newest = office.store.history(order)[0].revision
    number = office.store.record(order).attributes["number"]
    assert (newest.actor, newest.reason) == ("system", f"{number} Waiting for approval")
    last = office.store.last_revision().number
    assert fired(office, 100) == []
    assert office.store.last_revision().number == last
    office.engine.vote(order, "bob", "reject")
    office.engine.transition(order, "reopen", "ann")
    assert office.store.record(order).attributes.get("escalation") is None
    office.engine.transition(order, "submit", "ann")
    office.now = datetime.now(UTC)
    assert fired(office) == []
    assert fired(office, 6) == [("TC", "waiting", True)]


def test_a_date_that_passes_and_a_transition_that_is_refused(office: Office) -> None:
    office.device("srv", state="in_stock")
    tomorrow: date = (office.now + timedelta(days=1)).date()
    loan = office.approved(
        "LoanOrder", "srv", recipient="a school", return_on=tomorrow, due_on=tomorrow
    )
    assert fired(office, 1) == []
    assert fired(office, 1) == [("JC", "overdue", True)]
    assert fired(office, 1) == []
    draft = office.order("RepairOrder")
    office.now = datetime.now(UTC)
    [refused] = [
        f for f in timers.run(office.engine, office.now + timedelta(days=31)) if f.refusals
    ]
    assert (refused.timer.name, refused.refusals[0].code) == ("refused", "required")
    assert office.order_state(draft) == "withdrawn"
    assert office.store.history(draft)[0].revision.actor == "system"
    assert office.order_state(loan) == "approved"


def test_two_that_run_at_once_fire_once(office: Office) -> None:
    office.device("srv", state="in_use")
    order = office.order("DecommissionOrder", "srv")
    office.engine.transition(order, "submit", "ann")
    office.pass_days(6)

    class Late(Engine):
        ran = False

        def own_room(self, process: Any = None) -> Any:
            if not self.ran:
                self.ran = True
                assert [f.revision for f in timers.run(office.engine)] != [None]
            return super().own_room(process)

    [late] = timers.run(Late(office.store, lambda: office.now))
    assert late.revision is None
    assert office.store.record(order).attributes["escalation"] == 1
