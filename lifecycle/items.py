"""What a process concerns: its items, page by page, so that ten thousand devices fit into little memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterator
from typing import Any, Final, NamedTuple

from cmdb.queries import Query
from cmdb.records import Record, Relationship
from cmdb.store import GraphStore
from cmdb.store.base import Neighbour
from schema.processes import ProcedureDeclaration

CONCERNS: Final = "CONCERNS"
PAGE: Final = 500
OPEN, DONE, DROPPED = "open", "done", "dropped"


class Item(NamedTuple):
    """A record that a process concerns.

    Attributes
    ----------
    link
        (process)-[:CONCERNS]->(record), with outcome, details and steps taken.
    links
        The record's relationships of the kinds that were asked for.
    """

    record: Record
    link: Relationship
    links: list[Neighbour]

    @property
    def outcome(self) -> str:
        return str(self.link.attributes.get("outcome", OPEN))

    @property
    def said(self) -> dict[str, Any]:
        """What the process says of it."""
        return self.link.said

    @property
    def details(self) -> dict[str, Any]:
        return dict(self.link.attributes.get("details") or {})

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps taken so far, each with who and when."""
        return list(self.link.attributes.get("steps_taken") or [])

    def next_step(self, procedure: ProcedureDeclaration) -> str | None:
        """The name of the step that comes next; None where it is done or dropped."""
        taken = {step["step"] for step in self.steps}
        if self.outcome != OPEN:
            return None
        return next((name for name in procedure.steps if name not in taken), None)


def items(
    store: GraphStore, process: str, *, linked: bool = False, size: int = PAGE
) -> Iterator[list[Item]]:
    """All items of a process, in order of id, a page at a time. Two statements a page.

    Parameters
    ----------
    linked
        Whether to read all relationships of the records, not just those of processes.
    """
    after = None
    while True:
        query = Query(
            "ConfigurationItem", {"CONCERNED_BY": {"id": {"eq": process}}}, first=size, after=after
        )
        page = store.find(query)
        yield with_links(store, process, page.records, linked)
        after = page.cursor
        if after is None:
            return


def with_links(store: GraphStore, process: str, records: list[Record], linked: bool) -> list[Item]:
    """Items of a process whose records were read; those it does not concern are left out."""
    types = None if linked else [CONCERNS]
    links: dict[str, list[Neighbour]] = {record.id: [] for record in records}
    for near in store.neighbours(list(links), types, "both") if links else ():
        links[near.of].append(near)
    found = []
    for record in records:
        own = next(
            (
                n.relationship
                for n in links[record.id]
                if n.relationship.type == CONCERNS and n.relationship.source == process
            ),
            None,
        )
        if own is not None:
            found.append(Item(record, own, links[record.id]))
    return found


def items_of(
    store: GraphStore, processes: Collection[str], *, linked: bool = False
) -> dict[str, list[Item]]:
    """All items of several processes, in order of id; all of them are in memory. One statement.

    Parameters
    ----------
    linked
        Whether to read which processes the records are concerned by. One statement more.
    """
    found: dict[str, list[Item]] = {id: [] for id in processes}
    concerned = store.neighbours(processes, [CONCERNS], "out") if processes else []
    links: defaultdict[str, list[Neighbour]] = defaultdict(list)
    asked = {n.record.id for n in concerned} if linked else set[str]()
    for near in store.neighbours(asked, [CONCERNS]) if asked else ():
        links[near.of].append(near)
    ci = store.model.record_types["ConfigurationItem"].concrete if concerned else ()
    for near in sorted(concerned, key=lambda n: n.record.id):
        if near.record.type in ci:
            item = Item(near.record, near.relationship, links[near.record.id])
            found[near.of].append(item)
    return found


def count(store: GraphStore, process: str) -> int:
    """How many records a process concerns, whatever became of them."""
    query = Query(
        "ConfigurationItem", {"CONCERNED_BY": {"id": {"eq": process}}}, first=1, total=True
    )
    return store.find(query).total or 0


def next_step(
    store: GraphStore,
    process: str,
    procedure: ProcedureDeclaration,
    among: Container[str] | None = None,
) -> str | None:
    """The first step of a procedure that an open item, among some if they are named, has before it."""
    names = list(procedure.steps)
    best = len(names)
    for page in items(store, process):
        for item in page:
            following = item.next_step(procedure)
            if following is not None and (among is None or item.record.id in among):
                best = min(best, names.index(following))
        if best == 0:
            break
    return names[best] if best < len(names) else None
