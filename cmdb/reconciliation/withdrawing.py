"""Withdrawing: a source no longer reports a record, with its parts and relationships."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cmdb.change_sets import Create, Operation, Update
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.planning import Entry, RecordPlanner
from cmdb.reconciliation.precedence import MANUAL, Precedence, provenance_of, reporting
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.model import PROVENANCE, STATE_ATTRIBUTE


def withdrawals(
    store: GraphStore,
    source: str,
    ids: Sequence[str],
    precedence: Precedence,
    names: dict[str, str],
) -> tuple[list[Operation], list[Entry]]:
    """What changes when a source no longer reports some records: they, their parts, their links."""
    planner = RecordPlanner(store.model, source, precedence, names)
    links = Links(store, source, precedence, names)
    links.load(whole=ids)
    gone = dict.fromkeys(id_ for id_ in ids if id_ in links.records)
    parts: dict[str, None] = {}
    for key in links.live:
        for whole, part in ((key.source, key.target), (key.target, key.source)):
            said = provenance_of(links.records[part].attributes).get(source, {})
            if whole in gone and said.get("of") == whole:
                parts[part] = None
    entries: list[Entry] = []
    changes: dict[str, Create | Update] = {}
    for id_ in gone | parts:
        for key, end in links.of_source(id_):
            if (key.target if end == "s" else key.source) not in parts:
                links.withdraw(key, end, 0)  # what has vanished keeps its parts
        step = retire(planner, links.records[id_], source)
        if step is not None:
            changes[id_] = step[0]
            entries.append(step[1])
    links.resolve()
    links.stand_by(changes)
    steps, lines = links.steps()
    return [*changes.values(), *(step.operation for step in steps)], entries + lines


def retire(planner: RecordPlanner, record: Record, source: str) -> tuple[Update, Entry] | None:
    """A source does not report a record any more.

    Its word no longer counts. If nobody else reports the record, and nobody made it by hand, it goes to
    the state that its type declares for what has vanished, where a transition leads there; the last
    word on it stays readable. None where nothing changes.
    """
    before = provenance_of(record.attributes)
    claim = before.get(source)
    if claim is None or claim.get("vanished"):
        return None
    record_type = planner.model.record_types[record.type]
    others = {*reporting(before)} - {source} or "made" in before.get(MANUAL, {})
    changes: dict[str, tuple[Any, str]] = {}
    provenance: dict[str, Any] = {**before, source: {**claim, "vanished": True}}
    if others:
        gone = {"key": claim.get("key", ""), "vanished": True, "values": {}}
        gone |= {n: v for n, v in claim.items() if n == "standby"}
        changes, provenance = planner.outcome(record, record_type, {source: gone}, before)
    else:
        machine = record_type.state_machine
        state = record.attributes.get(STATE_ATTRIBUTE)
        if (
            machine is not None
            and machine.vanished
            and state is not None
            and state == machine.observed
            and machine.between(state, machine.vanished)
        ):
            changes[STATE_ATTRIBUTE] = (machine.vanished, source)
    attributes: dict[str, Any] = {n: value for n, (value, _) in changes.items()}
    attributes[PROVENANCE] = provenance
    entry = Entry("retired" if not others else "updated", record.type, record.name, record.id)
    entry.differences = planner.differences(record, changes)
    return Update(record.id, attributes, record.revision), entry
