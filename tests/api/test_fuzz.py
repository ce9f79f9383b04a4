"""Whatever is asked, nothing breaks and nothing is told that is not the caller's.

Queries are made from the schema, hostile texts go through every door for text, and bodies are mutilated. An
answer must be no defect, hold nothing of another organisation, and no secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import graphql
import hypothesis_graphql
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.access.principals import Grant, Permission, Principal
from api.graphql.schema import build_schema
from cmdb.change_sets import Relate
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.api_door import Door
from tests.support.building import add, commit

THEIRS: Final = "zz-theirs-zz"
SECRET: Final = "zz-secret-zz"
MAY: Final = (Permission.READ, Permission.WRITE, Permission.EXPORT, Permission.SUBSCRIBE)
FUZZ: Final = settings(
    max_examples=15,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    print_blob=False,
    database=None,
)

HOSTILE: Final = [
    "",
    "'",
    '"',
    "`",
    "' OR 1=1 --",
    "'; DROP TABLE records; --",
    "x') UNION SELECT * FROM sqlite_master --",
    "}) MATCH (n) DETACH DELETE n //",
    "`) DETACH DELETE n //",
    "$where",
    "\\u0027",
    "*:* OR name:*",
    'name:"a" AND (b OR',
    "[* TO *]",
    "a~0.5^2 !+-&&||(){}[]",
    '{"$ne": null}',
    "__proto__",
    "../../etc/passwd",
    "%00",
    "\x00",
    "a\x00b",
    "\x1b[31m\r\n\t\x7f\x85",
    "\u202eabc\u2066",
    "👩‍👩‍👧‍👦\ufe0f",
    "\U0010ffff\ufffe",
    "ﷺ" * 50,
    "é" * 300,
    "9" * 400,
    "1e400",
    "-1",
    "9223372036854775808",
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59+14:00",
    "eyJhIjogMX0=",
    "x" * 100_000,
]


class Estate:
    """Two organisations with a few records each, and somebody of the first."""

    def __init__(self, store: GraphStore) -> None:
        self.ours = add(store, "Organisation", "ours")
        self.theirs = add(store, "Organisation", THEIRS)
        self.server = add(store, "Server", "s1", organisation=self.ours, size=3, secret=SECRET)
        app = add(store, "App", "a1", organisation=self.ours)
        other = add(store, "Server", THEIRS, organisation=self.theirs, note=THEIRS, secret=SECRET)
        shared = add(store, "App", THEIRS, organisation=self.theirs, note=THEIRS)
        commit(store, Relate(app, "RUNS_ON", self.server), Relate(shared, "RUNS_ON", self.server))
        commit(store, Relate(app, "RUNS_ON", other))
        self.other = other
        me = Principal("me", "", (Grant(frozenset(MAY), self.ours),), frozenset({"engineer"}))
        self.door = Door(store, [me], guarded=True)

    def ask(self, query: str, variables: Any = None) -> Any:
        """The answer to an operation, which is none of those that must not be."""
        body = json.dumps({"query": query, "variables": variables})
        return self.post(body.encode())

    def post(self, body: bytes, kind: str = "application/json") -> Any:
        answer = self.door.post("/graphql", "me", content=body, headers={"content-type": kind})
        assert answer.status_code < 500, (body[:2_000], answer.text)
        assert THEIRS not in answer.text, (body[:2_000], answer.text)
        assert SECRET not in answer.text, (body[:2_000], answer.text)
        assert "Traceback" not in answer.text
        said = answer.json()
        for error in said.get("errors", ()):
            told = error["extensions"]
            assert told["code"] != "internal", (body[:2_000], error)
            assert told["remedy"], (body[:2_000], error)
        return said


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Estate]:
    with create_store(f"sqlite:///{tmp_path_factory.mktemp('fuzz')}/store.db", model) as store:
        yield Estate(store)


@pytest.fixture
def in_neo4j(neo4j_store_url: str, model: Model) -> Iterator[Estate]:
    with create_store(neo4j_store_url, model) as store:
        yield Estate(store)


# -- made from the schema -----------------------------------------------------------------------------


def text_node(value: str) -> Any:
    return graphql.StringValueNode(value=value)


TEXTS = st.sampled_from(HOSTILE[:-1]) | st.text(max_size=20)
SCALARS: Final = {
    "Int64": st.integers(-(2**70), 2**70).map(lambda n: graphql.IntValueNode(value=str(n))),
    "JSON": (
        TEXTS.map(text_node)
        | st.integers(-(2**70), 2**70).map(lambda n: graphql.IntValueNode(value=str(n)))
        | st.sampled_from(["1e999", "-0.0", "1e-400"]).map(
            lambda n: graphql.FloatValueNode(value=n)
        )
        | st.sampled_from(
            [
                '{name: {eq: "s1"}}',
                "{size: {lt: 99999999999999999999}}",
                "{and: [{not: {}}]}",
                "{facts: {null: false}}",
                "{RUNS: {name: null}}",
                "{name: {prefix: 7}}",
                "{secret: {eq: []}}",
                "[[[]]]",
                "{}",
                "null",
                "true",
            ]
        ).map(graphql.parse_value)
    ),
    "AsOf": st.integers(-1, 20).map(lambda n: graphql.IntValueNode(value=str(n)))
    | TEXTS.map(text_node),
    **{
        name: TEXTS.map(text_node)
        for name in (
            "Date",
            "DateTime",
            "Duration",
            "IP",
            "CIDR",
            "MAC",
            "URL",
            "Email",
            "Money",
        )
    },
}


@pytest.fixture(scope="module")
def made(model: Model) -> graphql.GraphQLSchema:
    return graphql.build_schema(build_schema(model).as_str())


@pytest.mark.parametrize("kind", ["queries", "mutations"])
def test_operations_made_from_the_schema(
    estate: Estate, made: graphql.GraphQLSchema, kind: str
) -> None:
    operations = getattr(hypothesis_graphql, kind)(made, custom_scalars=SCALARS)

    @FUZZ
    @given(operations)
    def asked(query: str) -> None:
        estate.ask(query)

    asked()


# -- hostile texts ------------------------------------------------------------------------------------

DOORS: Final = [
    "query($x: ID!) { record(id: $x) { name } node(id: $x) { name } }",
    "query($x: String!) { search(text: $x) { totalCount nodes { name note } pageInfo { endCursor } } }",
    "query($x: String!) { search(text: $x, type: $x) { totalCount } }",
    "query($x: String) { servers(after: $x) { nodes { name } } }",
    "query($x: String) { records(after: $x) { nodes { name } } }",
    "query($x: String) { servers { nodes { runs(after: $x) { nodes { name } } } } }",
    "query($x: String!) { records(type: $x) { totalCount } }",
    "query($x: String!) { records(orderBy: [$x]) { nodes { name } } }",
    "query($x: ID) { servers(organisation: $x) { totalCount } }",
    "query($x: AsOf) { servers(asOf: $x) { nodes { name history { entries { revision { number } } } } } }",
    "query($x: AsOf!) { compare(from: $x) { endCursor } }",
    "query($x: String) { compare(from: 1, after: $x) { endCursor } }",
    "query($x: String!) { counts(by: [$x]) { values count } }",
    "query($x: String!) { hidden(type: $x) { organisation count } }",
    "query($x: ID!) { neighbours(ids: [$x]) { __typename } }",
    "query($x: String!) { servers { nodes { why(attributes: [$x]) { attribute value } } } }",
    """query($x: String!) { servers(where: {or: [{name: {eq: $x}}, {name: {prefix: $x}}, {note: {contains: $x}},
        {name: {gt: $x}}, {not: {name: {in: [$x]}}}]}) { nodes { name } } }""",
    """query($x: IP, $n: CIDR, $m: MAC, $d: Date) { servers(where: {address: {eq: $x}}) { totalCount }
        two: servers(where: {network: {eq: $n}, mac: {eq: $m}, bought: {gte: $d}}) { totalCount } }""",
    "query($x: JSON) { records(where: {name: $x}) { totalCount } }",
    "query($x: JSON) { records(where: {name: {eq: $x}}) { nodes { name } } }",
    "query($x: JSON) { records(where: {facts: {null: $x}}) { totalCount } }",
    "query($x: JSON) { records(where: $x) { totalCount } }",
    "query X($x: String!) { __type(name: $x) { name } }",
]


def through_all_doors(estate: Estate, text: str) -> None:
    for query in DOORS:
        variables = {"x": text, "n": text, "m": text, "d": text}
        used = {name: value for name, value in variables.items() if f"${name}:" in query}
        estate.ask(query, used)
    estate.ask(DOORS[3].replace("servers", text[:50] or "_"), {"x": text})
    estate.ask(f"{{ records(where: {{{json.dumps(text[:50])}: 1}}) {{ totalCount }} }}")
    estate.ask("query($w: JSON) { records(where: $w) { totalCount } }", {"w": {text: {"eq": text}}})
    estate.ask("query($w: JSON) { records(where: $w) { totalCount } }", {"w": {"name": {text: 1}}})


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_only_texts(estate: Estate, text: str) -> None:
    through_all_doors(estate, text)


@pytest.mark.neo4j
def test_hostile_texts_are_only_texts_in_neo4j(in_neo4j: Estate) -> None:
    for text in HOSTILE[3:-1:4]:
        through_all_doors(in_neo4j, text)


WRITES: Final = [
    """mutation($x: String!, $o: ID!) { createRecord(record: {server: {name: $x, note: $x, tags: [$x],
        organisation: $o}}, reason: $x) { __typename ... on Committed { records { name } }
        ... on Failure { code message remedy } } }""",
    """mutation($x: String!, $s: ID!) { updateRecord(id: $s, set: {server: {note: $x, serialNumber: $x}})
        { __typename ... on Failure { code message remedy } } }""",
    """mutation($x: String!, $s: ID!) { relate(source: $s, type: $x, target: $s, reason: $x, idempotencyKey: $x)
        { __typename ... on Failure { code message remedy } } }""",
    """mutation($x: String!, $s: ID!) { unrelate(source: $s, type: "RUNS_ON", target: $s, idempotencyKey: $x)
        { __typename ... on Failure { code message remedy } } }""",
    """mutation($x: JSON!) { applyOperations(operations: [{create: {type: "App", attributes: {name: $x}}}])
        { __typename ... on Failure { code message remedy } } }""",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_was_written_is_read_back(estate: Estate, text: str) -> None:
    said = estate.ask(WRITES[0], {"x": text, "o": estate.ours})
    for answer in (said.get("data") or {}).values():
        if answer and answer["__typename"] == "Committed":
            assert [r["name"] for r in answer["records"]] == [text]
        elif answer:
            assert answer["remedy"]
    for query in WRITES[1:4]:
        for id in (estate.server, estate.other, text):
            assert estate.ask(query, {"x": text, "s": id})["data"]
    estate.ask(WRITES[4], {"x": text})


def test_the_doors_lead_somewhere(estate: Estate) -> None:
    """What the tests here send is understood: else they would prove nothing."""
    for query in DOORS:
        used = {name: "s1" for name in ("x", "n", "m", "d") if f"${name}:" in query}
        for error in estate.ask(query, used).get("errors", ()):
            assert error["path"], (query, error)


NUMBERS = st.sampled_from([0, -1, 1, 10**3, 2**31, 2**63, 2**70, -(2**63), 1.5, 1e308, -0.0])
ANY: Final = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from(["name", "size", "s1", "RUNS"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "size", "eq", "in", "lt", "and", "or", "not", "RUNS", "facts", "id"]
            )
            | TEXTS,
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(FUZZ, max_examples=25)
@given(where=ANY, first=NUMBERS | ANY, at=NUMBERS | TEXTS, order=ANY)
def test_any_json_for_any_argument(
    estate: Estate, where: Any, first: Any, at: Any, order: Any
) -> None:
    generic = """query($w: JSON, $n: Int, $at: AsOf, $o: [String!]) { records(where: $w, first: $n, asOf: $at,
        orderBy: $o) { totalCount nodes { name } } }"""
    typed = """query($w: ServerWhere, $n: Int, $at: AsOf, $o: [ServerOrder!]) { servers(where: $w, first: $n,
        asOf: $at, orderBy: $o) { totalCount nodes { name secret } } }"""
    given_ = {"w": where, "n": first, "at": at, "o": order}
    for query in (generic, typed):
        estate.ask(query, given_)
        for name, value in given_.items():
            estate.ask(query, {name: value})


# -- bodies -------------------------------------------------------------------------------------------

BODY: Final = (
    b'{"query": "query($x: JSON) { records(where: $x) { totalCount } }", "variables": {"x": {}}}'
)


@settings(FUZZ, max_examples=50)
@given(at=st.integers(0, len(BODY)), cut=st.integers(0, 8), put=st.binary(max_size=8))
def test_mutilated_bodies(estate: Estate, at: int, cut: int, put: bytes) -> None:
    estate.post(BODY[:at] + put + BODY[at + cut :])


@settings(FUZZ, max_examples=15)
@given(ANY)
def test_any_json_is_a_body(estate: Estate, body: Any) -> None:
    estate.post(json.dumps(body).encode())
    for part in ("variables", "extensions", "operationName", "query"):
        estate.post(json.dumps({"query": "{ __typename }", part: body}).encode())


# -- the rest of the server ---------------------------------------------------------------------------


def test_what_openapi_says(estate: Estate) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", estate.door.app)
    for result in described.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        if "graphql" in operation.path or operation.path.startswith("/observations"):
            continue  # its JSON Lines are no media type that can be made from a schema

        @settings(FUZZ, max_examples=4)
        @given(operation.as_strategy())
        def asked(case: Any) -> None:
            answer = case.call(headers={"authorization": "Bearer me"})
            assert answer.status_code not in range(500, 503), (
                case.as_curl_command(),
                answer.content,
            )
            said = answer.content.decode(errors="replace")  # a file comes as it is
            assert THEIRS not in said, case.as_curl_command()
            assert SECRET not in said, case.as_curl_command()

        asked()


def test_what_introspection_says(estate: Estate) -> None:
    for name, strategy in SCALARS.items():
        schemathesis.graphql.scalar(name, strategy)
    described = schemathesis.graphql.from_asgi(
        "/graphql", estate.door.app, headers={"authorization": "Bearer me"}
    )
    names = {
        "servers",
        "record",
        "records",
        "search",
        "counts",
        "compare",
        "hidden",
        "createRecord",
    }
    for result in described.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        if operation.definition.field_name in names:

            @settings(FUZZ, max_examples=8)
            @given(operation.as_strategy())
            def asked(case: Any) -> None:
                estate.post(json.dumps({"query": case.body}).encode())

            asked()
