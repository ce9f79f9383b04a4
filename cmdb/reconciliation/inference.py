"""Relationships that follow from attributes, by the rules of the model.

Inference follows the change feed: it looks again at what changed since it last did, so it may be run
after any writing, however often. What it makes is claimed by the source ``inferred`` with the name of
the rule, and withdrawn when its ground goes. A value that fits several targets makes none.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import orjson

from cmdb.batching import batched
from cmdb.change_sets import ChangeSet, Create, Operation, Update
from cmdb.errors import ConflictError
from cmdb.queries import Query, Sort
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.planning import Entry
from cmdb.reconciliation.precedence import INFERRED, Precedence
from cmdb.reconciliation.sources import precedence_of, sources
from cmdb.records import Record, RelationshipKey
from cmdb.store import GraphStore
from schema.declarations import InferenceDeclaration
from schema.model import STATE_ATTRIBUTE, Model, RelationshipType

POSITION: Final = "inferred"
BATCH: Final = 2_000


@dataclass(frozen=True)
class Rule:
    """One rule of one relationship type, its types made concrete."""

    name: str
    type: RelationshipType
    declared: InferenceDeclaration
    sources: frozenset[str]
    targets: frozenset[str]


def rules(model: Model) -> list[Rule]:
    """All rules of a model."""
    return [
        Rule(
            name,
            type_,
            declared,
            frozenset().union(*(model.record_types[n].concrete for n in declared.source)),
            frozenset().union(*(model.record_types[n].concrete for n in declared.target)),
        )
        for type_ in model.relationship_types.values()
        for name, declared in type_.inferred.items()
    ]


def infer(
    store: GraphStore, *, actor: str, report: Callable[[Entry], None] = lambda _: None
) -> list[int]:
    """Bring inferred relationships up to date; gives the revisions made.

    Costs with what changed since the last time; with all records that a rule looks at when the model
    has changed, or a target of a rule that cannot be looked up by value.
    """
    kept = store.marks(POSITION).get(POSITION)
    position = orjson.loads(kept) if kept else {}
    newest = store.last_revision().number
    same_model = position.get("model") == store.model.fingerprint
    after = position.get("revision", 0) if same_model else 0
    if after == newest:
        return []
    changed = _changed(store, after, newest) if after else None
    made: list[int] = []
    precedence = precedence_of(sources(store))
    for rule in rules(store.model):
        for batch in batched(_sources(store, rule, changed), BATCH):
            made += _infer_batch(store, rule, precedence, batch, actor, report)
    store.mark(POSITION, orjson.dumps({"revision": newest, "model": store.model.fingerprint}))
    return made


class Changed(NamedTuple):
    """What changed: ids of records by type, and the values they had before by type and attribute."""

    ids: dict[str, set[str]]
    former: dict[tuple[str, str], set[str]]


def _changed(store: GraphStore, after: int, upto: int) -> Changed:
    found = Changed(defaultdict(set), defaultdict(set))
    looked_at = {rule.declared.by for rule in rules(store.model)}
    for commit in store.feed(after, upto):
        for change in commit.changes.records:
            for side in (change.before, change.after):
                if side is not None:
                    found.ids[side.type].add(side.id)
            for name in looked_at if change.before else ():
                value = change.before.attributes.get(name)  # type: ignore[union-attr]
                if isinstance(value, str):
                    found.former[change.before.type, name].add(value)  # type: ignore[union-attr]
    return found


def _sources(store: GraphStore, rule: Rule, changed: Changed | None) -> Iterator[Record]:
    """The records whose inferred relationships may have to change."""
    if changed is None:
        yield from _all(store, rule)
        return
    targets = {id_ for type_, ids in changed.ids.items() if type_ in rule.targets for id_ in ids}
    if targets and rule.declared.match != "equal":
        yield from _all(store, rule)
        return
    ids = {id_ for type_, own in changed.ids.items() if type_ in rule.sources for id_ in own}
    if targets:
        values: set[str] = set()
        for record in store.get(targets).values():
            values |= _variants(record.attributes.get(rule.declared.by))
        for (type_, name), before in changed.former.items():
            if type_ in rule.targets and name == rule.declared.by:
                values.update(*map(_variants, before))
        found = store.holders(rule.declared.attribute, values) if values else []
        ids |= {r.id for r in found if r.type in rule.sources}
        for near in store.neighbours(targets, [rule.type.name], "in"):
            ids.add(near.record.id)
    for batch in batched(sorted(ids), BATCH):
        yield from (r for r in store.get(batch).values() if r.type in rule.sources)


def _all(store: GraphStore, rule: Rule) -> Iterator[Record]:
    for name in rule.declared.source:
        after = None
        while True:
            page = store.find(Query(name, sort=[Sort("id")], first=10_000, after=after))
            yield from page.records
            if page.cursor is None:
                break
            after = page.cursor


def _infer_batch(
    store: GraphStore,
    rule: Rule,
    precedence: Precedence,
    records: Sequence[Record],
    actor: str,
    report: Callable[[Entry], None],
) -> list[int]:
    while True:
        newest = store.last_revision().number
        operations, entries = _plan(store, rule, precedence, records)
        if not operations:
            return []
        change = ChangeSet(
            operations, actor, INFERRED, f"rule {rule.name}", based_on=newest, managed=True
        )
        try:
            done = store.commit(change)
        except ConflictError:
            records = list(store.get([r.id for r in records]).values())
            continue
        for entry in entries:
            report(entry)
        return [done.revision]


def _plan(
    store: GraphStore, rule: Rule, precedence: Precedence, records: Sequence[Record]
) -> tuple[list[Operation], list[Entry]]:
    wanted = _targets(store, rule, records)
    links = Links(store, INFERRED, precedence, {})
    for record in records:
        links.add_record(record)
    found = {id_: RelationshipKey(id_, rule.type.name, t.id) for id_, t in wanted.items()}
    links.add(store.neighbours([r.id for r in records], [rule.type.name], "out"))
    links.load((key, "s") for key in found.values() if key.source != key.target)
    for record in records:
        key = found.get(record.id)
        for known, end in links.of_source(record.id):
            by = links.claims_on(known)[INFERRED].get("rule")
            if known != key and (known.type, by) == (rule.type.name, rule.name):
                links.withdraw(known, end, 0)
        if key is not None and key.source != key.target and key not in links.live:
            links.claim(key, "s", {}, 0, rule.name)
    links.resolve()
    changes: dict[str, Create | Update] = {}
    links.stand_by(changes)
    steps, entries = links.steps()
    for entry in entries:
        entry.why = f"inferred by {rule.name}"
    return [*changes.values(), *(step.operation for step in steps)], entries


def _targets(store: GraphStore, rule: Rule, records: Sequence[Record]) -> dict[str, Record]:
    """For each record the one target that its attribute means, if there is exactly one."""
    live = [r for r in records if r.type in rule.sources and not _retired(store.model, r)]
    if rule.declared.match == "within":
        return _smallest_networks(store, rule, live)
    said: dict[str, set[str]] = {}
    for record in live:
        value = record.attributes.get(rule.declared.attribute)
        if rule.declared.match == "host" and value:
            value = _host(str(value))
        if value:
            said[record.id] = _variants(value)
    values = set().union(*said.values()) if said else set()
    holders: defaultdict[str, list[Record]] = defaultdict(list)
    for record in store.holders(rule.declared.by, values) if values else ():
        if record.type in rule.targets and not _retired(store.model, record):
            holders[str(record.attributes[rule.declared.by]).casefold()].append(record)
    found = {}
    for id_, variants in said.items():
        fits = holders.get(min(variants).casefold(), [])
        if len(fits) == 1:
            found[id_] = fits[0]
    return found


def _smallest_networks(
    store: GraphStore, rule: Rule, records: Sequence[Record]
) -> dict[str, Record]:
    networks: defaultdict[tuple[int, int], dict[int, list[Record]]] = defaultdict(dict)
    for name in rule.declared.target:
        after = None
        while True:
            page = store.find(Query(name, sort=[Sort("id")], first=10_000, after=after))
            for record in page.records:
                text = record.attributes.get(rule.declared.by)
                if text and not _retired(store.model, record):
                    network = ipaddress.ip_network(text)
                    level = networks[network.version, network.prefixlen]
                    level.setdefault(int(network.network_address), []).append(record)
            if page.cursor is None:
                break
            after = page.cursor
    sizes = sorted(networks, key=lambda key: -key[1])
    found = {}
    for record in records:
        text = record.attributes.get(rule.declared.attribute)
        if not text:
            continue
        address = ipaddress.ip_address(text)
        bits = address.max_prefixlen
        for version, length in sizes:
            if version != address.version:
                continue
            start = int(address) >> (bits - length) << (bits - length)
            fits = networks[version, length].get(start, [])
            vrf = record.attributes.get("vrf_name")
            fits = [n for n in fits if n.attributes.get("vrf_name") == vrf] or fits
            if len(fits) == 1:
                found[record.id] = fits[0]
            if fits:
                break
    return found


def _retired(model: Model, record: Record) -> bool:
    """Whether a record is in the state of what has vanished."""
    machine = model.record_types[record.type].state_machine
    state = record.attributes.get(STATE_ATTRIBUTE)
    return machine is not None and state == machine.vanished and state != machine.initial


def _host(url: str) -> str | None:
    text = url.removeprefix("jdbc:")
    try:
        return urlsplit(text).hostname
    except ValueError:
        return None


def _variants(value: Any) -> set[str]:
    """How a name may be written where it is looked up."""
    return {str(value), str(value).lower(), str(value).upper()} if value else set()
