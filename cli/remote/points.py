"""What CIs stand on, what takes services down alone, and what is behind alarms, over a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from cli.impact import asking
from cli.remote.questions import Questions, hidden
from cli.remote.store import RemoteStore
from impact.dependencies import Dependency
from impact.rules import Effect

TYPES: Final = {
    "of": "[ID!]",
    "pairs": "Boolean!",
    "alarms": "[ID!]!",
    "good": "[ID!]",
    "effect": "OutageEffect!",
    "first": "Int!",
    "depth": "Int",
    "asOf": "AsOf",
}
STANDING: Final = {**TYPES, "of": "[ID!]!"}
HIDDEN: Final = "complete hidden { organisation count }"
CI: Final = "record { id type }"


@asking.standing.register
def _(
    graph: RemoteStore, ids: Sequence[str], at: int | None, depth: int | None, verbose: bool
) -> asking.Standing:
    given = {"of": list(ids), "depth": depth, "asOf": at}
    questions = Questions(graph, "dependencies", STANDING, given)
    about = questions.about(f"truncated {HIDDEN}")
    every = questions.every("found", f"distance relationshipType by {{ id }} {CI}")
    found = [
        Dependency(
            told["record"]["id"],
            told["record"]["type"],
            told["distance"],
            _id(told["by"]),
            told["relationshipType"],
        )
        for told in every
    ]
    return asking.Standing(about["revision"], found, about["truncated"] or "", hidden(about))


@asking.points.register
def _(
    graph: RemoteStore, services: Sequence[str], at: int | None, pairs: bool, verbose: bool
) -> asking.Points:
    given = {"of": list(services) or None, "asOf": at}
    questions = Questions(graph, "singlePointsOfFailure", TYPES, given)
    about = questions.about(HIDDEN)
    at = about["revision"]
    found = [
        asking.Point(
            told["record"]["id"], told["record"]["type"], _ids(told["services"]), told["serviceCount"]
        )
        for told in questions.every("found", f"serviceCount services {{ id }} {CI}")
    ]  # fmt: skip
    watched = services or asking.every_service(graph, at)
    together = list(_pairs(graph, watched, at)) if pairs else []
    return asking.Points(at, watched, found, together, hidden(about))


def _pairs(graph: RemoteStore, services: Sequence[str], at: int | None) -> Iterator[asking.Pairs]:
    """Service by service, to tell of each how many pairs were tried."""
    for service in services:
        given = {"of": [service], "pairs": True, "asOf": at}
        questions = Questions(graph, "singlePointsOfFailure", TYPES, given)
        about = questions.about("complete tried")
        every = questions.every("pairs", "records { id }")
        found = [(one["id"], other["id"]) for one, other in (told["records"] for told in every)]
        yield asking.Pairs(service, found, about["complete"], about["tried"])


@asking.causes.register
def _(
    graph: RemoteStore,
    alarms: Sequence[str],
    good: Sequence[str],
    effect: Effect,
    at: int | None,
    first: int,
    verbose: bool,
) -> asking.Causes:
    given = {
        "alarms": list(alarms),
        "good": list(good),
        "effect": effect.name,
        "first": first,
        "asOf": at,
    }
    lists = " ".join(f"{name} {{ id }}" for name in ("explained", "unexplained", "contradicted"))
    questions = Questions(graph, "rootCause", TYPES, given)
    about = questions.about(f"tried {HIDDEN} causes {{ silent {lists} {CI} }}")
    found = [
        asking.Cause(
            told["record"]["id"],
            told["record"]["type"],
            _ids(told["explained"]),
            _ids(told["unexplained"]),
            _ids(told["contradicted"]),
            told["silent"],
        )
        for told in about["causes"]
    ]
    revision, complete = about["revision"], about["complete"]
    return asking.Causes(revision, found, complete, about["tried"], hidden(about))


def _ids(told: Iterable[Mapping[str, Any]]) -> list[str]:
    return [record["id"] for record in told]


def _id(told: Mapping[str, Any] | None) -> str:
    """An id; of what may not be seen nothing."""
    return str(told["id"]) if told else ""
