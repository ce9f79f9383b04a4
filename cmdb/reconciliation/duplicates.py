"""What a person decides: which record an observation is; that two records are one, or two after all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cmdb.change_sets import ChangeSet, Create, Operation, Update
from cmdb.errors import CmdbError
from cmdb.ids import new_id
from cmdb.reconciliation.families import Family
from cmdb.reconciliation.links import MERGED, Links
from cmdb.reconciliation.planning import RecordPlanner
from cmdb.reconciliation.precedence import Precedence, provenance_of
from cmdb.reconciliation.sources import precedence_of, sources
from cmdb.reconciliation.standing import without_standing
from cmdb.reconciliation.tasks import fitting, open_tasks
from cmdb.reconciliation.undoing import undo
from cmdb.reconciliation.withdrawing import withdrawals
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.model import PROVENANCE, STATE_ATTRIBUTE, IdentificationRule


class MergeError(CmdbError):
    """Two records cannot be merged, or one cannot be taken apart again."""

    code = "merge_refused"


def decide(
    store: GraphStore, task: Record, choice: Record, actor: str, change_set: str = ""
) -> int:
    """Say which record an observation is; its source follows from the next run on.

    Raises
    ------
    MergeError
        It is none of those that fit.
    """
    if choice.id not in fitting(task):
        raise MergeError(
            f"{choice.name} ({choice.type}) is none of the records that {task.name} fits.",
            "`cmdb duplicates` lists them.",
        )
    operations: list[Operation] = [Update(task.id, {"decision": choice.id, "open": False})]
    source, key = (str(task.attributes.get(n, "")) for n in ("source_name", "source_key"))
    wrong = [
        r.id
        for r in store.get(fitting(task)).values()
        if r.id != choice.id and provenance_of(r.attributes).get(source, {}).get("key") == key
    ]
    if wrong:
        steps, _ = withdrawals(store, source, wrong, precedence_of(sources(store)), {})
        operations += steps
    change = ChangeSet(
        operations,
        actor,
        "merge",
        "decided which record it is",
        id=change_set or new_id(),
        managed=True,
    )
    return store.commit(change).revision


def merge(
    store: GraphStore,
    survivor: Record,
    other: Record,
    *,
    actor: str,
    reason: str = "",
    change_set: str = "",
) -> int:
    """Make one record of two: the survivor takes the other's claims, relationships and referrers.

    Parts of theirs that are in one place are one too. Where only one relationship may be, precedence
    decides, and the survivor's stays if they are equal. The other becomes a `MergedRecord` that says
    into what. Both keep their history.

    Raises
    ------
    MergeError
        They are the same, or of unrelated types, or one was merged already.
    """
    model = store.model
    if survivor.id == other.id or MERGED in (survivor.type, other.type):
        raise MergeError("A record cannot be merged with itself, nor one that was merged already.")
    type_ = Family(model).common(other.type, survivor.type)
    if type_ is None:
        raise MergeError(
            f"{survivor.name} is a {survivor.type} and {other.name} a {other.type}: one thing cannot be both.",
            "Correct the type of one of them first.",
        )
    precedence = precedence_of(sources(store))
    revision = store.last_revision().number
    into = {other.id: survivor.id} | _same_parts(store, survivor, other)
    records = store.get([*into, *into.values()])
    changes: dict[str, Create | Update] = {}
    for gone, kept in into.items():
        changes[kept] = _joined(store, records[kept], records[gone], into, precedence)
        changes[gone] = Update(gone, {"merged_into": kept, PROVENANCE: None}, type=MERGED)
    links = Links(store, "", precedence, {})
    links.load(whole=records.keys())
    _move_parts(links, into, changes)
    _move_references(store, into, changes)
    links.move(into)
    links.resolve()
    links.stand_by(changes)
    operations: list[Operation] = [*changes.values()]
    operations += [step.operation for step in links.steps()[0]]
    for task in open_tasks(store):
        if len({into.get(c.id, c.id) for c in task.candidates}) == 1:
            decision = into.get(task.candidates[0].id, task.candidates[0].id)
            operations.append(Update(task.record.id, {"decision": decision, "open": False}))
    text = reason or "two records are one"
    id = change_set or new_id()
    change = ChangeSet(operations, actor, "merge", text, id=id, based_on=revision, managed=True)
    done = store.commit(change)
    return done.revision


def _same_parts(store: GraphStore, survivor: Record, other: Record) -> dict[str, str]:
    """Parts of two records that are in one place, and their parts: the other's id -> the survivor's."""
    family, found = Family(store.model), dict[str, str]()
    pairs = [(survivor, other)]
    while pairs:
        kept, gone = pairs.pop()
        taken: set[str] = set()
        own = _parts(store, kept)
        for part, rules in _parts(store, gone):
            for mine, _ in own:
                fits = family.common(part.type, mine.type) is not None and mine.id not in taken
                if fits and mine.id != part.id and _in_one_place(rules, mine, part):
                    found[part.id] = mine.id
                    taken.add(mine.id)
                    pairs.append((mine, part))
                    break
    return found


def _parts(store: GraphStore, whole: Record) -> list[tuple[Record, list[IdentificationRule]]]:
    """What a record is the whole of, with the rules by which its parts are told apart."""
    found = []
    for near in store.neighbours([whole.id]):
        way = "in" if near.relationship.source == whole.id else "out"
        rules = [
            rule
            for rule in store.model.record_types[near.record.type].identification
            if rule.relationship and not rule.optional
            if _meaning(store, rule.relationship) == (near.relationship.type, way)
        ]
        if rules:
            found.append((near.record, rules))
    return found


def _meaning(store: GraphStore, relationship: str) -> tuple[str, str]:
    type_, direction = store.model.direction(relationship)
    return type_.name, direction


def _in_one_place(rules: list[IdentificationRule], one: Record, two: Record) -> bool:
    """Whether the first rule for which both have values says that they are the same."""
    for rule in rules:
        if all(n in one.attributes and n in two.attributes for n in rule.attributes):
            return all(one.attributes[n] == two.attributes[n] for n in rule.attributes)
    return False


def _joined(
    store: GraphStore,
    survivor: Record,
    other: Record,
    into: Mapping[str, str],
    precedence: Precedence,
) -> Update:
    """The survivor with the claims of both; a source that knew both knows it by both keys."""
    type_ = Family(store.model).common(other.type, survivor.type)
    assert type_ is not None
    record_type = store.model.record_types[type_]
    before = provenance_of(survivor.attributes)
    theirs = without_standing(provenance_of(other.attributes))
    claims: dict[str, Any] = {}
    for source, claim in theirs.items():
        own = before.get(source)
        if own is None:
            claims[source] = _moved(claim, into)
            continue
        also = [*own.get("also", ()), *(k for k in [claim.get("key"), *claim.get("also", ())] if k)]
        values = {**claim.get("values", {}), **own.get("values", {})}
        claims[source] = {**own, "also": list(dict.fromkeys(also)), "values": values}
    planner = RecordPlanner(store.model, "", precedence, {})
    changes, provenance = planner.outcome(survivor, record_type, claims, before)
    attributes: dict[str, Any] = {n: v for n, (v, _) in changes.items()}
    for name, value in other.attributes.items():
        if (
            name in record_type.attributes
            and name not in survivor.attributes
            and name != PROVENANCE
        ):
            attributes.setdefault(name, value)
    attributes.pop(STATE_ATTRIBUTE, None)
    if provenance:
        attributes[PROVENANCE] = provenance
    return Update(
        survivor.id,
        attributes,
        expected_revision=survivor.revision,
        type=type_ if type_ != survivor.type else None,
    )


def _moved(claim: Mapping[str, Any], into: Mapping[str, str]) -> Mapping[str, Any]:
    """A claim on a part, of the whole that stays."""
    whole = into.get(claim.get("of", ""))
    return {**claim, "of": whole} if whole else claim


def _move_parts(links: Links, into: Mapping[str, str], changes: dict[str, Create | Update]) -> None:
    """What sources call a part of one that goes is now a part of the one that stays."""
    for id_, record in links.records.items():
        before = provenance_of(record.attributes)
        after = {source: _moved(claim, into) for source, claim in before.items()}
        if id_ not in changes and after != before:
            changes[id_] = Update(id_, {PROVENANCE: after})


def _move_references(
    store: GraphStore, into: Mapping[str, str], changes: dict[str, Create | Update]
) -> None:
    """Records that name one that goes, by a reference attribute or by what a source says of them, name
    the one that stays instead. Reads every record if records of those types can be named."""
    model = store.model
    types = {record.type for record in store.get(list(into)).values()}
    names = {
        a.name
        for t in model.record_types.values()
        for a in t.references
        if a.to is not None and types & model.record_types[a.to].concrete and not a.many
    } - {"merged_into"}
    for record in store.scan_records() if names else ():
        if record.id in into or record.id in into.values():
            continue
        attributes: dict[str, Any] = {
            name: into[record.attributes[name]]
            for name in names
            if record.attributes.get(name) in into
        }
        changed = changes.get(record.id, Update(record.id, {}))
        before = provenance_of({**record.attributes, **changed.attributes})
        after = {source: _renamed(claim, names, into) for source, claim in before.items()}
        if after != before:
            attributes[PROVENANCE] = after
        if attributes:
            changes[record.id] = changed._replace(attributes={**changed.attributes, **attributes})
    for record in store.holders("merged_into", list(into)):
        changes[record.id] = Update(
            record.id, {"merged_into": into[record.attributes["merged_into"]]}
        )


def _renamed(
    claim: Mapping[str, Any], names: set[str], into: Mapping[str, str]
) -> Mapping[str, Any]:
    """A claim in which references name the records that stay."""
    values = claim.get("values", {})
    if not any(values.get(name) in into for name in names):
        return claim
    renamed = {n: into.get(v, v) if n in names else v for n, v in values.items()}
    return {**claim, "values": renamed}


def unmerge(
    store: GraphStore, merged: Record, *, actor: str, reason: str = "", change_set: str = ""
) -> tuple[int, list[str]]:
    """Take a merged record apart again: the merge's revision is undone.

    Returns
    -------
    The revision, and what had changed since and was left as it is.

    Raises
    ------
    MergeError
        It was not merged.
    """
    if merged.type != MERGED:
        raise MergeError(f"{merged.name} was not merged into another record.")
    for commit in store.history(merged.id):
        for change in commit.changes.records:
            if change.before is not None and change.before.type != MERGED:
                text = reason or "what was one record is two"
                number = commit.revision.number
                return undo(store, number, actor=actor, reason=text, change_set=change_set)
    raise MergeError(f"{merged.name} has no merge in its history.")  # pragma: no cover
