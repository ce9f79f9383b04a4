"""Observations reported to a store, in few words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.reconciliation import recomputing
from cmdb.reconciliation.observations import Item, Link, Observation, Portion, Ref
from cmdb.reconciliation.planning import Entry
from cmdb.reconciliation.recomputing import Planned
from cmdb.reconciliation.runs import Run, Summary
from cmdb.records import Record
from cmdb.store import GraphStore


def server(key: str, *links: Link, **attributes: Any) -> Observation:
    return Observation("Server", key, {"name": key, **attributes}, list(links))


def link(name: str, to: Observation | str, **attributes: Any) -> Link:
    return Link(name, Ref(to) if isinstance(to, str) else to, attributes)


def thing(type_: str, key: str, *links: Link, **attributes: Any) -> Observation:
    return Observation(type_, key, attributes, list(links))


class Reported:
    """What a run did: its summary and its lines."""

    def __init__(self, summary: Summary, lines: list[Entry]) -> None:
        self.summary, self.lines = summary, lines

    def lines_of(self, action: str) -> list[str]:
        return sorted(entry.what for entry in self.lines if entry.action == action)

    @property
    def counts(self) -> dict[str, int]:
        return self.summary.counts


def report(
    store: GraphStore,
    source: str,
    *items: Item,
    apply: bool = True,
    precedence: int = 50,
    fingerprint: bytes | None = None,
    **options: Any,
) -> Reported:
    """A source reports everything at once; the store must be sound afterwards."""
    return report_portions(
        store,
        source,
        [Portion("all", fingerprint, lambda: items)],
        apply=apply,
        precedence=precedence,
        **options,
    )


def report_portions(
    store: GraphStore, source: str, portions: Iterable[Portion], **options: Any
) -> Reported:
    lines: list[Entry] = []
    options.setdefault("apply", True)
    checked = options.pop("checked", True)
    run = Run(store, source, actor="tester", report=lines.append, **options)
    summary = run.run(portions)
    if checked:
        assert list(check(store, lambda _: None)) == []
    return Reported(summary, lines)


def carry_out(
    store: GraphStore,
    plan: Iterator[Planned],
    source: str = "precedence",
    report: Callable[[Entry], None] = lambda _: None,
    dry_run: bool = False,
) -> list[int]:
    """Commit what recomputing or withdrawing planned; gives the revisions."""
    return recomputing.apply(
        store, plan, actor="li", source=source, reason="", report=report, dry_run=dry_run
    )


def only(store: GraphStore, type_: str, **values: Any) -> Record:
    """The one record of a type with these values."""
    where = {name: {"eq": value} for name, value in values.items()}
    [found] = store.find(Query(type_, where, first=10)).records
    return found


def plain(record: Record) -> dict[str, Any]:
    """A record's attributes without its provenance and state."""
    left_out = ("provenance", "lifecycle_state")
    return {n: v for n, v in record.attributes.items() if n not in left_out}


def linked(store: GraphStore, record: Record) -> set[tuple[str, str]]:
    """(relationship, or its inverse, name of the other end) of a record."""
    found = set()
    for near in store.neighbours([record.id]):
        rule = store.model.relationship_types[near.relationship.type]
        outward = near.relationship.source == record.id
        found.add((rule.name if outward else rule.inverse, near.record.name))
    return found
