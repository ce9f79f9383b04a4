"""The command over a server in the name of somebody, beside the same over its store."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.access.accounts import Accounts
from api.access.passwords import Passwords
from api.access.principals import Permission
from api.access.tokens import Tokens
from cmdb.change_sets import Relate
from cmdb.store import GraphStore
from tests.support.access import CHEAP
from tests.support.building import commit
from tests.support.command import Command, Printed
from tests.support.examples import load_example_estate, meant

PEOPLE = {"liming": "engineer", "lixiaomei": "asset_manager"}
"""User name -> role that the account has, in the organisation of its person."""
READER = "reader"
"""A tool that reads what the southern city has."""


class Commands:
    """The command against a server in the name of somebody, or against its store."""

    def __init__(self, folder: Path, url: str, tokens: dict[str, str]) -> None:
        self.folder, self.url, self.tokens = folder, url, tokens
        self.store = f"sqlite:///{folder}/cmdb.db"
        self.capsys: pytest.CaptureFixture[str]
        self.monkeypatch: pytest.MonkeyPatch

    def run(self, *words: str, by: str = "liming", remote: bool = True) -> Printed:
        with self.monkeypatch.context() as patch:
            patch.setenv("CMDB_STORE", self.url if remote else self.store)
            patch.setenv("CMDB_TOKEN", self.tokens[by])
            patch.setenv("CMDB_ACTOR", "nobody" if remote else by)
            patch.delenv("CMDB_TOKEN_FILE", raising=False)
            return Command(self.capsys).run(*words)

    def same(self, *words: str, by: str = "liming") -> str:
        """What both print, which is the same."""
        ours, theirs = self.run(*words, by=by), self.run(*words, by=by, remote=False)
        assert ours == theirs
        return ours.out

    def done(self, *words: str, by: str = "liming") -> str:
        found = self.run(*words, by=by)
        assert found.code == 0, found.err
        return found.out


def prepared(store: GraphStore) -> dict[str, str]:
    """The example estate, and tokens of people in it."""
    load_example_estate(store)
    accounts, tokens = Accounts(store, Passwords(CHEAP)), Tokens(store)
    found = {}
    for name, role in PEOPLE.items():
        [person] = store.holders("username", [name])
        account = accounts.create("test", name, person=person.id)
        at = person.attributes["organisation"]
        commit(store, Relate(account, "HAS_ROLE", at, {"roles": [role]}))
        found[name] = tokens.create("test", account, "t", [*Permission]).secret
    account = accounts.create("test", READER, "tool")
    south = meant(store, "<南湖供电公司>")
    commit(store, Relate(account, "HAS_ROLE", south, {"roles": ["reader"]}))
    found[READER] = tokens.create("test", account, "t", [*Permission]).secret
    province = meant(store, "<云江省电力公司>")
    liming = store.holders("username", ["liming"])[0].id
    commit(store, Relate(liming, "HAS_ROLE", province, {"roles": ["engineer"]}))
    return found
