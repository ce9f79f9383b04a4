"""What a change would do, what is in its way, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from cli import output, services
from cli.impact.printing import STYLES, group_words
from cli.options import (
    STORE_DEFAULT,
    Json,
    Store,
    opened,
)
from cli.process_show import Section
from cli.process_words import ProcessName
from cmdb.queries import Query
from cmdb.records import Record, listed
from cmdb.revisions import Changes as GraphChanges
from cmdb.store import GraphStore
from itsm.changes.desk import Changes
from itsm.changes.planned import Planned
from itsm.changes.whatif import WhatIf
from itsm.hits import Summary

NAMED: Final = 20

View = Callable[[GraphStore, Changes, Record], tuple[Any, Iterable[tuple[str, str]]]]
"""Gives what there is to tell of a change: as JSON, and as lines with their styles."""


def changes_of(graph: GraphStore) -> Changes:
    return services.processes(graph, Changes)


def _of_one(process: str, store: str, json: bool, view: View) -> None:
    with opened(store) as graph:
        changes = changes_of(graph)
        plain, lines = view(graph, changes, changes.find(process))
        if json:
            output.print_json(plain)
            return
        for text, style in lines:
            output.print_line(text, style)


# -- what it holds back -----------------------------------------------------------------------------------


def diff(process: ProcessName, store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """What it would make otherwise, and what no longer fits; once it is carried out, what it has made otherwise."""
    _of_one(process, store, json, _diff)


def _diff(
    graph: GraphStore, changes: Changes, change: Record
) -> tuple[Any, Iterable[tuple[str, str]]]:
    model = graph.model
    found, outdated, problems = services.difference_of(graph, change)
    plain = {
        **output.plain_changes(model, found),
        "moved": [each.plain for each in outdated],
        "problems": [{"code": p.code, "message": p.message} for p in problems],
    }
    del plain["model_applied"]

    def lines() -> Iterator[tuple[str, str]]:
        told = list(output.change_lines(model, found, _names_of(graph, found)))
        yield from ((line, "") for line in told)
        if not told:
            yield "It holds back nothing that would be otherwise.", ""
        for each in outdated:
            yield f"! {each.name}: {each.text}", "yellow"
        for problem in problems:
            yield f"! {problem.message}", "red"

    return plain, lines()


def _names_of(graph: GraphStore, found: GraphChanges) -> dict[str, str]:
    """Names of all that changes speak of, of what they create too."""
    own = {c.id: (c.after or c.before).name for c in found.records}  # type: ignore[union-attr]
    ids = {end for c in found.relationships for end in (c.key.source, c.key.target)}
    references = graph.model.references
    for change in found.records:
        for side in change:
            for name in references.intersection(side.attributes if side else ()):
                ids.update(listed(side.attributes[name]))  # type: ignore[union-attr]
    return output.names(graph, ids - own.keys()) | own


def whatif(process: ProcessName, store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """What it takes out in its window, and what an outage of what it concerns would do afterwards."""
    _of_one(process, store, json, _whatif)


def _whatif(
    graph: GraphStore, changes: Changes, change: Record
) -> tuple[Any, Iterable[tuple[str, str]]]:
    outcome = changes.what_if(change)
    planned = Planned(graph, change)
    new = {id: str(o.attributes.get("name", id)) for id, o in planned.created.items()}
    names = output.names(graph, outcome.ids() - new.keys()) | new
    return {**outcome.plain(), "names": names}, _whatif_lines(outcome, names)


def _whatif_lines(outcome: WhatIf, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    window, after = outcome.window, outcome.afterwards
    counts = ", ".join(f"{n:,} {effect}" for effect, n in window.counts().items())
    yield f"In its window: {counts or 'nothing is affected'} (revision {outcome.at})", "bold"
    if window.truncated:
        yield f"Truncated: {window.truncated}.", "dim"
    for service in window.services[:NAMED]:
        yield f"  {names.get(service.id, service.id)}: {service.effect}", STYLES[service.effect]
    if len(window.services) > NAMED:
        yield f"  … and {len(window.services) - NAMED:,} more services", "dim"
    if window.organisations:
        yield f"Hit: {', '.join(names.get(o, o) for o in window.organisations)}", ""
    if after is None:
        yield "It plans no change of the graph.", ""
        return
    yield "Should what it concerns go down afterwards", "bold"
    for word, found in (("worse", after.worse), ("better", after.better)):
        for one in found[:NAMED]:
            style = STYLES[one.after] if word == "worse" else "green"
            yield f"  {names.get(one.id, one.id)}: {one.before} -> {one.after}, {word}", style
    for group in after.groups[:NAMED]:
        sides = [group_words(side) if side else "none" for side in group]
        name = names.get(group.group.dependent, group.group.dependent)
        yield f"  {name} {group.group.type}: {sides[0]} -> {sides[1]}", ""
    if not (after.worse or after.better or after.groups):
        yield "  nothing would fare otherwise", ""


def risk(process: ProcessName, store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """How risky it is, as things are: what each factor counts, and why."""
    with opened(store) as graph:
        changes = changes_of(graph)
        found = changes.risk(changes.find(process))
        if json:
            output.print_json({"risk": found.level, **found.plain()})
            return
        declared = graph.model.risk_factors
        rows = [
            [f.name, declared[f.name].label.zh, f"{f.count:g}", f"{f.points:g}", f.said]
            for f in found.factors
        ]
        output.print_table(["factor", "因素", "how much", "points", "why"], rows)
        level = output.shown(graph.model, "risk", found.level)
        output.print_line(f"Risk: {level}, {found.points:g} points.", "bold")


# -- beside what all processes show -----------------------------------------------------------------------


def beside(graph: GraphStore, change: Record) -> Section:
    """Why it is so risky, what it holds back, the orders that carry it out, and its incidents."""
    kept = services.kept_of(graph, change)
    orders = graph.find(Query("LifecycleOrder", {"change": {"eq": change.id}}, first=NAMED)).records
    near = graph.neighbours([change.id], ["CAUSED_BY", "FIXED_BY"], "in")
    caused = [n.record for n in near if n.relationship.type == "CAUSED_BY"]
    fixes = [n.record for n in near if n.relationship.type == "FIXED_BY"]
    hit = _by_organisation(graph, kept.impact)
    lines = [f"Hit in {name}: {counts}" for name, counts in hit.items()]
    lines += [f"Risk, {points:g} points: {said}" for points, said in kept.risk if points]
    if kept.held:
        lines += [f"Holds back {kept.held} operations: `cmdb change diff` shows them."]
    told = (("Carried out by", orders), ("Caused", caused), ("Fixes", fixes))
    for words, records in told:
        if records:
            names = ", ".join(str(r.attributes.get("number") or r.name) for r in records)
            lines += [f"{words}: {names}"]
    plain = {
        name: [{"id": r.id, "number": r.attributes.get("number"), "type": r.type} for r in records]
        for name, records in (("orders", orders), ("caused", caused), ("fixes", fixes))
    }
    return Section(plain, lines)


def _by_organisation(graph: GraphStore, hit: Summary | None) -> dict[str, str]:
    """What was worked out to be hit, by the name of the organisation."""
    found = hit.organisations if hit is not None else {}
    names = output.names(graph, [id for id in found if id])
    told = {}
    for id, of in found.items():
        counts = [f"{n:,} {effect}" for effect, n in of.items.items()]
        counts += [f"{n:,} services {effect}" for effect, n in of.services.items()]
        told[names.get(id, id) or "no organisation"] = ", ".join(counts)
    return told
