"""What people want to know of an outage beside effects: names, services, organisations, whom to call.

And how sure it is: what was passed over, and whose word is old. It asks a store for the records that it
tells of, and for nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from impact.analysis import Affected, GroupState, Outage
from impact.pictures import Arrow, Box, GroupMark, Picture
from impact.rules import Rules
from impact.windows import Window
from schema.model import ORGANISATION_ATTRIBUTE, PROVENANCE, Model

SERVICE: Final = "Service"
"""What a service is of, subtypes included."""
OPERATED_BY: Final = "OPERATED_BY"
"""Relationship type that leads to whom to call."""
CUSTODIAN: Final = "custodian"
NAMED: Final = 50_000
"""So many affected CIs are read by name; of more only types and effects are told."""
PASSED_OVER: Final = 2_000
"""The relationships of so many affected CIs are looked at for those that have no impact rule."""


class Records(Protocol):
    """What is asked of a store; `cmdb.store.GraphStore` has it all."""

    @property
    def model(self) -> Model: ...
    def get(self, ids: Collection[str], as_of: Any = None) -> dict[str, Any]: ...
    def neighbours(
        self,
        ids: Collection[str],
        types: Collection[str] | None = None,
        direction: Any = "both",
        as_of: Any = None,
    ) -> list[Any]: ...


@dataclass(frozen=True)
class Contact:
    """Whom to call, and about how many of the roots and of the affected services."""

    id: str
    name: str
    type: str
    about: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """An outage, told.

    Attributes
    ----------
    names
        By id, of what is told by name.
    services
        Those affected, in the order of the outage.
    types, organisations
        Affected CIs by type, and by the id of their organisation (empty for those that have none).
    contacts
        Who operates the roots and the affected services, and their custodians.
    passed_over
        Relationships of affected CIs whose types have no impact rule, by type; None where there were
        too many CIs to look.
    stale
        Sources of the affected CIs that were not seen for too long: name -> how many CIs.
    """

    names: dict[str, str]
    services: list[Affected]
    types: dict[str, Counter[str]]
    organisations: Counter[str]
    contacts: list[Contact]
    passed_over: dict[str, int] | None
    stale: dict[str, int]


def report(
    outage: Outage, store: Records, stale: Collection[str] = (), as_of: int | None = None
) -> Report:
    """Tell of an outage.

    Parameters
    ----------
    stale
        Names of sources that were not seen for too long.
    as_of
        The revision that records are read at.
    """
    model = store.model
    affected = outage.affected
    types: dict[str, Counter[str]] = {}
    for one in affected:
        types.setdefault(one.type, Counter())[one.effect] += 1
    services = [a for a in affected if is_service(model, a.type)]
    told = affected[:NAMED] if len(affected) <= NAMED else services[:NAMED]
    near = {reason.id for one in told[:PASSED_OVER] for reason in outage.why(one.id)}
    records = store.get({a.id for a in told} | near | set(outage.roots), as_of)
    names = {id: str(record.attributes.get("name", id)) for id, record in records.items()}
    organisations: Counter[str] = Counter()
    for one in told:
        attributes = records[one.id].attributes if one.id in records else {}
        organisations[str(attributes.get(ORGANISATION_ATTRIBUTE) or "")] += 1
    reported = reported_by(stale, (records[one.id] for one in told if one.id in records))
    asked = {*outage.roots, *(s.id for s in services)} & records.keys()
    called = contacts(store, asked, records, as_of)
    others = store.get({o for o in organisations if o} - names.keys(), as_of)
    names |= {id: str(record.attributes.get("name", id)) for id, record in others.items()}
    names |= {contact.id: contact.name for contact in called}
    return Report(
        names,
        services,
        types,
        organisations,
        called,
        passed_over(store, [one.id for one in affected], as_of),
        reported,
    )


def reported_by(stale: Collection[str], records: Iterable[Any]) -> dict[str, int]:
    """How many of some records each of some sources has reported."""
    reported: Counter[str] = Counter()
    for record in records:
        said = record.attributes.get(PROVENANCE)
        reported.update(name for name in (said if isinstance(said, dict) else ()) if name in stale)
    return dict(sorted(reported.items()))


def only(
    model: Model, affected: Iterable[Affected], record_type: str = "", service_only: bool = False
) -> list[Affected]:
    """Those of a type, subtypes included, or those that are services.

    Raises
    ------
    UnknownNameError
    """
    wanted = model.record_type(record_type).concrete if record_type else None
    return [
        one
        for one in affected
        if (wanted is None or one.type in wanted)
        and (not service_only or is_service(model, one.type))
    ]


def is_service(model: Model, type: str) -> bool:
    """Whether a record type is a service's."""
    return type in model.record_types and SERVICE in model.record_types[type].ancestors


def contacts(
    store: Records, ids: Collection[str], records: Mapping[str, Any], as_of: int | None
) -> list[Contact]:
    """Who operates some of the records that were read, and their custodians. Two statements at most."""
    about: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    if ids and OPERATED_BY in store.model.relationship_types:
        for near in store.neighbours(ids, [OPERATED_BY], "out", as_of):
            found[near.record.id] = near.record
            about.setdefault(near.record.id, []).append(near.of)
    for id in sorted(ids):
        custodian = records[id].attributes.get(CUSTODIAN)
        if isinstance(custodian, str) and id not in about.get(custodian, ()):
            about.setdefault(custodian, []).append(id)
    found |= store.get(about.keys() - found.keys(), as_of) if about.keys() - found.keys() else {}
    told = [
        Contact(id, str(found[id].attributes.get("name", id)), found[id].type, tuple(sorted(of)))
        for id, of in about.items()
        if id in found
    ]
    return sorted(told, key=lambda contact: (-len(contact.about), contact.name, contact.id))


def passed_over(store: Records, ids: Collection[str], as_of: int | None) -> dict[str, int] | None:
    """Relationships of some CIs whose types have no impact rule, by type; None for too many CIs.

    One statement.
    """
    if len(ids) > PASSED_OVER:
        return None
    rules = Rules(store.model).rules
    without = [name for name in store.model.relationship_types if name not in rules]
    seen = {near.relationship.key for near in store.neighbours(ids, without, "both", as_of)}
    return dict(sorted(Counter(key.type for key in seen).items()))


def picture(outage: Outage, told: Report, model: Model, title: str, first: int) -> Picture:
    """An outage as a picture: the worst and closest CIs, at most so many, and what joins them."""
    shown = {one.id: one for one in outage.affected[:first]}
    for one in list(shown.values()):
        for reason in outage.why(one.id):
            shown.setdefault(
                reason.id, Affected(reason.id, outage.type(reason.id), reason.effect, 0, False)
            )
    boxes = [
        Box(
            one.id,
            told.names.get(one.id, one.id),
            one.type,
            _label(model, one.type),
            outage.effect(one.id).word,
            one.id in outage.roots,
            is_service(model, one.type),
        )
        for one in shown.values()
    ]
    fired = {(reason.id, reason.provider, reason.type) for id in shown for reason in outage.why(id)}
    groups: dict[int, int] = {}
    marks: list[GroupMark] = []
    arrows = []
    for link, group in outage.links_among(shown):
        if group is not None and group not in groups:
            state = outage.group(group)
            groups[group] = len(marks)
            marks.append(
                GroupMark(
                    state.dependent,
                    state.label,
                    state.left,
                    state.needed,
                    state.total,
                    state.effect,
                )
            )
        rule = outage.topology.rules.rules[link.type]
        arrows.append(
            Arrow(
                link.dependent,
                link.provider,
                link.type,
                rule.soft,
                (link.dependent, link.provider, link.type) in fired,
                None if group is None else groups[group],
            )
        )
    rest = len(outage.affected) - sum(one.id in shown for one in outage.affected)
    notes = [f"revision {outage.at}", outage.truncated or "complete"]
    notes += [f"{rest} more affected CIs are not drawn"] if rest else []
    return Picture(title, boxes, arrows, marks, ", ".join(notes))


def _label(model: Model, type: str) -> str:
    label = model.record_types[type].label
    return f"{label.en} {label.zh}"


def plain(outage: Outage, told: Report, only: Iterable[Affected]) -> dict[str, Any]:
    """An outage as JSON."""
    return {
        "revision": outage.at,
        "complete": not outage.truncated,
        "truncated": outage.truncated or None,
        "roots": {id: effect.word for id, effect in outage.roots.items()},
        "not_found": outage.unknown,
        "not_operational": outage.idle,
        "counts": outage.counts(),
        "affected": [
            {
                "id": one.id,
                "name": told.names.get(one.id),
                "type": one.type,
                "effect": one.effect,
                "distance": one.distance,
                "only_together": one.together,
                "path": _path(outage, one.id),
            }
            for one in only
        ],
        "groups": [plain_group(group) for group in outage.touched()],
        "services": [one.id for one in told.services],
        "types": {type: dict(counts) for type, counts in told.types.items()},
        "organisations": dict(told.organisations),
        "contacts": [{"id": c.id, "name": c.name, "about": list(c.about)} for c in told.contacts],
        "passed_over": told.passed_over,
        "stale_sources": told.stale,
    }


def plain_window(window: Window, told: Report) -> dict[str, Any]:
    """Several outages in one window as JSON."""
    together = window.together
    return {
        "revision": together.at,
        "complete": not together.truncated,
        "truncated": together.truncated or None,
        "not_found": together.unknown,
        "not_operational": together.idle,
        "outages": [
            {"roots": {id: effect.word for id, effect in outage.items()}, "counts": counts}
            for outage, counts in zip(window.outages, window.counts, strict=True)
        ],
        "counts": together.counts(),
        "broken": [
            {**one._asdict(), "name": told.names.get(one.id), "path": _path(together, one.id)}
            for one in window.broken
        ],
        "groups": [plain_group(group) for group in window.tipped],
        "passed_over": told.passed_over,
        "stale_sources": told.stale,
    }


def plain_group(group: GroupState) -> dict[str, Any]:
    return {**group._asdict(), "margin": group.margin}


def _path(outage: Outage, id: str) -> list[dict[str, Any]]:
    return [
        {**reason._asdict(), "group": reason.group and plain_group(reason.group)}
        for reason in outage.why(id)
    ]
