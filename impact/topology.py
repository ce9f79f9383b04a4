"""The topology: configuration items and who depends on whom, in arrays.

A CI is a *node*, numbered from 0; a relationship with an impact rule is a *row* of one table, kept with
the interval of revisions it held for. Nothing is taken out: what was closed stays as the past. What
holds at one moment is a `View`: a mask over rows, and how many members each group has.

What was there when the table was built is sorted: nodes by id, rows by provider (compressed sparse
rows). What comes later waits behind it in a short tail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from impact.adjacency import Adjacency, word
from impact.columns import Bools, Columns, Ints, Longs, Numbered, ordering
from impact.elements import OPEN, SINGLE, UNLABELLED, Kind, Link, Links, Node, Nodes
from impact.ids import Ids, as_bytes
from impact.rules import Redundancy, Rules
from impact.views import View

_NOTHING: Final = np.empty(0, np.int64)
TAIL: Final = 50_000
"""Rows and nodes that may wait in the tail before the table should be built anew."""


class Topology:
    """Nodes, rows and groups; `live` is what holds now.

    Parameters
    ----------
    rules
        The model's impact rules.
    nodes, links
        What there is. Nodes are numbered anew, in the order of their ids.
    revision
        The newest revision in it.

    Attributes
    ----------
    nodes
        Columns ``id``, ``rank`` (ascends with the id), ``kind`` (of `kinds`), ``operational``.
    rows
        Columns ``provider``, ``dependent``, ``rule``, ``group`` (or `SINGLE`), ``label``, ``soft``,
        ``begin``, ``end``, and ``onward``, for `Adjacency`.
    groups
        Columns ``dependent``, ``rule``, ``label``, ``redundancy``, ``soft``. Which rows are in one at a
        moment is what a `View` knows.
    adjacency
        The rows by provider and by dependent.
    work
        Room that searches work in, kept for the next one; shared with forks.

    Building costs a few passes over the rows; a change costs with what it touches. While it is changed
    nobody else may use it; forks may be used, and changed, elsewhere at the same time.
    """

    def __init__(self, rules: Rules, nodes: Nodes, links: Links, revision: int) -> None:
        self.rules, self.revision = rules, revision
        self.kinds = Numbered(Kind(name) for name in nodes.type_names)
        self.labels = Numbered(links.labels)
        self._soft = np.asarray([rule.soft for rule in rules.by_code], bool)
        self.redundancies: Numbered[Redundancy] = Numbered()
        self._codes: dict[tuple[int, int], int] = {}
        number = self._take_nodes(nodes)
        self._take_links(links, number)
        none = np.empty(0, np.int32)
        self._past = Columns(node=none, begin=none, end=none, operational=none.astype(bool))
        self._then: dict[int, View] = {}
        self.live = View(self, self.holds(slice(None)))
        self.work: list[Any] = []

    def _take_nodes(self, nodes: Nodes) -> Ints:
        """Sort the nodes by id; gives the number that each has got."""
        kind = nodes.types.astype(np.int32)
        for place, needs in nodes.needs.items():
            kind[place] = self.kinds.number(Kind.of(nodes.type_names[nodes.types[place]], needs))
        order = nodes.ids.argsort(kind="stable")
        number = np.empty(len(order), np.int32)
        number[order] = np.arange(len(order), dtype=np.int32)
        self.nodes = Columns(
            id=nodes.ids.take(order),
            rank=np.empty(len(order), np.int64),
            kind=kind.take(order),
            operational=nodes.operational.take(order),
        )
        self._ids = Ids(self.nodes)
        return number

    def _take_links(self, links: Links, number: Ints) -> None:
        """Sort the rows by provider, find them by dependent too, and make the groups."""
        provider, dependent = number.take(links.provider), number.take(links.dependent)
        order = ordering(provider, links.rule)
        provider, dependent = provider.take(order), dependent.take(order)
        rule, label = links.rule.take(order), links.label.take(order)
        into = ordering(dependent, rule, label + 1)
        group = self._make_groups(into, dependent.take(into), rule.take(into), label.take(into))
        soft = self._soft.take(rule)
        self.rows = Columns(
            provider=provider,
            dependent=dependent,
            rule=rule,
            group=group,
            label=label,
            soft=soft,
            onward=word(dependent.astype(np.int64), group, soft),
            begin=links.begin.take(order),
            end=links.end.take(order),
        )
        self.adjacency = Adjacency(self.rows, into, len(number))

    def __len__(self) -> int:
        return self.nodes.count

    @property
    def crowded(self) -> bool:
        """Whether so much waits in the tail that it should be built anew."""
        return max(self.rows.count - self.adjacency.sorted, self._ids.late) > TAIL

    @property
    def nbytes(self) -> int:
        """Bytes that its arrays take, the live view included."""
        columns = [self.nodes, self.rows, self.groups, self._past]
        return sum(c.nbytes for c in columns) + self.adjacency.nbytes + self.live.nbytes

    # -- looking up -------------------------------------------------------------------------------

    def find(self, ids: Iterable[str]) -> list[int | None]:
        """The nodes of some ids; None for those that are none."""
        return self._ids.find(ids)

    def in_order(self, nodes: Longs) -> Longs:
        """Nodes in the order of their ids."""
        return self._ids.in_order(nodes)

    def id(self, node: int) -> str:
        return self._ids[node]

    def type(self, node: int) -> str:
        return self.kinds[self.nodes["kind"][node]].type

    def link(self, row: int) -> Link:
        """The relationship of a row."""
        provider, dependent, rule, label = (
            int(self.rows[name][row]) for name in ("provider", "dependent", "rule", "label")
        )
        named = "" if label == UNLABELLED else self.labels[label]
        return Link(self.rules.by_code[rule].type, self.id(provider), self.id(dependent), named)

    def open_links(self) -> Iterator[Link]:
        """The links that hold, whether their provider serves others or not."""
        return map(self.link, np.flatnonzero(self.rows["end"] == OPEN).tolist())

    def has(self, link: Link) -> bool:
        """Whether a link is there now, whatever its label."""
        ends = self._ends(link)
        return ends is not None and len(self._held(*ends)) > 0

    def rows_from(self, node: int) -> Longs:
        """The rows in which a node is the provider, whether they hold or not."""
        return self.adjacency.rows_from(node)

    def rows_into(self, node: int) -> Longs:
        """The rows in which a node is the dependent, whether they hold or not."""
        return self.adjacency.rows_into(node)

    # -- groups -----------------------------------------------------------------------------------

    def redundancy_of(self, group: int) -> Redundancy:
        return self.redundancies[self.groups["redundancy"][group]]

    def _redundancy(self, kind: int, rule: int) -> int:
        """The rule for groups among the providers that a kind of CI has by one relationship type; -1 for none."""
        code = self._codes.get((kind, rule))
        if code is None:
            type, needs = self.kinds[kind]
            own = json.loads(needs) if needs else None
            found = self.rules.redundancy(self.rules.by_code[rule], type, own)
            code = -1 if found is None else self.redundancies.number(found)
            self._codes[kind, rule] = code
        return code

    def _make_groups(
        self, into: Longs, dependent: Ints, rule: NDArray[np.int16], label: Ints
    ) -> Ints:
        """The group of each row, where its redundancy rule makes it a member of one.

        ``into`` has the rows by dependent, rule and label, as those follow.
        """
        rules = len(self.rules.by_code)
        pair = self.nodes["kind"].take(dependent) * rules + rule
        codes = np.full(len(self.kinds) * rules, -1, np.int32)
        for number in np.flatnonzero(np.bincount(pair)).tolist():
            codes[number] = self._redundancy(*divmod(number, rules))
        code = codes.take(pair)
        labelled = np.asarray([r.labelled for r in self.redundancies] + [False]).take(code)
        named = np.where(labelled, label, UNLABELLED)
        member = np.flatnonzero((code >= 0) & (~labelled | (label != UNLABELLED)))
        keys: dict[str, NDArray[Any]] = {
            name: key.take(member)
            for name, key in (("dependent", dependent), ("rule", rule), ("label", named))
        }
        first = np.ones(len(member), bool)
        first[1:] = np.any([key[1:] != key[:-1] for key in keys.values()], axis=0)
        group = np.full(len(into), SINGLE, np.int32)
        group[into.take(member)] = np.cumsum(first) - 1
        self.groups = Columns(
            redundancy=code.take(member)[first],
            soft=self._soft.take(keys["rule"])[first],
            **{name: key[first] for name, key in keys.items()},
        )
        return group

    def _group(self, dependent: int, rule: int, label: int) -> int:
        """The group of a new row, made where it is the first of it."""
        groups = self.groups
        code = self._redundancy(int(self.nodes["kind"][dependent]), rule)
        labelled = code >= 0 and self.redundancies[code].labelled
        if code < 0 or (labelled and label == UNLABELLED):
            return SINGLE
        named = label if labelled else UNLABELLED
        near = self.rows["group"][self.rows_into(dependent)]
        near = near[near >= 0]
        same = groups["rule"][near] == rule
        same &= (groups["label"][near] == named) & (groups["redundancy"][near] == code)
        if same.any():
            return int(near[same][0])
        return groups.append(
            dependent=dependent, rule=rule, label=named, redundancy=code, soft=self._soft[rule]
        )

    # -- moments ----------------------------------------------------------------------------------

    def as_of(self, revision: int) -> View:
        """What held at a revision: a mask, in time linear in the rows. The next change ends it."""
        if revision >= self.revision:
            return self.live
        if revision not in self._then:
            while len(self._then) >= 4:
                self._then.pop(next(iter(self._then)))
            self._then[revision] = View(self, self._held_at(revision))
        return self._then[revision]

    def holds(self, rows: Longs | slice) -> Bools:
        """Whether rows hold now, and their providers serve others."""
        provider, end = self.rows["provider"][rows], self.rows["end"][rows]
        held: Bools = (end == OPEN) & self.nodes["operational"].take(provider)
        return held

    def remember(self, id: str, begin: int, end: int, operational: bool) -> None:
        """Say whether a CI served others in an interval of the past."""
        [node] = self.find([id])
        if node is None:
            return
        self._past.append(node=node, begin=begin, end=end, operational=operational)
        self._then.clear()

    def _held_at(self, revision: int) -> Bools:
        rows, operational = self.rows, self.nodes["operational"]
        held: Bools = (rows["begin"] <= revision) & (rows["end"] > revision)
        past = self._past
        then = (past["begin"] <= revision) & (past["end"] > revision)
        operational = operational.copy()
        operational[past["node"][then]] = past["operational"][then]
        held &= operational.take(rows["provider"])
        return held

    # -- changing ---------------------------------------------------------------------------------

    def change(
        self,
        revision: int,
        nodes: Iterable[Node] = (),
        closed: Iterable[Link] = (),
        opened: Iterable[Link] = (),
    ) -> None:
        """Take up what a revision changed: new or altered nodes, then links closed and opened.

        What is so already stays as it is, so a revision may be taken up twice, or one that a newer
        state contains. A link that is opened with another label than it has is closed first. Links of
        nodes that are not there, and of types without an impact rule, are passed over.
        """
        self.revision = max(self.revision, revision)
        self._then.clear()
        touched = [self._change_node(revision, node) for node in nodes]
        self._ids.rank()
        opened = list(opened)
        again = {link[:3] for link in opened}
        for link in closed:
            if link[:3] not in again and (ends := self._ends(link)) is not None:
                held = self._held(*ends)
                touched.append(self._close(revision, held[self.rows["begin"][held] <= revision]))
        for link in opened:
            if (ends := self._ends(link)) is not None:
                label = self.labels.number(link.label) if link.label else UNLABELLED
                held, rows = self._held(*ends), self.rows
                stays = (rows["label"][held] == label) | (rows["begin"][held] > revision)
                touched.append(self._close(revision, held[~stays]))
                if not stays.any():
                    touched.append(self._open(revision, *ends, label))
        self.live.follow(self, np.concatenate([*touched, _NOTHING]))

    def fork(self) -> Topology:
        """The same topology, to be changed by itself: what would be if."""
        fork = object.__new__(Topology)
        fork.__dict__.update(self.__dict__)
        for name in ("nodes", "rows", "groups", "kinds", "labels", "redundancies", "_past"):
            setattr(fork, name, getattr(self, name).fork())
        fork._ids, fork.adjacency = self._ids.fork(fork.nodes), self.adjacency.fork(fork.rows)
        fork._codes, fork._then = dict(self._codes), {}
        fork.live = self.live.fork()
        return fork

    def _ends(self, link: Link) -> tuple[int, int, int] | None:
        """Provider, dependent and rule of a link."""
        provider, dependent = self.find([link.provider, link.dependent])
        if provider is None or dependent is None or link.type not in self.rules.rules:
            return None
        return provider, dependent, self.rules.rules[link.type].code

    def _held(self, provider: int, dependent: int, rule: int) -> Longs:
        """The open row of a relationship."""
        near, rows = self.rows_into(dependent), self.rows
        same = (rows["provider"][near] == provider) & (rows["rule"][near] == rule)
        held: Longs = near[same & (rows["end"][near] == OPEN)]
        return held

    # each gives the rows that it has touched

    def _close(self, revision: int, held: Longs) -> Longs:
        if len(held):
            self.rows.set("end", held, revision)
        return held

    def _open(self, revision: int, provider: int, dependent: int, rule: int, label: int) -> Longs:
        group, soft = self._group(dependent, rule, label), bool(self._soft[rule])
        row = self.rows.append(
            provider=provider,
            dependent=dependent,
            rule=rule,
            group=group,
            label=label,
            soft=soft,
            onward=word(dependent, group, soft),
            begin=revision,
            end=OPEN,
        )
        return np.asarray([row])

    def _change_node(self, revision: int, node: Node) -> Longs:
        kind = self.kinds.number(Kind.of(node.type, node.needs))
        [number] = self.find([node.id])
        if number is None:
            number = self.nodes.append(
                id=as_bytes(node.id), rank=0, kind=kind, operational=node.operational
            )
            self._ids.add(number)
            return _NOTHING
        touched = _NOTHING
        if self.nodes["operational"][number] != node.operational:
            past = self._past
            since = past["end"][past["node"] == number].max(initial=0)
            self.remember(node.id, int(since), revision, not node.operational)
            self.nodes.set("operational", number, node.operational)
            touched = self.rows_from(number)
        if self.nodes["kind"][number] != kind:
            self.nodes.set("kind", number, kind)
            touched = np.concatenate([touched, *self._regroup(revision, number)])
        return touched

    def _regroup(self, revision: int, node: int) -> Iterator[Longs]:
        """Let a node's providers form the groups that its kind now asks for."""
        rows = self.rows
        for row in self.rows_into(node).tolist():
            provider, rule, label, group, begin, end = (
                int(rows[name][row])
                for name in ("provider", "rule", "label", "group", "begin", "end")
            )
            if end == OPEN and self._group(node, rule, label) != group:
                since = max(begin, revision)
                yield self._close(since, np.asarray([row]))
                yield self._open(since, provider, node, rule, label)
