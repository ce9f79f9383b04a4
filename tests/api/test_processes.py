"""Two server processes on one Neo4j, one of them killed: what holds in one holds in the other, and goes on there."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from api.access.principals import Permission
from cmdb.change_sets import Update
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store
from tests.support.access import PASSWORD, Company
from tests.support.api_process import PATIENCE, Served, served
from tests.support.building import add, commit
from tests.support.live import subscriber, until
from tests.support.observing import shipped_model

CREATE = """mutation($name: String!, $at: ID!, $key: String!) {
    createRecord(record: {server: {name: $name, organisation: $at}}, idempotencyKey: $key) {
        ... on Committed { revision committed records { id name } } ... on Failure { code message } } }"""
CHANGES = """subscription($after: Int64) {
    recordChanges(type: "Server", after: $after) { revision changes { record { name } } } }"""


class Two(NamedTuple):
    """Two processes over a store, and an engineer who knows both.

    Attributes
    ----------
    token
        An access token of theirs.
    """

    store: GraphStore
    company: Company
    one: Served
    other: Served
    token: str

    def create(self, where: Served, name: str, key: str) -> Any:
        variables = {"name": name, "at": self.company.city, "key": key}
        answer = httpx.post(
            f"{where.url}/graphql",
            json={"query": CREATE, "variables": variables},
            headers={"authorization": f"Bearer {self.token}"},
            timeout=PATIENCE,
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]["createRecord"]


@pytest.fixture
def two(neo4j_store_url: str, tmp_path: Path) -> Iterator[Two]:
    with create_store(neo4j_store_url, shipped_model()) as store, ExitStack() as ending:
        company = Company(store)
        company.clock.at = datetime.now(UTC)
        company.with_password()
        scopes = (Permission.READ, Permission.WRITE, Permission.SUBSCRIBE)
        token = company.process.tokens.create("test", company.account, "t", scopes).secret

        def begun(name: str) -> Served:
            folder = tmp_path / name
            folder.mkdir()
            return ending.enter_context(served(folder, "--store", neo4j_store_url))

        with ThreadPoolExecutor() as pool:
            one, other = pool.map(begun, ("one", "other"))
        yield Two(store, company, one, other, token)


class Browser(NamedTuple):
    """One that has signed in: it goes to any process."""

    cookies: httpx.Cookies
    csrf: str

    @classmethod
    def at(cls, where: Served) -> Browser:
        shown = {"name": "li", "password": PASSWORD}
        answer = httpx.post(f"{where.url}/sign-in", json=shown, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return cls(answer.cookies, answer.json()["csrf_token"])

    def ask(self, where: Served, method: str, path: str) -> int:
        """The status of an answer."""
        url, said = f"{where.url}{path}", {"x-csrf-token": self.csrf}
        answer = httpx.request(method, url, cookies=self.cookies, headers=said, timeout=PATIENCE)
        return answer.status_code

    def known(self, *where: Served) -> bool:
        """Whether all of them know who this is."""
        codes = {self.ask(each, "GET", "/me") for each in where}
        assert codes <= {200, 401}
        return codes == {200}


def test_what_one_process_did_the_other_knows_also_when_the_first_was_killed(two: Two) -> None:
    store, one, other = two.store, two.one, two.other
    kept, ended = Browser.at(one), Browser.at(one)
    assert kept.known(one, other)
    assert ended.known(one, other)
    assert ended.ask(other, "POST", "/sign-out") == 204
    until(lambda: not ended.known(one) and not ended.known(other))

    first, again = (two.create(where, "a", "key a") for where in (one, other))
    assert (first["committed"], again["committed"]) == (True, False)
    assert (first["revision"], first["records"]) == (again["revision"], again["records"])

    server = first["records"][0]["id"]
    expected = [
        first["revision"],
        *(commit(store, Update(server, {"cpu_count": n})) for n in (1, 2, 3)),
    ]
    got: list[int] = []
    with subscriber(one.port, two.token) as client:
        client.begin(CHANGES, after=expected[0] - 1)
        while len(got) < 3:
            got.append(client.next()["revision"])
        before = store.last_revision().number
        lost = threading.Thread(target=lambda: suppressed(two.create, one, "b", "key b"))
        lost.start()
        until(lambda: store.last_revision().number > before)  # it is committed; now it is told
        one.process.send_signal(signal.SIGKILL)
        assert one.process.wait(PATIENCE) == -signal.SIGKILL
        lost.join()
        with suppress(ConnectionClosed):
            while True:
                got.append(client.next()["revision"])
    add(store, "Room", "nobody watches")
    expected += [before + 1, commit(store, Update(server, {"cpu_count": 9}))]

    told = two.create(other, "b", "key b")
    assert (told["committed"], told["revision"]) == (False, before + 1)
    assert [r.name for r in store.find(Query("Server", {"name": {"eq": "b"}})).records] == ["b"]
    with subscriber(other.port, two.token) as client:
        client.begin(CHANGES, after=got[-1])
        while got[-1] < expected[-1]:
            got.append(client.next()["revision"])
    assert got == expected

    assert kept.known(other)
    assert not ended.known(other)
    assert other.stop() == 0
    assert "Traceback" not in one.log.read_text() + other.log.read_text()


def suppressed(work: Callable[..., Any], *given: Any) -> None:
    """Ask what is not answered."""
    with suppress(httpx.HTTPError, ValueError):
        work(*given)
