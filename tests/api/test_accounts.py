"""Accounts: made once, given roles, locked and closed; and nothing of them is written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.accounts import FIRST, canonical_name, first_administrator
from api.access.errors import AccountError, PasswordError
from api.access.passwords import Passwords, check_password
from api.access.principals import Permission
from api.access.roles import load_roles
from cmdb.change_sets import ChangeSet, Create, Update
from cmdb.errors import InvalidChangeError, QueryError
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.reconciliation.observations import Observation
from cmdb.store import GraphStore, create_store
from lifecycle.people import Directory
from schema.model import Model
from tests.support.access import CHEAP, PASSWORD, Browser, Clock, Company, Process
from tests.support.building import add, commit
from tests.support.observing import shipped_model
from tests.support.reporting import link, report, thing


@pytest.fixture
def company(shipped_store: GraphStore) -> Company:
    return Company(shipped_store)


def test_the_lists_of_roles_and_of_permissions_agree() -> None:
    model = shipped_model()
    roles = set(load_roles().by_name)
    assert set(model.relationship_types["HAS_ROLE"].attributes["roles"].values) == roles
    account, token = model.record_types["Account"], model.record_types["AccessToken"]
    assert set(account.attributes["roles_everywhere"].values) == roles
    assert set(token.attributes["scopes"].values) == set(Permission)


def test_the_first_administrator_is_made_once_and_may_do_everything(
    shipped_store: GraphStore,
) -> None:
    once = first_administrator(shipped_store, Passwords(CHEAP))
    assert once is not None
    assert first_administrator(shipped_store) is None
    browser = Browser(Process(shipped_store, Clock()))
    assert browser.sign_in(FIRST, once).status_code == 403
    me = browser.sign_in(FIRST, once, new_password=PASSWORD).json()
    assert {g["organisation"] for g in me["grants"]} == {None}
    assert "administer" in me["permissions"]


def test_a_model_without_accounts_gets_no_administrator(tmp_path: Path, model: Model) -> None:
    with create_store(f"sqlite:///{tmp_path}/small.db", model) as store:
        assert first_administrator(store) is None


def test_a_person_has_one_account_by_the_name_that_processes_know(company: Company) -> None:
    accounts = company.process.accounts
    new = add(company.store, "Person", "Wang", organisation=company.city)
    for name, person in (("li", new), ("wang2", company.li), ("x", company.city)):
        with pytest.raises(AccountError):
            accounts.create("test", name, person=person)
    with pytest.raises(AccountError):
        accounts.create("test", "robot", "tool", person=new)
    account = company.store.record(accounts.create("test", "Wang", person=new))
    assert account.attributes["organisation"] == company.city
    assert Directory(company.store, company.clock.at.date()).known("wang").id == new


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 101, "a\nb", "a/b", "\0"])
def test_what_is_no_user_name(company: Company, name: str) -> None:
    with pytest.raises(AccountError):
        company.process.accounts.create("test", name)
    assert company.process.accounts.find(name) is None


@given(st.text())
def test_user_names_are_the_same_however_they_are_typed(text: str) -> None:
    try:
        name = canonical_name(text)
    except AccountError:
        return
    assert canonical_name(name) == name
    assert canonical_name(f" {name.upper()}") == canonical_name(name.upper())


def test_roles_of_a_person_go_to_the_person_those_of_a_tool_to_its_account(
    company: Company,
) -> None:
    accounts, store = company.process.accounts, company.store
    robot = accounts.create("test", "robot", "tool")
    for account in (company.account, robot):
        accounts.give_role("test", account, ["director"], company.other)
        accounts.give_role("test", account, ["director", "reader"], company.other)
        accounts.give_role("test", account, ["auditor"], None)
        held = accounts.roles(store.record(account))
        assert held[company.other] == ["director", "reader"]
        assert held[None] == ["auditor"]
    directory = Directory(store, company.clock.at.date())
    assert directory.holders("director", company.other) == {company.li}  # a tool approves nothing
    accounts.take_role("test", robot, ["director", "reader"], company.other)
    accounts.take_role("test", robot, ["auditor"], None)
    assert accounts.roles(store.record(robot)) == {}


def test_a_closed_account_stays_closed(company: Company) -> None:
    accounts = company.process.accounts
    accounts.lock("test", company.account, "left the desk")
    accounts.unlock("test", company.account)
    accounts.close("test", company.account)
    accounts.close("test", company.account)
    for again in (accounts.lock, accounts.unlock, accounts.one_time_password):
        with pytest.raises(AccountError):
            again("test", company.account)
    assert "password_hash" not in company.store.record(company.account).attributes


def test_tools_have_no_passwords(company: Company) -> None:
    robot = company.process.accounts.create("test", "robot", "tool")
    with pytest.raises(AccountError):
        company.process.accounts.set_password("test", robot, PASSWORD)


@pytest.mark.parametrize(
    "attributes",
    [
        {"login_name": "root"},
        {"password_hash": "x"},
        {"roles_everywhere": ["administrator"]},
        {"person": None},
        {"lifecycle_state": "locked"},
    ],
)
def test_nothing_of_an_account_is_written_by_hand(
    company: Company, attributes: dict[str, object]
) -> None:
    with pytest.raises(InvalidChangeError):
        commit(company.store, Update(company.account, attributes))


def test_no_account_is_made_by_hand(company: Company) -> None:
    said = {"name": "x", "login_name": "x", "account_kind": "tool"}
    with pytest.raises(InvalidChangeError):
        company.store.commit(ChangeSet([Create("Account", said, new_id())], "test"))
    with pytest.raises(InvalidChangeError):
        commit(company.store, Create("Account", {"name": "x"}, new_id()))


def test_no_source_says_who_may_do_what(company: Company) -> None:
    before = company.store.find(Query("Account", total=True)).total
    person = thing("Person", "li", username="li")
    city = thing("CityCompany", "city", name="City")
    role = link("HAS_ROLE", city, roles=["administrator"])
    report(company.store, "ldap", Observation("Account", "x", {"name": "x"}))
    report(company.store, "ldap", Observation("Person", "li", person.attributes, [role]))
    assert company.store.find(Query("Account", total=True)).total == before
    held = company.process.accounts.roles(company.store.record(company.account))
    assert held == {company.city: ["engineer"]}


@pytest.mark.parametrize(
    "password", ["", "short", "a" * 40, "aaaabbbbcccc", "x li and others", "y" * 2000]
)
def test_what_is_easily_guessed_is_no_password(password: str) -> None:
    with pytest.raises(PasswordError):
        check_password(password, "li")


def test_a_password_is_the_same_however_it_is_typed() -> None:
    passwords = Passwords(CHEAP)
    kept = passwords.hash("caf\u00e9 am Markt 12")
    assert passwords.fits(kept, "cafe\u0301 am Markt 12")
    assert not passwords.fits(kept, "cafe am Markt 12")
    assert not passwords.fits(None, "")
    assert not passwords.fits("no hash", "x")
    assert not passwords.fits(kept, "\ud800")


def test_hashes_are_asked_for_by_nobody(company: Company) -> None:
    company.with_password()
    kept = company.store.record(company.account).attributes["password_hash"]
    for where in ({"password_hash": kept}, {"password_hash": {"ne": kept}}):
        with pytest.raises(QueryError):
            company.store.find(Query("Account", where))
    there = Query("Account", {"password_hash": {"null": False}})
    assert len(company.store.find(there).records) == 1
