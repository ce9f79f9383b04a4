"""`cmdb account`, `cmdb token` and `cmdb audit`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cli.main import run
from cmdb.store import create_store, open_store
from tests.support.access import PASSWORD, Browser, Clock, Company, Process
from tests.support.command import Command
from tests.support.observing import shipped_model


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def cmdb(url: str, capsys: pytest.CaptureFixture[str]) -> Command:
    create_store(url, shipped_model()).close()
    return Command(capsys, "--store", url)


def test_an_account_from_its_making_to_its_end(
    cmdb: Command, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cmdb("create", "ProvinceCompany", "name=P")
    cmdb("create", "Person", "name=Li", "username=li", "organisation=P")
    once = json.loads(cmdb("account", "create", "li", "--person", "li", "--json"))
    assert once["one_time_password"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    cmdb("account", "password", "li", "--password-file", "-")
    cmdb("account", "roles", "li", "--give", "engineer", "--in", "P")
    cmdb("account", "roles", "li", "--give", "auditor")
    [listed] = json.loads(cmdb("account", "list", "--json"))
    assert listed["state"] == "active"
    assert [r["roles"] for r in listed["roles"]] == [["auditor"], ["engineer"]]
    assert "engineer (P)" in cmdb("account", "list")
    cmdb("account", "roles", "li", "--take", "auditor")
    cmdb("account", "lock", "li", "--reason", "on leave")
    cmdb("account", "unlock", "li")
    assert cmdb("account", "password", "li", "--once").strip()
    cmdb("account", "close", "li")
    assert run(["account", "unlock", "li", "--store", url]) == 4
    assert "account_refused" in capsys.readouterr().err
    noted = json.loads(cmdb("audit", "--who", "", "--json"))
    assert [entry["what"] for entry in reversed(noted)] == [
        *("account_create", "account_password", "account_roles", "account_roles"),
        *("account_roles", "account_lock", "account_unlock", "account_password", "account_close"),
    ]
    assert cmdb("audit", "--result", "refused", "--json").strip() == "[]"


def test_a_token_is_printed_once(cmdb: Command, url: str) -> None:
    cmdb("account", "create", "robot", "--kind", "tool")
    secret = cmdb(
        "token", "create", "robot", "sync", "--scope", "read", "--scope", "export"
    ).strip()
    [token] = json.loads(cmdb("token", "list", "robot", "--json"))
    assert (token["state"], token["scopes"]) == ("active", ["export", "read"])
    assert token["expires_at"]
    assert secret.startswith(token["prefix"])
    assert secret not in cmdb("token", "list") + cmdb("audit", "--json")
    cmdb("token", "revoke", token["prefix"])
    assert json.loads(cmdb("token", "list", "--json"))[0]["state"] == "revoked"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["account", "create", "a b"], "account_refused"),
        (["account", "lock", "nobody"], "not_found"),
        (["token", "create", "robot", "x", "--scope", "everything"], "account_refused"),
        (["token", "revoke", "cmdb_00000000"], "not_found"),
        (["account", "roles", "robot", "--give", "king"], "invalid_change"),
        (["account", "password", "robot", "--password-file", "/no/such"], "password_refused"),
        (["audit", "--since", "yesterday"], "invalid_query"),
    ],
)
def test_what_cannot_be_is_a_line(
    cmdb: Command, url: str, words: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cmdb("account", "create", "robot", "--kind", "tool")
    assert run([*words, "--store", url]) > 0
    error = capsys.readouterr().err
    assert error.startswith(f"{code}: ")
    assert error.count("\n") == 1


def test_who_got_a_password_by_the_command_signs_in(
    cmdb: Command, url: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\nand nothing of this")
    cmdb("account", "create", "wang", "--password-file", str(tmp_path / "password"))
    with open_store(url) as store:
        browser = Browser(Process(store, Clock()))
        assert browser.sign_in("wang", PASSWORD).status_code == 200


def test_only_some_of_the_audit(cmdb: Command, url: str) -> None:
    with open_store(url) as store:
        company = Company(store).with_password()
        company.browser().sign_in("li", "wrong password")
        company.browser(address="10.7.7.7").sign_in("li", PASSWORD)
    assert [e["address"] for e in json.loads(cmdb("audit", "--result", "done", "--json"))] == [
        "10.7.7.7"
    ]
    assert len(json.loads(cmdb("audit", "--who", "li", "--what", "sign_in", "--json"))) == 2
    assert "unauthenticated" in cmdb("audit", "--address", "10.1.2.3")
