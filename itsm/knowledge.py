"""What is known already: known errors and knowledge articles that fit an incident, each with why."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any, Final

from cmdb.queries import Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.items import CONCERNS, DROPPED
from schema.model import Model

KNOWN: Final[Mapping[str, Mapping[str, Any]]] = {
    "Problem": {"lifecycle_state": {"eq": "known_error"}},
    "KnowledgeArticle": {"lifecycle_state": {"eq": "in_force"}},
}
"""Types of what is known, and a filter on those that hold."""
TEXTS: Final = (
    "name", "description", "symptoms", "root_cause", "workaround", "remedy", "tags",
)  # fmt: skip
APPLIES_TO: Final = "applies_to"
ROOTS: Final = ("Record", "ConfigurationItem")
"""Types that all CIs are of."""
MOST: Final = 2_000
PAGE: Final = 500
POINTS: Final = {"ci": 50.0, "type": 25.0, "words": 40.0}
"""What a fit counts at most: the same CI, the same type (half for each step up, or down), words in common."""
COMMON: Final = 0.05
"""So much of all words must be in common for words to count by themselves."""
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_.\-]*[a-z0-9]|[a-z0-9]|[\u3400-\u9fff\uf900-\ufaff]+")


@dataclass(frozen=True)
class Fit:
    """Something known that fits.

    Attributes
    ----------
    points
        Why, and how much that counts: ``ci``, ``type``, ``words``.
    cis
        Ids of the CIs that both concern.
    type
        The type that both are about, the closest.
    words
        In common, the most telling first.
    """

    record: Record
    points: Mapping[str, float]
    cis: tuple[str, ...] = ()
    type: str = ""
    words: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        return sum(self.points.values())


@dataclass(frozen=True)
class Known:
    """What fits, the best first; ``truncated`` says why not all was looked at."""

    fits: list[Fit]
    truncated: str

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "complete": not self.truncated,
            "truncated": self.truncated or None,
            "fits": [
                {
                    "id": fit.record.id,
                    "type": fit.record.type,
                    "name": fit.record.name,
                    "number": fit.record.attributes.get("number"),
                    "score": round(fit.score, 1),
                    "points": {name: round(value, 1) for name, value in fit.points.items()},
                    "cis": list(fit.cis),
                    "fits_type": fit.type or None,
                    "words": list(fit.words),
                }
                for fit in self.fits
            ],
        }


def known(store: GraphStore, incident: Record, *, first: int = 10) -> Known:
    """Known errors and knowledge articles that fit an incident, the best first.

    A known error is about the CIs that it concerns and their types; an article about those of the known
    errors it describes, and about the types it says. Words count by how rare they are among all that is
    known; of Chinese, each two characters are one.

    A handful of statements, and one for some hundreds of what is known.
    """
    return known_of(store, [incident], first=first)[incident.id]


def known_of(
    store: GraphStore, incidents: Collection[Record], *, first: int = 10
) -> dict[str, Known]:
    """The same for several incidents, by id; no more statements for more of them."""
    candidates, truncated = _candidates(store)
    if not candidates:
        return {incident.id: Known([], truncated) for incident in incidents}
    concerned = _concerned(store, [incident.id for incident in incidents])
    about = _about(store, candidates)
    texts = {record.id: words(_texts(record)) for record in candidates}
    rarity = _rarity(texts.values())
    found = {}
    for incident in incidents:
        own, mine = concerned.get(incident.id, {}), words(_texts(incident))
        fits = [
            _fit(
                store.model,
                record,
                own,
                about.get(record.id, {}),
                mine & texts[record.id],
                mine,
                rarity,
            )
            for record in candidates
        ]
        best = sorted((f for f in fits if f.points), key=lambda f: (-f.score, f.record.id))
        found[incident.id] = Known(best[:first], truncated)
    return found


def words(text: str) -> frozenset[str]:
    """The words of a text; of a run of Chinese characters, each two that follow one another."""
    found: set[str] = set()
    for match in _WORD.findall(text.lower()):
        if match[0].isascii():
            found.add(match)
        else:
            found.update(match[n : n + 2] for n in range(max(1, len(match) - 1)))
    return frozenset(found)


def _candidates(store: GraphStore) -> tuple[list[Record], str]:
    found: list[Record] = []
    for type_, where in KNOWN.items():
        query: Query | None = Query(type_, where, sort=[Sort("name")], first=PAGE)
        while query is not None:
            page = store.find(query)
            found += page.records
            if len(found) >= MOST:
                return found[:MOST], f"the first {MOST} known errors and articles were looked at"
            query = replace(query, after=page.cursor) if page.cursor else None
    return found, ""


def _concerned(store: GraphStore, processes: Collection[str]) -> dict[str, dict[str, Record]]:
    """The CIs that processes concern. One statement."""
    found: dict[str, dict[str, Record]] = {}
    for near in store.neighbours(processes, [CONCERNS], "out") if processes else ():
        if near.relationship.attributes.get("outcome") != DROPPED:
            found.setdefault(near.of, {})[near.record.id] = near.record
    return found


def _about(store: GraphStore, candidates: Iterable[Record]) -> dict[str, dict[str, Record]]:
    """The CIs that what is known is about. Two statements for some hundreds."""
    ids = [record.id for record in candidates]
    found: dict[str, dict[str, Record]] = {}
    for begin in range(0, len(ids), PAGE):
        part = ids[begin : begin + PAGE]
        described = store.neighbours(part, ["DESCRIBED_BY"], "in")
        concerned = _concerned(store, {*part, *(near.record.id for near in described)})
        for id in part:
            found[id] = dict(concerned.get(id, {}))
        for near in described:
            found[near.of] |= concerned.get(near.record.id, {})
    return found


def _fit(
    model: Model,
    record: Record,
    own: Mapping[str, Record],
    about: Mapping[str, Record],
    common: Collection[str],
    mine: Collection[str],
    rarity: Mapping[str, float],
) -> Fit:
    points: dict[str, float] = {}
    cis = sorted(own.keys() & about.keys())
    if cis:
        points["ci"] = POINTS["ci"]
    applies = record.attributes.get(APPLIES_TO) or ()
    near = min(_steps(model, own.values(), about.values(), applies), default=None)
    if near is not None:
        points["type"] = POINTS["type"] / 2 ** near[0]
    weight = sum(rarity.get(word, 0.0) for word in common)
    share = weight / (sum(rarity.get(word, 0.0) for word in mine) or 1.0)
    if share >= COMMON or (points and common):
        points["words"] = POINTS["words"] * share
    telling = sorted(common, key=lambda word: (-rarity.get(word, 0.0), word))
    return Fit(record, points, tuple(cis), near[1] if near else "", tuple(telling[:10]))


def _steps(
    model: Model, own: Iterable[Record], about: Iterable[Record], applies: Collection[str]
) -> Iterator[tuple[int, str]]:
    """How many types lie between the type of a CI and what something is about, and the type of both: one
    that it applies to, or the closest that the CIs of both are of."""
    types = model.record_types
    abouts = [types[name].ancestors for name in sorted({record.type for record in about})]
    for name in sorted({record.type for record in own}):
        ancestors = types[name].ancestors
        yield from (
            (steps, above) for steps, above in enumerate(reversed(ancestors)) if above in applies
        )
        for others in abouts:
            common = [above for above in ancestors if above in others and above not in ROOTS]
            if common:
                yield len(ancestors) + len(others) - 2 * others.index(common[-1]) - 2, common[-1]


def _texts(record: Record) -> str:
    said = (record.attributes.get(name) for name in TEXTS)
    return "\n".join(" ".join(v) if isinstance(v, list) else str(v) for v in said if v)


def _rarity(texts: Collection[frozenset[str]]) -> dict[str, float]:
    """How telling a word is: the rarer among all texts, the more (inverse document frequency)."""
    counts: dict[str, int] = {}
    for text in texts:
        for word in text:
            counts[word] = counts.get(word, 0) + 1
    return {word: log(1 + len(texts) / count) for word, count in counts.items()}
