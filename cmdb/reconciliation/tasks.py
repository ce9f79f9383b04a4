"""Duplicate tasks: what a person must decide, as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.reconciliation.identification import Question
from cmdb.reconciliation.links import MERGED
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.model import Model


@dataclass(frozen=True)
class Task:
    """A duplicate for a person to decide.

    Attributes
    ----------
    candidates
        The records that one observation fits, those that are still there.
    """

    record: Record
    candidates: list[Record]

    @property
    def evidence(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.record.attributes.get("evidence", {})
        return found


def open_tasks(store: GraphStore) -> list[Task]:
    """Everything that waits for a person, oldest first; at most 10,000.

    A task whose candidates have become one is done: it is left out.
    """
    where = {"open": {"eq": True}}
    records = store.find(Query("DuplicateTask", where, first=10_000)).records
    ids = {id for record in records for id in fitting(record)}
    found = store.get(ids) if ids else {}
    tasks = []
    for record in records:
        candidates = [found[i] for i in fitting(record) if i in found and found[i].type != MERGED]
        if len(candidates) > 1:
            tasks.append(Task(record, candidates))
    return tasks


def fitting(task: Record) -> Sequence[str]:
    """Ids of the records that a task's observation fits. Of an earlier model they are in the evidence."""
    said = task.attributes
    found: Sequence[str] = said.get("candidates") or said.get("evidence", {}).get("candidates", ())
    return found


def tasks_of(store: GraphStore, source: str) -> dict[str, Record]:
    """All tasks of a source, by the key that it is about; at most 10,000."""
    where = {"source_name": {"eq": source}}
    tasks = store.find(Query("DuplicateTask", where, first=10_000)).records
    return {str(t.attributes.get("source_key", "")): t for t in tasks}


def new_tasks(
    model: Model, source: str, questions: Iterable[Question], known: Mapping[str, Record]
) -> dict[str, Record]:
    """Questions of a source become tasks, by key, once each."""
    named = "candidates" in model.record_types["DuplicateTask"].attributes if questions else True
    found: dict[str, Record] = {}
    for question in questions:
        key = question.subject.key
        task = known.get(key)
        if task is None or not task.attributes.get("open", True):
            found[key] = _task(source, question, named)
    return found


def _task(source: str, question: Question, named: bool) -> Record:
    subject = question.subject
    name = subject.name
    evidence = {
        "type": subject.type,
        "held": question.held,
        "place": subject.place,
        "rules": [
            {"rule": e.rule, "values": {n: str(v) for n, v in e.values.items()}, "record": e.record}
            for e in question.evidence
        ],
    }
    attributes = {
        "name": f"{source}: {name}"[:1000],
        "source_name": source,
        "source_key": subject.key[:1000],
        "evidence": evidence,
        "open": True,
    }
    (attributes if named else evidence)["candidates"] = question.candidates
    return Record(new_id(), "DuplicateTask", 0, attributes)
