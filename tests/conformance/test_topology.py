"""The topology, streamed and step by step, against what scanning tells."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from cmdb.change_sets import Operation, Relate, Unrelate, Update
from cmdb.errors import QueryError
from cmdb.records import Record
from cmdb.store import GraphStore, create_store, open_store
from cmdb.store.topology import OPEN, LinkBlock, NodeBlock
from schema.errors import UnknownNameError
from schema.loading import load_model
from schema.model import Model
from tests.conformance.test_isolation import being_written
from tests.conftest import SMALL_MODEL
from tests.support.building import add, commit, create
from tests.support.shared_estate import DEVICES, SharedEstate

ENDS: Mapping[str, Literal["source", "target"]] = {
    "RUNS_ON": "target",
    "CALLS": "target",
    "CONTAINS": "source",
}
MORE = """\
record_types:
  Item:
    extend: true
    attributes:
      redundancy: {kind: json, label: {en: Redundancy, zh: 冗余}}
relationship_types:
  RUNS_ON:
    extend: true
    attributes:
      group: {kind: string, label: {en: Group, zh: 组}}
"""
NEEDS: tuple[Any, ...] = (
    {"RUNS_ON": "1"},
    {"RUNS_ON": {"needed": "50%", "group_by": "group"}},
    {},
    None,
)


def extended(folder: Path) -> Model:
    """The small model, with redundancy groups."""
    (folder / "more.yaml").write_text(MORE, encoding="utf-8")
    return load_model([SMALL_MODEL, folder], shipped=False)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    folder = tmp_path / "model"
    folder.mkdir()
    return extended(folder)


# -- what is compared ---------------------------------------------------------------------------------


class Node(NamedTuple):
    id: str
    type: str
    state: str | None
    needs: str
    begin: int
    until: int = OPEN


class Link(NamedTuple):
    source: str
    type: str
    target: str
    group: str | None
    begin: int
    until: int = OPEN


class Graph(NamedTuple):
    nodes: list[Node]
    links: list[Link]

    def at(self, revision: int) -> Graph:
        """What held then, whenever it began."""
        nodes = [n._replace(begin=0, until=0) for n in self.nodes if n.begin <= revision < n.until]
        links = [x._replace(begin=0, until=0) for x in self.links if x.begin <= revision < x.until]
        return Graph(nodes, links)


def received(blocks: Iterable[NodeBlock | LinkBlock]) -> Graph:
    """Blocks put together; numbers name records that came before."""
    nodes: list[Node] = []
    links: list[Link] = []
    ids: dict[int, str] = {}
    for block in blocks:
        assert len({len(column) for column in block if isinstance(column, list)}) == 1
        if isinstance(block, NodeBlock):
            assert not links
            for place, (number, id, *rest) in enumerate(zip(*block[:-1], strict=True)):
                assert ids.setdefault(number, id) == id
                type_, state, begin, until = rest
                nodes.append(Node(id, type_, state, repr(block.needs.get(place)), begin, until))
        else:
            for source, target, type_, *more in zip(*block, strict=True):
                links.append(Link(ids[source], type_, ids[target], *more))
    assert len(set(nodes)) == len(nodes)
    assert len(set(links)) == len(links)
    return Graph(sorted(nodes, key=repr), sorted(links, key=repr))


def needs(record: Record) -> str:
    said = record.attributes.get("redundancy")
    return repr(said if isinstance(said, dict) else None)


def scanned(
    store: GraphStore, at: int | None = None, types: Collection[str] = tuple(ENDS)
) -> Graph:
    """The same from scans."""
    ends = [store.model.relationship_types[name] for name in types]
    wanted = {name for x in ends for name in (*x.sources, *x.targets)}
    nodes = [
        Node(r.id, r.type, r.attributes.get("lifecycle_state"), needs(r), r.revision)
        for r in store.scan_records(at)
        if r.type in wanted
    ]
    links = [
        Link(x.source, x.type, x.target, x.attributes.get("group"), x.revision)
        for x in store.scan_relationships(at, types)
    ]
    return Graph(sorted(nodes, key=repr), sorted(links, key=repr))


# -- an estate with a past ----------------------------------------------------------------------------


class Estate:
    """Some items, changed at random for a while."""

    def __init__(self, store: GraphStore, seed: int = 1, revisions: int = 80) -> None:
        self.store, self._random = store, random.Random(seed)
        self.devices = [create("Device", f"device {n}") for n in range(8)]
        self.apps = [create("App", f"app {n}") for n in range(8)]
        self.boxes = [create("Box", f"box {n}") for n in range(6)]
        self.person = add(store, "Person", "nobody's provider")
        self.organisations = [add(store, "Organisation", name) for name in "ab"]
        commit(store, Relate(self.organisations[0], "PART_OF", self.organisations[1]))
        self.first = commit(store, *self.devices, *self.apps, *self.boxes)
        self.ids = [o.id for o in (*self.devices, *self.apps, *self.boxes)]
        self.links: set[tuple[str, str, str]] = set()
        for _ in range(revisions):
            self.step()
        commit(store, Update(self.person, {"name": "still nobody's provider"}))

    def step(self) -> int:
        """One revision more."""
        touched = self._random.sample(range(len(self.ids)), 3)
        return commit(self.store, *(self._operation(self.ids[n]) for n in touched), self._link())

    def _operation(self, id: str) -> Operation:
        chance = self._random
        match chance.randrange(5):
            case 0:
                return Update(id, {"redundancy": chance.choice(NEEDS)})
            case 1:
                return Update(id, {"name": f"named {chance.random()}"})
            case 2 if id in [device.id for device in self.devices]:
                return Update(id, {}, type=chance.choice(("Device", "Server")))
            case _:
                return Update(id, {"lifecycle_state": chance.choice(("planned", "in_use"))})

    def _link(self) -> Operation:
        chance = self._random
        if self.links and chance.random() < 0.25:
            gone = chance.choice(sorted(self.links))
            self.links.remove(gone)
            return Unrelate(*gone)
        type_ = chance.choice(("RUNS_ON", "RUNS_ON", "CALLS", "NEEDS", "CONTAINS"))
        ends = {
            "RUNS_ON": (self.apps, self.devices), "CALLS": (self.apps, self.apps),
            "NEEDS": (self.apps[:4], self.apps[4:]), "CONTAINS": (self.boxes[:3], self.boxes[3:] + self.devices),
        }[type_]  # fmt: skip
        source, target = (chance.choice(some).id for some in ends)
        held = {link for link in self.links if type_ == "CONTAINS" and link[1:] == (type_, target)}
        if held:
            self.links -= held
            return Unrelate(*held.pop())
        self.links.add((source, type_, target))
        group = chance.choice((None, "a", "b")) if type_ == "RUNS_ON" else None
        port = {"port": chance.choice((80, 81))} if type_ == "RUNS_ON" else {}
        return Relate(source, type_, target, port | ({"group": group} if group else {}))


@pytest.fixture(scope="module")
def estate(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Read only."""
    with create_store(module_url, extended(tmp_path_factory.mktemp("model"))) as store:
        yield Estate(store)


# -- streamed -----------------------------------------------------------------------------------------


def test_what_is_streamed_is_what_is_there(estate: Estate) -> None:
    stream = estate.store.topology(ENDS)
    graph = received(stream.blocks)
    assert stream.revision == estate.store.last_revision().number
    assert graph == scanned(estate.store)
    assert {node.id for node in graph.nodes} == set(estate.ids)
    assert {link.type for link in graph.links} == set(ENDS)
    assert {link.group for link in graph.links} == {None, "a", "b"}
    assert {node.state for node in graph.nodes} == {"planned", "in_use"}
    assert len({node.needs for node in graph.nodes}) > 2


def test_only_some_types_are_streamed(estate: Estate) -> None:
    graph = received(estate.store.topology(["CONTAINS"]).blocks)
    assert graph == scanned(estate.store, types=["CONTAINS"])
    assert {node.type for node in graph.nodes} == {"Box", "Device", "Server"}
    assert received(estate.store.topology(["PART_OF"]).blocks).nodes[0].state is None
    assert list(estate.store.topology([]).blocks) == []


def test_what_was_is_streamed_as_it_was(estate: Estate) -> None:
    last = estate.store.last_revision()
    for at in (*range(0, last.number, 9), last.number):
        stream = estate.store.topology(ENDS, at)
        assert stream.revision == at
        assert received(stream.blocks) == scanned(estate.store, at)
    assert estate.store.topology(ENDS, last.number + 9).revision == last.number
    earlier = estate.store.revisions([last.number - 2])[last.number - 2]
    assert estate.store.topology(ENDS, earlier.at).revision == earlier.number


@pytest.mark.parametrize("back", [0, 11])
def test_the_past_is_a_mask_over_intervals(estate: Estate, back: int) -> None:
    last = estate.store.last_revision().number - back
    stream = estate.store.topology(ENDS, last if back else None, past=True)
    assert stream.revision == last
    graph = received(stream.blocks)
    for at in (*range(0, last, 5), last):
        scan = scanned(estate.store, at)
        assert graph.at(at) == scan.at(at)
    assert len([node for node in graph.nodes if node.until == OPEN]) == len(estate.ids)
    rows: list[tuple[Any, ...]] = [*graph.nodes, *graph.links]
    begins, ends = ({(*row[:-2], row[side]) for row in rows} for side in (-2, -1))
    assert max(row[-2] for row in rows) <= last
    assert begins & ends == set(), "what meets and is the same is one"


def test_a_record_that_became_something_else_has_its_past(store: GraphStore) -> None:
    id, server = add(store, "Box", "b"), add(store, "Server", "s")
    related = commit(store, Relate(id, "CONTAINS", server))
    unrelated = commit(store, Unrelate(id, "CONTAINS", server))
    retyped = commit(store, Update(id, {}, type="Person"))
    renamed = commit(store, Update(id, {"name": "c"}))
    assert [n.id for n in received(store.topology(["CONTAINS"]).blocks).nodes] == [server]
    for at in (None, retyped):
        graph = received(store.topology(["CONTAINS"], at, past=True).blocks)
        assert graph.links == [Link(id, "CONTAINS", server, None, related, unrelated)]
        assert [node for node in graph.nodes if node.id == id] == [
            Node(id, "Box", "planned", "None", 2, retyped),
            Node(id, "Person", None, "None", at or renamed),
        ]


def test_many_records_come_in_blocks(store: GraphStore) -> None:
    boxes = [create("Box", str(n)) for n in range(5_200)]
    commit(store, *boxes)
    pairs = zip(boxes[::70], boxes[1::70], strict=True)
    links = [Relate(boxes[0].id, "CONTAINS", boxes[-1].id)]
    links += [Relate(one.id, "CONTAINS", two.id) for one, two in pairs]
    commit(store, *(Update(box.id, {"lifecycle_state": "in_use"}) for box in boxes[::1000]), *links)
    scan = scanned(store, types=["CONTAINS"]).at(3)
    for past in (False, True):
        blocks = list(store.topology(["CONTAINS"], past=past).blocks)
        assert len(blocks) == 4
        assert max(len(block.begin) for block in blocks) <= 50_000
        assert received(blocks).at(3) == scan


@pytest.mark.parametrize("past", [False, True])
def test_what_is_committed_meanwhile_is_not_streamed(store: GraphStore, past: bool) -> None:
    commit(store, *(create("Box", str(n)) for n in range(5_200)))
    estate = Estate(store, revisions=30)
    before = scanned(store)
    stream = store.topology(ENDS, past=past)
    blocks = [next(stream.blocks)]
    for _ in range(10):
        estate.step()
    for block in stream.blocks:
        blocks.append(block)
        estate.step()
    assert received(blocks).at(stream.revision) == before.at(stream.revision)
    assert all(x.until == OPEN or x.until <= stream.revision for x in received(blocks).nodes)
    assert scanned(store) != before


def test_what_is_streamed_is_whole(store: GraphStore, url: str) -> None:
    estate = SharedEstate.make(store)
    with open_store(url) as reader, being_written(estate) as done:
        while not done.is_set():
            for past in (False, True):
                stream = reader.topology(["RUNS_ON", "CONTAINS"], past=past)
                graph = received(stream.blocks).at(stream.revision)
                size = stream.revision - estate.base
                [link] = graph.links
                assert link.target == estate.ids[size % DEVICES]
                assert len(graph.nodes) == DEVICES + 1 + size
            nodes, links = reader.dependents(estate.ids, ENDS)
            assert len(links.begin) == 1
            assert len(nodes.ids) == DEVICES + 1


def test_a_stream_may_be_left_in_the_middle(store: GraphStore) -> None:
    commit(store, *(create("Box", str(n)) for n in range(5_200)))
    for _ in range(20):
        stream = store.topology(ENDS)
        assert next(stream.blocks)
        store.topology(ENDS)
    assert store.record(add(store, "Box", "after")).name == "after"


# -- step by step -------------------------------------------------------------------------------------


def provider(link: Link) -> str:
    return link.source if ENDS[link.type] == "source" else link.target


def dependent(link: Link) -> str:
    return link.target if ENDS[link.type] == "source" else link.source


def around(scan: Graph, asked: Collection[str], dependents: Collection[str]) -> Graph:
    """What some records depend on, with the records at the ends and those asked for."""
    links = [link for link in scan.links if dependent(link) in dependents]
    ids = {*asked, *(link.source for link in links), *(link.target for link in links)}
    return Graph([node for node in scan.nodes if node.id in ids], links)


def test_steps_go_by_what_depends_on_what(estate: Estate) -> None:
    chance, last = random.Random(2), estate.store.last_revision().number
    most = 0
    for at in (None, *range(estate.first - 1, last, 9), last):
        scan = scanned(estate.store, at)
        for count in (1, 2, 5):
            asked = chance.sample(estate.ids, count)
            dependents = {dependent(link) for link in scan.links if provider(link) in asked}
            found = received(estate.store.dependents(asked, ENDS, at))
            assert found == around(scan, asked, dependents)
            assert received(estate.store.dependencies(asked, ENDS, at)) == around(
                scan, asked, asked
            )
            most = max(most, len(found.links))
    assert most > 8


def test_a_step_brings_groups_whole(store: GraphStore) -> None:
    """(app)-[:RUNS_ON]->(two servers, in a box each): one server's step tells of the other."""
    app, box = add(store, "App", "a", redundancy={"RUNS_ON": "1"}), add(store, "Box", "b")
    one, two, apart = (add(store, "Server", name) for name in ("1", "2", "3"))
    at = commit(
        store,
        Relate(app, "RUNS_ON", one, {"group": "nodes"}),
        Relate(app, "RUNS_ON", two, {"group": "nodes"}),
        Relate(box, "CONTAINS", one),
        Relate(box, "CONTAINS", apart),
    )
    nodes, links = store.dependents([one], ENDS)
    assert received([nodes, links]).links == sorted(
        (Link(app, "RUNS_ON", server, "nodes", at) for server in (one, two)), key=repr
    )
    assert set(nodes.ids) == {app, one, two}
    assert [nodes.needs.get(nodes.ids.index(id)) for id in (app, one)] == [{"RUNS_ON": "1"}, None]
    assert set(store.dependents([box], ENDS)[0].ids) == {box, one, apart}
    assert set(store.dependencies([one], ENDS)[0].ids) == {one, box}
    assert set(store.dependencies([app, apart], ENDS)[0].ids) == {app, one, two, apart, box}
    commit(store, Unrelate(app, "RUNS_ON", two), Unrelate(box, "CONTAINS", one))
    assert set(store.dependents([one], ENDS)[0].ids) == {app, one}
    assert set(store.dependents([one], ENDS, at)[0].ids) == {app, one, two}
    assert set(store.dependencies([one], ENDS, at)[0].ids) == {one, box}


def test_a_step_from_nothing_goes_nowhere(estate: Estate) -> None:
    store, [id, *_] = estate.store, estate.ids
    for step in (store.dependents, store.dependencies):
        for at in (None, estate.first):
            nothing = received(step([], ENDS, at))
            assert nothing == received(step(["is no id"], ENDS, at)) == Graph([], [])
            assert [node.id for node in received(step([id], {}, at)).nodes] == [id]
            assert [node.id for node in received(step([estate.person], ENDS, at)).nodes] == [
                estate.person
            ]
        assert received(step([id], ENDS, estate.first - 1)) == Graph([], [])


def test_a_step_is_one_statement(estate: Estate) -> None:
    store: Any = estate.store
    for at in (None, estate.first, store.last_revision().number):
        for step in (store.dependents, store.dependencies):
            _ = store.model
            before = store.statements
            step(estate.ids, ENDS, at)
            assert store.statements == before + 1


def test_names_and_moments_are_checked(estate: Estate) -> None:
    store = estate.store
    with pytest.raises(UnknownNameError):
        store.topology(["RUNS"])
    with pytest.raises(UnknownNameError):
        store.dependents(estate.ids, {"RUNS_ON` {x:1}]-() //": "target"})
    with pytest.raises(QueryError):
        store.topology(ENDS, -1)
    with pytest.raises(QueryError):
        store.dependencies(estate.ids, ENDS, 2**70)
