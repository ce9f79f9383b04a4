"""What signing in asks of a store, on each of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from api.access.audit import Audit, Filter, read_audit, trim_audit
from api.access.errors import ThrottledError
from api.access.principals import Grant, Permission, Principal, everything
from api.access.throttle import Throttle, Waits
from cmdb.store import GraphStore, create_store
from lifecycle.refusals import NotAllowedError
from tests.support.access import PASSWORD, Company
from tests.support.observing import shipped_model


@pytest.fixture
def store(url: str) -> Iterator[GraphStore]:
    with create_store(url, shipped_model()) as store:
        yield store


def test_signing_in_and_out_with_all_that_goes_with_it(store: GraphStore) -> None:
    company = Company(store).with_password()
    browser = company.browser()
    assert browser.sign_in("li", "wrong").status_code == 401
    assert browser.sign_in("li", PASSWORD).status_code == 200
    made = company.process.tokens.create("test", company.account, "x", [Permission.READ])
    shown = {"authorization": f"Bearer {made.secret}"}
    assert company.browser().ask("GET", "/me", headers=shown).status_code == 200
    assert made.id in company.process.tokens.last_used()
    company.process.accounts.lock("test", company.account)
    company.clock.pass_(seconds=4)
    assert browser.ask("GET", "/me").status_code == 401
    assert company.browser().ask("GET", "/me", headers=shown).status_code == 401
    company.clock.pass_(days=8)
    company.process.sessions.remove_ended()
    assert store.marks("session/") == {}


def test_attempts_at_the_same_time_are_all_counted(store: GraphStore) -> None:
    company = Company(store)
    throttle = Throttle(store, Waits(5, timedelta(minutes=1)), clock=company.clock)

    def attempt(number: int) -> bool:
        try:
            throttle.attempt("li", f"10.0.0.{number}")
        except ThrottledError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        looked_at = sum(pool.map(attempt, range(24)))
    assert looked_at <= 5


def test_the_audit_is_read_backwards_with_filters(store: GraphStore) -> None:
    company = Company(store)
    audit = company.process.audit
    with audit:  # written together, by its thread, in the end
        for number in range(1200):
            audit.note("li", "mutation", subject=str(number))
            company.clock.pass_(seconds=1)
        audit.note("wang", "mutation", "not_allowed", subject="x" * 1000)
    auditor = everything("auditor")
    newest = read_audit(store, auditor, first=2)
    assert [e.who for e in newest] == ["wang", "li"]
    assert len(newest[0].subject) == 500
    more = read_audit(store, auditor, first=2, before=newest[-1].number)
    assert [e.subject for e in more] == ["1198", "1197"]
    oldest = read_audit(store, auditor, Filter(until=more[0].at, who="li"), first=5000)
    assert [e.subject for e in oldest[:1] + oldest[-1:]] == ["1197", "0"]
    assert read_audit(store, auditor, Filter(since=company.clock.at)) == newest[:1]


def test_the_audit_of_everybody_is_for_auditors_of_the_top(store: GraphStore) -> None:
    company = Company(store)
    company.process.audit.note("li", "mutation")

    def auditor(*grants: Grant) -> Principal:
        return Principal("a", "", grants)

    audits = frozenset({Permission.AUDIT})
    assert read_audit(store, auditor(Grant(audits, company.province)))
    for grants in ((), (Grant(audits, company.city),), (Grant(frozenset(), None),)):
        with pytest.raises(NotAllowedError):
            read_audit(store, auditor(*grants))


def test_the_audit_is_kept_for_a_time(store: GraphStore) -> None:
    company = Company(store)
    audit = company.process.audit
    for number in range(1, 1503):
        audit.note("li", "mutation", subject=str(number))
        if number == 1501:
            company.clock.pass_(days=400)
    assert trim_audit(store, company.clock() - timedelta(days=401)) == 0
    upto = trim_audit(store, company.clock() - timedelta(days=399))
    kept = read_audit(store, everything("auditor"), first=10)
    assert [(entry.number, entry.subject) for entry in kept] == [(upto + 1, "1502")]


def test_what_anybody_may_repeat_is_noted_once_a_second(store: GraphStore) -> None:
    audit = Audit(store)
    with audit:
        for _ in range(50):
            audit.note("", "request", "unauthenticated", subject="GET /me", seldom=True)
    assert 1 <= len(read_audit(store, everything("auditor"))) < 10
