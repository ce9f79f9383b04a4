"""One process with all that belongs to it, and what a person may do with it now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from cli import output, services
from cli.confirming import plain_refusals
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import Stage, open_stage
from lifecycle.engine import Choice
from lifecycle.items import Item, count, items
from lifecycle.refusals import NotAllowedError

HIDDEN: Final = (
    "name", "number", "lifecycle_state", "votes", "comments", "provenance", "fired_timers",
)  # fmt: skip
"""Attributes that are told in another way."""


class Section(NamedTuple):
    """What a kind of process tells of one beside what all do: for programs, and for people."""

    plain: Mapping[str, Any] = {}
    lines: Sequence[str] = ()


class Looked:
    """A process, looked at by a person.

    Parameters
    ----------
    items, first
        What that which it concerns is called, and how much of it is listed.
    """

    def __init__(
        self,
        graph: GraphStore,
        process: Record,
        actor: str,
        items_: str,
        first: int,
        beside: Section,
    ) -> None:
        self.graph, self.process, self.items, self.beside = graph, process, items_, beside
        self.stages = services.stages(graph, process)
        self.listed = list(islice((i for page in items(graph, process.id) for i in page), first))
        self.total = count(graph, process.id)
        self.choices, self.asked, self.why = _for_actor(graph, process, actor)
        self.comments = process.attributes.get("comments") or []
        people = {p for s in self.stages for p in s.people}
        people |= {v["by"] for s in self.stages for v in s.votes}
        people |= {said["by"] for said in self.comments}
        people |= {step["by"] for item in self.listed for step in item.steps}
        self.names = output.names(graph, people)

    def print(self, json: bool) -> None:
        if json:
            output.print_json(self._plain())
            return
        _print_head(self.graph, self.process)
        for line in self.beside.lines:
            output.print_line(line)
        if self.stages:
            _print_stages(self.stages, self.names)
        _print_items(self.graph, self.listed, self.names)
        output.print_line(f"{len(self.listed)} of {self.total} {self.items}.")
        for said in self.comments:
            by = self.names.get(said["by"], "?")
            output.print_line(f"{said['at'][:16]} {by}: {said['text']}")
        if self.why:
            output.print_line(f"What you may do is not known: {self.why}", "dim")
        for line in choice_lines(self.choices, self.asked):
            output.print_line(line)

    def _plain(self) -> dict[str, Any]:
        return {
            **output.plain_record(self.graph.model, self.process),
            **self.beside.plain,
            "stages": [_plain_stage(stage, self.names) for stage in self.stages],
            self.items: {"total": self.total, "listed": [_plain_item(i) for i in self.listed]},
            "asked": self.asked,
            "choices": [plain_choice(choice) for choice in self.choices],
        }


def _for_actor(
    graph: GraphStore, process: Record, actor: str
) -> tuple[list[Choice], str | None, str]:
    """The transitions, what it waits for from this person, or why neither is known."""
    try:
        desk = services.desk(graph, actor)
        return desk.choices(process), desk.asked(process), ""
    except NotAllowedError as error:
        return [], None, str(error)


def _print_head(graph: GraphStore, process: Record) -> None:
    model, attributes = graph.model, process.attributes
    label = model.record_types[process.type].label
    state = output.state(model, process)
    number = str(attributes.get("number") or "")
    name = "" if number in process.name else f"  {process.name}"
    output.print_line(f"{number}  {label.en} {label.zh}{name}  {state}", "bold")
    named = output.referred(graph, attributes.items())
    told = model.record_types[process.type].attributes
    rows = [
        [n, told[n].label.zh, output.shown(model, n, v, named)]
        for n, v in attributes.items()
        if n not in HIDDEN and n in told and told[n].kind.name != "json"
    ]
    output.print_table(["attribute", "属性", "value"], rows)


def _print_stages(stages: list[Stage], names: Mapping[str, str]) -> None:
    now = open_stage(stages)
    rows = []
    for stage in stages:
        votes = [
            f"{names.get(v['by'], '?')} {v['decision']}{': ' + v['comment'] if v.get('comment') else ''}"
            for v in stage.votes
        ]
        state = "granted" if stage.granted else "refused" if stage.refused else ""
        state = state or ("waits" if now is not None and stage.name == now.name else "later")
        asked = ", ".join(sorted(names.get(p, "?") for p in stage.people)) or "nobody"
        at = f" of {stage.organisation.name}" if stage.organisation else ""
        rows.append(
            [
                f"{stage.declared.label.en} {stage.declared.label.zh}",
                f"{stage.declared.role}{at}: {asked}",
                stage.needed,
                "\n".join(votes),
                state,
            ]
        )
    output.print_table(["approval", "asked", "needed", "votes", ""], rows)


def _print_items(graph: GraphStore, listed: list[Item], names: Mapping[str, str]) -> None:
    model = graph.model
    rows = []
    for item in listed:
        steps = [f"{s['step']} {s['at'][:10]} {names.get(s['by'], '?')}" for s in item.steps]
        steps += [
            f"overridden: {o['guard']}, {o['reason']}"
            for s in item.steps
            for o in s.get("overrides", ())
        ]
        details = {n: v for n, v in item.details.items() if v not in (None, "")}
        named = output.referred(graph, details.items())
        rows.append(
            [
                item.record.name,
                item.record.type,
                output.state(model, item.record),
                item.outcome,
                ", ".join(f"{n}={output.shown(model, n, v, named)}" for n, v in details.items()),
                "\n".join(steps),
            ]
        )
    if rows:
        columns = ["item", "type", "its state", "outcome", "details", "steps"]
        output.print_table(columns, rows)


def choice_lines(choices: list[Choice], asked: str | None) -> Iterator[str]:
    moves = {choice.transition.name for choice in choices}
    if asked == "approve":
        yield "You may: approve or reject"
    elif asked and asked not in moves:
        yield f"You may: execute ({asked})"
    for choice in choices:
        name, zh = choice.transition.name.replace("_", "-"), choice.transition.label.zh
        if all(refusal.code == "required" for refusal in choice.refusals):
            needs = "".join(f"; {refusal.message}" for refusal in choice.refusals)
            yield f"You may: {name} {zh}{needs}"
    for choice in choices:
        if any(refusal.code != "required" for refusal in choice.refusals):
            why = "; ".join(refusal.message for refusal in choice.refusals)
            yield f"Not now: {choice.transition.name.replace('_', '-')} {choice.transition.label.zh}: {why}"


def _plain_stage(stage: Stage, names: Mapping[str, str]) -> dict[str, Any]:
    at = stage.organisation
    return {
        "name": stage.name,
        "role": stage.declared.role,
        "organisation": {"id": at.id, "name": at.name} if at else None,
        "people": [{"id": p, "name": names.get(p)} for p in sorted(stage.people)],
        "needed": stage.needed,
        "votes": [dict(vote) for vote in stage.votes],
        "granted": stage.granted,
    }


def _plain_item(item: Item) -> dict[str, Any]:
    return {
        "id": item.record.id,
        "type": item.record.type,
        "name": item.record.name,
        "lifecycle_state": item.record.attributes.get("lifecycle_state"),
        "outcome": item.outcome,
        "details": item.details,
        "steps": item.steps,
    }


def plain_choice(choice: Choice) -> dict[str, Any]:
    return {"name": choice.transition.name, "refusals": plain_refusals(choice.refusals)}
