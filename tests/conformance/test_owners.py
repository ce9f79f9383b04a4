"""Whose a record is, as stores keep it, through whatever is written: against a plain oracle."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdb.change_sets import Operation, Relate, Unrelate, Update
from cmdb.errors import CmdbError
from cmdb.integrity import check
from cmdb.owners import LEVELS, NOBODY
from cmdb.queries import Query
from cmdb.reconciliation.duplicates import merge, unmerge
from cmdb.reconciliation.undoing import undo
from cmdb.store import GraphStore, create_store, open_store
from cmdb.store.opening import create_empty_store
from cmdb.transfer import copy, dump, restore
from schema.loading import load_model
from schema.model import Model, read_document
from tests import support
from tests.api.access.conftest import guard
from tests.conformance.conftest import kept_file, kept_neo4j
from tests.support.building import add, commit, create
from tests.support.by_hand import ByHand
from tests.support.neo4j_server import Neo4jServer
from tests.support.owner_oracle import World, ends

__all__ = ["kept_file", "kept_neo4j"]

SUPPORT = Path(support.__file__).parent
TYPES = ("Box",) * 5 + ("Device", "Device", "Server", "App", "App", "Order", "Account")


@pytest.fixture(scope="session")
def model() -> Model:
    parts = ("small_model", "access_model", "merging_model")
    return load_model([SUPPORT / part for part in parts], shipped=False)


Step = tuple[str, int, int]
DONE = ("put", "put", "put", "take", "hand over", "hand over", "share", "become", "add")
ACTS = ("undo", "merge", "unmerge", "move")
STEPS = st.lists(
    st.tuples(st.sampled_from(DONE + ACTS), st.integers(0, 99), st.integers(0, 3)),
    min_size=8,
    max_size=30,
)


def work(store: GraphStore, steps: list[Step], at_once: int) -> World:
    """An estate, and some things done to it, so many in one change set. What is refused is left out."""
    world = World({}, set())
    names = [create("Organisation", f"o{n}") for n in range(3)]
    world.records.update({o.id: ("Organisation", None, None) for o in names})
    made = [create(type_, "x") for type_ in TYPES]
    world.records.update({m.id: (m.type, None, None) for m in made})
    pending: list[Operation] = [*names, *made]
    for number, step in enumerate(steps, 1):
        acting = step[0] in ACTS
        pending += [] if acting else _step(world, step)
        if acting or number % at_once == 0 or number == len(steps):
            world = _done(store, world, partial(commit, store, *pending))
            pending = []
        if acting:
            world = _done(store, world, _act(store, world, step))
    return world


def _done(store: GraphStore, world: World, work: Callable[[], object]) -> World:
    """What the store has after some work, which it may refuse."""
    with suppress(CmdbError):
        work()
    return World.of(store, list(world.records.keys() & store.get(world.records).keys()))


def _act(store: GraphStore, world: World, step: Step) -> Callable[[], object]:
    """What is more than a change set, with two that are of a kind where it takes two."""
    what, number, kind = step
    kinds = (("Box",), ("Device", "Server"), ("App",), ("Organisation",))[kind]
    alike = [id for id, (type_, *_) in world.records.items() if type_ in kinds]
    gone = [id for id, (type_, *_) in world.records.items() if type_ == "MergedRecord"]
    one, other = alike[number % len(alike)], alike[number // 10 % len(alike)]
    if what == "undo":
        return partial(undo, store, store.last_revision().number, actor="tester")
    if what == "merge":
        return partial(merge, store, store.record(one), store.record(other), actor="tester")
    if what == "unmerge" and gone:
        merged = store.record(gone[number % len(gone)])
        return partial(unmerge, store, merged, actor="tester")
    names = [id for id, (type_, *_) in world.records.items() if type_ == "Organisation"]
    below, above = names[number % len(names)], names[kind % len(names)]
    there = store.neighbours([below], ["PART_OF"], "out")
    before = [Unrelate(below, "PART_OF", n.record.id) for n in there if n.record.id != above]
    return partial(commit, store, *before, Relate(below, "PART_OF", above))


def _step(world: World, step: Step) -> list[Operation]:
    what, number, organisation = step
    said = world.records
    names = [None, *(id for id, (type_, *_) in said.items() if type_ == "Organisation")]
    at = names[organisation % len(names)]
    if what == "put" and (pairs := _pairs(world)):
        whole, type_, part = pairs[number % len(pairs)]
        world.links.add((whole, type_, part))
        return [Relate(*ends(whole, type_, part))]
    if what == "take" and world.links:
        link = sorted(world.links)[number % len(world.links)]
        world.links.remove(link)
        return [Unrelate(*ends(*link))]
    if what == "add":
        made = create("Box", "x", **({"organisation": at} if at else {}))
        said[made.id] = ("Box", at, None)
        return [made]
    able = {"share": {"Order"}, "become": {"Device", "Server"}}.get(what, {*TYPES})
    things = [id for id, (type_, *_) in said.items() if type_ in able]
    one = things[number % len(things)]
    type_, own, to = said[one]
    if what == "share":
        said[one] = (type_, own, at)
        return [Update(one, {"to_organisation": at})]
    if what == "become":
        now = "Server" if type_ == "Device" else "Device"
        said[one] = (now, own, to)
        return [Update(one, {}, type=now)]
    said[one] = (type_, at, to)
    return [Update(one, {"organisation": at})]


def _pairs(world: World) -> list[tuple[str, str, str]]:
    """What may be put where: a thing is in one box, and a box in one that was made before."""
    held = {part for _, type_, part in world.links if type_ == "CONTAINS"}
    found, ids = [], list(world.records)
    for place, whole in enumerate(ids):
        for part in ids:
            kinds = world.records[whole][0], world.records[part][0]
            within = kinds[1] in ("Device", "Server") or part in ids[place + 1 :]
            if kinds[0] == "Box" and kinds[1] in ("Box", "Device", "Server") and within:
                found += [(whole, "CONTAINS", part)] if part not in held else []
            elif kinds[0] in ("Device", "Server") and kinds[1] == "App":
                found += [(whole, "PIECE_OF", part)]
    return sorted({*found} - world.links)


def agree(store: GraphStore, steps: list[Step], at_once: int) -> None:
    sound(store, work(store, steps, at_once))


def sound(store: GraphStore, world: World) -> None:
    """What a store keeps of some records is what it should."""
    assert store._owners(world.records) == {id: world.owner(id) for id in world.records}


RULE = given(STEPS, st.sampled_from((1, 2, 5)))


@RULE
def test_owners_follow_what_is_written_in_a_file(
    kept_file: GraphStore, steps: list[Step], at_once: int
) -> None:
    agree(kept_file, steps, at_once)


@pytest.mark.neo4j
@settings(max_examples=10)
@RULE
def test_owners_follow_what_is_written_in_neo4j(
    kept_neo4j: GraphStore, steps: list[Step], at_once: int
) -> None:
    agree(kept_neo4j, steps, at_once)


class Estate(NamedTuple):
    """A box with a device in it that names no organisation, and an app that is a piece of that."""

    one: str
    other: str
    box: str
    device: str
    app: str

    def owners(self, store: GraphStore) -> list[str | None]:
        found = store._owners([self.box, self.device, self.app])
        return [found[id] for id in (self.box, self.device, self.app)]


def estate(store: GraphStore) -> Estate:
    one, other = add(store, "Organisation", "one"), add(store, "Organisation", "other")
    box = add(store, "Box", "box", organisation=one)
    device, app = create("Device", "device"), create("App", "app")
    commit(store, device, app, Relate(box, "CONTAINS", device.id))
    commit(store, Relate(app.id, "PIECE_OF", device.id))
    return Estate(one, other, box, device.id, app.id)


def test_a_handover_takes_the_parts_along(store: GraphStore) -> None:
    made = estate(store)
    assert made.owners(store) == [made.one] * 3
    revisions = [store.get([id])[id].revision for id in (made.device, made.app)]
    commit(store, Update(made.box, {"organisation": made.other}))
    assert made.owners(store) == [made.other] * 3
    assert [store.get([id])[id].revision for id in (made.device, made.app)] == revisions
    assert list(check(store)) == []


def test_a_part_has_the_owner_of_what_is_so_many_levels_above_and_no_more(
    store: GraphStore,
) -> None:
    """Handed over, hung under something else, or taken out: the deepest follows, one below does not."""
    one, other = add(store, "Organisation", "one"), add(store, "Organisation", "other")
    chain = [add(store, "Box", "box", organisation=one)]
    chain += [add(store, "Box", f"box {n}") for n in range(LEVELS + 1)]
    commit(store, *(Relate(whole, "CONTAINS", part) for whole, part in pairwise(chain)))

    def owners(*numbers: int) -> list[str | None]:
        found = store._owners(chain)
        return [found[chain[number]] for number in numbers]

    deepest, below = LEVELS, LEVELS + 1
    assert owners(1, deepest, below) == [one, one, NOBODY]
    commit(store, Update(chain[0], {"organisation": other}))
    assert owners(1, deepest, below) == [other, other, NOBODY]
    commit(store, Unrelate(chain[0], "CONTAINS", chain[1]))
    assert owners(1, deepest, below) == [NOBODY] * 3
    commit(store, Relate(chain[0], "CONTAINS", chain[1]))
    assert owners(1, deepest, below) == [other, other, NOBODY]
    commit(store, Update(chain[1], {"organisation": one}))
    assert owners(1, deepest, below) == [one] * 3
    assert list(check(store)) == []


def test_another_model_makes_other_owners(store: GraphStore, model: Model) -> None:
    made = estate(store)
    now = json.loads(model.document)
    del now["relationship_types"]["PIECE_OF"]["part"]
    store.apply_model(read_document(json.dumps(now)), "tester")
    assert made.owners(store) == [made.one, made.one, NOBODY]
    store.apply_model(model, "tester")
    assert made.owners(store) == [made.one] * 3


def test_no_question_relies_on_owners_of_another_model(
    store: GraphStore, model: Model, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """As where what applied a model was killed before it had made all owners anew."""
    made = estate(store)
    monkeypatch.setattr(type(store), "_align", lambda *_: None)
    now = json.loads(model.document)
    del now["relationship_types"]["PIECE_OF"]["part"]
    for changed, seen in ((read_document(json.dumps(now)), 1), (model, 0)):
        store.apply_model(changed, "tester")
        store._refresh()  # as is done every second
        guarded = guard(store, made.other, "reader")
        assert guarded.find(Query("App", total=True)).total == seen
    store.apply_model(read_document(json.dumps(now)), "tester")
    with open_store(url) as again:
        assert made.owners(again) == [made.one, made.one, NOBODY]


def test_a_copy_has_owners_of_its_own(store: GraphStore, tmp_path: Path) -> None:
    made = estate(store)
    commit(store, Update(made.box, {"organisation": made.other}))
    with create_empty_store(f"sqlite:///{tmp_path}/copy.db") as target:
        copy(store, target)
        assert made.owners(target) == [made.other] * 3


def test_a_dump_tells_of_no_owners_and_what_is_restored_has_some(
    model: Model, tmp_path: Path, url: str
) -> None:
    with create_store(f"sqlite:///{tmp_path}/source.db", model) as source:
        made = estate(source)
        commit(source, Update(made.box, {"organisation": made.other}))
        merge(source, source.record(made.one), source.record(made.other), actor="tester")
        dump(source, tmp_path / "source.dump")
    with create_empty_store(url) as target:
        restore(tmp_path / "source.dump", target)
        assert made.owners(target) == [made.one] * 3
        assert list(check(target)) == []
        unmerge(target, target.record(made.other), actor="tester")
        assert made.owners(target) == [made.other] * 3
        dump(target, tmp_path / "target.dump")
    text = (tmp_path / "target.dump").read_text(encoding="utf-8")
    assert text.startswith((tmp_path / "source.dump").read_text().rpartition('{"end"')[0])
    assert '"_owner"' not in text
    assert '"_number"' not in text


@pytest.mark.neo4j
def test_the_past_has_no_owners(kept_neo4j: GraphStore, neo4j_server: Neo4jServer) -> None:
    made = estate(kept_neo4j)
    commit(kept_neo4j, Update(made.one, {"name": "first"}), Update(made.box, {"name": "first"}))
    merge(kept_neo4j, kept_neo4j.record(made.other), kept_neo4j.record(made.one), actor="tester")
    with neo4j_server.driver() as driver:
        found = driver.execute_query(
            "MATCH (i:_RecordImage) RETURN count(*) AS all, count(i._owner) + count(i._number) AS own"
        )
    assert found.records[0]["all"] > 0
    assert found.records[0]["own"] == 0


def test_processes_that_write_at_once_leave_the_right_owners(store: GraphStore, url: str) -> None:
    """Two found organisations and hand a box over to them, while one fills it."""
    box = add(store, "Box", "box")
    works = (("handovers", 12), ("handovers", 12), ("fillings", 16))
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.writer", work, url, box, str(count)],
            stdout=subprocess.DEVNULL,
        )
        for work, count in works
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    kinds = (("Organisation", 24), ("Device", 16))
    found = [store.find(Query(type_, first=100)).records for type_, _ in kinds]
    assert [len(records) for records in found] == [count for _, count in kinds]
    world = World.of(store, [box, *(record.id for records in found for record in records)])
    assert world.owner(box) == world.owner(found[1][0].id) != NOBODY
    sound(store, world)
    late = create("Organisation", "late")  # where somebody has met fewer of them
    commit(store, late, Update(box, {"organisation": late.id}))
    sound(store, World.of(store, [*world.records, late.id]))


def test_a_store_of_an_older_release_gets_owners(
    store: GraphStore, url: str, by_hand: ByHand
) -> None:
    made = estate(store)
    store.close()
    for statement in (
        (
            "DROP TABLE owner_rules",
            "DROP INDEX records_owner",
            "ALTER TABLE records DROP COLUMN owner",
            "PRAGMA user_version = 3",
        )
        if by_hand.kind == "sqlite"
        else (
            "MATCH (n:Record) REMOVE n._owner, n._number",
            "MATCH (s:_Store {key: 'store'}) REMOVE s.owners, s.numbered SET s.format = 3",
        )
    ):
        by_hand.run(statement)
    with open_store(url) as again:
        assert made.owners(again) == [made.one] * 3
        assert list(check(again)) == []
        late = add(again, "Organisation", "late")
        commit(again, Update(made.box, {"organisation": late}))
        assert made.owners(again) == [late] * 3


def test_a_wrong_owner_is_found(store: GraphStore, by_hand: ByHand) -> None:
    made = estate(store)
    by_hand.run(
        f"UPDATE records SET owner = 0 WHERE id = '{made.device}'"
        if by_hand.kind == "sqlite"
        else f"MATCH (n:Record {{id: '{made.device}'}}) SET n._owner = 0"
    )
    assert [(f.code, f.subject) for f in check(store)] == [("wrong_owner", made.device)]
