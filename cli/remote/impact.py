"""`cmdb impact` over a server: it has the whole graph, and tells what the token may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from cli.impact.asking import Answer, Asked, answer
from cli.impact.hypotheses import relationship_of
from cli.remote.instead import NotOverServerError
from cli.remote.questions import Questions, hidden
from cli.remote.store import RemoteStore
from impact import reports
from impact.analysis import Affected, GroupState, Outage, Reason
from impact.differences import Change, Difference, GroupChange
from impact.elements import Link
from impact.rules import Effect, Rules

NAMED: Final = "record { id type name organisation { id name } }"
GROUP: Final = (
    """{ dependent { id type name } type label total left healthy needed short effect }"""
)
WHY: Final = (
    f"""why {{ effect distance relationshipType record {{ id type name }} group {GROUP} }}"""
)
ONE: Final = f"effect distance onlyTogether {NAMED}"
ABOUT: Final = """truncated notFound notOperational hidden { organisation count }
    contacts { record { id type name } about { id } } passedOver { type count }
    staleSources { source count }"""
TYPES: Final = {
    "of": "[ID!]!",
    "effect": "OutageEffect!",
    "depth": "Int",
    "asOf": "AsOf",
    "versus": "AsOf",
    "hypothetical": "HypothesisInput",
}
PATHS: Final = 100
"""CIs of a page that is told with paths."""


def questions_of(graph: RemoteStore, asked: Asked) -> Questions:
    """What is asked of an outage."""
    (effect,) = {effect.name for effect in asked.roots.values()}
    given: dict[str, Any] = {
        "of": list(asked.roots),
        "effect": effect,
        "depth": asked.depth,
        "asOf": asked.at,
        "versus": asked.versus,
    }
    if asked.without or asked.with_:
        rules = Rules(graph.model)
        texts = {"removed": asked.without, "added": asked.with_}
        given["hypothetical"] = {
            name: [_supposed(graph, rules, text) for text in said] for name, said in texts.items()
        }
    return Questions(graph, "impact", TYPES, given)


class ToldOutage(Outage):
    """An outage as a server told it: of each CI the path that was asked for."""

    def __init__(self, graph: RemoteStore, asked: Asked, questions: Questions) -> None:
        self._rules = Rules(graph.model)
        self.about = about = questions.about(ABOUT, pinned="hypothetical" not in questions.given)
        self.at, self.roots = about["revision"], dict(asked.roots)
        self.truncated = about["truncated"] or ""
        self.unknown, self.idle = about["notFound"], about["notOperational"]
        self.names: dict[str, str] = {}
        self._types: dict[str, str] = {}
        self._effects: dict[str, str] = {}
        self._paths: dict[str, list[Reason]] = {}
        every = list(questions.every("affected", ONE))
        self.affected = [self._one(told) for told in every]
        self.organisations = Counter(self._organisation(told["record"]) for told in every)
        self._groups = [self.state(told) for told in questions.every("groups", GROUP[1:-1])]

    def paths(self, told: Mapping[str, Any]) -> None:
        """Read the path of a CI."""
        ids = [self._known(step["record"], f"hidden, of {told['record']['id']}, {n}") for n, step in enumerate(told["why"])]  # fmt: skip
        path = [
            Reason(
                id,
                step["effect"].lower(),
                step["distance"],
                type_ := step["relationshipType"] or "",
                provider,
                bool(type_) and self._rules.rules[type_].soft,
                step["group"] and self.state(step["group"]),
            )
            for id, provider, step in zip(ids, [*ids[1:], ""], told["why"], strict=True)
        ]
        for place, reason in enumerate(path):
            self._effects.setdefault(reason.id, reason.effect)
            self._paths.setdefault(reason.id, path[place:])

    def state(self, told: Mapping[str, Any]) -> GroupState:
        """A redundancy group."""
        dependent = self._known(told["dependent"], "hidden")
        said = {n: v for n, v in told.items() if n != "dependent"}
        return GroupState(dependent, **{**said, "effect": told["effect"].lower()})

    def change(self, told: Mapping[str, Any]) -> Change:
        """What is otherwise for a CI."""
        id = self._known(told["record"], "hidden")
        return Change(id, self._types[id], told["before"].lower(), told["after"].lower())

    def report(self, services: Collection[Affected]) -> reports.Report:
        """What there is to know beside the effects."""
        types: dict[str, Counter[str]] = {}
        for one in self.affected:
            types.setdefault(one.type, Counter())[one.effect] += 1
        contacts = [
            reports.Contact(
                self._known(told["record"], ""),
                told["record"]["name"] or told["record"]["id"],
                told["record"]["type"],
                tuple(sorted(record["id"] for record in told["about"])),
            )
            for told in self.about["contacts"]
        ]
        passed = self.about["passedOver"]
        return reports.Report(
            self.names,
            list(services),
            types,
            self.organisations,
            contacts,
            None if passed is None else {told["type"]: told["count"] for told in passed},
            {told["source"]: told["count"] for told in self.about["staleSources"]},
        )

    def _one(self, told: Mapping[str, Any]) -> Affected:
        id = self._known(told["record"], "hidden")
        self._effects[id] = told["effect"].lower()
        return Affected(
            id, self._types[id], self._effects[id], told["distance"], told["onlyTogether"]
        )

    def _organisation(self, record: Mapping[str, Any]) -> str:
        found = record["organisation"]
        return self._known({"type": "", **found}, "") if found else ""

    def _known(self, record: Mapping[str, Any] | None, hidden: str) -> str:
        """The id of a record, its name remembered; of one that is hidden a name for it."""
        if record is None:
            self.names.setdefault(hidden, "(hidden)")
            self._types.setdefault(hidden, "")
            return hidden
        id = str(record["id"])
        self.names[id], self._types[id] = record["name"] or id, record["type"]
        return id

    # -- as an outage is asked ----------------------------------------------------------------------------

    def type(self, id: str) -> str:
        return self._types.get(id, "")

    def effect(self, id: str) -> Effect:
        return Effect[self._effects.get(id, "none").upper()]

    def why(self, id: str) -> list[Reason]:
        return self._paths.get(id, [])

    def touched(self) -> list[GroupState]:
        return self._groups

    def counts(self) -> dict[str, int]:
        found = Counter(one.effect for one in self.affected)
        return {e.word: found[e.word] for e in reversed(Effect) if e}

    def links_among(self, ids: Collection[str]) -> Iterator[tuple[Link, int | None]]:
        raise NotOverServerError(
            "A picture takes the topology, which no server gives away.",
            "Draw it where the store is (--store); without --picture this works.",
        )


@answer.register
def answer_of(graph: RemoteStore, asked: Asked) -> Answer:
    """What an outage hits."""
    questions = questions_of(graph, asked)
    outage = ToldOutage(graph, asked, questions)
    narrowed = f'type: "{asked.record_type}"' if asked.record_type else ""
    narrowed += " serviceOnly: true" if asked.service_only else ""
    shown = questions.every("affected", f"{ONE} {WHY}", narrowed, size=PATHS)
    for told in islice(shown, asked.first):
        outage.paths(told)
    only = reports.only(graph.model, outage.affected, asked.record_type, asked.service_only)
    services = reports.only(graph.model, outage.affected, service_only=True)
    difference = None
    if asked.versus is not None or asked.without or asked.with_:
        difference = _difference(outage, questions)
    return Answer(outage, outage.report(services), only, difference, hidden(outage.about))


def _difference(outage: ToldOutage, questions: Questions) -> Difference:
    sides = {
        name: [
            outage.change(told)
            for told in questions.every(name, f"before after {NAMED}", within=["difference"])
        ]
        for name in ("worse", "better")
    }
    both = f"before {GROUP} after {GROUP}"
    groups = [
        GroupChange(*(told[side] and outage.state(told[side]) for side in ("before", "after")))
        for told in questions.every("groups", both, within=["difference"])
    ]
    still = sum(change.after != "none" for change in sides["better"])
    same = len(outage.affected) - len(sides["worse"]) - still
    return Difference(sides["worse"], sides["better"], same, groups)


def _supposed(graph: RemoteStore, rules: Rules, text: str) -> dict[str, Any]:
    said = relationship_of(graph, rules, text)
    return {
        "type": said.type,
        "source": said.source.id,
        "target": said.target.id,
        "group": said.group,
    }
