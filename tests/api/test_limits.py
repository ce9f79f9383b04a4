"""Operations within bounds: cost, shape, deadlines, persisted operations, and what is no request at all."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.principals import Grant, Permission, Principal, everything
from api.access.roles import load_roles
from api.context import Context
from api.settings import SettingsError
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.api_door import Door
from tests.support.building import add

ME = "engineer"
READER = Principal(
    "reader", "", (Grant(frozenset({Permission.READ}), None),), frozenset({"reader"})
)

LIMITS = load_roles().limits(["reader"])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[GraphStore]:
    with create_store(f"sqlite:///{tmp_path_factory.mktemp('limits')}/store.db", model) as store:
        add(store, "Server", "s1")
        yield store


@pytest.fixture(scope="module")
def door(small: GraphStore) -> Door:
    return Door(small, [everything(ME), READER])


def answered(door: Door, query: str, by: str = "reader", **more: Any) -> Any:
    return door.post("/graphql", by, json={"query": query, **more}).json()


def code(answer: Any) -> str:
    assert answer["errors"][0]["extensions"]["remedy"]
    return str(answer["errors"][0]["extensions"]["code"])


def cost(door: Door, query: str, **variables: Any) -> int:
    answer = answered(door, query, ME, variables=variables)
    return int(answer["extensions"]["cost"])


def test_pages_multiply_along_the_levels(door: Door) -> None:
    assert cost(door, "{ servers(first: 7) { nodes { name } } }") == 1 + 7
    assert cost(door, "query($n: Int) { servers(first: $n) { nodes { name } } }", n=7) == 1 + 7
    two = "{ servers(first: 7) { nodes { runs(first: 3) { nodes { name } } } } }"
    assert cost(door, two) == 8 + 7 * (1 + 3)
    fragments = """{ servers(first: 7) { ...S ...S } } fragment S on ServerConnection
        { edges { node { runs(first: 3) { nodes { name } } } } }"""
    assert cost(door, fragments) == 8 + 7 * (1 + 3)
    at_one_box = "{ servers(first: 7) { nodes { inside { nodes { name } } } } }"
    assert cost(door, at_one_box) == 8 + 7 * (1 + 1)


def test_what_is_dear_says_so_and_what_is_left_out_costs_nothing(door: Door) -> None:
    plain = cost(door, "{ servers(first: 7) { nodes { name } } }")
    assert cost(door, "{ servers(first: 7) { totalCount nodes { name } } }") > plain
    assert cost(
        door, '{ servers(first: 7, where: {name: {in: ["a", "b"]}}) { nodes { id } } }'
    ) == (plain + 5 + 2)
    choice = """query($all: Boolean!) { servers(first: 7) { nodes { name }
        ... @include(if: $all) { totalCount } } }"""
    assert cost(door, choice, all=False) == plain
    assert cost(door, choice, all=True) > plain


def test_a_role_bounds_what_it_may_ask(door: Door) -> None:
    dear = """{ servers(first: 100) { nodes { runs(first: 100) { nodes { runsOn(first: 100)
        { nodes { name } } } } } } }"""
    answer = answered(door, dear)
    assert code(answer) == "too_costly"
    told = answer["errors"][0]["extensions"]
    assert told["limit"] == LIMITS.cost < told["cost"] == answer["extensions"]["cost"]
    assert "data" not in answer or answer["data"] is None
    once = f"{{ servers(first: {LIMITS.page + 1}) {{ nodes {{ name }} }} }}"
    assert code(answered(door, once)) == "too_costly"
    assert "errors" not in answered(door, once, ME)
    many = " ".join(f"s{n}: servers(first: 1) {{ totalCount }}" for n in range(LIMITS.aliases + 1))
    assert code(answered(door, f"{{ {many} }}")) == "too_costly"
    deep = "{ servers(first: 1) { nodes { name } } }"
    for _ in range(6):
        deep = deep.replace(
            "{ name }", "{ runs(first: 1) { nodes { runsOn(first: 1) { nodes { name } } } } }"
        )
    assert code(answered(door, deep)) in ("too_costly", "invalid_query")


@pytest.mark.parametrize(
    "query",
    [
        "{" + " name" * 10_000 + "}",
        "{ servers { nodes {" + " name" * 500 + "} } }",
        "{ servers { totalCount } }" + "#\n" * 2_000,
        "{ servers { totalCount } }" + " " * 200_000,
        "{ __typename " + " @include(if: true)" * 300 + "}",
        "{ ...F0 }" + "".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(200)),
        "".join(f"query Q{n} {{ __typename }} " for n in range(200)),
    ],
)
def test_documents_are_bounded(door: Door, query: str) -> None:
    assert code(answered(door, query, ME)) in ("too_costly", "invalid_query")


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "{ nothing }",
        "{ servers { nodes { name { x } } } }",
        "{" * 3_000,
        "{ records(where: " + "[" * 3_500 + ") { totalCount } }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "query($n: Int) { servers(first: $n) { totalCount } }",
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }",
        'query Q { servers(first: "1") { totalCount } }',
        '{ record(id: "\\uD800") { name } }',
    ],
)
def test_what_cannot_be_understood_has_a_code_and_a_remedy(door: Door, query: str) -> None:
    assert code(answered(door, query, ME, variables={"n": "seven"})) == "invalid_query"


def test_fragments_that_double_cost_no_more_time_than_they_have_text(door: Door) -> None:
    bomb = "{ ...F0 }" + "".join(
        f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }} " for n in range(45)
    )
    assert "errors" not in answered(door, bomb + "fragment F45 on Query { __typename }", ME)
    fields = "{ servers(first: 1) { nodes { ...F0 } } }" + "".join(
        f"fragment F{n} on Server {{ a: runs(first: 1) {{ nodes {{ runsOn(first: 1) {{ nodes {{ ...F{n + 1} }} }} }} }}"
        f" b: runs(first: 1) {{ nodes {{ runsOn(first: 1) {{ nodes {{ ...F{n + 1} }} }} }} }} }} "
        for n in range(30)
    )
    assert code(answered(door, fields + "fragment F30 on Server { name }", ME)) == "too_costly"


def test_variables_are_bounded(door: Door) -> None:
    query = "query($w: JSON) { records(where: $w) { totalCount } }"
    deep: Any = {}
    for _ in range(100):
        deep = {"not": deep}
    assert code(answered(door, query, variables={"w": deep})) == "too_costly"
    assert code(answered(door, query, variables={"w": [0] * 250_000})) == "too_costly"


def test_introspection_can_be_off(door: Door, small: GraphStore) -> None:
    schema = "{ __schema { queryType { name } } }"
    assert answered(door, schema)["data"]["__schema"]["queryType"]["name"] == "Query"
    off = Door(small, [READER], introspection=False)
    assert code(answered(off, schema)) == "invalid_query"
    assert code(answered(off, '{ __type(name: "Query") { name } }')) == "invalid_query"
    assert answered(off, "{ __typename }")["data"] == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'[{"query": "{ __typename }"}]', 400),
        (b"null", 400),
        (b'"{ __typename }"', 400),
        (b"{}", 400),
        (b'{"query": null}', 400),
        (b'{"query": 7}', 400),
        (b'{"query": "{ __typename }", "variables": []}', 400),
        (b'{"query": "{ __typename }", "operationName": 7}', 400),
        (b'{"query": "{ __typename }", "extensions": "x"}', 400),
        (b'{"query": "{ __typename }", "query": "{ __typename }"}', 400),
        (b'{"query": "{ __typename }", "variables": {"a": NaN}}', 400),
        (b'{"query": "{ __typename }", "variables": {"a": -Infinity}}', 400),
        (b'{"query": "\xff"}', 400),
        ('{"query": "{ __typename }"}'.encode("utf-16"), 400),
        (b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 10_000 + b"}}", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b'{"query": "{ __typename }", "extensions": {"persistedQuery": 1}}', 400),
    ],
)
def test_what_is_no_request_is_refused(door: Door, body: bytes, status: int) -> None:
    answer = door.post("/graphql", ME, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert code(answer.json()) == "invalid_request"


def test_wrong_kinds_and_methods(door: Door) -> None:
    query = '{"query": "{ __typename }"}'
    for kind in (
        "text/plain",
        "multipart/form-data; boundary=x",
        "",
        "application/json; charset=x",
    ):
        answer = door.post("/graphql", ME, content=query, headers={"content-type": kind})
        assert answer.status_code == 415
        assert code(answer.json()) == "unsupported_media_type"
    assert door.get("/graphql?query={__typename}", ME).status_code == 405
    assert door.ask("PUT", "/graphql", ME, content=query).status_code == 405


@pytest.mark.parametrize(
    "variables",
    [
        '{"w": {"name": {"eq": "\\ud800"}}}',
        '{"\\udc00": 1}',
        '{"w": {"weight": {"lt": 1e999}}}',
    ],
)
def test_half_characters_and_numbers_that_are_none(door: Door, variables: str) -> None:
    query = "query($w: JSON) { records(where: $w) { totalCount } }"
    body = f'{{"query": "{query}", "variables": {variables}}}'
    answer = door.post("/graphql", ME, content=body, headers={"content-type": "application/json"})
    assert code(answer.json()) == "invalid_query"


def test_operations_are_chosen_by_name(door: Door) -> None:
    two = "query A { a: __typename } query B { b: __typename }"
    assert answered(door, two, operationName="B")["data"] == {"b": "Query"}
    assert code(answered(door, two)) == "invalid_query"
    assert code(answered(door, two, operationName="C")) == "invalid_query"
    assert code(answered(door, "fragment F on Query { __typename }")) == "invalid_query"


def test_a_query_is_named_by_its_hash(door: Door) -> None:
    query = "{ named: __typename }"
    name = {
        "persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(query.encode()).hexdigest()}
    }

    def asked(**body: Any) -> Any:
        return door.post("/graphql", ME, json={"extensions": name, **body}).json()

    assert asked()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert code(asked(query="{ other: __typename }")) == "invalid_request"
    assert asked(query=query)["data"] == {"named": "Query"}
    assert asked()["data"] == {"named": "Query"}


def test_only_the_operations_of_a_folder(small: GraphStore, tmp_path: Path) -> None:
    query = "query Kept { servers { totalCount } }\n"
    (tmp_path / "kept.graphql").write_text(query)
    only = Door(small, [READER], persisted_queries=tmp_path)
    assert answered(only, query)["data"] == {"servers": {"totalCount": 1}}
    name = hashlib.sha256(query.encode()).hexdigest()
    body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}}
    assert only.post("/graphql", "reader", json=body).json()["data"]["servers"]
    assert code(answered(only, "{ servers { totalCount } }")) == "operation_not_served"
    (tmp_path / "wrong.graphql").write_text("{ nothing }")
    with pytest.raises(SettingsError, match="nothing"):
        Door(small, [READER], persisted_queries=tmp_path)


def test_costs_and_outcomes_are_measured(small: GraphStore) -> None:
    door = Door(small, [READER])
    answered(door, "{ servers { totalCount } }")
    answered(door, "{ nothing }")
    said = door.get("/metrics").text
    assert 'cmdb_graphql_operations_total{outcome="ok",type="query"} 1.0' in said
    assert 'cmdb_graphql_operations_total{outcome="invalid_query",type="query"} 1.0' in said


def test_a_query_ends_at_its_deadline(small: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    roles = Door(small, [READER]).services.roles
    assert roles is not None
    door = Door(small, [READER])
    kept = roles.by_name["reader"]
    short = replace(kept, limits=kept.limits._replace(seconds=1e-6))
    monkeypatch.setitem(door.services.roles.by_name, "reader", short)  # type: ignore[union-attr]
    assert code(answered(door, "{ servers { totalCount } }")) == "store_timeout"


def test_operations_take_turns(small: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more are under way than may use the store; of the others the seconds have not begun."""
    door, asked, under_way = Door(small, [READER], threads=2), 7, threading.Semaphore(0)
    released, counts = threading.Event(), [0, 0]
    begun: list[Context] = []
    lock = threading.Lock()

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(small, name)

        def find(self, query: Any) -> Any:
            with lock:
                counts[0] += 1
                counts[1] = max(counts)
            under_way.release()
            assert released.wait(30)
            with lock:
                counts[0] -= 1
            return small.find(query)

    begin = Context.begin

    def noted(context: Context, *, stoppable: bool = False) -> None:
        begun.extend([context] * stoppable)
        begin(context, stoppable=stoppable)

    monkeypatch.setattr(Context, "begin", noted)
    door.services.guard = lambda *_: Slow()  # type: ignore[assignment]
    body = {"query": "{ servers { nodes { name } } }"}

    async def together() -> list[int]:
        transport = httpx.ASGITransport(door.app)
        headers = {"authorization": "Bearer reader"}
        async with httpx.AsyncClient(transport=transport, base_url="http://cmdb.test") as client:
            posts = [client.post("/graphql", json=body, headers=headers) for _ in range(asked)]
            tasks = [asyncio.ensure_future(post) for post in posts]
            for _ in range(2):
                assert await asyncio.to_thread(under_way.acquire, timeout=30)
            for _ in range(500):
                await asyncio.sleep(0)
            while_two = counts[0], len(begun)
            released.set()
            answers = await asyncio.gather(*tasks)
            assert all(answer.json()["data"] for answer in answers)
            return list(while_two)

    assert asyncio.run(together()) == [2, 2]
    assert (counts, len(begun)) == ([0, 2], asked)


def test_who_leaves_has_nothing_more_done(
    small: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first level is under way when the client leaves; the second is never asked for."""
    door = Door(small, [READER])
    began, left, levels = threading.Event(), threading.Event(), []

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(small, name)

        def find(self, query: Any) -> Any:
            began.set()
            assert left.wait(30)
            return small.find(query)

        def histories(self, *given: Any) -> Any:
            levels.append(given)
            return small.histories(*given)

    cancel = Context.cancel

    def cancelled(context: Context) -> None:
        cancel(context)
        left.set()

    monkeypatch.setattr(Context, "cancel", cancelled)
    door.services.guard = lambda *_: Slow()  # type: ignore[assignment]
    body = b'{"query": "{ servers { nodes { history { __typename } } } }"}'
    sent: list[Any] = []

    async def ask() -> None:
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            for message in messages:
                return message
            await asyncio.to_thread(began.wait, 30)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": b"",
            "headers": [
                (b"content-type", b"application/json"),
                (b"authorization", b"Bearer reader"),
            ],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("cmdb.test", 80),
            "client": ("127.0.0.1", 1),
        }
        await door.app(scope, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 499
    assert not levels
