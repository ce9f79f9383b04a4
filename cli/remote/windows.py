"""`cmdb window` over a server: all outages as one, each by itself, and what only their combination breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cli.impact import asking
from cli.remote.impact import GROUP, NAMED, ToldOutage, answer_of, questions_of
from cli.remote.questions import Questions, hidden
from cli.remote.store import RemoteStore
from impact.rules import Effect
from impact.windows import Broken, Window, united

TYPES: Final = {"outages": "[PlannedOutageInput!]!", "depth": "Int", "asOf": "AsOf"}


class ToldWindow(Window):
    """Outages in one window, as a server told of them."""

    def __init__(
        self,
        graph: RemoteStore,
        outages: Sequence[Mapping[str, Effect]],
        together: ToldOutage,
        depth: int | None,
    ) -> None:
        self.outages, self.together = outages, together
        self.counts = [_counts(graph, outage, together.at, depth) for outage in outages]
        given: dict[str, Any] = {
            "outages": [_planned(outage) for outage in outages],
            "depth": depth,
            "asOf": together.at,
        }
        questions = Questions(graph, "outageWindow", TYPES, given)
        self.hidden = hidden(questions.ask("hidden { organisation count }"))
        self.broken = [
            Broken(
                told["record"]["id"],
                told["record"]["type"],
                told["alone"].lower(),
                told["together"].lower(),
                tuple(told["sparedBy"]),
            )
            for told in questions.every("broken", f"alone together sparedBy {NAMED}")
        ]
        self.tipped = [together.state(told) for told in questions.every("groups", GROUP[1:-1])]


def _planned(outage: Mapping[str, Effect]) -> dict[str, Any]:
    [effect] = {effect.name for effect in outage.values()}
    return {"of": list(outage), "effect": effect}


def _counts(
    graph: RemoteStore, outage: Mapping[str, Effect], at: int, depth: int | None
) -> dict[str, int]:
    """How many CIs an outage affects by itself, by effect."""
    questions = questions_of(graph, asking.Asked(outage, at, depth=depth))
    told = questions.ask("totals { byEffect { effect count } }")["totals"]["byEffect"]
    found = {each["effect"].lower(): each["count"] for each in told}
    return {e.word: found.get(e.word, 0) for e in reversed(Effect) if e}


@asking.together.register
def _(
    graph: RemoteStore,
    outages: Sequence[Mapping[str, Effect]],
    at: int | None,
    depth: int | None,
    verbose: bool,
) -> asking.Together:
    answer = answer_of(graph, asking.Asked(united(outages), at, depth=depth))
    outage = answer.outage
    assert isinstance(outage, ToldOutage)
    window = ToldWindow(graph, outages, outage, depth)
    return asking.Together(window, answer.told, window.hidden)
