"""Topologies from a store: all of it, kept fresh from its change feed, or only what one answer needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import numpy as np

from impact.elements import OPEN, Link, Links, Node, Nodes
from impact.propagation import propagate
from impact.rules import Effect, End, Rules
from impact.topology import Topology
from impact.views import View
from schema.model import STATE_ATTRIBUTE, Model

NEEDS: Final = "redundancy"
"""The attribute in which a CI says itself what it needs."""
LABEL: Final = "group"
"""The attribute of a relationship that names a redundancy group."""
FETCHED: Final = 20_000
"""CIs that are fetched level by level at most; an answer that needs more reads the whole topology."""

NODE_COLUMNS: Final = {
    "number": "i8", "id": "S16", "type": "i2", "operational": "?", "begin": "i4", "until": "i4"
}  # fmt: skip
LINK_COLUMNS: Final = {
    "provider": "i8", "dependent": "i8", "rule": "i2", "label": "i4", "begin": "i4", "end": "i4"
}  # fmt: skip


class Source(Protocol):
    """What is asked of a store; `cmdb.store.GraphStore` has it all."""

    @property
    def model(self) -> Model: ...
    def topology(self, types: Collection[str], as_of: Any = None, past: bool = False) -> Any: ...
    def dependents(
        self, ids: Collection[str], ends: Mapping[str, End], as_of: Any = None
    ) -> tuple[Any, Any]: ...
    def dependencies(
        self, ids: Collection[str], ends: Mapping[str, End], as_of: Any = None
    ) -> tuple[Any, Any]: ...
    def feed(
        self, after: int = 0, upto: int | None = None, only: Collection[str] | None = None
    ) -> Iterator[Any]: ...
    def last_revision(self) -> Any: ...


class Snapshot:
    """The whole topology of a store, in memory, kept up to date from the change feed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._fork: Topology | None = None
        self._build(past=False)

    def _build(self, *, past: bool) -> None:
        self._has_past = past
        self._rules = Rules(self._source.model)
        self._types = concerned(self._rules)
        self._followed = self._types | self._rules.rules.keys()
        self._topology, self._masked_from = load(self._source, self._rules, past=past)
        self._loaded: dict[int, Topology] = {}
        self._fork = None

    def now(self) -> Topology:
        """What holds at the newest revision.

        Costs with what was changed since it was last asked for; where that is much, or the model has
        changed, it is built anew.
        """
        for commit in self._source.feed(self._topology.revision, only=self._followed):
            if commit.changes.model is not None or self._topology.crowded:
                self._build(past=self._has_past)
                return self.now()
            take_up(self._topology, commit, self._types)
        return self._topology

    def at(self, revision: int | None = None) -> tuple[Topology, View]:
        """What held at a revision; the topology, and the moment in it.

        A mask, in time linear in the relationships, but for the first question of the past, which
        loads it. How CIs that have since changed their type or what they say of redundancy formed
        groups before is not in a mask: for revisions before the last such change, what held then is
        loaded by itself.
        """
        topology = self.now()
        if revision is None or revision >= topology.revision:
            return topology, topology.live
        if not self._has_past:
            self._build(past=True)
            topology = self.now()
        if revision >= self._masked_from:
            return topology, topology.as_of(revision)
        if revision not in self._loaded:
            while len(self._loaded) >= 4:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[revision], _ = load(self._source, self._rules, as_of=revision)
        then = self._loaded[revision]
        return then, then.live

    def shared(self, revision: int | None = None) -> tuple[Topology, View]:
        """As `at`, but of a topology that is not changed any more: others may go on reading it while
        this is asked again. One asks at a time. It is forked once a revision, sharing its arrays."""
        topology, view = self.at(revision)
        if topology is not self._topology:
            return topology, view
        if self._fork is None or self._fork.revision != topology.revision:
            self._fork = topology.fork()
        return self._fork, self._fork.live if view is topology.live else view


def take_up(topology: Topology, commit: Any, types: Collection[str]) -> None:
    """Bring a topology one revision further; others than some record types are not in it."""
    rules = topology.rules
    records = [c.after for c in commit.changes.records if c.after is not None]
    nodes = [node(rules, record) for record in records if record.type in types]
    links = [c for c in commit.changes.relationships if (c.after or c.before).type in rules.rules]
    closed = [link(rules, c.before) for c in links if c.before is not None]
    opened = [link(rules, c.after) for c in links if c.after is not None]
    topology.change(commit.revision.number, nodes, closed, opened)


def concerned(rules: Rules) -> frozenset[str]:
    """The record types that failure can come from or get to."""
    ends = [rules.model.relationship_types[name] for name in rules.rules]
    return frozenset(name for end in ends for name in (*end.sources, *end.targets))


def node(rules: Rules, record: Any) -> Node:
    """A record as impact sees it."""
    state, needs = record.attributes.get(STATE_ATTRIBUTE), record.attributes.get(NEEDS)
    said = needs if isinstance(needs, dict) else None
    return Node(record.id, record.type, rules.operational(record.type, state), said)


def link(rules: Rules, relationship: Any) -> Link:
    """A relationship as impact sees it."""
    ends = (relationship.source, relationship.target)
    provider, dependent = ends if rules.ends[relationship.type] == "source" else ends[::-1]
    return Link(relationship.type, provider, dependent, relationship.attributes.get(LABEL) or "")


def load(
    source: Source, rules: Rules, *, as_of: int | None = None, past: bool = False
) -> tuple[Topology, int]:
    """All of a store's topology, in one pass; and from which revision on its past can be looked at."""
    stream = source.topology(list(rules.rules), as_of, past)
    gathered = Gathered(rules)
    for block in stream.blocks:
        if hasattr(block, "ids"):
            gathered.add_nodes(block)
        else:
            gathered.add_links(block)
    return gathered.topology(stream.revision)


def partial(
    source: Source,
    roots: Mapping[str, Effect],
    *,
    as_of: int | None = None,
    depth: int | None = None,
    most: int | None = None,
    standing: Collection[str] = (),
) -> Topology | None:
    """As much of a store's topology as it takes to say what follows from an outage.

    None where that is more than ``most`` nodes.

    Parameters
    ----------
    standing
        CIs that are in it in any case, with all that they depend on directly: those whose links are to be
        supposed otherwise.

    The frontier is fetched level by level, one statement each: who depends on the CIs that were found
    degraded or down last, with all that those depend on. So the answer is that of the whole topology,
    and costs with what is affected, whatever the size of the store. It is as of one revision.
    """
    rules = Rules(source.model)
    at = int(source.last_revision().number) if as_of is None else as_of
    levels = Levels(rules)
    asked: set[str] = set()
    frontier = {id for id, effect in roots.items() if effect >= Effect.DEGRADED}
    levels.add(source.dependents(roots, rules.ends, at))
    if standing:
        levels.add(source.dependencies(standing, rules.ends, at))
    while frontier:
        asked |= frontier
        topology = levels.topology(at)
        nodes = zip(roots, topology.find(roots), strict=True)
        given = {node: roots[id] for id, node in nodes if node is not None}
        outcome = propagate(topology, given, depth=depth)
        travels = outcome.effects >= Effect.DEGRADED
        if depth is not None:
            travels &= outcome.distances <= depth  # one more, to know whether that was all
        frontier = {topology.id(node) for node in outcome.nodes[travels].tolist()} - asked
        if frontier:
            levels.add(source.dependents(frontier, rules.ends, at))
        if most is not None and len(levels.ids()) > most:
            return None
    return levels.topology(at)


def standing(
    source: Source, ids: Collection[str], *, as_of: int | None = None, depth: int | None = None
) -> Topology:
    """As much of a store's topology as some CIs stand on, level by level likewise."""
    rules = Rules(source.model)
    at = int(source.last_revision().number) if as_of is None else as_of
    levels = Levels(rules)
    frontier, asked = set(ids), set[str]()
    while frontier and (depth is None or depth >= 0):
        asked |= frontier
        levels.add(source.dependencies(frontier, rules.ends, at))
        frontier = levels.ids() - asked
        depth = None if depth is None else depth - 1
    return levels.topology(at)


class Levels:
    """Nodes and links that were fetched a level at a time, each once."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._nodes: dict[str, tuple[str, str | None, Mapping[str, Any] | None]] = {}
        self._links: dict[tuple[str, str, str], str | None] = {}

    def add(self, blocks: tuple[Any, Any]) -> None:
        nodes, links = blocks
        for place, id in enumerate(nodes.ids):
            self._nodes[id] = (nodes.types[place], nodes.states[place], nodes.needs.get(place))
        ids = dict(zip(nodes.numbers, nodes.ids, strict=True))
        for source, target, type, group in zip(
            links.sources, links.targets, links.types, links.groups, strict=True
        ):
            self._links[ids[source], type, ids[target]] = group

    def ids(self) -> set[str]:
        return set(self._nodes)

    def topology(self, revision: int) -> Topology:
        gathered = Gathered(self._rules)
        places = {id: place for place, id in enumerate(self._nodes)}
        types, states, needs = zip(*self._nodes.values(), strict=True) if places else ((), (), ())
        said = {place: word for place, word in enumerate(needs) if word}
        always = [0] * len(places), [OPEN] * len(places)
        gathered.add_nodes(
            _Nodes(list(places.values()), list(places), types, states, *always, said)
        )
        ends = [(places[s], places[t], type) for s, type, t in self._links]
        sources, targets, kinds = zip(*ends, strict=True) if ends else ((), (), ())
        always = [0] * len(ends), [OPEN] * len(ends)
        gathered.add_links(_Links(sources, targets, kinds, list(self._links.values()), *always))
        return gathered.topology(revision)[0]


class _Nodes(NamedTuple):
    """A block of nodes, as a store gives it."""

    numbers: Sequence[int]
    ids: Sequence[str]
    types: Sequence[str]
    states: Sequence[str | None]
    begin: Sequence[int]
    until: Sequence[int]
    needs: Mapping[int, Mapping[str, Any]]


class _Links(NamedTuple):
    """A block of links, as a store gives it."""

    sources: Sequence[int]
    targets: Sequence[int]
    types: Sequence[str]
    groups: Sequence[str | None]
    begin: Sequence[int]
    until: Sequence[int]


class Gathered:
    """Blocks of a stream, put together."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._types: dict[str, int] = {}
        self._operational: dict[tuple[str, str | None], bool] = {}
        self._labels: dict[str | None, int] = {None: -1, "": -1}
        self._nodes: defaultdict[str, list[Any]] = defaultdict(list)
        self._links: defaultdict[str, list[Any]] = defaultdict(list)
        self._needs: dict[int, Mapping[str, Any]] = {}
        self._count = 0

    def add_nodes(self, block: Any) -> None:
        known = self._operational
        for key in set(zip(block.types, block.states, strict=True)) - known.keys():
            known[key] = self._rules.operational(*key)
        for name in set(block.types) - self._types.keys():
            self._types[name] = len(self._types)
        serving = [known[key] for key in zip(block.types, block.states, strict=True)]
        nodes = self._nodes
        nodes["number"].append(np.asarray(block.numbers, np.int64))
        nodes["id"].append(np.frombuffer(bytes.fromhex("".join(block.ids).replace("-", "")), "S16"))
        nodes["type"].append(np.asarray([self._types[t] for t in block.types], np.int16))
        nodes["operational"].append(np.asarray(serving, bool))
        nodes["begin"].append(np.asarray(block.begin, np.int32))
        nodes["until"].append(np.asarray(block.until, np.int32))
        self._needs.update((self._count + place, said) for place, said in block.needs.items())
        self._count += len(block.ids)

    def add_links(self, block: Any) -> None:
        rules, labels, links = self._rules.rules, self._labels, self._links
        for name in set(block.groups) - labels.keys():
            labels[name] = len(labels) - 2
        codes = {name: rule.code for name, rule in rules.items()}
        rule = np.asarray([codes[t] for t in block.types], np.int16)
        inward = np.asarray([r.provider == "source" for r in self._rules.by_code], bool)[rule]
        source, target = np.asarray(block.sources, np.int64), np.asarray(block.targets, np.int64)
        links["provider"].append(np.where(inward, source, target))
        links["dependent"].append(np.where(inward, target, source))
        links["rule"].append(rule)
        links["label"].append(np.asarray([labels[g] for g in block.groups], np.int32))
        links["begin"].append(np.asarray(block.begin, np.int32))
        links["end"].append(np.asarray(block.until, np.int32))

    def topology(self, revision: int) -> tuple[Topology, int]:
        """The topology, and from which revision on its past can be looked at."""
        node, link = _columns(self._nodes, NODE_COLUMNS), _columns(self._links, LINK_COLUMNS)
        live = np.flatnonzero(node["until"] == OPEN)
        place = {int(p): said for p, said in self._needs.items()}
        order = live[np.argsort(node["number"][live], kind="stable")]
        numbers = node["number"][order]
        needs = (
            {new: place[int(old)] for new, old in enumerate(order) if int(old) in place}
            if place
            else {}
        )
        nodes = Nodes(
            node["id"][order],
            node["type"][order],
            list(self._types),
            node["operational"][order],
            needs,
        )
        provider = np.searchsorted(numbers, link["provider"]).astype(np.int32)
        dependent = np.searchsorted(numbers, link["dependent"]).astype(np.int32)
        labels = [name or "" for name in self._labels][2:]
        links = Links(
            provider, dependent, link["rule"], link["label"], labels, link["begin"], link["end"]
        )
        topology = Topology(self._rules, nodes, links, revision)
        since = 0
        pasts = np.flatnonzero(node["until"] != OPEN)
        nows = order[np.searchsorted(numbers, node["number"][pasts])]
        differs = node["operational"][pasts] != node["operational"][nows]
        # all intervals of such a node: those in which it was as it is now must hold when it changes again
        told = np.isin(nows, nows[differs])
        for past, now, tell in zip(pasts.tolist(), nows.tolist(), told.tolist(), strict=True):
            if tell:
                id = str(UUID(bytes=bytes(node["id"][past]).ljust(16, b"\0")))
                begin, until = int(node["begin"][past]), int(node["until"][past])
                topology.remember(id, begin, until, bool(node["operational"][past]))
            if node["type"][past] != node["type"][now] or place.get(past) != place.get(now):
                since = max(since, int(node["until"][past]))
        return topology, since


def _columns(parts: Mapping[str, list[Any]], empty: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: np.concatenate(parts[name]) if name in parts else np.empty(0, kind)
        for name, kind in empty.items()
    }
