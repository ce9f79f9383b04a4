"""Undoing: what one revision changed is taken back, where it is still as that revision left it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import NotFoundError, QueryError
from cmdb.ids import new_id
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.neighbourhood import Neighbourhood
from cmdb.reconciliation.planning import named
from cmdb.reconciliation.precedence import Provenance, provenance_of
from cmdb.reconciliation.sources import precedence_of, sources
from cmdb.reconciliation.standing import standing_of, with_standing, without_standing
from cmdb.records import Record, Relationship, RelationshipKey, same_values
from cmdb.revisions import Changes, RecordChange, RelationshipChange
from cmdb.store import GraphStore
from schema.model import PROVENANCE, STATE_ATTRIBUTE


def undo(
    store: GraphStore, number: int, *, actor: str, reason: str = "", change_set: str = ""
) -> tuple[int, list[str]]:
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
    id = change_set or new_id()
    undoing = ChangeSet(operations, actor, "undo", text, id=id, based_on=newest, managed=True)
    done = store.commit(undoing)
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
