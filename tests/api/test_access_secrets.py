"""Nothing secret of accounts is told: not by the store's readers, the command, exports, logs, history."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from api.access.principals import Permission
from api.logs import JsonFormatter, TextFormatter
from cli.main import run
from cmdb.store import GraphStore, create_store, open_store
from cmdb.transfer import dump
from tests.support.access import PASSWORD, Company
from tests.support.observing import shipped_model

OTHER = "another fine password"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/secrets.db"


class Secrets:
    """A store in which all kinds of secrets were used; what they are, and what is kept of them."""

    def __init__(self, url: str) -> None:
        with create_store(url, shipped_model()) as store:
            company = Company(store).with_password()
            once = company.process.accounts.one_time_password("test", company.account)
            browser = company.browser()
            browser.sign_in("li", PASSWORD)
            answer = browser.sign_in("li", once, new_password=OTHER)
            token = company.process.tokens.create("test", company.account, "x", [Permission.READ])
            headers = {"authorization": f"Bearer {token.secret}"}
            company.browser().ask("GET", "/me", headers=headers)
            browser.ask("POST", "/password", {"password": OTHER, "new_password": "short"})
            cookie = browser.cookies["cmdb_session"]
            self.plain = [PASSWORD, OTHER, once, token.secret, token.secret[14:], cookie]
            self.plain.append(answer.json()["csrf_token"])
            self.kept = ["$argon2id$", *self._hashes(store, company.account, token.id)]
            self.account, self.token, self.prefix = company.account, token.id, token.prefix

    def _hashes(self, store: GraphStore, *ids: str) -> list[str]:
        secret = store.model.secret
        assert secret == {"password_hash", "token_hash", "signing_key"}
        said = [store.record(id).attributes for id in ids]
        return [str(a[name]) for a in said for name in secret if name in a]


@pytest.fixture
def secrets(url: str) -> Secrets:
    return Secrets(url)


def test_the_command_tells_none(
    secrets: Secrets, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [
        ["find", "Account", "--json"],
        ["find", "AccessToken", "--columns", "name,token_hash"],
        ["show", secrets.account, "--reveal", "--json"],
        ["show", secrets.token, "--reveal"],
        ["history", secrets.account, "--json"],
        ["history", secrets.token],
        ["diff", "1", "--json"],
        ["search", "argon2id"],
        ["search", secrets.kept[-1][:12], "--json"],
        ["export", "--format", "json"],
        ["account", "list", "--json"],
        ["token", "list", "--json"],
        ["audit", "--json"],
        ["resume", secrets.account],
        ["check"],
    ]
    told = ""
    for line in words:
        run([*line, "--store", url])
        out = capsys.readouterr()
        told += out.out + out.err
    assert secrets.prefix in told
    assert "internal" not in told
    assert [s for s in [*secrets.plain, *secrets.kept] if s in told] == []


def test_a_dump_for_the_owner_has_hashes_only(secrets: Secrets, url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        dump(store, tmp_path / "all.jsonl")
        kept = json.dumps([v.decode(errors="replace") for v in store.marks("").values()])
        kept += str(store.marks("").keys()) + str(store.journal("audit"))
    text = (tmp_path / "all.jsonl").read_text() + kept
    assert all(s in text for s in secrets.kept)
    assert [s for s in secrets.plain if s in text] == []


@pytest.mark.parametrize("make", [JsonFormatter, TextFormatter])
def test_logs_tell_none(
    url: str, caplog: pytest.LogCaptureFixture, make: Callable[[], logging.Formatter]
) -> None:
    with caplog.at_level(logging.DEBUG):
        secrets = Secrets(url)
        logging.getLogger("x").info("said %s", f"Authorization: Bearer {secrets.plain[3]}")
        logging.getLogger("x").info("token was %s", secrets.plain[3])
    told = "\n".join(make().format(record) for record in caplog.records)
    assert "said" in told
    assert [s for s in [*secrets.plain, *secrets.kept] if s in told] == []
