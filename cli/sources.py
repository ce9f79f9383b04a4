"""Subcommands over sources: their precedence, withdrawing one, why a value is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli import output, plans
from cli.options import STORE_DEFAULT, Actor, At, Json, Store, actor_or_me, moment, opened
from cli.words import find_record
from cmdb.change_sets import ChangeSet, Update
from cmdb.errors import NotFoundError, QueryError
from cmdb.reconciliation import recomputing
from cmdb.reconciliation.precedence import Precedence, Verdict, provenance_of, verdict
from cmdb.reconciliation.runs import Summary
from cmdb.reconciliation.sources import Source, precedence_of, sources
from cmdb.store import GraphStore
from schema.model import PROVENANCE

RecordName = Annotated[str, typer.Argument(metavar="RECORD", help="Its id, or its exact name.")]
SourceName = Annotated[str, typer.Argument(metavar="SOURCE")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


app = typer.Typer(help="What reported what, and whose word counts.", invoke_without_command=True)


@app.callback(invoke_without_command=True)
def list_sources(context: typer.Context, store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """All sources: precedence, when they were last seen, whether that is too long ago."""
    if context.invoked_subcommand is not None:
        return
    with opened(store) as graph:
        found = sources(graph)
        reported = _reported(graph)
    if json:
        output.print_json([_plain_source(s, reported.get(n, 0)) for n, s in found.items()])
        return
    rows = []
    for name, source in found.items():
        attributes = source.record.attributes
        own = attributes.get("attribute_precedence") or {}
        precedence = str(source.precedence) + "".join(f"\n{k}: {v}" for k, v in own.items())
        at = f"{source.at:%Y-%m-%d %H:%M} UTC" if source.at else "never"
        rows.append(
            [
                name,
                attributes.get("importer", ""),
                precedence,
                reported.get(name, 0),
                at,
                "stale" if source.stale() else "",
                source.seen.get("statements", ""),
            ]
        )
    output.print_table(
        ["source", "importer", "precedence", "records", "last seen", "", "in its last run"], rows
    )


def _reported(graph: GraphStore) -> dict[str, int]:
    """How many records each source reports; reads every record."""
    counts: dict[str, int] = {}
    for record in graph.scan_records():
        for name, claim in provenance_of(record.attributes).items():
            if not claim.get("vanished"):
                counts[name] = counts.get(name, 0) + 1
    return counts


def _plain_source(source: Source, records: int) -> dict[str, Any]:
    return {
        "name": source.name,
        "importer": source.record.attributes.get("importer"),
        "precedence": source.precedence,
        "attribute_precedence": source.record.attributes.get("attribute_precedence") or {},
        "records": records,
        "stale": source.stale(),
        "last_run": dict(source.seen),
    }


@app.command("set")
def set_precedence(
    name: SourceName,
    precedence: Annotated[int | None, typer.Option("--precedence", min=0, max=1000)] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute",
            metavar="[TYPE.]ATTRIBUTE=N",
            help="For one attribute; without N: as in general.",
        ),
    ] = None,
    dry_run: DryRun = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Change whose word counts; every value is worked out anew."""
    with opened(store) as graph:
        source = _source(graph, name)
        values: dict[str, Any] = {}
        if precedence is not None:
            values["precedence"] = precedence
        own = dict(source.record.attributes.get("attribute_precedence") or {})
        for word in attribute or ():
            _set_attribute_precedence(graph, own, word)
        if attribute:
            values["attribute_precedence"] = own or None
        if not dry_run:
            change = ChangeSet(
                [Update(source.record.id, values)], actor_or_me(actor), reason="precedence"
            )
            graph.commit(change)
        _recompute(
            graph,
            _with(precedence_of(sources(graph)), name, precedence, own),
            name,
            dry_run,
            actor,
            json,
        )


def _set_attribute_precedence(graph: GraphStore, own: dict[str, int], word: str) -> None:
    key, _, value = word.partition("=")
    type_, _, attribute = key.rpartition(".")
    graph.model.attribute(type_ or "Record", attribute)
    if not value:
        own.pop(key, None)
    elif value.isdecimal():
        own[key] = int(value)
    else:
        raise QueryError(f"{value!r} is no precedence.", "Write a number from 0 to 1000.")


def _with(
    known: Precedence, name: str, precedence: int | None, own: Mapping[str, int]
) -> Precedence:
    general = dict(known.general)
    if precedence is not None:
        general[name] = precedence
    return Precedence(general, {**known.particular, name: own})


def _recompute(
    graph: GraphStore, precedence: Precedence, name: str, dry_run: bool, actor: str, json: bool
) -> None:
    lines, summary = plans.Lines(None if json else plans.SHOWN), Summary()
    summary.revisions = recomputing.apply(
        graph,
        recomputing.recompute(graph, precedence),
        actor=actor_or_me(actor),
        source="precedence",
        reason=f"precedence of {name}",
        report=plans.both(lines, summary),
        dry_run=dry_run,
    )
    plans.print_outcome(graph, lines, summary, dry_run, json)


@app.command()
def withdraw(
    name: SourceName,
    dry_run: DryRun = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Forget everything a source said: values are worked out anew, what only it reported is retired."""
    with opened(store) as graph:
        _source(graph, name)
        lines, summary = plans.Lines(None if json else plans.SHOWN), Summary()
        summary.revisions = recomputing.apply(
            graph,
            recomputing.withdraw(graph, name, precedence_of(sources(graph))),
            actor=actor_or_me(actor),
            source=name,
            reason=f"source {name} withdrawn",
            report=plans.both(lines, summary),
            dry_run=dry_run,
        )
        plans.print_outcome(graph, lines, summary, dry_run, json)


def _source(graph: GraphStore, name: str) -> Source:
    found = sources(graph)
    if name not in found:
        raise NotFoundError(f"There is no source {name!r}.", "`cmdb sources` lists them.")
    return found[name]


def why(
    record: RecordName,
    attribute: Annotated[
        str, typer.Argument(metavar="[ATTRIBUTE]", help="Default: all that have a value.")
    ] = "",
    as_of: At = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Why an attribute has its value: which source won, and what the others said."""
    with opened(store) as graph:
        at = graph.resolve(moment(graph, as_of))
        found = find_record(graph, record, at)
        model = graph.model
        record_type = model.record_types[found.type]
        provenance = provenance_of(found.attributes)
        precedence = precedence_of(sources(graph, at))
        plain = dict(model.to_json(found.attributes))
        if attribute:
            model.attribute(found.type, attribute)
        said = {n for claim in provenance.values() for n in claim.get("values", {})}
        names = [attribute] if attribute else sorted((said | plain.keys()) - {PROVENANCE})
        shown = [n for n in names if n in record_type.attributes]
        verdicts = [verdict(record_type, n, plain.get(n), provenance, precedence) for n in shown]
        if json:
            output.print_json(
                {
                    "record": found.id,
                    "sources": {
                        s: {k: v for k, v in c.items() if k != "values"}
                        for s, c in provenance.items()
                    },
                    "attributes": [
                        {
                            "attribute": v.attribute,
                            "value": "(hidden)"
                            if v.attribute in model.sensitive
                            else plain.get(v.attribute),
                            "winner": v.winner,
                            "claims": [
                                {"source": s, "precedence": p, "value": c}
                                for s, p, c in v.claims
                                if v.attribute not in model.sensitive
                            ],
                        }
                        for v in verdicts
                    ],
                }
            )
            return
        output.print_line(f"{found.name}  {found.type}", "bold")
        for name, claim in provenance.items():
            known = (
                f"as {claim['key']}" if claim.get("key") else "as a part" if claim.get("of") else ""
            )
            gone = ", not any more" if claim.get("vanished") else ""
            output.print_line(f"reported by {name} {known}{gone}".rstrip())
        said_of = ((v.attribute, value) for v in verdicts for _, _, value in v.claims)
        held = ((v.attribute, plain.get(v.attribute)) for v in verdicts)
        names_of = output.referred(graph, (*said_of, *held))
        rows = [_verdict_row(graph, v, plain.get(v.attribute), names_of) for v in verdicts]
        output.print_table(["attribute", "value", "because of", "what all said (precedence)"], rows)


def _verdict_row(
    graph: GraphStore, verdict: Verdict, value: Any, names: Mapping[str, str]
) -> list[str]:
    model, name = graph.model, verdict.attribute
    if name in model.sensitive:
        return [name, "(hidden)", verdict.winner, ""]

    def shown(value: Any) -> str:
        return output.shown(model, name, value, names)

    claims = "\n".join(f"{source} ({rank}): {shown(said)}" for source, rank, said in verdict.claims)
    return [name, shown(value), verdict.winner, claims]
