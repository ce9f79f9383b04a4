"""Subcommands over sources: importing, explaining, deciding, undoing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer

from cli import output
from cli.options import STORE_DEFAULT, Actor, At, Json, Reason, Store, actor_or_me, moment, opened
from cli.words import find_record
from cmdb.change_sets import ChangeSet, Update
from cmdb.errors import CmdbError, NotFoundError, QueryError, SourceError
from cmdb.reconciliation import duplicates as deciding
from cmdb.reconciliation import recomputing
from cmdb.reconciliation.inference import infer
from cmdb.reconciliation.observations import Portion
from cmdb.reconciliation.planning import ACTIONS, Entry
from cmdb.reconciliation.precedence import Precedence, Verdict, provenance_of, verdict
from cmdb.reconciliation.runs import Run, Summary, VanishRefusedError
from cmdb.reconciliation.sources import Source, precedence_of, sources
from cmdb.store import GraphStore
from importers import registry
from importers.contract import Importer
from importers.reading import documents
from schema.model import PROVENANCE

SHOWN: Final = 40
"""Lines of a plan that are printed for people, unless they ask for more."""

RecordName = Annotated[str, typer.Argument(metavar="RECORD", help="Its id, or its exact name.")]
SourceName = Annotated[str, typer.Argument(metavar="SOURCE")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


def list_importers(json: Json = False) -> None:
    """The importers there are, with their options."""
    found: list[tuple[str, type[Importer[Any]] | None, str]] = []
    for name in registry.names():
        try:
            found.append((name, registry.importer_type(name), ""))
        except registry.ImporterError as error:
            found.append((name, None, str(error)))
    if json:
        output.print_json([_plain_importer(*entry) for entry in found])
        return
    rows = []
    for name, kind, problem in found:
        if kind is None:
            rows.append([name, "", problem])
            continue
        options = "\n".join(
            f"{option}: {field.description or ''}"
            + ("" if field.is_required() or field.default in (None, "") else f" [{field.default}]")
            for option, field in kind.options_type.model_fields.items()
        )
        rows.append([name, f"{kind.title}\n{kind.title_zh}", options])
    output.print_table(["importer", "reads", "options (--option name=value)"], rows)


def _plain_importer(name: str, kind: Any, problem: str) -> dict[str, Any]:
    if kind is None:
        return {"name": name, "problem": problem}
    return {
        "name": name,
        "title": kind.title,
        "title_zh": kind.title_zh,
        "precedence": kind.precedence,
        "options": kind.options_type.model_json_schema().get("properties", {}),
    }


class _Lines:
    """Collects the lines of a plan: all of them for programs, the first ones for people."""

    def __init__(self, keep: int | None) -> None:
        self.keep, self.total = keep, 0
        self.lines: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.total += 1
        if self.keep is None or len(self.lines) < self.keep:
            self.lines.append(entry)


def import_(
    name: Annotated[str, typer.Argument(metavar="IMPORTER", help="See `cmdb importers`.")],
    where: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Files, folders, or - for standard input."),
    ],
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Commit the plan, or only show it (default).")
    ] = False,
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="NAME", help="Name of the source. Default: the importer's."
        ),
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of the importer."),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete", help="This is all the source has: retire what it no longer reports."
        ),
    ] = False,
    vanish_limit: Annotated[
        float | None,
        typer.Option(
            "--vanish-limit", metavar="PERCENT", min=0, max=100, help="Most that may be retired."
        ),
    ] = None,
    first: Annotated[
        int, typer.Option("--first", min=0, metavar="N", help="Most lines of the plan to print.")
    ] = SHOWN,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Reconcile what a tool or a ledger reports with the graph: show the plan, or apply it."""
    importer = registry.make(name, _options(option or ()))
    found = documents(where, importer.suffixes)
    explained = importer.explain(found)
    if explained and not json and not apply:
        output.print_line(explained)
    lines = _Lines(None if json else first)
    with opened(store) as graph:
        begun = time.monotonic()
        with output.progress_bar("Applying" if apply else "Planning") as advance:
            run = Run(
                graph,
                source or name,
                actor=actor_or_me(actor),
                importer=name,
                precedence=importer.precedence,
                apply=apply,
                complete=complete,
                vanish_limit=vanish_limit,
                report=lines.add,
                progress=advance,
            )
            failed = _carried_out(run, registry.portions(importer, found))
            summary = run.summary
            if apply:
                summary.revisions += infer(
                    graph, actor=actor_or_me(actor), report=_both(lines, summary)
                )
        seconds = time.monotonic() - begun
        if json:
            output.print_json(_plain_plan(graph, lines.lines, summary, apply, seconds))
        else:
            _print_plan(graph, lines)
            _print_summary(summary, apply, seconds)
        if failed:
            raise failed


def _carried_out(run: Run, portions: Iterable[Portion]) -> CmdbError | None:
    """Run it; an error after something was done is given back, so that this is shown first."""
    try:
        run.run(portions)
    except (SourceError, VanishRefusedError) as error:
        if not run.summary.statements:
            raise
        return error
    return None


def _both(lines: _Lines, summary: Summary) -> Any:
    def report(entry: Entry) -> None:
        lines.add(entry)
        summary.add(entry)

    return report


def _options(words: Iterable[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise QueryError(f"{word!r} is no option.", "Write --option name=value.")
        found[name.strip()] = value
    return found


def _print_plan(graph: GraphStore, lines: _Lines) -> None:
    names = output.referred(
        graph,
        ((d.attribute, v) for e in lines.lines for d in e.differences for v in (d.old, d.new)),
    )
    if lines.lines:
        rows = [[e.action, e.type, e.what, _detail(graph, e, names), e.place] for e in lines.lines]
        output.print_table(["what", "type", "record", "details", "place"], rows)
    if lines.lines and lines.total > len(lines.lines):
        output.print_line(
            f"{lines.total - len(lines.lines):,} more lines; --first shows more of them."
        )


def _detail(graph: GraphStore, entry: Entry, names: Mapping[str, str]) -> str:
    model = graph.model

    def shown(name: str, value: Any) -> str:
        return output.shown(model, name, value, names)

    parts = [
        f"{d.attribute}: {shown(d.attribute, d.old)} -> {shown(d.attribute, d.new)} ({d.winner})"
        for d in entry.differences
        if d.attribute not in model.sensitive
    ]
    if entry.why:
        parts.append(entry.why)
    return "\n".join(parts)


def _print_summary(summary: Summary, applied: bool, seconds: float) -> None:
    counts = ", ".join(f"{summary.counts[a]:,} {a}" for a in ACTIONS if summary.counts.get(a))
    rate = f"{summary.statements / seconds:,.0f} a second" if seconds > 0.05 else ""
    took = f" in {seconds:.1f} s" + (f" ({rate})" if rate and summary.statements > 100 else "")
    things = "thing" if summary.statements == 1 else "things"
    told = f"{summary.statements:,} {things} reported{took}: {counts or 'nothing'}."
    output.print_line(told, "bold")
    if summary.kept:
        output.print_line(
            f"{summary.kept:,} that it did not report were not retired: they may be among what could not be read ({summary.unread:,} rejected)."
        )
    if applied and summary.revisions:
        span = sorted({summary.revisions[0], summary.revisions[-1]})
        output.print_line(f"Committed as revision {' to '.join(map(str, span))}.")
    elif applied:
        output.print_line("Nothing had changed; nothing was committed.")
    else:
        output.print_line("This is the plan; --apply carries it out.")


def _plain_plan(
    graph: GraphStore, lines: Iterable[Entry], summary: Summary, applied: bool, seconds: float
) -> dict[str, Any]:
    return {
        "applied": applied,
        "statements": summary.statements,
        "kept": summary.kept,
        "seconds": round(seconds, 3),
        "revisions": summary.revisions,
        "counts": {a: summary.counts.get(a, 0) for a in ACTIONS},
        "entries": [_plain_entry(graph, entry) for entry in lines],
    }


def _plain_entry(graph: GraphStore, entry: Entry) -> dict[str, Any]:
    model = graph.model

    def plain(name: str, value: Any) -> Any:
        known = value is not None and name in model.attributes
        return model.to_json({name: value})[name] if known else value

    return {
        "action": entry.action,
        "type": entry.type,
        "what": entry.what,
        "subject": entry.subject,
        "place": entry.place,
        "why": entry.why,
        "differences": [
            {**d._asdict(), "old": plain(d.attribute, d.old), "new": plain(d.attribute, d.new)}
            for d in entry.differences
            if d.attribute not in model.sensitive
        ],
    }


# -- sources -----------------------------------------------------------------------------------------------

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
    lines, summary = _Lines(None if json else SHOWN), Summary()
    summary.revisions = recomputing.apply(
        graph,
        recomputing.recompute(graph, precedence),
        actor=actor_or_me(actor),
        source="precedence",
        reason=f"precedence of {name}",
        report=_both(lines, summary),
        dry_run=dry_run,
    )
    _print_outcome(graph, lines, summary, dry_run, json)


def _print_outcome(
    graph: GraphStore, lines: _Lines, summary: Summary, dry_run: bool, json: bool
) -> None:
    if json:
        output.print_json(_plain_plan(graph, lines.lines, summary, not dry_run, 0.0))
        return
    _print_plan(graph, lines)
    counts = ", ".join(f"{summary.counts[a]:,} {a}" for a in ACTIONS if summary.counts.get(a))
    output.print_line(f"{'Would change' if dry_run else 'Changed'}: {counts or 'nothing'}.", "bold")


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
        lines, summary = _Lines(None if json else SHOWN), Summary()
        summary.revisions = recomputing.apply(
            graph,
            recomputing.withdraw(graph, name, precedence_of(sources(graph))),
            actor=actor_or_me(actor),
            source=name,
            reason=f"source {name} withdrawn",
            report=_both(lines, summary),
            dry_run=dry_run,
        )
        _print_outcome(graph, lines, summary, dry_run, json)


def _source(graph: GraphStore, name: str) -> Source:
    found = sources(graph)
    if name not in found:
        raise NotFoundError(f"There is no source {name!r}.", "`cmdb sources` lists them.")
    return found[name]


# -- explaining --------------------------------------------------------------------------------------------


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


# -- deciding and undoing ----------------------------------------------------------------------------------


def duplicates(store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """What a person must decide: observations that fit several records, with the evidence."""
    with opened(store) as graph:
        tasks = deciding.open_tasks(graph)
    if json:
        output.print_json(
            [
                {
                    "task": t.record.id,
                    "name": t.record.name,
                    "source": t.record.attributes.get("source_name"),
                    "key": t.record.attributes.get("source_key"),
                    "evidence": t.evidence,
                    "candidates": [
                        {"id": c.id, "type": c.type, "name": c.name} for c in t.candidates
                    ],
                }
                for t in tasks
            ]
        )
        return
    rows = []
    for task in tasks:
        names = {c.id: f"{c.type} {c.name}" for c in task.candidates}
        evidence = "\n".join(
            f"{names.get(r['record'], r['record'])} by {r['rule']}: {', '.join(r['values'].values())}"
            for r in task.evidence.get("rules", ())
        )
        waits = "waits" if task.evidence.get("held") else "went to the first"
        rows.append(
            [
                task.record.name,
                evidence,
                "\n".join(c.id for c in task.candidates),
                waits,
                task.record.id,
            ]
        )
    if rows:
        output.print_table(["observation", "fits", "candidates", "it", "id"], rows)
        first = tasks[0]
        pair = " ".join(c.id for c in first.candidates[:2])
        output.print_line(f"One thing? `cmdb merge {pair}`")
        output.print_line(
            f"Only one of them is it? `cmdb decide {first.record.id} {first.candidates[0].id}`"
        )
    else:
        output.print_line("Nothing to decide.")


def decide(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="Id of the task, see `cmdb duplicates`.")
    ],
    record: RecordName,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say which record an observation is; its source's next run follows."""
    with opened(store) as graph:
        found = find_record(graph, task)
        if found.type != "DuplicateTask":
            raise NotFoundError(
                f"{found.name} is a {found.type}, no task.", "`cmdb duplicates` lists them."
            )
        choice = find_record(graph, record)
        revision = deciding.decide(graph, found, choice, actor_or_me(actor))
        _done(json, revision, f"{found.name} is {choice.name}. Run the import again to apply it.")


def merge(
    survivor: Annotated[str, typer.Argument(metavar="RECORD", help="The one that stays.")],
    other: Annotated[
        str, typer.Argument(metavar="OTHER", help="The one that turns out to be the same.")
    ],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Make one record of two: claims and relationships move, both histories stay."""
    with opened(store) as graph:
        one, two = find_record(graph, survivor), find_record(graph, other)
        revision = deciding.merge(graph, one, two, actor=actor_or_me(actor), reason=reason)
        _done(json, revision, f"{two.name} ({two.id}) is now {one.name} ({one.id}).")


def unmerge(
    merged: Annotated[
        str, typer.Argument(metavar="RECORD", help="Id of the one that was merged away.")
    ],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take a merged record apart again."""
    with opened(store) as graph:
        found = find_record(graph, merged)
        revision, left = deciding.unmerge(graph, found, actor=actor_or_me(actor), reason=reason)
        _done(json, revision, f"{found.name} stands by itself again.", left)


def undo(
    revision: Annotated[int, typer.Argument(metavar="REVISION", min=1)],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take back what a revision changed, as far as nobody has changed it since."""
    with opened(store) as graph:
        made, left = deciding.undo(graph, revision, actor=actor_or_me(actor), reason=reason)
        _done(json, made, f"Revision {revision} is undone.", left)


def _done(json: bool, revision: int, text: str, left: Iterable[str] = ()) -> None:
    if json:
        output.print_json({"revision": revision, "left_alone": list(left)})
        return
    output.print_line(f"{text} (revision {revision})")
    for line in left:
        output.print_line(f"left alone: {line}")
