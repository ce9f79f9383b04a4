"""What if: links that are there and would not be, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cli.impact.finding import Finder
from cli.words import find_record
from cmdb.errors import CmdbError, QueryError
from cmdb.records import Record
from cmdb.store import GraphStore
from impact.elements import Link
from impact.hypotheses import link_of, suppose
from impact.rules import Rules
from impact.topology import Topology


def changed(
    graph: GraphStore, finder: Finder, at: int | None, without: Iterable[str], with_: Iterable[str]
) -> tuple[Topology, set[str]]:
    """The topology with some links closed and others opened; and whose links those are."""
    topology, view = finder.whole(at)
    if view is not topology.live:
        raise QueryError(
            "What if the past had been otherwise cannot be asked.", "Leave --as-of out."
        )
    closed = {_link(graph, text, topology): text for text in without}
    added = [_link(graph, text, topology) for text in with_]
    return suppose(topology, closed, added, called=closed.__getitem__)


def _link(graph: GraphStore, text: str, topology: Topology) -> Link:
    said = relationship_of(graph, topology.rules, text)
    ends = [(record.id, record.type) for record in (said.source, said.target)]
    return link_of(topology.rules, said.type, ends, said.group)


class Supposed(NamedTuple):
    """A relationship that is spoken of."""

    source: Record
    type: str
    target: Record
    group: str


def relationship_of(graph: GraphStore, rules: Rules, text: str) -> Supposed:
    """``A TYPE B``, or ``A TYPE B GROUP``, with the names of records.

    Raises
    ------
    QueryError
    """
    words = text.split()
    places = [n for n, word in enumerate(words) if word in graph.model.relationship_types]
    if len(places) != 1 or not 0 < places[0] < len(words) - 1:
        raise QueryError(
            f"{text!r} is no relationship.", "Write 'A TYPE B', with TYPE as `cmdb schema` has it."
        )
    place, group = places[0], ""
    type = words[place]
    if type not in rules.rules:
        raise QueryError(f"{type} has no impact rule.", "It makes no difference to impact.")
    source = find_record(graph, " ".join(words[:place]))
    rest = words[place + 1 :]
    try:
        target = find_record(graph, " ".join(rest))
    except CmdbError:
        if len(rest) < 2:
            raise
        target, group = find_record(graph, " ".join(rest[:-1])), rest[-1]
    return Supposed(source, type, target, group)
