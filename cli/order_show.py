"""One process with all that belongs to it, and what a person may do with it now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from cli import output
from cli.confirming import plain_refusals
from cli.options import STORE_DEFAULT, Actor, First, Json, Store, actor_or_me, opened
from cli.order_moves import Service
from cli.order_words import ProcessName
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import Stage, open_stage
from lifecycle.desk import Desk, stages_of
from lifecycle.drafting import Drafting
from lifecycle.engine import Choice, Engine
from lifecycle.items import Item, count, items
from lifecycle.refusals import NotAllowedError

HIDDEN: Final = (
    "name", "number", "lifecycle_state", "votes", "comments", "provenance", "fired_timers",
    "impact", "risk_explained", "planned",
)  # fmt: skip
"""Attributes that are told in another way."""


class Section(NamedTuple):
    """What there is to tell of processes of one kind beside what all have.

    Attributes
    ----------
    plain
        As JSON, by name.
    lines
        For people.
    """

    plain: Mapping[str, Any] = {}
    lines: Sequence[str] = ()


def shower(
    service: Service, also: Callable[[GraphStore, Record], Section] = lambda *_: Section()
) -> Callable[..., None]:
    """The subcommand that shows a process."""

    def show(
        process: ProcessName,
        first: First = 50,
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """State, approval, devices and their steps, comments, and what you may do now."""
        with opened(store) as graph:
            desk = service(graph)
            found = desk.find(process)
            _show(graph, desk, found, also(graph, found), first, actor_or_me(actor), json)

    return show


def _show(
    graph: GraphStore,
    desk: Drafting,
    found: Record,
    also: Section,
    first: int,
    actor: str,
    json: bool,
) -> None:
    stages = stages_of(desk.engine, found)
    listed = list(islice((i for page in items(graph, found.id) for i in page), first))
    total = count(graph, found.id)
    choices, asked, why = _for_actor(desk.engine, found, actor)
    people = {p for s in stages for p in s.people}
    people |= {v["by"] for s in stages for v in s.votes}
    people |= {said["by"] for said in found.attributes.get("comments") or ()}
    people |= {step["by"] for item in listed for step in item.steps}
    names = output.names(graph, people)
    if json:
        output.print_json(
            {
                **output.plain_record(graph.model, found),
                "stages": [_plain_stage(stage, names) for stage in stages],
                "devices": {"total": total, "listed": [_plain_item(i) for i in listed]},
                "asked": asked,
                "choices": [plain_choice(choice) for choice in choices],
                **also.plain,
            }
        )
        return
    _print_head(graph, found)
    if stages:
        _print_stages(stages, names)
    _print_items(graph, listed, total, names)
    for line in also.lines:
        output.print_line(line)
    for said in found.attributes.get("comments") or ():
        output.print_line(f"{said['at'][:16]} {names.get(said['by'], '?')}: {said['text']}")
    if why:
        output.print_line(f"What you may do is not known: {why}", "dim")
    for line in choice_lines(choices, asked):
        output.print_line(line)


def _for_actor(engine: Engine, order: Record, actor: str) -> tuple[list[Choice], str | None, str]:
    """The transitions, what the order waits for from this person, or why neither is known."""
    try:
        desk = Desk(engine, actor)
    except NotAllowedError as error:
        return [], None, str(error)
    return desk.choices(order), desk.asked(order), ""


def _print_head(graph: GraphStore, order: Record) -> None:
    model, attributes = graph.model, order.attributes
    label = model.record_types[order.type].label
    state = output.shown(model, "lifecycle_state", attributes.get("lifecycle_state"))
    output.print_line(f"{attributes.get('number')}  {label.en} {label.zh}  {state}", "bold")
    named = output.referred(graph, attributes.items())
    told = model.record_types[order.type].attributes
    rows = [
        [n, told[n].label.zh, output.shown(model, n, v, named)]
        for n, v in attributes.items()
        if n not in HIDDEN and n in told
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


def _print_items(
    graph: GraphStore, listed: list[Item], total: int, names: Mapping[str, str]
) -> None:
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
                output.shown(
                    model, "lifecycle_state", item.record.attributes.get("lifecycle_state")
                ),
                item.outcome,
                ", ".join(f"{n}={output.shown(model, n, v, named)}" for n, v in details.items()),
                "\n".join(steps),
            ]
        )
    if rows:
        columns = ["device", "type", "its state", "outcome", "details", "steps"]
        output.print_table(columns, rows)
    output.print_line(f"{len(rows)} of {total} devices.")


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
