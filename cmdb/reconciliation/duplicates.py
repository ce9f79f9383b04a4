"""What needs a person: tasks, merging two records that are one, and undoing a revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import CmdbError, NotFoundError, QueryError
from cmdb.queries import Query
from cmdb.reconciliation.identification import Family
from cmdb.reconciliation.links import MERGED, Links
from cmdb.reconciliation.neighbourhood import Neighbourhood
from cmdb.reconciliation.planning import RecordPlanner, named
from cmdb.reconciliation.precedence import Precedence, Provenance, provenance_of
from cmdb.reconciliation.runs import withdrawals
from cmdb.reconciliation.sources import precedence_of, sources
from cmdb.reconciliation.standing import standing_of, with_standing, without_standing
from cmdb.records import Record, Relationship, RelationshipKey, same_values
from cmdb.revisions import Changes, RecordChange, RelationshipChange
from cmdb.store import GraphStore
from schema.model import PROVENANCE, STATE_ATTRIBUTE, IdentificationRule


class MergeError(CmdbError):
    """Two records cannot be merged, or one cannot be taken apart again."""

    code = "merge_refused"


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
    ids = {i for r in records for i in r.attributes.get("evidence", {}).get("candidates", ())}
    found = store.get(ids) if ids else {}
    tasks = []
    for record in records:
        ids_ = record.attributes.get("evidence", {}).get("candidates", ())
        candidates = [found[i] for i in ids_ if i in found and found[i].type != MERGED]
        if len(candidates) > 1:
            tasks.append(Task(record, candidates))
    return tasks


def decide(store: GraphStore, task: Record, choice: Record, actor: str) -> int:
    """Say which record an observation is; its source follows from the next run on.

    Raises
    ------
    MergeError
        It is none of those that fit.
    """
    fitting = task.attributes.get("evidence", {}).get("candidates", ())
    if choice.id not in fitting:
        raise MergeError(
            f"{choice.name} ({choice.type}) is none of the records that {task.name} fits.",
            "`cmdb duplicates` lists them.",
        )
    operations: list[Operation] = [Update(task.id, {"decision": choice.id, "open": False})]
    source, key = (str(task.attributes.get(n, "")) for n in ("source_name", "source_key"))
    wrong = [
        r.id
        for r in store.get(task.attributes.get("evidence", {}).get("candidates", ())).values()
        if r.id != choice.id and provenance_of(r.attributes).get(source, {}).get("key") == key
    ]
    if wrong:
        steps, _ = withdrawals(store, source, wrong, precedence_of(sources(store)), {})
        operations += steps
    change = ChangeSet(operations, actor, "merge", f"decided {task.name}", managed=True)
    return store.commit(change).revision


def merge(
    store: GraphStore, survivor: Record, other: Record, *, actor: str, reason: str = ""
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
    text = reason or f"{other.name} ({other.id}) is {survivor.name} ({survivor.id})"
    change = ChangeSet(operations, actor, "merge", text, based_on=revision, managed=True)
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
    store: GraphStore, merged: Record, *, actor: str, reason: str = ""
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
                text = reason or f"unmerge {merged.name} ({merged.id})"
                return undo(store, commit.revision.number, actor=actor, reason=text)
    raise MergeError(f"{merged.name} has no merge in its history.")  # pragma: no cover


def undo(store: GraphStore, number: int, *, actor: str, reason: str = "") -> tuple[int, list[str]]:
    """Take back what one revision changed, where it is still as that revision left it.

    Records it created stay, as nothing is forgotten; they go to the state of what has vanished.

    Returns
    -------
    The new revision, and a line for each thing that was changed since and is left alone.

    Raises
    ------
    NotFoundError
        There is no such revision.
    QueryError
        It applied a model: that is undone by applying the earlier one.
    """
    found = list(store.feed(number - 1, number)) if number > 0 else []
    if not found:
        raise NotFoundError(f"There is no revision {number}.", "`cmdb diff` shows the newest ones.")
    [commit] = found
    if commit.changes.model is not None:
        raise QueryError(
            f"Revision {number} applied a model.", "Apply the earlier one with `cmdb schema apply`."
        )
    newest = store.last_revision().number
    left: list[str] = []
    now = store.get([change.id for change in commit.changes.records])
    around = Neighbourhood(store, {})
    around.load(whole={end for c in commit.changes.relationships for end in c.key[::2]})
    changes: dict[str, Create | Update] = {}
    for change in commit.changes.records:
        for update in _record_undone(store, change, now[change.id], left):
            changes[update.id] = update
    undone: list[Operation] = []
    replaced: list[Relationship] = []
    for link in commit.changes.relationships:
        if link.before and not link.after and _replaced(around, link.key, commit.changes):
            replaced.append(link.before)
        else:
            undone += _link_undone(link, around.live.get(link.key), left)
    if replaced:
        undone += _restored(store, replaced, changes, left)
    operations = [*changes.values(), *undone]
    text = reason or f"undo revision {number}"
    change_set = ChangeSet(operations, actor, "undo", text, based_on=newest, managed=True)
    done = store.commit(change_set)
    return done.revision, left


def _replaced(around: Neighbourhood, key: RelationshipKey, changes: Changes) -> bool:
    """Whether another is in the place of what was closed, and these changes did not put it there."""
    made = {change.key for change in changes.relationships if change.before is None}
    there = {k for place in around.places(key) for k in around.at[place] if k in around.live}
    return key not in there and not there <= made


def _restored(
    store: GraphStore,
    replaced: Sequence[Relationship],
    changes: dict[str, Create | Update],
    left: list[str],
) -> list[Operation]:
    """What was said of relationships is said again; where another is now, precedence decides."""
    links = Links(store, "", precedence_of(sources(store)), {})
    links.load(whole={end for link in replaced for end in link.key[::2]})
    for link in replaced:
        links.restore(link)
    links.resolve()
    links.stand_by(changes)
    left += [
        f"{named(link.key, links.names)} has been replaced since"
        for link in replaced
        if not links.in_force[link.key]
    ]
    return [step.operation for step in links.steps()[0]]


def _record_undone(
    store: GraphStore, change: RecordChange, now: Record, left: list[str]
) -> list[Update]:
    before, after = change.before, change.after
    assert after is not None
    if before is None:
        machine = store.model.record_types[now.type].state_machine
        state = now.attributes.get(STATE_ATTRIBUTE)
        if machine and machine.vanished and state and machine.between(state, machine.vanished):
            known = without_standing(provenance_of(now.attributes))
            claims = {s: {**c, "vanished": True} for s, c in known.items()}
            gone = {STATE_ATTRIBUTE: machine.vanished, PROVENANCE: claims or None}
            return [Update(now.id, gone)]
        left.append(f"{now.type} {now.name} was created; it stays")
        return []
    if before.type != after.type and now.type != after.type:
        left.append(f"{now.name} has become a {now.type} since")
        return []
    attributes: dict[str, Any] = {}
    for name in before.attributes.keys() | after.attributes.keys():
        old, new = before.attributes.get(name), after.attributes.get(name)
        if same_values(old, new):
            continue
        if name == PROVENANCE:
            attributes[name] = _claims_undone(old or {}, new or {}, now.attributes.get(name) or {})
        elif same_values(now.attributes.get(name), new):
            attributes[name] = old
        else:
            left.append(f"{name} of {now.name} has changed since")
    new_type = before.type if before.type != after.type else None
    record_type = store.model.record_types.get(new_type or now.type)
    if record_type is None:
        left.append(f"{now.name} was a {new_type}, which the model no longer has")
        return []
    attributes = {n: v for n, v in attributes.items() if n in record_type.attributes}
    for name, value in list(attributes.items()):
        try:
            record_type.attributes[name].parse(value) if value is not None else None
        except ValueError:
            left.append(f"{name} of {now.name} was {value!r}, which the model no longer allows")
            del attributes[name]
    return [Update(now.id, attributes, type=new_type)] if attributes or new_type else []


def _claims_undone(old: Provenance, new: Provenance, now: Provenance) -> dict[str, Any] | None:
    """The claims there are, those that a revision changed as they were before it; None for none."""
    claims = _undone(*map(without_standing, (old, new, now)))
    standing = _undone(*map(standing_of, (old, new, now)))
    return with_standing(claims, standing) or None


def _undone(old: Mapping[Any, Any], new: Mapping[Any, Any], now: Mapping[Any, Any]) -> Any:
    """What there is now, but as it was before a change wherever it is as that left it."""
    after = dict(now)
    for name in old.keys() | new.keys():
        if old.get(name) != new.get(name) and now.get(name) == new.get(name):
            after.pop(name, None)
            if name in old:
                after[name] = old[name]
    return after


def _link_undone(change: RelationshipChange, now: Any, left: list[str]) -> list[Operation]:
    before, after = change.before, change.after
    if after is None and now is None:
        assert before is not None
        return [Relate(*before.key, before.attributes)]
    if (
        after is not None
        and now is not None
        and same_values(dict(now.attributes), dict(after.attributes))
    ):
        if before is None:
            return [Unrelate(*after.key)]
        return [Relate(*before.key, before.attributes)]
    left.append(f"{' '.join(change.key)} has changed since")
    return []
