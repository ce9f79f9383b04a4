"""One incident with all that belongs to it, and what a person may do with it now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cli import output, services
from cli.incidents.words import IncidentName, incidents_of, left, plain, span
from cli.ledger import Language, checked
from cli.options import STORE_DEFAULT, Actor, First, Json, Store, actor_or_me, opened
from cli.process_show import choice_lines, plain_choice
from cmdb.store import GraphStore
from itsm.hits import Summary
from itsm.opening import EFFECT, ROLE
from itsm.overview import Overview
from lifecycle.engine import Choice, Engine
from lifecycle.refusals import NotAllowedError

HIDDEN: Final = (
    "name", "number", "lifecycle_state", "priority", "major", "votes", "comments", "provenance", "impact",
    "impact_revision", "hit_organisations", "fired_timers", "response_due", "resolution_due",
)  # fmt: skip
"""Attributes that are told in another way."""


def show(
    incident: IncidentName,
    first: First = 20,
    language: Language = "zh",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """An incident: priority, clocks, impact, CIs, alerts, what happened to it, and what you may do now."""
    checked(language)
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = services.overview_of(graph, incidents.find(incident))
        choices, why = _choices(incidents.engine, found, actor_or_me(actor))
        if json:
            output.print_json(
                {
                    **plain(graph, found.record),
                    **found.plain(),
                    "choices": [plain_choice(choice) for choice in choices],
                }
            )
            return
        _print_head(graph, found)
        _print_clocks(graph, found)
        print_impact(graph, found.impact, first)
        _print_items(found, first)
        _print_alerts(graph, found, first)
        for near in found.relations:
            type_ = graph.model.relationship_types[near.relationship.type]
            out = near.relationship.source == found.record.id
            label = type_.label if out else type_.inverse_label
            number = near.record.attributes.get("number", "")
            output.print_line(f"{label.en} {label.zh}: {number} {near.record.name}")
        for entry in found.course:
            words = entry.zh if language == "zh" else entry.en
            output.print_line(f"{entry.at:%Y-%m-%d %H:%M} {entry.actor}: {words}")
        if why:
            output.print_line(f"What you may do is not known: {why}", "dim")
        for line in choice_lines(choices, None):
            output.print_line(line)


def _choices(engine: Engine, found: Overview, actor: str) -> tuple[list[Choice], str]:
    try:
        return engine.choices(found.record, actor), ""
    except NotAllowedError as error:
        return [], str(error)


def _print_head(graph: GraphStore, found: Overview) -> None:
    model, said = graph.model, found.record.attributes
    words = [
        str(said.get("number", "")),
        found.record.name,
        output.state(graph.model, found.record),
    ]
    words.append(output.shown(model, "priority", said.get("priority")))
    if said.get("major"):
        words.append("MAJOR 重大事件")
    output.print_line("  ".join(words), "bold")
    named = output.referred(graph, said.items())
    told = model.record_types[found.record.type].attributes
    rows = [
        [n, told[n].label.zh, output.shown(model, n, v, named)]
        for n, v in said.items()
        if n not in HIDDEN and n in told
    ]
    output.print_table(["attribute", "属性", "value"], rows)


def _print_clocks(graph: GraphStore, found: Overview) -> None:
    machine = graph.model.record_types[found.record.type].state_machine
    assert machine is not None, "incidents have states"
    rows = []
    for name, shown in found.clocks.items():
        promise = shown.promise
        said = f"{span(promise.span)} by {promise.calendar.name}" if promise else "–"
        due = f"{shown.due:%Y-%m-%d %H:%M} UTC" if shown.due else "–"
        label = machine.clocks[name].label
        spent = span(shown.elapsed)
        rows.append([label.en, label.zh, shown.status, spent, left(shown), due, said])
    if rows:
        columns = ["clock", "时限", "", "elapsed", "left", "due", "promised"]
        output.print_table(columns, rows)


def print_impact(
    graph: GraphStore, impact: Summary | None, first: int, title: str = "Impact 影响"
) -> None:
    """What is hit: counts, services, organisations."""
    if impact is None:
        output.print_line(f"{title}: not worked out yet; `cmdb incident refresh` does that.")
        return
    counts = ", ".join(f"{number} {effect}" for effect, number in impact.counts.items())
    cut = f"; not whole: {impact.truncated}" if impact.truncated else ""
    output.print_line(f"{title} as of revision {impact.revision}: {counts or 'nothing'}{cut}")
    hit, organisations = impact.services[:first], list(impact.organisations.items())
    names = output.names(graph, {*(s.id for s in hit), *(id for id, _ in organisations if id)})
    if hit:
        rows = [
            [names.get(id, id), effect, output.shown(graph.model, "criticality", critical or None)]
            for id, effect, critical in hit
        ]
        output.print_table(["service", "effect", "criticality"], rows)
        more = len(impact.services) - len(hit) + impact.more
        if more > 0:
            output.print_line(f"… and {more:,} more services.", "dim")
    if organisations:
        counted: list[list[Any]] = [
            [
                names.get(id, "–"),
                *(of.items.get(effect, 0) for effect in ("down", "degraded", "at_risk")),
            ]
            for id, of in organisations[:first]
        ]
        output.print_table(["organisation 单位", "down", "degraded", "at risk"], counted)
        if len(organisations) > first:
            output.print_line(f"… and {len(organisations) - first:,} more organisations.", "dim")


def _print_items(found: Overview, first: int) -> None:
    rows = [
        [i.record.name, i.record.type, i.details.get(ROLE, ""), i.details.get(EFFECT, "down"), i.outcome]
        for i in found.items[:first]
    ]  # fmt: skip
    if rows:
        output.print_table(["CI", "type", "role", "effect", ""], rows)
    output.print_line(f"{len(rows)} of {found.concerned} CIs.")


def _print_alerts(graph: GraphStore, found: Overview, first: int) -> None:
    rows = list(_alert_rows(graph, found, first))
    if rows:
        columns = ["alert 告警", "CI", "severity", "state", "last seen (UTC)", "times"]
        output.print_table(columns, rows)
        output.print_line(f"{len(rows)} of {found.alarms} alerts.")


def _alert_rows(graph: GraphStore, found: Overview, first: int) -> Iterator[list[Any]]:
    for alert, ci in found.alerts[:first]:
        said, model = alert.attributes, graph.model
        last = said.get("last_seen")
        yield [
            alert.name,
            ci.name if ci is not None else "–",
            output.shown(model, "severity", said.get("severity")),
            output.shown(model, "lifecycle_state", said.get("lifecycle_state")),
            f"{last:%Y-%m-%d %H:%M}" if last else "–",
            said.get("occurrences", ""),
        ]
