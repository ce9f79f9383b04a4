"""The topology: configuration items and who depends on whom, in arrays.

A CI is a *node*, numbered from 0; a relationship with an impact rule is a *row* of one table, kept with
the interval of revisions it held for. Nothing is taken out: what was closed stays as the past. What
holds at one moment is a `View`: a mask over rows, and how many members each group has.

What was there when the table was built is sorted: nodes by id, rows by provider (compressed sparse
rows). What comes later waits behind it in a short tail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from impact.columns import (
    Bools,
    Columns,
    Ints,
    Longs,
    Numbered,
    begins,
    ordering,
)
from impact.ids import Ids, as_bytes
from impact.rules import Redundancy, Rules
from impact.views import View

OPEN: Final = 2**31 - 1
"""The end of an interval that has none yet."""
SINGLE: Final = -1
"""The group of a row that is in none."""
UNLABELLED: Final = -1
"""The label of a row that names no group."""
_MANY: Final = 2_000
"""Nodes among which it is worth looking for those that stand side by side."""
TAIL: Final = 50_000
"""Rows and nodes that may wait in the tail before the table should be built anew."""


class Node(NamedTuple):
    """One configuration item.

    Attributes
    ----------
    operational
        Whether it serves others.
    needs
        What it says itself of the redundancy it needs, by relationship type.
    """

    id: str
    type: str
    operational: bool = True
    needs: Mapping[str, Any] | None = None


class Link(NamedTuple):
    """One relationship with an impact rule; ``label`` is the group that it names."""

    type: str
    provider: str
    dependent: str
    label: str = ""


class Nodes(NamedTuple):
    """Configuration items, column by column: ids of 16 bytes, indexes into ``type_names``.

    ``needs`` has an entry for each that says something of the redundancy it needs.
    """

    ids: NDArray[np.bytes_]
    types: NDArray[np.int16]
    type_names: Sequence[str]
    operational: Bools
    needs: Mapping[int, Mapping[str, Any]]


class Links(NamedTuple):
    """Relationships with an impact rule, column by column.

    Attributes
    ----------
    provider, dependent
        Places in `Nodes`.
    rule
        Codes of rules.
    label
        Indexes into ``labels``, or `UNLABELLED`.
    begin, end
        Intervals of revisions [begin, end); `OPEN` where one holds.
    """

    provider: Ints
    dependent: Ints
    rule: NDArray[np.int16]
    label: Ints
    labels: Sequence[str]
    begin: Ints
    end: Ints


class Kind(NamedTuple):
    """What decides on a CI's redundancy groups: its type, and what it says itself, as JSON."""

    type: str
    needs: str = ""

    @classmethod
    def of(cls, type: str, needs: Mapping[str, Any] | None) -> Kind:
        return cls(type, json.dumps(needs, sort_keys=True) if needs else "")


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
        Columns ``id``, ``rank`` (ascends with the id), ``kind`` (of `kinds`), ``operational``, ``tail``
        (whether it is the provider of a row in the tail).
    rows
        Columns ``provider``, ``dependent``, ``rule``, ``group`` (or `SINGLE`), ``label``, ``soft``,
        ``begin``, ``end``, and ``onward``, which is for `onward`. Those before ``sorted`` are sorted by provider and rule.
    groups
        Columns ``dependent``, ``rule``, ``label``, ``redundancy``, ``soft``. Which rows are in one at a
        moment is what a `View` knows.

    Building costs a few passes over the rows; a change costs with what it touches.
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
        self.live = View(self, self._active())

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
            tail=np.zeros(len(order), bool),
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
        self._first, self._into_first = (begins(end, len(number)) for end in (provider, dependent))
        self._into = into.astype(np.int32)
        group = self._make_groups(into, dependent.take(into), rule.take(into), label.take(into))
        soft = self._soft.take(rule)
        self.rows = Columns(
            provider=provider,
            dependent=dependent,
            rule=rule,
            group=group,
            label=label,
            soft=soft,
            onward=_word(dependent.astype(np.int64), group, soft),
            begin=links.begin.take(order),
            end=links.end.take(order),
        )
        self.sorted = len(order)
        self._tail = np.empty(0, np.int32), np.empty(0, np.int64)

    def __len__(self) -> int:
        return self.nodes.count

    @property
    def crowded(self) -> bool:
        """Whether so much waits in the tail that it should be built anew."""
        return max(self.rows.count - self.sorted, self._ids.late) > TAIL

    @property
    def nbytes(self) -> int:
        """Bytes that its arrays take, the live view included."""
        arrays = [self._first, self._into, self._into_first, *self._tail]
        columns = [self.nodes, self.rows, self.groups, self._past]
        return sum(a.nbytes for a in arrays) + sum(c.nbytes for c in columns) + self.live.nbytes

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

    def rows_from(self, node: int) -> Longs:
        """The rows in which a node is the provider, whether they hold or not."""
        return self._rows_of(node, "provider", self._first, None)

    def rows_into(self, node: int) -> Longs:
        """The rows in which a node is the dependent, whether they hold or not."""
        return self._rows_of(node, "dependent", self._into_first, self._into)

    def _rows_of(self, node: int, end: str, first: Ints, order: Ints | None) -> Longs:
        tail = np.flatnonzero(self.rows[end][self.sorted :] == node) + self.sorted
        if node >= self._ids.sorted:
            return tail
        begin, until = first[node], first[node + 1]
        own = np.arange(begin, until) if order is None else order[begin:until]
        return np.concatenate([own, tail])

    def fan_out(self, nodes: Longs, view: View) -> tuple[Longs, Longs]:
        """The rows that hold in a view and have one of some nodes as provider, and which of them it is.

        They are in the order of the nodes given, and for each node in that of the rules.
        """
        begin, end = self._spans(nodes)
        source = np.arange(len(nodes)).repeat(end - begin)
        rows = _within(begin, end, source)
        if self.rows.count > self.sorted:
            more, which = self._behind(nodes)
            if len(more):
                rows, source = np.concatenate([rows, more]), np.concatenate([source, which])
                order = ordering(source, self.rows["rule"].take(rows))
                rows, source = rows.take(order), source.take(order)
        if view.inactive:
            held = np.flatnonzero(view.active.take(rows))
            if len(held) < len(rows):
                rows, source = rows.take(held), source.take(held)
        return rows, source

    def onward(self, rows: Longs) -> tuple[Longs, Ints, NDArray[np.uint8]]:
        """Of some rows: the dependent, the group, and 1 where it is soft; read from one place."""
        words = self.rows["onward"].take(rows)
        way = words.astype(np.int32)
        return words >> 32, (way >> 1) - 1, (way & 1).astype(np.uint8)

    def dependents(self, nodes: Longs, view: View) -> Ints:
        """The dependents in those rows: each as often as there are rows, in no order."""
        begin, end = self._spans(nodes)
        apart = np.flatnonzero(begin[1:] != end[:-1]) if len(nodes) > _MANY else nodes
        if len(apart) * 4 < len(nodes):  # what goes on where another ends is one span with it
            begin = np.concatenate([begin[:1], begin.take(apart + 1)])
            end = np.concatenate([end.take(apart), end[-1:]])
        rows = _within(begin, end)
        if self.rows.count > self.sorted:
            rows = np.concatenate([rows, self._behind(nodes)[0]])
        if view.inactive:
            rows = rows.compress(view.active.take(rows))
        return self.rows["dependent"].take(rows)

    def _spans(self, nodes: Longs) -> tuple[Ints, Ints]:
        """Where the sorted rows of some nodes as provider begin and end."""
        return self._first.take(nodes, mode="clip"), self._first[1:].take(nodes, mode="clip")

    def _behind(self, nodes: Longs) -> tuple[Longs, Longs]:
        """The rows in the tail that have one of some nodes as provider, and which of them it is."""
        if len(self._tail[0]) < self.rows.count - self.sorted:
            provider = self.rows["provider"][self.sorted :]
            order = ordering(provider)
            self._tail = provider.take(order), order + self.sorted
        providers, rows = self._tail
        which = np.flatnonzero(self.nodes["tail"].take(nodes))
        own = nodes.take(which).astype(np.int32)
        begin, end = (np.searchsorted(providers, own, side) for side in ("left", "right"))
        source = np.arange(len(own)).repeat(end - begin)
        return rows.take(_within(begin, end, source)), which.take(source)

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
            self._then[revision] = View(self, self._active(revision))
        return self._then[revision]

    def remember(self, id: str, begin: int, end: int, operational: bool) -> None:
        """Say whether a CI served others in an interval of the past."""
        [node] = self.find([id])
        self._past.append(node=node, begin=begin, end=end, operational=operational)
        self._then.clear()

    def _active(self, revision: int | None = None) -> Bools:
        rows, operational = self.rows, self.nodes["operational"]
        if revision is None:
            held: Bools = rows["end"] == OPEN
        else:
            held = (rows["begin"] <= revision) & (rows["end"] > revision)
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
        for node in nodes:
            self._change_node(revision, node)
        self._ids.rank()
        opened = list(opened)
        again = {link[:3] for link in opened}
        for link in closed:
            if link[:3] not in again and (ends := self._ends(link)) is not None:
                held = self._held(*ends)
                self._close(revision, held[self.rows["begin"][held] <= revision])
        for link in opened:
            if (ends := self._ends(link)) is not None:
                label = self.labels.number(link.label) if link.label else UNLABELLED
                held = self._held(*ends)
                newer = self.rows["begin"][held] > revision
                if not (newer | (self.rows["label"][held] == label)).any():
                    self._close(revision, held)
                    self._open(revision, *ends, label)

    def fork(self) -> Topology:
        """The same topology, to be changed by itself: what would be if."""
        fork = object.__new__(Topology)
        fork.__dict__.update(self.__dict__)
        for name in ("nodes", "rows", "groups", "kinds", "labels", "redundancies", "_past"):
            setattr(fork, name, getattr(self, name).fork())
        fork._ids = self._ids.fork(fork.nodes)
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

    def _close(self, revision: int, held: Longs) -> None:
        if len(held):
            self.rows.set("end", held, revision)
            self.live.set(self, held, False)

    def _open(self, revision: int, provider: int, dependent: int, rule: int, label: int) -> None:
        group, soft = self._group(dependent, rule, label), bool(self._soft[rule])
        row = self.rows.append(
            provider=provider,
            dependent=dependent,
            rule=rule,
            group=group,
            label=label,
            soft=soft,
            onward=_word(dependent, group, soft),
            begin=revision,
            end=OPEN,
        )
        self.nodes.set("tail", provider, True)
        self.live.grow(self)
        if self.nodes["operational"][provider]:
            self.live.set(self, np.asarray([row]), True)

    def _change_node(self, revision: int, node: Node) -> None:
        kind = self.kinds.number(Kind.of(node.type, node.needs))
        [number] = self.find([node.id])
        if number is None:
            number = self.nodes.append(
                id=as_bytes(node.id), rank=0, kind=kind, operational=node.operational, tail=False
            )
            self._ids.add(number)
            return
        if self.nodes["operational"][number] != node.operational:
            past = self._past
            since = past["end"][past["node"] == number].max(initial=0)
            self.remember(node.id, int(since), revision, not node.operational)
            self.nodes.set("operational", number, node.operational)
            rows = self.rows_from(number)
            self.live.set(self, rows[self.rows["end"][rows] == OPEN], node.operational)
        if self.nodes["kind"][number] != kind:
            self.nodes.set("kind", number, kind)
            self._regroup(revision, number)

    def _regroup(self, revision: int, node: int) -> None:
        """Let a node's providers form the groups that its kind now asks for."""
        rows = self.rows
        for row in self.rows_into(node).tolist():
            provider, rule, label, group, begin, end = (
                int(rows[name][row])
                for name in ("provider", "rule", "label", "group", "begin", "end")
            )
            if end == OPEN and self._group(node, rule, label) != group:
                since = max(begin, revision)
                self._close(since, np.asarray([row]))
                self._open(since, provider, node, rule, label)


def _word(dependent: Any, group: Any, soft: Any) -> Any:
    """Three columns in one, which `Topology.onward` takes apart."""
    return dependent << 32 | (group + 1) << 1 | soft


def _within(
    begin: NDArray[np.integer], end: NDArray[np.integer], source: Longs | None = None
) -> Longs:
    """All numbers of some spans; ``source`` has the place of each one's span, if that is known."""
    shift = end - (end - begin).cumsum(dtype=end.dtype)
    shift = shift.repeat(end - begin) if source is None else shift.take(source)
    numbers = np.arange(len(shift))
    numbers += shift
    return numbers
