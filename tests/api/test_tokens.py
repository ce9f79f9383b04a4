"""Access tokens over HTTP: whose they are, what they narrow, and how they end."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from api.access.errors import AccountError
from api.access.principals import Permission
from api.access.tokens import Tokens
from cmdb.errors import InvalidChangeError, NotFoundError
from cmdb.store import GraphStore
from tests.support.access import Browser, Company, Process

READ = [Permission.READ]


@pytest.fixture
def company(shipped_store: GraphStore) -> Company:
    return Company(shipped_store)


def me(process: Process, secret: str, scheme: str = "Bearer") -> httpx.Response:
    return Browser(process).ask("GET", "/me", headers={"authorization": f"{scheme} {secret}"})


def test_a_token_acts_as_its_account_within_its_scopes(company: Company) -> None:
    made = company.process.tokens.create(
        "test", company.account, "reports", [Permission.READ, Permission.ADMINISTER]
    )
    assert made.secret.startswith(made.prefix + "_")
    found = me(company.process, made.secret).json()
    assert (found["name"], found["by"], found["roles"]) == ("li", "token", ["engineer"])
    assert found["permissions"] == ["read"]  # engineers do not administer
    assert found["csrf_token"] == ""


def test_a_token_may_hold_in_one_organisation_only(company: Company) -> None:
    accounts, tokens = company.process.accounts, company.process.tokens
    accounts.give_role("test", company.account, ["reader"], company.province)
    company.clock.pass_(seconds=2)  # as the tree of organisations is read anew
    for within, expected in (
        (company.other, [company.other]),
        (company.city, [company.city, company.city]),
        (company.province, [company.city, company.province]),
    ):
        made = tokens.create("test", company.account, "x", READ, organisation=within)
        grants = me(company.process, made.secret).json()["grants"]
        assert sorted(g["organisation"] for g in grants) == sorted(expected)


def test_an_account_with_roles_everywhere(company: Company) -> None:
    accounts = company.process.accounts
    robot = accounts.create("test", "robot", "tool", roles_everywhere=["reader"])
    made = company.process.tokens.create("test", robot, "x", READ)
    assert me(company.process, made.secret).json()["grants"] == [
        {"organisation": None, "permissions": ["read"]}
    ]
    accounts.take_role("test", robot, ["reader"], None)
    company.clock.pass_(seconds=4)
    assert me(company.process, made.secret).json()["grants"] == []


def test_revoking_counts_within_seconds_in_all_processes(company: Company) -> None:
    second = Process(company.store, company.clock)
    made = company.process.tokens.create("test", company.account, "x", READ)
    assert me(second, made.secret).status_code == 200
    company.process.tokens.revoke("test", made.id)
    company.process.tokens.revoke("test", made.id)  # again: nothing
    company.clock.pass_(seconds=4)
    assert me(second, made.secret).json()["code"] == "unauthenticated"


@pytest.mark.parametrize("end", ["lock", "close"])
def test_tokens_end_with_their_account(company: Company, end: str) -> None:
    made = company.process.tokens.create("test", company.account, "x", READ)
    getattr(company.process.accounts, end)("test", company.account)
    assert me(company.process, made.secret).status_code == 401
    with pytest.raises(AccountError):
        company.process.tokens.create("test", company.account, "y", READ)


def test_tokens_expire(company: Company) -> None:
    until = company.clock.at + timedelta(days=1)
    made = company.process.tokens.create("test", company.account, "x", READ, expires_at=until)
    assert me(company.process, made.secret).status_code == 200
    company.clock.pass_(days=1)
    assert me(company.process, made.secret).status_code == 401
    with pytest.raises(AccountError):
        company.process.tokens.create("test", company.account, "x", READ, expires_at=until)


def test_what_is_no_token_is_refused_without_asking_the_store(company: Company) -> None:
    made = company.process.tokens.create("test", company.account, "x", READ)
    before = company.store.statements
    last = "b" if made.secret[-1] == "a" else "a"
    for wrong in ("", "x", made.prefix, made.secret[:-1], made.secret[:-1] + last, "\xe9" * 9):
        assert company.process.tokens.of_secret(wrong) is None
    assert company.store.statements == before
    assert me(company.process, "nothing").headers["www-authenticate"] == "Bearer"
    assert me(company.process, made.secret, "Basic").status_code == 401


def test_another_secret_of_the_same_prefix_is_no_token(company: Company) -> None:
    tokens = company.process.tokens
    one = tokens.create("test", company.account, "x", READ)
    other = tokens.create("test", company.account, "y", READ)
    from api.access.tokens import _sealed

    forged = _sealed(one.prefix + other.secret[len(other.prefix) : -6])
    assert tokens.of_secret(other.secret) is not None
    assert tokens.of_secret(forged) is None


def test_in_the_steady_state_who_asks_costs_no_statement(company: Company) -> None:
    made = company.process.tokens.create("test", company.account, "x", READ)
    browser = company.with_password().browser()
    browser.sign_in("li", "correct horse battery staple")
    me(company.process, made.secret)
    before = company.store.statements
    for _ in range(5):
        assert me(company.process, made.secret).status_code == 200
        assert browser.ask("GET", "/me").status_code == 200
    assert company.store.statements == before


def test_use_is_noted_once_a_minute_and_makes_no_history(company: Company) -> None:
    made = company.process.tokens.create("test", company.account, "x", READ)
    revision, tokens = company.store.last_revision(), company.process.tokens
    first = company.clock.at
    for _ in range(3):
        me(company.process, made.secret)
        company.clock.pass_(seconds=25)
    assert tokens.last_used() == {made.id: first}
    me(company.process, made.secret)
    assert tokens.last_used() == {made.id: company.clock.at}
    assert company.store.last_revision() == revision


def test_what_makes_no_token(company: Company) -> None:
    tokens = Tokens(company.store)
    with pytest.raises(AccountError):
        tokens.create("test", company.account, "x", [])
    with pytest.raises(InvalidChangeError):
        tokens.create("test", company.account, "x", READ, organisation=company.li)
    with pytest.raises(NotFoundError):
        tokens.named("cmdb_nosuch00")
    with pytest.raises(NotFoundError):
        tokens.named(company.li)


def test_bad_tokens_are_held_up_by_address_and_good_ones_are_not(company: Company) -> None:
    made = company.process.tokens.create("test", company.account, "reports", [Permission.READ])
    answers = [me(company.process, f"cmdb_{n:08d}_{'x' * 43}") for n in range(22)]
    codes = [answer.json()["code"] for answer in answers]
    assert codes == ["unauthenticated"] * 20 + ["throttled"] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert me(company.process, made.secret).status_code == 200
    elsewhere = Browser(company.process, address="10.9.9.9")
    told = elsewhere.ask("GET", "/me", headers={"authorization": "Bearer nothing"})
    assert told.json()["code"] == "unauthenticated"
