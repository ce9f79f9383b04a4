"""Every door of the server by every role, for what is in its organisation and what is not: one table.

A root field of GraphQL or a route that is added fails here until it is in the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import pytest

from api.access.audit import JOURNAL
from api.access.principals import Grant, Permission, Principal
from api.access.roles import load_roles
from api.graphql.naming import plural
from api.graphql.schema import build_schema
from cmdb.change_sets import ChangeSet, Operation, Relate, Update
from cmdb.store import GraphStore, create_store
from schema.loading import load_model
from tests import support
from tests.support.api_door import Door
from tests.support.building import add, create

SUPPORT: Final = Path(support.__file__).parent
MODEL: Final = load_model([SUPPORT / "small_model", SUPPORT / "access_model"], shipped=False)
ROLES: Final = load_roles()
KNOWN: Final = frozenset({"not_allowed", "not_found", "invalid_query", "unknown_name"})
"""Codes that errors may have; the small model has no sources of observations."""
FEW: Final = ("record", "neighbours", "compare", "counts", "hidden", "impact", "updateRecord")
"""What Neo4j is asked, too."""


class Side(NamedTuple):
    """What there is in one organisation. All names in it end alike."""

    name: str
    organisation: str
    device: str
    box: str
    app: str
    person: str
    account: str
    part: str
    doubt: str
    remains: str


class World(NamedTuple):
    door: Door
    inside: Side
    outside: Side


class Ask(NamedTuple):
    """What is asked of one side, what it takes, and how an answer tells that it was given.

    ``needs`` is None for what is told to everybody, or nobody: `shows` says which.
    """

    query: str
    needs: Permission | None = Permission.READ
    shows: str = ""


def side(store: GraphStore, top: str, name: str) -> Side:
    at = add(store, "Organisation", f"org-{name}")
    made = {
        kind: create(type_, f"{kind}-{name}", organisation=at)
        for kind, type_ in (("device", "Server"), ("box", "Box"), ("app", "App"))
    }
    made["person"] = create("Person", f"person-{name}", organisation=at)
    made["account"] = create("Account", f"account-{name}", organisation=at)
    made["part"] = create("Device", f"part-{name}")
    made["doubt"] = create("Doubt", f"doubt-{name}", doubted=[made["device"].id, made["part"].id])
    made["remains"] = create("Remains", f"remains-{name}", went_into=made["part"].id)
    operations: list[Operation] = [
        Relate(at, "PART_OF", top),
        *made.values(),
        Update(made["device"].id, {"secret": f"secret-{name}", "serial_number": f"sn-{name}"}),
        Relate(made["app"].id, "RUNS_ON", made["device"].id, {"port": 1}),
        Relate(made["box"].id, "CONTAINS", made["part"].id),
    ]
    store.commit(ChangeSet(operations, "tester", reason=f"reason-{name}"))
    running = [Update(made[kind].id, {"lifecycle_state": "in_use"}) for kind in ("device", "app")]
    store.commit(ChangeSet(running, "tester"))
    return Side(name, at, *(made[kind].id for kind in Side._fields[2:]))


def people(organisation: str) -> list[Principal]:
    """Somebody of each role, in one organisation."""
    return [
        Principal(name, "", (Grant(role.permissions, organisation),), frozenset({name}))
        for name, role in ROLES.by_name.items()
    ]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def world(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    url = f"sqlite:///{tmp_path_factory.mktemp('matrix')}/store.db"
    if request.param == "neo4j":
        server = request.getfixturevalue("neo4j_server")
        server.empty()
        url = server.url
    with create_store(url, MODEL) as store:
        top = add(store, "Organisation", "top")
        inside, outside = side(store, top, "in"), side(store, top, "out")
        add(store, "Doubt", "across-out", doubted=[inside.device, outside.part])
        add(
            store, "Remains", "across-out", organisation=inside.organisation, went_into=outside.part
        )
        yield World(Door(store, people(inside.organisation), guarded=True), inside, outside)


REVISION: Final = "{ number actor reason source }"
GIVEN: Final = "{ __typename ... on Failure { code message remedy } }"

QUERIES: Final[dict[str, Ask]] = {
    "record": Ask('record(id: "<device>") { id ... on Server { name history { entries { revision '
                  f"{REVISION} records {{ name attributes {{ before after }} }} }} }} }} }}"),
    "node": Ask('node(id: "<part>") { id ... on AnyDevice { name } }'),
    "records": Ask('records(where: {id: {in: ["<device>", "<part>"]}}) { totalCount nodes { id ... on AnyDevice { name secret } } }'),
    "search": Ask('search(text: "sn-<name>") { totalCount nodes { ... on Server { name } } }'),
    "neighbours": Ask('neighbours(ids: ["<app>", "<part>", "<device>"]) { record { id ... on Server { name } } }'),
    "compare": Ask('compare(from: 1) { records { name attributes { before after } } relationships { source } }'),
    "revision": Ask(f"revision(number: <revision>) {REVISION}", shows="reason-<name>"),
    "counts": Ask('counts(by: ["name"], where: {id: {in: ["<device>"]}}) { values count }'),
    "hidden": Ask('hidden(type: "Server", where: {name: {prefix: "device-<name>"}}) { organisation count }', None, "nothing at all"),
    "impact": Ask('impact(of: ["<device>"]) { revision affected { nodes { record { ... on App { name } } } } }', shows="app-<name>"),
    "dependencies": Ask('dependencies(of: ["<app>"]) { found { nodes { record { ... on Server { name } } } } }'),
    "singlePointsOfFailure": Ask('singlePointsOfFailure(of: ["<app>"], pairs: false) { __typename }', None),
    "rootCause": Ask('rootCause(alarms: ["<app>"]) { __typename }', None),
    "outageWindow": Ask('outageWindow(outages: [{of: ["<device>"]}]) { __typename }', None),
    "model": Ask("model { fingerprint }", None),
    "statistics": Ask("statistics { records }", None),
    "sources": Ask("sources { name }", None),
    "resume": Ask('resume(of: "<device>") { __typename }', None),
    "duplicates": Ask("duplicates { name }", None),
}  # fmt: skip
"""Root field -> what is asked. `<device>` and the like stand for what the side has."""

MUTATIONS: Final[dict[str, Ask]] = {
    "createRecord": Ask('createRecord(record: {box: {name: "new", organisation: "<organisation>"}}) ' + GIVEN, Permission.WRITE),
    "updateRecord": Ask('updateRecord(id: "<device>", set: {server: {note: "<any>"}}) ' + GIVEN, Permission.WRITE),
    "relate": Ask('relate(source: "<app>", type: "RUNS_ON", target: "<part>", attributes: {port: <number>}) ' + GIVEN, Permission.WRITE),
    "unrelate": Ask('unrelate(source: "<app>", type: "RUNS_ON", target: "<box>") ' + GIVEN, None),
    "applyChangeSet": Ask('applyChangeSet(operations: [{update: {id: "<part>", set: {device: {note: "<any>"}}}}]) ' + GIVEN, Permission.WRITE),
    "applyOperations": Ask('applyOperations(operations: [{update: {id: "<account>", attributes: {note: "<any>"}}}]) ' + GIVEN, Permission.ADMINISTER),
    "transitionRecord": Ask('transitionRecord(record: "<device>", transition: "stop") ' + GIVEN, None),
    "correctState": Ask('correctState(record: "<device>", state: "planned", reason: "x") ' + GIVEN, None),
    "submitObservations": Ask('submitObservations(source: "x", observations: [], apply: true, first: 10) ' + GIVEN, None),
    "applyModel": Ask('applyModel(documents: [], dryRun: false) ' + GIVEN, None),
}  # fmt: skip


def needed(name: str) -> Permission | None:
    if name == "Order":  # there is none
        return None
    return Permission.ADMINISTER if MODEL.record_types[name].administered else Permission.READ


LISTS: Final[dict[str, Ask]] = {
    plural(name): Ask(f"{plural(name)} {{ totalCount nodes {{ name }} }}", needed(name))
    for name, type_ in MODEL.record_types.items()
    if type_.concrete and name != "Record"
}
"""Lists of records are alike for all types."""
TABLE: Final = LISTS | QUERIES | MUTATIONS


def test_every_root_field_is_in_the_table() -> None:
    schema = build_schema(MODEL)._schema
    roots = (schema.query_type, schema.mutation_type)
    found = {name for root in roots if root for name in root.fields}
    assert found == TABLE.keys(), "say in the table who may see what"


def answer(world: World, ask: Ask, field: str, of: Side, by: str) -> str:
    """What somebody is told."""
    store = world.door.services.store
    numbers = {r.reason: n for n, r in store.revisions(range(1, 12)).items()}
    given = {**of._asdict(), "revision": numbers[f"reason-{of.name}"]}
    given |= {"any": f"{by}{store.last_revision().number}"}
    given |= {"number": 1 + store.last_revision().number}
    text = ask.query
    for name, value in given.items():
        text = text.replace(f"<{name}>", str(value))
    operation = "mutation" if field in MUTATIONS else "query"
    said = world.door.post("/graphql", by, json={"query": f"{operation} {{ {text} }}"})
    assert said.status_code == 200
    codes = {e.get("extensions", {}).get("code", "invalid") for e in said.json().get("errors", ())}
    assert codes <= KNOWN, said.text
    return said.text


@pytest.mark.parametrize("field", sorted(TABLE))
def test_every_role_is_told_what_it_may_know_and_no_more(world: World, field: str) -> None:
    if not world.door.services.store.url.startswith("sqlite") and field not in FEW:
        pytest.skip("the file shows it")
    ask, same = TABLE[field], field == "compare" or field in LISTS
    for role in ROLES.by_name.values():
        for of in (world.inside,) if same else (world.inside, world.outside):
            told = answer(world, ask, field, of, role.name)
            assert "-out" not in told, (role.name, told)
            assert "secret-" not in told or Permission.READ_SENSITIVE in role.permissions
            if field in MUTATIONS and of is world.outside:
                assert '"Committed"' not in told
            if ask.needs is None and not ask.shows:
                continue
            shows = ask.shows.replace("<name>", of.name) or f"-{of.name}"
            if field in MUTATIONS:
                shows = '"Committed"'
            both = {ask.needs, Permission.READ} <= role.permissions
            may = ask.needs is not None and both and of is world.inside
            assert (shows in told) == may, (role.name, of.name, told)


# -- plain HTTP ------------------------------------------------------------------------------------------


class Route(NamedTuple):
    """A request to a route, and what it takes to be answered with what is of a side."""

    path: Callable[[Side], str]
    needs: Permission | None
    content: str = ""
    open: bool = False


ROUTES: Final[dict[str, Route]] = {
    "GET /healthz": Route(lambda s: "/healthz", None, open=True),
    "GET /readyz": Route(lambda s: "/readyz", None, open=True),
    "GET /metrics": Route(lambda s: "/metrics", None, open=True),
    "GET /me": Route(lambda s: "/me", None),
    "POST /sign-in": Route(lambda s: "/sign-in", None, '{"name": "device-out", "password": "x"}'),
    "POST /sign-out": Route(lambda s: "/sign-out", None),
    "POST /password": Route(lambda s: "/password", None, '{"password": "x", "new_password": "y"}'),
    "GET /exports/records": Route(lambda s: f"/exports/records?type=Server&organisation={s.organisation}", Permission.EXPORT),
    "GET /exports/graph": Route(lambda s: f"/exports/graph?type=Item&organisation={s.organisation}", Permission.EXPORT),
    "GET /exports/figures": Route(lambda s: f"/exports/figures?format=json&organisation={s.organisation}", None),
    "GET /exports/ledger": Route(lambda s: f"/exports/ledger?format=csv&organisation={s.organisation}", None),
    "GET /attachments/{evidence}": Route(lambda s: f"/attachments/{s.device}", None),
    "POST /attachments": Route(lambda s: f"/attachments?order={s.device}&name=x", None, "text"),
    **{
        f"POST /alerts/{tool}": Route(lambda s, tool=tool: f"/alerts/{tool}", None, "text")  # type: ignore[misc]
        for tool in ("alertmanager", "cloudevents", "zabbix")
    },
    "POST /observations/{source}": Route(lambda s: "/observations/tool", None, '{"type": "Box", "key": "b"}'),
}  # fmt: skip
"""Method and route -> who is answered. Of attachments, figures and the ledger the small model has nothing:
tests/api/test_attachments.py and test_exports.py have them."""


def test_every_route_is_in_the_table(world: World) -> None:
    paths = world.door.app.openapi()["paths"]
    found = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert {route for route in found if not route.endswith("/graphql")} == ROUTES.keys()


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_every_role_gets_what_it_may(world: World, route: str) -> None:
    if not world.door.services.store.url.startswith("sqlite") and not route.startswith(
        "GET /exports"
    ):
        pytest.skip("the file shows it")
    asked = ROUTES[route]
    method = route.partition(" ")[0]

    def ask(of: Side, by: str) -> httpx.Response:
        return world.door.ask(method, asked.path(of), by, content=asked.content)

    nobody = ask(world.inside, "")
    assert (nobody.status_code < 400) == asked.open, nobody.text
    for role in ROLES.by_name.values():
        for of in (world.inside, world.outside):
            told = ask(of, role.name)
            assert told.status_code != 500
            assert "-out" not in told.text.replace("/sign-out", ""), (role.name, told.text)
            assert "secret-" not in told.text
            if asked.needs is not None:
                may = {asked.needs, Permission.READ} <= role.permissions and of is world.inside
                assert (f"device-{of.name}" in told.text) == may, (role.name, told.text)


def test_what_is_refused_is_noted(world: World) -> None:
    world.door.get("/exports/records", "reader")
    world.door.get("/exports/records", "operator")
    world.door.get("/exports/records")
    answer(world, MUTATIONS["updateRecord"], "updateRecord", world.outside, "engineer")
    answer(world, MUTATIONS["updateRecord"], "updateRecord", world.inside, "engineer")
    store = world.door.services.store
    last = store.append(JOURNAL, ())
    noted = [json.loads(e.value) for e in store.journal(JOURNAL, max(0, last - 5))]
    found = [(n.get("who", ""), n["what"], n.get("subject", ""), n["result"]) for n in noted]
    assert found == [
        ("reader", "export", "/exports/records", "not_allowed"),
        ("operator", "export", "/exports/records", "done"),
        ("", "export", "/exports/records", "unauthenticated"),
        ("engineer", "mutation", "updateRecord", "not_found"),
        ("engineer", "mutation", "updateRecord", "done"),
    ]
    assert noted[-1]["detail"] == f"revision {store.last_revision().number}"
