"""Signing in over HTTP: sessions, cookies, CSRF, origins, throttling, passwords; what is noted of it."""

from __future__ import annotations

import httpx
import pytest
from starlette.requests import HTTPConnection

from api.access.audit import Filter, read_audit
from api.access.passwords import Hashing, Passwords
from api.access.principals import everything
from cmdb.change_sets import Update
from cmdb.store import GraphStore
from schema.errors import CmdbError
from tests.support.access import PASSWORD, Browser, Company, Process
from tests.support.building import commit

OTHER = "another fine password"


@pytest.fixture
def company(shipped_store: GraphStore) -> Company:
    return Company(shipped_store).with_password()


def test_a_session_begins_and_ends(company: Company) -> None:
    browser = company.browser()
    answer = browser.sign_in(" LI ", PASSWORD)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert "Secure" not in cookie  # on the loopback, without TLS
    me = browser.ask("GET", "/me").json()
    assert me["name"] == "li"
    assert me["person"] == company.li
    assert me["roles"] == ["engineer"]
    assert me["grants"][0]["organisation"] == company.city
    assert "write" in me["permissions"]
    kept = httpx.Cookies(browser.cookies)
    assert browser.ask("POST", "/sign-out").status_code == 204
    assert not [*browser.cookies]
    stolen = company.browser(cookies=kept)
    assert stolen.ask("GET", "/me").json()["code"] == "unauthenticated"


def test_by_tls_the_cookie_is_bound_to_the_host(company: Company) -> None:
    process = Process(company.store, company.clock, behind_proxy=True)
    browser = Browser(process, base="https://cmdb.example.org")
    cookie = browser.sign_in("li", PASSWORD).headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie
    origin = {"origin": "http://cmdb.example.org"}
    assert browser.ask("POST", "/sign-out", headers=origin).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-csrf-token": ""}, 403),
        ({"x-csrf-token": "0" * 64}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:9000"}, 403),
        ({"origin": "http://localhost:8000"}, 204),
    ],
)
def test_what_another_page_sends_changes_nothing(
    company: Company, headers: dict[str, str], status: int
) -> None:
    browser = company.browser()
    browser.sign_in("li", PASSWORD)
    assert browser.ask("POST", "/sign-out", headers=headers).status_code == status
    assert browser.ask("GET", "/me").status_code == (401 if status == 204 else 200)


def test_another_page_signs_nobody_in(company: Company) -> None:
    browser = company.browser()
    body = {"name": "li", "password": PASSWORD}
    refused = browser.ask("POST", "/sign-in", body, {"origin": "https://evil.example"})
    assert refused.status_code == 403
    assert not [*browser.cookies]


def test_what_is_wrong_is_not_told(company: Company) -> None:
    accounts = company.process.accounts
    accounts.create("test", "robot", "tool")
    locked = accounts.create("test", "wang")
    accounts.set_password("test", locked, PASSWORD)
    accounts.lock("test", locked)
    shown = [("li", OTHER), ("nobody", PASSWORD), ("robot", ""), ("wang", PASSWORD), ("", "\0")]
    answers = [company.browser(address=f"10.0.0.{i}").sign_in(*s) for i, s in enumerate(shown)]
    assert {a.status_code for a in answers} == {401}
    assert len({a.text for a in answers}) == 1


def test_who_has_left_does_not_come_in(company: Company) -> None:
    browser = company.browser()
    browser.sign_in("li", PASSWORD)
    commit(company.store, Update(company.li, {"lifecycle_state": "inactive"}))
    company.clock.pass_(seconds=4)
    assert browser.ask("GET", "/me").status_code == 401
    assert company.browser().sign_in("li", PASSWORD).status_code == 401


def test_sessions_end_when_unused_and_in_any_case(company: Company) -> None:
    idle, busy = company.browser(), company.browser()
    for browser in (idle, busy):
        browser.sign_in("li", PASSWORD)
    for _ in range(27):
        company.clock.pass_(hours=6)
        assert busy.ask("GET", "/me").status_code == 200
    assert idle.ask("GET", "/me").status_code == 401
    company.clock.pass_(hours=6)
    assert busy.ask("GET", "/me").status_code == 401
    assert not company.process.sessions.remove_ended()


def test_another_password_ends_all_sessions_but_the_new_one(company: Company) -> None:
    here, elsewhere = company.browser(), company.browser()
    here.sign_in("li", PASSWORD)
    elsewhere.sign_in("li", PASSWORD)
    company.clock.pass_(seconds=1)
    wrong = here.ask("POST", "/password", {"password": OTHER, "new_password": OTHER + "!"})
    assert wrong.status_code == 401
    weak = here.ask("POST", "/password", {"password": PASSWORD, "new_password": "short"})
    assert weak.json()["code"] == "password_refused"
    body = {"password": PASSWORD, "new_password": OTHER}
    assert here.ask("POST", "/password", body).status_code == 200
    assert here.ask("GET", "/me").status_code == 200
    assert elsewhere.ask("GET", "/me").status_code == 401
    assert company.browser().sign_in("li", PASSWORD).status_code == 401
    assert company.browser().sign_in("li", OTHER).status_code == 200


def test_several_processes_share_sessions_and_their_end(company: Company) -> None:
    second = Process(company.store, company.clock)
    browser = company.browser()
    browser.sign_in("li", PASSWORD)
    there = Browser(second, cookies=browser.cookies)
    assert there.ask("GET", "/me").status_code == 200
    company.process.accounts.lock("test", company.account)
    company.clock.pass_(seconds=4)
    assert there.ask("GET", "/me").status_code == 401


def test_failures_wait_longer_and_longer_in_all_processes(company: Company) -> None:
    second = Process(company.store, company.clock)
    for attempt in range(5):
        browser = company.browser(address=f"10.0.0.{attempt}")
        assert browser.sign_in("li", OTHER).status_code == 401
    waits = []
    for _ in range(3):
        refused = Browser(second, address="10.9.9.9").sign_in("li", PASSWORD)
        assert refused.json()["code"] == "throttled"
        waits.append(int(refused.headers["retry-after"]))
        company.clock.pass_(seconds=waits[-1])
        assert company.browser(address="10.9.9.8").sign_in("li", OTHER).status_code == 401
    assert waits == [1, 2, 4]
    company.clock.pass_(seconds=8)
    assert Browser(second, address="10.9.9.9").sign_in("li", PASSWORD).status_code == 200
    assert company.browser().sign_in("li", OTHER).status_code == 401


def test_one_address_does_not_try_many_accounts(company: Company) -> None:
    browser = company.browser(address="2001:db8::1")
    answers = [browser.sign_in(f"user{n}", OTHER).status_code for n in range(21)]
    assert answers == [401] * 20 + [429]
    neighbour = company.browser(address="2001:db8::2")  # of the same customer
    assert neighbour.sign_in("li", PASSWORD).status_code == 429
    assert company.browser(address="2001:db8:1::1").sign_in("li", PASSWORD).status_code == 200


def test_a_password_that_is_good_once(company: Company) -> None:
    once = company.process.accounts.one_time_password("test", company.account)
    browser = company.browser()
    assert browser.sign_in("li", once).json()["code"] == "password_change_required"
    same = browser.sign_in("li", once, new_password=once)
    assert same.json()["code"] == "password_change_required"
    assert browser.sign_in("li", once, new_password="li li li li li").status_code == 422
    assert not [*browser.cookies]
    assert browser.sign_in("li", once, new_password=OTHER).status_code == 200
    assert company.browser().sign_in("li", once).status_code == 401
    late = company.process.accounts.one_time_password("test", company.account)
    company.clock.pass_(days=8)
    assert browser.sign_in("li", late, new_password=OTHER).status_code == 401


def test_hashes_are_made_anew_when_parameters_change(company: Company) -> None:
    before = company.store.record(company.account).attributes["password_hash"]
    assert before.startswith("$argon2id$")
    process = Process(company.store, company.clock)
    process.accounts.passwords = Passwords(Hashing(time_cost=2, memory_kib=16))
    assert Browser(process).sign_in("li", PASSWORD).status_code == 200
    after = company.store.record(company.account).attributes["password_hash"]
    assert "t=2" in after
    assert company.browser().sign_in("li", PASSWORD).status_code == 200


def test_what_was_tried_is_noted_without_secrets(company: Company) -> None:
    browser = company.browser()
    browser.sign_in("li", OTHER)
    browser.sign_in(PASSWORD, "")  # in the wrong box
    browser.sign_in("li", PASSWORD)
    browser.ask("POST", "/sign-out")
    entries = read_audit(company.store, everything("auditor"))
    assert [(e.who, e.what, e.result) for e in entries] == [
        ("li", "sign_out", "done"),
        ("li", "sign_in", "done"),
        ("", "sign_in", "unauthenticated"),
        ("li", "sign_in", "unauthenticated"),
    ]
    assert {e.address for e in entries} == {"10.1.2.3"}
    refused = read_audit(company.store, everything("auditor"), Filter(result="refused"), first=1)
    assert [e.number for e in refused] == [2]
    kept = [e.value for e in company.store.journal("audit")]
    assert not any(PASSWORD.encode() in v or OTHER.encode() in v for v in kept)


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "li"}, {"name": 1, "password": PASSWORD}, {"name": "li", "password": "x" * 3000}],
)
def test_what_is_no_sign_in_is_told_without_what_was_sent(
    company: Company, body: dict[str, object]
) -> None:
    answer = company.browser().ask("POST", "/sign-in", body)
    assert answer.status_code == 400
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    ("origin", "cookie", "allowed"),
    [
        ("http://localhost:8000", True, True),
        ("https://console.example.org", True, True),
        ("http://evil.example", True, False),
        ("", True, False),
        ("http://localhost:8000", False, False),
    ],
)
def test_a_websocket_is_of_a_page_of_ours(
    company: Company, origin: str, cookie: bool, allowed: bool
) -> None:
    process = Process(company.store, company.clock, origins=["https://console.example.org"])
    browser = Browser(process)
    browser.sign_in("li", PASSWORD)
    headers = [(b"host", b"localhost:8000")]
    headers += [(b"origin", origin.encode())] if origin else []
    if cookie:
        headers.append((b"cookie", f"cmdb_session={browser.cookies['cmdb_session']}".encode()))
    scope = {"type": "websocket", "scheme": "ws", "path": "/graphql", "headers": headers}
    try:
        found = process.requests.authenticate(HTTPConnection(scope)).name
    except CmdbError as error:
        found = error.code
    assert (found == "li") is allowed
