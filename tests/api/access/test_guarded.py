"""Every operation of a guarded store, by every role, in its organisations and outside of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import pytest

from api.access.guarded import GuardedStore
from api.access.principals import Permission
from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import CmdbError, ConflictError, InvalidChangeError, NotFoundError, QueryError
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.steps import Step
from cmdb.store import GraphStore, create_store
from lifecycle.refusals import NotAllowedError
from schema.model import Model
from tests.api.access.conftest import ROLES, guard
from tests.support.building import add, commit, create

NUMBERS = count(1)


class Side(NamedTuple):
    """What there is in one organisation."""

    organisation: str
    device: str
    spare: str
    box: str
    app: str
    person: str
    account: str
    part: str
    doubt: str
    remains: str


class World(NamedTuple):
    """``across`` are records that tell of both sides, or of nobody knows what."""

    store: GraphStore
    top: str
    inside: Side
    outside: Side
    across: list[str]


def side(store: GraphStore, top: str, name: str) -> Side:
    at = add(store, "Organisation", name)
    made = {
        kind: create(type_, f"{kind}-{name}", organisation=at)
        for kind, type_ in (
            ("device", "Server"),
            ("spare", "Device"),
            ("box", "Box"),
            ("app", "App"),
        )
    }
    made["person"] = create("Person", f"person-{name}", organisation=at)
    made["account"] = create("Account", f"account-{name}", organisation=at)
    made["part"] = create("Device", f"part-{name}")
    told = [made["device"].id, made["part"].id]
    made["doubt"] = create("Doubt", f"doubt-{name}", doubted=told)
    made["remains"] = create("Remains", f"remains-{name}", organisation=at, went_into=told[1])
    secret = {"secret": f"secret-{name}", "serial_number": f"sn-{name}"}
    commit(
        store,
        Relate(at, "PART_OF", top),
        *made.values(),
        Update(made["device"].id, secret),
        Relate(made["app"].id, "RUNS_ON", made["device"].id, {"port": 1}),
        Relate(made["box"].id, "CONTAINS", made["part"].id),
    )
    hashed = Update(made["account"].id, {"password_hash": f"hash-{name}"})
    store.commit(ChangeSet([hashed], "tester", managed=True))
    return Side(at, *(made[kind].id for kind in Side._fields[1:]))


def build(store: GraphStore) -> World:
    top = add(store, "Organisation", "top")
    inside, outside = side(store, top, "in"), side(store, top, "out")
    across = [
        create("Doubt", "across-doubt", doubted=[inside.device, outside.part]),
        create("Remains", "across-in", organisation=inside.organisation, went_into=outside.device),
        create("Remains", "across-out", organisation=outside.organisation, went_into=inside.part),
        create("Doubt", "across-what"),
    ]
    commit(store, *across)
    return World(store, top, inside, outside, [made.id for made in across])


@pytest.fixture(scope="module")
def world(module_url: str, model: Model) -> Iterator[World]:
    with create_store(module_url, model) as store:
        yield build(store)


def done(store: GuardedStore, *operations: Operation) -> bool:
    return store.commit(ChangeSet(operations, "somebody else")).committed


def touched(changes: Any, id: str) -> bool:
    return any(change.id == id for change in changes.records)


def size() -> int:
    return next(NUMBERS)


Do = Callable[[GuardedStore, Side, World], Any]

READ: dict[str, Do] = {
    "get": lambda g, s, w: g.get([s.device]),
    "get a part": lambda g, s, w: g.get([s.part]),
    "record": lambda g, s, w: g.record(s.device),
    "holders": lambda g, s, w: g.holders("serial_number", [g_name(s, w)]),
    "find": lambda g, s, w: g.find(Query(where={"id": {"eq": s.device}})).records,
    "find by organisation": lambda g, s, w: (
        g.find(Query("App", organisation=s.organisation)).records
    ),
    "what tells of others": lambda g, s, w: g.get([s.doubt]) and g.get([s.remains]),
    "find what tells of others": lambda g, s, w: (
        g.find(Query("Doubt", {"id": {"eq": s.doubt}})).records
    ),
    "total": lambda g, s, w: g.find(Query(where={"id": {"eq": s.part}}, total=True)).total,
    "search": lambda g, s, w: g.search(g_name(s, w)).records,
    "count_by": lambda g, s, w: g.count_by(Query(where={"id": {"eq": s.device}}), ["type"]),
    "neighbours": lambda g, s, w: g.neighbours([s.app], ["RUNS_ON"]),
    "connections": lambda g, s, w: any(
        p.records for p in g.connections([s.app], [Step("RUNS_ON")]).values()
    ),
    "history": lambda g, s, w: g.history(s.device),
    "histories": lambda g, s, w: g.histories([s.device]),
    "spans": lambda g, s, w: g.spans([s.device], "name"),
    "feed": lambda g, s, w: any(touched(c.changes, s.device) for c in g.feed()),
    "compare": lambda g, s, w: touched(g.compare(1), s.part),
    "scan_records": lambda g, s, w: s.device in {r.id for r in g.scan_records()},
    "scan_relationships": lambda g, s, w: s.app in {r.source for r in g.scan_relationships()},
    "be the product that reads": lambda g, s, w: g.as_product(
        Permission.READ, [s.organisation], [s.part]
    ),
}
SENSITIVE: dict[str, Do] = {
    "a sensitive value": lambda g, s, w: "secret" in g.record(s.device).attributes,
    "a sensitive value of the past": lambda g, s, w: "secret" in str(g.history(s.device)),
}
WRITE: dict[str, Do] = {
    "create": lambda g, s, w: done(g, create("Device", "new", organisation=s.organisation)),
    "create a part": lambda g, s, w: done(
        g, made := create("Device", "new part"), Relate(s.box, "CONTAINS", made.id)
    ),
    "update": lambda g, s, w: done(g, Update(s.device, {"size": size()})),
    "update a part": lambda g, s, w: done(g, Update(s.part, {"size": size()})),
    "relate and close": lambda g, s, w: (
        done(g, Relate(s.app, "RUNS_ON", s.spare, {"port": 2}))
        and done(g, Unrelate(s.app, "RUNS_ON", s.spare))
    ),
    "either end of what is symmetric": lambda g, s, w: (
        done(g, Relate(s.spare, "CABLED_TO", s.device))
        and done(g, Unrelate(s.spare, "CABLED_TO", s.device))
    ),
    "take and give a part": lambda g, s, w: (
        done(g, Relate(s.box, "CONTAINS", s.spare))
        and done(g, Unrelate(s.box, "CONTAINS", s.spare))
    ),
    "be the product that writes": lambda g, s, w: g.as_product(
        Permission.WRITE, [s.organisation], [s.part]
    ),
}
ADMINISTER: dict[str, Do] = {
    "read an account": lambda g, s, w: g.get([s.account]),
    "find accounts": lambda g, s, w: (
        g.find(Query("Account", {"organisation": {"eq": s.organisation}})).records
    ),
    "create an account": lambda g, s, w: done(
        g, create("Account", "new", organisation=s.organisation, person=s.person)
    ),
    "update an account": lambda g, s, w: done(g, Update(s.account, {"note": str(size())})),
    "give and take a role": lambda g, s, w: (
        done(g, Relate(s.person, "HAS_ROLE", s.organisation, {"roles": ["reader"]}))
        and done(g, Unrelate(s.person, "HAS_ROLE", s.organisation))
    ),
    "name somebody": lambda g, s, w: done(g, Update(s.person, {"username": f"u{size()}"})),
    "found an organisation": lambda g, s, w: done(
        g, made := create("Organisation", "new"), Relate(made.id, "PART_OF", s.organisation)
    ),
}
NOBODY: dict[str, Do] = {
    "mark": lambda g, s, w: g.mark("x", b""),
    "marks": lambda g, s, w: g.marks(""),
    "swap": lambda g, s, w: g.swap("x", None, b""),
    "append": lambda g, s, w: g.append("x", [b""]),
    "journal": lambda g, s, w: g.journal("x"),
    "trim": lambda g, s, w: g.trim("x", 1),
    "remove_entry": lambda g, s, w: g.remove_entry("x", 1),
    "replicate": lambda g, s, w: g.replicate([]),
    "initialise": lambda g, s, w: g.initialise(w.store.model, "x"),
    "write as a process": lambda g, s, w: g.commit(
        ChangeSet([Update(s.device, {"size": size()})], "x", process=True)
    ),
    "write what is managed": lambda g, s, w: g.commit(
        ChangeSet([Update(s.device, {"size": size()})], "x", managed=True)
    ),
    "a secret": lambda g, s, w: (
        "hash-" in str((g.get([s.account]), g.history(s.account), *g.feed(), g.compare(1)))
    ),
    "find by a secret": lambda g, s, w: g.holders("password_hash", ["hash-in"]),
    "what a secret was": lambda g, s, w: g.spans([s.account], "password_hash"),
    "write what is everybody's": lambda g, s, w: done(g, create("Device", "nobody's")),
    "found a top": lambda g, s, w: done(g, create("Organisation", "top too")),
    "apply a model": lambda g, s, w: g.apply_model(w.store.model, "x"),
    "a filter on a sensitive value": lambda g, s, w: (
        g.find(Query("Device", {"secret": {"null": False}, "id": {"eq": s.device}})).records
    ),
    "move out": lambda g, s, w: done(g, Update(s.spare, {"organisation": w.top})),
    "put below another": lambda g, s, w: done(
        g,
        Unrelate(s.organisation, "PART_OF", w.top),
        Relate(s.organisation, "PART_OF", w.outside.organisation),
    ),
}


def g_name(side: Side, world: World) -> str:
    return "sn-in" if side is world.inside else "sn-out"


MATRIX: dict[Permission | None, dict[str, Do]] = {
    Permission.READ: READ,
    Permission.READ_SENSITIVE: SENSITIVE,
    Permission.WRITE: WRITE,
    Permission.ADMINISTER: ADMINISTER,
    None: NOBODY,
}
"""What a role needs, in the organisation of what it is done to, for each operation; None: no role in
one organisation is enough."""

CASES = [(needed, name) for needed, operations in MATRIX.items() for name in operations]
FEW = (
    "get a part",
    "what tells of others",
    "find what tells of others",
    "total",
    "connections",
    "compare",
    "update a part",
    "give and take a role",
)


def attempt(do: Do, store: GuardedStore, side: Side, world: World) -> bool:
    """Whether something is done, or shown; a refusal has a code, and tells nothing of the other side."""
    refusal: CmdbError | None = None
    try:
        return bool(do(store, side, world))
    except CmdbError as error:
        refusal = error
    assert refusal.code in ("not_allowed", "not_found"), refusal
    assert refusal.remedy
    assert side is world.inside or "-out" not in str(refusal)
    return False


@pytest.mark.parametrize(("needed", "name"), CASES, ids=[name for _, name in CASES])
def test_every_role_does_what_it_may_and_where(
    world: World, needed: Permission | None, name: str
) -> None:
    if not world.store.url.startswith("sqlite") and name not in FEW:
        pytest.skip("the file shows it")
    do = MATRIX[needed][name]
    for role in ROLES.by_name.values():
        store = guard(world.store, world.inside.organisation, role.name)
        may = needed in role.permissions and Permission.READ in role.permissions
        assert attempt(do, store, world.inside, world) == may, role.name
        assert not attempt(do, store, world.outside, world), role.name


def test_every_operation_is_in_the_matrix() -> None:
    """A method that is added to stores is thought about here."""
    known = {name for operations in MATRIX.values() for name in operations}
    told = {
        "apply_model",
        "commit",
        "last_revision",
        "revisions",
        "instants",
        "statistics",
        "damage",
        "type_usage",
    }
    told |= {
        "checks",
        "clock",
        "committed",
        "catch_up",
        "close",
        "conflict",
        "deadline",
        "resolve",
        "revision_at",
    }
    whole_graph = {"topology", "dependencies", "dependents"}
    methods = {
        name
        for name, value in vars(GraphStore).items()
        if callable(value) and not name.startswith("_")
    }
    assert methods - known == told | whole_graph


def test_the_actor_is_who_asks(world: World) -> None:
    store = guard(world.store, world.inside.organisation, "engineer")
    assert done(store, Update(world.inside.device, {"size": size()}))
    assert world.store.last_revision().actor == "zhang"


def test_a_refusal_says_what_is_missing_where_and_who_could_help(world: World) -> None:
    store = guard(world.store, world.inside.organisation, "reader")
    with pytest.raises(NotAllowedError) as refused:
        done(store, Update(world.inside.device, {"size": size()}))
    assert refused.value.message == "zhang has no permission to write in in."
    assert "engineer" in refused.value.remedy


def test_what_is_hidden_is_as_what_is_not_there(world: World) -> None:
    store = guard(world.store, world.inside.organisation, "engineer")
    told = []
    for id in (world.outside.device, new_id()):
        for change in (
            Update(id, {"size": 1}),
            Relate(world.inside.app, "RUNS_ON", id, {"port": 3}),
        ):
            with pytest.raises(NotFoundError) as refused:
                done(store, change)
            told.append(str(refused.value).replace(id, "…"))
    assert len(set(told)) == 1


def test_a_value_that_is_taken_by_what_is_hidden(world: World) -> None:
    commit(world.store, Update(world.outside.device, {"row": 7, "column": 7}))
    store = guard(world.store, world.inside.organisation, "engineer")
    with pytest.raises(InvalidChangeError) as refused:
        done(store, Update(world.inside.device, {"row": 7, "column": 7}))
    assert world.outside.device not in str(refused.value)
    assert "a record that you may not see" in str(refused.value)


def test_a_value_is_taken_whichever_part_of_the_product_finds_out(world: World) -> None:
    """Errors of what sees the whole graph are told without it."""
    store = guard(world.store, world.inside.organisation, "engineer")
    inner = store.asking([world.inside.device])
    commit(world.store, Update(world.outside.device, {"row": 8, "column": 8}))
    with pytest.raises(InvalidChangeError) as refused:
        commit(inner, Update(world.inside.device, {"row": 8, "column": 8}))
    assert world.outside.device in str(refused.value)
    (problem,) = store.told(refused.value).problems
    assert "is taken by a record that you may not see" in problem.message
    assert problem.subject == world.inside.device
    for of, seen in ((world.outside, False), (world.inside, True)):
        commit(world.store, Update(of.device, {"note": f"note of {of.device}"}))
        with pytest.raises(ConflictError) as conflict:
            commit(world.store, Update(of.device, {"size": 1}, 1))
        told = store.told(conflict.value)
        assert (told.record == of.device) == seen
        assert bool(told.interferences) == seen
        assert (of.device in str(told)) == seen


def test_what_tells_of_others_is_seen_with_all_of_them(world: World) -> None:
    top = guard(world.store, world.top, "reader")
    store = guard(world.store, world.inside.organisation, "reader")
    hidden = {*world.across}
    assert len(top.get(hidden)) == 3, "what tells of nobody knows what is for who sees everything"
    assert guard(world.store, None, "reader").get(hidden).keys() == hidden
    assert store.get(hidden) == {}
    assert store.get(hidden, world.store.last_revision().number) == {}
    assert top.get(hidden, world.store.last_revision().number).keys() == top.get(hidden).keys()
    across = {"name": {"prefix": "across"}}
    for query in (Query(where=across, total=True), Query("Remains", across, total=True)):
        assert (store.find(query).total, store.find(query).records) == (0, [])
    assert store.search("across").records == []
    assert len(top.search("across").records) == 3
    assert store.count_by(Query(where=across), ["type"]) == []
    assert store.hidden(Query("Doubt", {"id": {"in": sorted(hidden)}})) == {None: 2}
    assert "across" not in str([store.histories(hidden), *store.feed(), store.compare(1)])
    assert "across" in str([*top.feed()])
    assert "across" not in str([*store.scan_records()])
    for id in hidden:
        with pytest.raises(NotFoundError):
            done(
                guard(world.store, world.inside.organisation, "engineer"), Update(id, {"note": ""})
            )


def test_it_follows_what_it_tells_of(world: World) -> None:
    """A handover of what it tells of hides it, and shows it."""
    store = guard(world.store, world.inside.organisation, "reader")
    device = add(world.store, "Device", "moving", organisation=world.inside.organisation)
    doubt = add(world.store, "Doubt", "doubt", doubted=[device, world.inside.part])
    assert store.get([doubt])
    commit(world.store, Update(device, {"organisation": world.outside.organisation}))
    store = guard(world.store, world.inside.organisation, "reader")
    assert not store.get([doubt])
    assert not guard(world.store, world.outside.organisation, "reader").get([doubt])


def test_permission_is_asked_inside_of_the_transaction(world: World) -> None:
    """What somebody else changes after the first look is not outrun."""
    inside, outside = world.inside, world.outside
    store = guard(world.store, inside.organisation, "engineer")
    device = add(world.store, "Device", "handed over", organisation=inside.organisation)
    inner = store.asking([device])
    commit(inner, Update(device, {"size": 1}))
    commit(inner, Update(outside.device, {"size": 2}))  # the rest is the product's
    commit(world.store, Update(device, {"organisation": outside.organisation}))
    before = world.store.last_revision().number
    with pytest.raises(NotAllowedError) as refused:
        commit(inner, Update(outside.spare, {"size": 3}))
    assert "out" not in refused.value.message.split()
    with pytest.raises(NotAllowedError):
        commit(store.asking([inside.device], lambda plan: plan), Update(device, {"size": 4}))
    assert world.store.last_revision().number == before
    for id in (device, new_id()):
        with pytest.raises(NotFoundError):
            guard(world.store, inside.organisation, "engineer").asking([id])
    with pytest.raises(NotAllowedError):
        guard(world.store, inside.organisation, "reader").asking([inside.device])


def test_what_the_store_holds_is_told_as_far_as_it_is_seen(world: World) -> None:
    store = guard(world.store, world.inside.organisation, "administrator")
    counted = store.statistics()
    assert counted.records == len([*store.scan_records()]) < world.store.statistics().records
    assert counted[1:4] == (None, None, None)
    assert counted.revisions == world.store.last_revision().number
    everything = guard(world.store, None, "administrator")
    assert everything.statistics() == world.store.statistics()
    for role, ask in (
        ("administrator", lambda s: list(s.damage())),
        ("auditor", lambda s: s.checks(1)),
        ("model_owner", lambda s: s.type_usage()),
    ):
        ask(guard(world.store, world.top, role))
        with pytest.raises(NotAllowedError):
            ask(guard(world.store, world.inside.organisation, role))


def test_references_and_relationships_to_what_is_hidden(world: World) -> None:
    inside, outside = world.inside, world.outside
    device = add(
        world.store, "Device", "d", organisation=inside.organisation, keeper=outside.person,
        keepers=[inside.person, outside.person],
    )  # fmt: skip
    commit(world.store, Relate(inside.app, "RUNS_ON", outside.device, {"port": 4}))
    store = guard(world.store, inside.organisation, "reader")
    record = store.record(device)
    assert "keeper" not in record.attributes
    assert record.attributes["keepers"] == [inside.person]
    assert store.masked(record) == {"keeper", "keepers"}
    assert outside.person not in str(store.history(device))
    assert outside.person not in str(list(store.feed()))
    found = store.count_by(Query("Device", {"id": {"eq": device}}), ["keeper"])
    assert [c.values for c in found] == [(None,)]
    assert [span.value for span in store.spans([device], "keeper")[device]] == [None]
    assert {n.record.id for n in store.neighbours([inside.app], ["RUNS_ON"])} == {inside.device}
    (page,) = store.connections([inside.app], [Step("RUNS_ON", Query(total=True))]).values()
    assert page.total == 1
    assert outside.device not in str(store.history(inside.app))


def test_what_is_hidden_is_counted(world: World) -> None:
    store = guard(world.store, world.inside.organisation, "reader")
    with pytest.raises(QueryError, match="not counted by contains, name"):
        store.hidden(Query("Device", {"name": {"contains": "-"}}))
    there = [world.outside.device, world.outside.spare, world.outside.part, world.inside.device]
    query = Query("Device", {"id": {"in": there}})
    assert store.hidden(query) == {world.outside.organisation: 2, None: 1}
    assert guard(world.store, None, "administrator").hidden(query) == {}


def test_it_sends_no_more_statements(world: World) -> None:
    """One more for a whole answer, where it refers to records not met yet or to parts."""
    store = guard(world.store, world.inside.organisation, "reader")
    plain = world.store
    store.find(Query("Organisation"))
    inside = world.inside
    asks: dict[str, Callable[[GraphStore], Any]] = {
        "find": lambda s: s.find(Query("Server")),
        "total": lambda s: s.find(Query("Server", total=True)),
        "count": lambda s: s.count_by(Query("Server"), ["type"]),
        "get": lambda s: s.get([inside.device, world.outside.device]),
        "connections": lambda s: s.connections([inside.device], [Step("RUNS")]),
        "neighbours": lambda s: s.neighbours([inside.device], ["RUNS_ON"]),
    }
    sent = {}
    for name, ask in asks.items():
        for asked in (plain, store):
            before = plain.statements
            ask(asked)
            sent[name, asked is store] = plain.statements - before
    assert sent == {(name, guarded): 1 for name in asks for guarded in (False, True)}
    before = plain.statements
    store.get([inside.part, world.outside.part])
    assert plain.statements - before == 2


def test_an_account_that_may_do_more_is_not_theirs_to_change(world: World) -> None:
    """Who administers one organisation takes over nobody with a role in another."""
    inside = world.inside
    boss = add(world.store, "Person", "boss", organisation=inside.organisation)
    account = add(world.store, "Account", "boss", organisation=inside.organisation, person=boss)
    root = add(
        world.store,
        "Account",
        "root",
        organisation=inside.organisation,
        roles_everywhere=["reader"],
    )
    commit(world.store, Relate(boss, "HAS_ROLE", world.top, {"roles": ["administrator"]}))
    store = guard(world.store, inside.organisation, "administrator")
    for change in (
        Update(account, {"note": "mine now"}),
        Update(root, {"note": "mine now"}),
        Create(
            "Account", {"name": "x", "organisation": inside.organisation, "person": boss}, new_id()
        ),
        Relate(boss, "HAS_ROLE", world.top, {"roles": ["reader"]}),
    ):
        with pytest.raises(NotAllowedError):
            done(store, change)
    assert done(guard(world.store, world.top, "administrator"), Update(account, {"note": "ok"}))


def test_the_top_writes_what_is_everybodys(world: World) -> None:
    assert done(guard(world.store, world.top, "engineer"), create("Device", "shared"))
    query = Query("Device", {"secret": {"prefix": "secret"}})
    with pytest.raises(QueryError):
        guard(world.store, world.top, "engineer").find(query)
    query = Query("Device", {"secret": {"eq": "secret-out"}})
    assert len(guard(world.store, world.top, "engineer").find(query).records) == 1
    with pytest.raises(NotAllowedError):
        guard(world.store, world.top, "engineer").apply_model(world.store.model, "x")
    assert guard(world.store, world.top, "model_owner").apply_model(world.store.model, "x")


def test_revisions_of_what_is_hidden_have_no_name_and_no_reason(world: World) -> None:
    store = guard(world.store, world.inside.organisation, "reader")
    numbers = []
    for of, text in ((world.inside, "ours"), (world.outside, "theirs")):
        change = ChangeSet([Update(of.device, {"size": size()})], "wang", reason=text)
        numbers.append(world.store.commit(change).revision)
    ours, theirs = (store.revisions([number])[number] for number in numbers)
    assert (ours.actor, ours.reason) == ("wang", "ours")
    assert (theirs.actor, theirs.source, theirs.reason) == ("", "", "")
    assert (theirs.number, theirs.at) == (numbers[1], world.store.last_revision().at)
    assert [c.revision for c in store.feed(numbers[0] - 1)] == [ours, theirs]
    assert store.last_revision() == theirs
    assert guard(world.store, None, "administrator").last_revision().reason == "theirs"


def test_what_is_held_back_is_for_those_who_may_write_it(world: World) -> None:
    """Nothing is committed; what may not be written, or is not there to be seen, is refused as ever."""
    store, before = world.store, world.store.last_revision().number
    engineer = guard(store, world.inside.organisation, "engineer")
    inside, outside = world.inside, world.outside
    plan = engineer.rehearse([Update(inside.device, {"size": size()})])
    assert [after.id for _, after in plan.updated] == [inside.device]
    with pytest.raises(NotFoundError):
        engineer.rehearse([Update(outside.device, {"size": 1})])
    with pytest.raises(NotAllowedError):
        guard(store, inside.organisation, "reader").rehearse([Update(inside.device, {"size": 1})])
    with pytest.raises(InvalidChangeError):
        engineer.rehearse([Update(inside.device, {"size": "large"})])
    assert store.last_revision().number == before
