"""Folding: whatever the order and however often, an alert is what the latest that was said makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from itsm.alerts.folding import AHEAD, Folded, fold, settled
from itsm.alerts.received import Malformed, Received
from itsm.alerts.rules import load_alert_rules

RULES = load_alert_rules()
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def said(
    firing: bool, began: float | None = None, at: float | None = None, **labels: str
) -> Received:
    first, then = (None if n is None else minute(n) for n in (began, at))
    return Received("tool", "k", "name", firing, first, then, {"severity": "critical", **labels})


def folded(entries: Sequence[Received | Malformed], at: Sequence[float] = ()) -> Folded:
    alert: Folded | None = None
    for number, entry in enumerate(entries):
        alert = fold(alert, entry, minute(at[number] if at else 100), RULES)
    assert alert is not None
    return alert


def test_repeats_are_counted_and_its_end_is_known() -> None:
    alert = folded([said(True, 1), said(True, 1), said(True, 1)], (1, 5, 9))
    assert (alert.state, alert.occurrences, alert.began) == ("firing", 3, minute(1))
    assert (alert.first_seen, alert.last_seen) == (minute(1), minute(9))
    over = fold(alert, said(False, 1, 10), minute(11), RULES)
    assert (over.state, over.cleared_at, over.occurrences) == ("cleared", minute(10), 4)
    assert over.changes == (minute(1), minute(10))


def test_what_comes_late_is_counted_and_changes_nothing() -> None:
    entries = [said(True, 20), said(False, 1, 10), said(True, 1), said(False, 15, 16)]
    alert = folded(entries)
    assert (alert.state, alert.began, alert.occurrences) == ("firing", minute(20), 4)
    assert alert.first_seen == minute(1)
    ended = folded([said(False, 1, 10), said(True, 1)])
    assert (ended.state, ended.cleared_at) == ("cleared", minute(10))


def test_what_ends_in_the_second_in_which_it_begins_again_fires() -> None:
    for entries in ([said(False, 1, 10), said(True, 10)], [said(True, 10), said(False, 1, 10)]):
        assert folded(entries).state == "firing"


def test_without_a_beginning_it_goes_by_the_instants() -> None:
    alert = folded([said(True, at=5), said(True, at=6), said(False, at=8)])
    assert (alert.state, alert.cleared_at) == ("cleared", minute(8))
    assert folded([said(False, at=8), said(True, at=5)]).state == "cleared"
    assert folded([said(False, at=8), said(False, at=9), said(False, at=10)]).changes == ()
    assert folded([said(True), said(False), said(True)], (1, 2, 3)).state == "firing"


def test_a_clock_that_is_ahead_does_not_hold_it_up() -> None:
    wrong = 60 * 24 * 365 * 50
    alert = folded([said(True, wrong), said(False, wrong, wrong), said(True, 4)], (1, 2, 4))
    assert (alert.state, alert.began) == ("firing", minute(4))
    assert alert.first_seen == minute(1)
    near = folded([said(True, 1 + AHEAD / timedelta(minutes=1))], (1,))
    assert near.began == minute(1) + AHEAD


def test_it_flaps_until_it_has_kept_its_state() -> None:
    times = [0, 1, 2, 3, 4]
    entries = [said(n % 2 == 0, n if n % 2 == 0 else n - 1, n) for n in times]
    alert = folded(entries, times)
    assert (alert.flapping, alert.standing, alert.state) == (True, True, "firing")
    assert not folded(entries[:4], times[:4]).flapping
    slow = [0, 5, 10, 15, 20]
    entries = [said(n % 2 == 0, s if n % 2 == 0 else s - 5, s) for n, s in enumerate(slow)]
    assert not folded(entries, slow).flapping
    later = minute(4) + RULES.flap_span
    assert settled(alert, later, RULES) is alert
    calm = settled(alert, later + timedelta(seconds=1), RULES)
    assert (calm.flapping, calm.changes) == (False, ())


def test_what_could_not_be_read_is_one_with_its_latest_samples() -> None:
    alert = folded([Malformed("tool", "It is no JSON.", f"{{{n}") for n in range(30)])
    assert (alert.occurrences, alert.name) == (30, "tool: It is no JSON.")
    assert alert.said["received"] == [f"{{{n}" for n in range(10, 30)]


EPISODES = st.builds(
    lambda firing, began, length: said(firing, began, None if firing else began + length),
    st.booleans(),
    st.integers(0, 60),
    st.integers(0, 5),
)


@given(st.lists(EPISODES, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_no_order_makes_a_difference(entries: list[Received], chance: object) -> None:
    """Nor does it how often something comes."""
    alert = folded(entries)
    latest = max((e.began, not e.firing) for e in entries if e.began)
    assert (alert.began, not alert.firing) == latest
    assert alert.first_seen == min(e.began for e in entries if e.began)
    assert alert.occurrences == len(entries)
    turned = [*entries, *entries]
    chance.shuffle(turned)  # type: ignore[attr-defined]
    again = folded(turned)
    same = ("state", "began", "first_seen", "fingerprint", "severity", "name", "last_seen")
    assert [getattr(again, n) for n in same] == [getattr(alert, n) for n in same]
    assert again.occurrences == 2 * alert.occurrences
    assert replace(again, occurrences=0).changes == tuple(sorted(again.changes))
