"""What a person decides: which record an observation is, what is one and what is two, whose word counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import strawberry

from api.access.guarded import GuardedStore
from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.lifecycle.acting import product
from api.graphql.mutations.doing import KEY, Ids, doing
from api.graphql.records import Records
from api.graphql.scalars import JSON, Int64
from cmdb.change_sets import ChangeSet, Update
from cmdb.commits import Plan
from cmdb.errors import NotFoundError, QueryError
from cmdb.ids import new_id
from cmdb.reconciliation import duplicates, recomputing
from cmdb.reconciliation.links import MERGED
from cmdb.reconciliation.precedence import Precedence
from cmdb.reconciliation.sources import Source, precedence_of, sources
from cmdb.reconciliation.summaries import Summary
from cmdb.reconciliation.undoing import undo as undo_revision
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.model import ORGANISATION_TREE


class Decided(NamedTuple):
    """A revision, and what had changed since and was left alone."""

    revision: int
    left: list[str]
    repeated: bool
    graphql_type: str = "Decided"


class Recomputed(NamedTuple):
    """What working values out anew came to."""

    summary: Summary
    applied: bool
    graphql_type: str = "Recomputed"


def once(store: GraphStore, ids: Ids, work: Callable[[str], tuple[int, list[str]]]) -> Decided:
    """Do what becomes one change set; told again where it was done before."""
    id = ids()
    done = None if ids is new_id else store.committed(id)
    if done is not None:
        return Decided(done, [], True)
    revision, left = work(id)
    return Decided(revision, left, False)


def _writing(
    context: Context,
    records: Iterable[Record],
    of: Callable[[Plan], Plan],
    links: Iterable[str] = (),
) -> GraphStore:
    """The store, for what changes these records: who may do what is for administrators.

    Parameters
    ----------
    of
        What of a plan takes the permission to write, when it is committed.
    """
    model, found = context.store.model, list(records)
    types = model.record_types
    administered = any(
        types[r.type].administered or "Organisation" in types[r.type].ancestors for r in found
    ) or any(
        name == ORGANISATION_TREE or model.relationship_types[name].administered for name in links
    )
    ids = [record.id for record in found]
    guarded = context.store
    if not isinstance(guarded, GuardedStore):
        return guarded
    store = guarded.asking(ids, of)
    if administered:
        guarded.require(Permission.ADMINISTER, records=ids)
        if not guarded.reach(Permission.ADMINISTER).shared:
            guarded.require(Permission.ADMINISTER, [*ids])
    return store


def everything(plan: Plan) -> Plan:
    """What undoing changes is changed by who asked for it."""
    return plan


def records_decided(plan: Plan) -> Plan:
    """Of a decision: all but the task itself."""
    return replace(plan, updated=[p for p in plan.updated if p[0].type != "DuplicateTask"])


def records_merged(plan: Plan) -> Plan:
    """Of a merge: the records that become one, parts among them. What refers to them follows."""
    gone = [pair for pair in plan.updated if pair[1].type == MERGED != pair[0].type]
    kept = {after.attributes["merged_into"] for _, after in gone}
    return Plan(updated=[*gone, *(pair for pair in plan.updated if pair[0].id in kept)])


def decide(context: Context, ids: Ids, given: Mapping[str, Any]) -> Decided:
    task, choice = context.store.record(given["task"]), context.store.record(given["record"])
    if task.type != "DuplicateTask":
        raise NotFoundError(f"{task.name} is a {task.type}, no task.", "`duplicates` lists them.")
    store = _writing(context, [choice], records_decided)
    me = context.principal.name
    return once(
        store,
        ids,
        lambda id: (
            duplicates.decide(store, store.record(task.id), store.record(choice.id), me, id),
            [],
        ),
    )


def merge(context: Context, ids: Ids, given: Mapping[str, Any]) -> Decided:
    pair = [context.store.record(given[name]) for name in ("survivor", "other")]
    store = _writing(context, pair, records_merged)
    one, two = (store.record(record.id) for record in pair)
    said = {"actor": context.principal.name, "reason": given.get("reason") or ""}
    return once(
        store, ids, lambda id: (duplicates.merge(store, one, two, **said, change_set=id), [])
    )


def unmerge(context: Context, ids: Ids, given: Mapping[str, Any]) -> Decided:
    record = context.store.record(given["record"])
    store = _writing(context, [record], everything)
    said = {"actor": context.principal.name, "reason": given.get("reason") or ""}
    return once(
        store, ids,
        lambda id: duplicates.unmerge(store, store.record(record.id), **said, change_set=id),
    )  # fmt: skip


def undo(context: Context, ids: Ids, given: Mapping[str, Any]) -> Decided:
    """It takes the permission to write everything that the revision changed."""
    number = given["revision"]
    inner = product(context, Permission.WRITE)
    touched, links = set[str](), set[str]()
    for commit in inner.feed(number - 1, number) if number > 0 else ():
        touched |= {change.id for change in commit.changes.records}
        for link in commit.changes.relationships:
            touched |= {link.key.source, link.key.target}
            links.add(link.key.type)
    store = _writing(context, inner.get(touched).values(), everything, links)
    said = {"actor": context.principal.name, "reason": given.get("reason") or ""}
    return once(store, ids, lambda id: undo_revision(store, number, **said, change_set=id))


# -- sources ----------------------------------------------------------------------------------------------


def _source(context: Context, name: str) -> tuple[GraphStore, Source, Precedence]:
    inner = product(context, Permission.WRITE)
    found = sources(inner)
    if name not in found:
        raise NotFoundError(f"There is no source {name!r}.", "`sources` lists them.")
    if isinstance(context.store, GuardedStore):
        inner = context.store.asking([found[name].record.id])
    return inner, found[name], precedence_of(found)


def set_precedence(context: Context, ids: Ids, given: Mapping[str, Any]) -> Recomputed:
    store, source, known = _source(context, given["source"])
    values: dict[str, Any] = {}
    own = dict(source.record.attributes.get("attribute_precedence") or {})
    if given.get("precedence") is not None:
        values["precedence"] = _checked(given["precedence"])
    if given.get("attributes"):
        for key, value in given["attributes"].items():
            type_, _, attribute = key.rpartition(".")
            store.model.attribute(type_ or "Record", attribute)
            own.pop(key, None) if value is None else own.update({key: _checked(value)})
        values["attribute_precedence"] = own or None
    if values and not given["dryRun"]:
        change = ChangeSet(
            [Update(source.record.id, values, source.record.revision)],
            context.principal.name,
            reason="precedence",
            id=ids(),
        )
        context.store.commit(change)
    general = {**known.general, source.name: values.get("precedence", source.precedence)}
    precedence = Precedence(general, {**known.particular, source.name: own})
    return _recomputed(
        context,
        store,
        recomputing.recompute(store, precedence),
        "precedence",
        f"precedence of {source.name}",
        given,
    )


def _checked(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        raise QueryError(f"{value!r} is no precedence.", "Write a number from 0 to 1000.")
    return value


def withdraw(context: Context, _: Ids, given: Mapping[str, Any]) -> Recomputed:
    store, source, known = _source(context, given["source"])
    planned = recomputing.withdraw(store, source.name, known)
    return _recomputed(
        context, store, planned, source.name, f"source {source.name} withdrawn", given
    )


def _recomputed(
    context: Context, store: GraphStore, planned: Iterator[Any], source: str, reason: str, given: Mapping[str, Any]
) -> Recomputed:  # fmt: skip
    summary = Summary()
    summary.revisions = recomputing.apply(
        store, planned, actor=context.principal.name, source=source, reason=reason,
        report=summary.add, dry_run=given["dryRun"],
    )  # fmt: skip
    return Recomputed(summary, not given["dryRun"])


def mutation_fields(records: Records) -> list[ModelField]:
    if "DataSource" not in records.model.record_types:
        return []
    decided = records.results.union(
        "DecisionResult",
        make_type(
            "Decided",
            [
                model_field("revision", Int64, read=lambda d: d.revision),
                model_field(
                    "leftAlone",
                    list[str],
                    "What was changed since, and stays.",
                    read=lambda d: d.left,
                ),
                model_field(
                    "repeated", bool, "Whether it had been done before.", read=lambda d: d.repeated
                ),
            ],
        ),
    )
    recomputed = records.results.union(
        "RecomputingResult",
        make_type(
            "Recomputed",
            [
                model_field("applied", bool, read=lambda r: r.applied),
                model_field("counts", JSON, "created, updated, retired … -> how many.", read=lambda r: dict(r.summary.counts)),
                model_field("revisions", list[Int64], read=lambda r: list(r.summary.revisions)),
            ],
            description="What working values out anew came to, or would.",
        ),
    )  # fmt: skip
    reason = argument("reason", str | None)
    dry, source = argument("dryRun", bool, default=False), argument("source", str, "Its name.")
    id = strawberry.ID
    fields = (
        ("decideDuplicate", decided, "Say which record an observation is.", [argument("task", id), argument("record", id)], decide),
        ("mergeRecords", decided, "Make one record of two: claims and relationships move.", [argument("survivor", id), argument("other", id), reason], merge),
        ("unmergeRecord", decided, "Take a merged record apart again.", [argument("record", id), reason], unmerge),
        ("undoRevision", decided, "Take back what a revision changed, where nobody has changed it since.", [argument("revision", Int64), reason], undo),
        ("setPrecedence", recomputed, "Change whose word counts; every value is worked out anew.",
         [source, argument("precedence", int | None), argument("attributes", JSON | None, "`[Type.]attribute` -> precedence; null: as in general."), dry], set_precedence),
        ("withdrawSource", recomputed, "Forget what a source said; what only it reported is retired.", [source, dry], withdraw),
    )  # fmt: skip
    return [
        model_field(name, type_, text, arguments=[*arguments, KEY], resolve=doing(work))
        for name, type_, text, arguments, work in fields
    ]
