"""Changes over a server: what they hold back, and what is in their way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cli import services
from cli.remote.hits import COUNTS, summary_of
from cli.remote.processes import OWN, Remote
from cli.remote.questions import about
from cli.remote.store import CHANGED, RemoteStore, plain_operation
from client.client import RECORD
from cmdb.change_sets import Operation
from cmdb.errors import Problem
from cmdb.records import Record
from itsm.changes.collisions import Collision
from itsm.changes.desk import Changes
from itsm.changes.risk import Factor, Risk, number
from itsm.changes.schedule import HORIZON, Free
from itsm.changes.whatif import Seen
from schema.kinds import parse_datetime

OF_CHANGE: Final = "... on Change"
COLLISION: Final = f"kind begins ends why others {{ {RECORD} }} items {{ {RECORD} }}"


class RemoteChanges(Remote, Changes):
    """Has the server hold back what changes plan, and look for what is in their way."""

    kind, command = Changes.kind, Changes.command

    def plan(
        self,
        change: str,
        actor: str,
        operations: Sequence[Operation] | None,
        allowed: Callable[[Sequence[Operation]], object] = lambda _: None,
    ) -> int:
        said = None if operations is None else [plain_operation(each) for each in operations]
        return self.engine.revision("planChange", change=change, plainOperations=said)

    def collisions(self, change: Record, seen: Seen | None = None) -> list[Collision]:
        told = _ask(self.engine.store, change, f"collisions {{ {COLLISION} }}")
        return [_collision(self.engine.store, one) for one in told["collisions"]]

    def risk(self, change: Record, seen: Seen | None = None) -> Risk:
        asked = "riskNow { level points factors { name count points said records { id } } }"
        told = _ask(self.engine.store, change, asked)["riskNow"]
        factors = [
            Factor(
                each["name"],
                number(each["count"]),
                number(each["points"]),
                each["said"] or "",
                tuple(record["id"] for record in each["records"]),
            )
            for each in told["factors"]
        ]
        return Risk(number(told["points"]), told["level"], tuple(factors))

    def next_free(self, change: Record, days: int = HORIZON, seen: Seen | None = None) -> Free:
        asked = f"nextWindow(days: {days}) {{ begins ends until inTheWay {{ {COLLISION} }} }}"
        told = _ask(self.engine.store, change, asked)["nextWindow"]
        first = [_collision(self.engine.store, one) for one in told["inTheWay"]]
        until = parse_datetime(told["until"])
        return Free(_instant(told["begins"]), _instant(told["ends"]), until, first)


OWN[Changes] = RemoteChanges


def _ask(graph: RemoteStore, change: Record, selection: str) -> Any:
    """Something of a change."""
    return about(graph, change.id).ask(f"{OF_CHANGE} {{ {selection} }}")


def _collision(graph: RemoteStore, told: Mapping[str, Any]) -> Collision:
    begins, ends = parse_datetime(told["begins"]), parse_datetime(told["ends"])
    others, items = (tuple(map(graph.read, told[name])) for name in ("others", "items"))
    return Collision(told["kind"], begins, ends, ends, others, items, told["why"])


def _instant(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None


@services.difference_of.register
def _(graph: RemoteStore, change: Record) -> services.Difference:
    told = _ask(
        graph,
        change,
        f"""difference {{ {CHANGED} outdated {{ name message detail }}
        problems {{ operation subject attribute code message }} }}""",
    )["difference"]
    outdated = [
        services.Outdated(moved.get("name", each["name"]), each["message"], moved)
        for each in told["outdated"]
        for moved in [(each["detail"] or {}).get("moved") or {}]
    ]
    problems = [Problem(**each) for each in told["problems"]]
    return services.Difference(graph.changes({**told, "modelApplied": False}), outdated, problems)


@services.kept_of.register
def _(graph: RemoteStore, change: Record) -> services.Kept:
    told = _ask(graph, change, f"heldBack riskFactors {{ points said }} impact {{ {COUNTS} }}")
    risk = [(factor["points"], factor["said"] or "") for factor in told["riskFactors"]]
    hit = summary_of(told["impact"], about(graph, change.id), OF_CHANGE)
    return services.Kept(told["heldBack"], hit, risk)
