"""What an outage hits, what a service stands on, and where it could break."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text
from rich.tree import Tree

from cli import output
from cli.options import STORE_DEFAULT, At, Json, Store, moment, opened
from cli.words import find_record
from cmdb import transfer
from cmdb.errors import CmdbError, DumpError, QueryError
from cmdb.queries import Query
from cmdb.reconciliation.sources import sources
from cmdb.store import GraphStore
from impact import pictures, reports
from impact.analysis import Affected, Difference, Outage, Reason, compare, dependencies
from impact.root_cause import root_causes
from impact.rules import Effect
from impact.single_points import pairs as pairs_of
from impact.single_points import single_points as single_points_of
from impact.snapshots import Snapshot, partial, standing
from impact.topology import Link, Topology
from impact.views import View

STYLES: Final = {"down": "bold red", "degraded": "yellow", "at_risk": "cyan", "none": "dim"}
PICTURES: Final = {
    ".mmd": pictures.mermaid,
    ".dot": pictures.dot,
    ".svg": pictures.svg,
    ".html": pictures.html,
}
DRAWN: Final = 300
"""CIs in a picture at most, unless --first says another number."""
FETCHED: Final = 20_000
"""CIs that are fetched level by level at most; an answer that needs more reads the whole topology."""

CIs = Annotated[list[str], typer.Argument(metavar="CI…", help="Ids or names.", show_default=False)]
EffectOption = Annotated[
    str,
    typer.Option("--effect", metavar="EFFECT", help="What is wrong with them: down or degraded."),
]
Depth = Annotated[
    int | None, typer.Option("--depth", min=0, metavar="N", help="Look no further than N steps.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say on standard error how the answer was found.")
]


def impact(
    cis: CIs,
    effect: EffectOption = "down",
    as_of: At = "",
    versus: Annotated[
        str,
        typer.Option(
            "--versus", metavar="WHEN", help="Compare with what it would have hit at that time."
        ),
    ] = "",
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without", metavar="LINK", help="What if 'A TYPE B' were not there? Repeatable."
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="LINK",
            help="What if 'A TYPE B' were there, or 'A TYPE B GROUP'? Repeatable.",
        ),
    ] = None,
    depth: Depth = None,
    record_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="Print only these, subtypes included.")
    ] = "",
    service_only: Annotated[
        bool, typer.Option("--service-only", help="Print only affected services.")
    ] = False,
    table: Annotated[bool, typer.Option("--table", help="A table instead of a tree.")] = False,
    picture: Annotated[
        str,
        typer.Option(
            "--picture", metavar="FILE", help="Draw it: .svg, .html, .dot or .mmd (Mermaid)."
        ),
    ] = "",
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most CIs to print or draw.")
    ] = 50,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What is down, degraded or has lost redundancy when CIs fail, why, and whom to call."""
    draw = _drawer(picture)
    with opened(store) as graph:
        given = _effect(effect)
        at = _revision(graph, as_of)
        roots = {find_record(graph, ci, at).id: given for ci in cis}
        changes = [*(without or ()), *(with_ or ())]
        finder = _Finder(graph, verbose, whole=bool(changes))
        now = finder.outage(roots, at, depth)
        outage = now
        if changes:
            outage = Outage(
                _changed(graph, finder, at, without or (), with_ or ()),
                roots,
                at=now.at,
                depth=depth,
            )
        told = reports.report(outage, graph, _stale(graph), now.at)
        only = _only(graph, outage, record_type, service_only)
        if picture:
            _write(
                picture,
                draw(
                    reports.picture(
                        outage, told, graph.model, _title(told, roots), max(first, DRAWN)
                    )
                ),
            )
        difference = None
        if versus:
            difference = compare(finder.outage(roots, _revision(graph, versus), depth), outage)
        elif changes:
            difference = compare(now, outage)
        if json:
            plain = reports.plain(outage, told, only)
            if difference is not None:
                plain["difference"] = _plain_difference(difference)
            output.print_json(plain)
            return
        _print_outage(outage, told, only, first, table=table)
        if difference is not None:
            _print_difference(graph, difference, told, versus)


class _Finder:
    """Chooses how to find an answer: level by level, or from the whole topology."""

    def __init__(self, graph: GraphStore, verbose: bool, *, whole: bool = False) -> None:
        self._graph, self._verbose, self._whole = graph, verbose, whole
        self._snapshot: Snapshot | None = None

    def outage(self, roots: Mapping[str, Effect], at: int | None, depth: int | None) -> Outage:
        revision = self._graph.last_revision().number if at is None else at
        began = time.perf_counter()
        if not self._whole:
            topology = partial(self._graph, roots, as_of=revision, depth=depth, most=FETCHED)
            if topology is not None:
                self.say(f"level by level: {len(topology):,} CIs fetched", began)
                return Outage(topology, roots, at=revision, depth=depth)
            self._whole = True
        topology, view = self.whole(at)
        return Outage(topology, roots, at=revision, view=view, depth=depth)

    def standing(self, ids: Sequence[str], at: int | None, depth: int | None = None) -> Topology:
        began = time.perf_counter()
        topology = standing(self._graph, ids, as_of=at, depth=depth)
        self.say(f"level by level: {len(topology):,} CIs fetched", began)
        return topology

    def whole(self, at: int | None) -> tuple[Topology, View]:
        began = time.perf_counter()
        self._snapshot = self._snapshot or Snapshot(self._graph)
        found = self._snapshot.at(at)
        self.say(f"the whole topology: {len(found[0]):,} CIs", began)
        return found

    def say(self, what: str, began: float) -> None:
        if self._verbose:
            seconds = time.perf_counter() - began
            output.console(stderr=True).print(Text(f"{what} in {seconds:.2f} s"), style="dim")


def _changed(
    graph: GraphStore, finder: _Finder, at: int | None, without: Iterable[str], with_: Iterable[str]
) -> Topology:
    """The topology with some links closed and others opened."""
    topology, view = finder.whole(at)
    if view is not topology.live:
        raise QueryError(
            "What if the past had been otherwise cannot be asked.", "Leave --as-of out."
        )
    fork = topology.fork()
    closed = [_link(graph, text, topology) for text in without]
    there = set(topology.open_links())
    for text, link in zip(without, closed, strict=True):
        if not any(link[:3] == other[:3] for other in there):
            raise QueryError(f"There is no relationship {text!r}.", "`cmdb show` lists them.")
    fork.change(topology.revision + 1, [], closed, [_link(graph, text, topology) for text in with_])
    return fork


def _link(graph: GraphStore, text: str, topology: Topology) -> Link:
    words = text.split()
    places = [n for n, word in enumerate(words) if word in graph.model.relationship_types]
    if len(places) != 1 or not 0 < places[0] < len(words) - 1:
        raise QueryError(
            f"{text!r} is no relationship.", "Write 'A TYPE B', with TYPE as `cmdb schema` has it."
        )
    place, group = places[0], ""
    type = words[place]
    if type not in topology.rules.rules:
        raise QueryError(f"{type} has no impact rule.", "It makes no difference to impact.")
    source = find_record(graph, " ".join(words[:place]))
    rest = words[place + 1 :]
    try:
        target = find_record(graph, " ".join(rest))
    except CmdbError:
        if len(rest) < 2:
            raise
        target, group = find_record(graph, " ".join(rest[:-1])), rest[-1]
    declared = graph.model.relationship_types[type]
    if source.type not in declared.sources or target.type not in declared.targets:
        raise QueryError(
            f"{type} does not lead from {source.type} to {target.type}.",
            f"`cmdb schema show {type}` says what it joins.",
        )
    ends = (source.id, target.id)
    ends = ends if topology.rules.ends[type] == "source" else ends[::-1]
    return Link(type, *ends, group)


def _effect(text: str) -> Effect:
    if text not in ("down", "degraded"):
        raise QueryError(f"{text!r} is no effect of an outage.", "It is down or degraded.")
    return Effect[text.upper()]


def _revision(graph: GraphStore, text: str) -> int | None:
    at = moment(graph, text)
    return graph.resolve(at) if at is not None else None


def _stale(graph: GraphStore) -> set[str]:
    return {name for name, source in sources(graph).items() if source.stale()}


def _only(
    graph: GraphStore, outage: Outage, record_type: str, service_only: bool
) -> list[Affected]:
    wanted: Collection[str] | None = None
    if record_type:
        wanted = graph.model.record_type(record_type).concrete
    return [
        one
        for one in outage.affected
        if (wanted is None or one.type in wanted)
        and (not service_only or reports.is_service(graph.model, one.type))
    ]


# -- printing ---------------------------------------------------------------------------------------


def _print_outage(
    outage: Outage, told: reports.Report, only: Sequence[Affected], first: int, *, table: bool
) -> None:
    counts = ", ".join(f"{n:,} {effect}" for effect, n in outage.counts().items() if n)
    output.print_line(f"{counts or 'Nothing is affected'} (revision {outage.at})", "bold")
    if table:
        _print_table(outage, told, only[:first])
    else:
        _print_tree(outage, told, only[:first])
    if len(only) > first:
        output.print_line(
            f"… and {len(only) - first:,} more; --first {len(only)} prints all.", "dim"
        )
    _print_together(told, only)
    if told.services:
        output.print_line("")
        output.print_line(f"Services affected: {len(told.services)}", "bold")
        for one in told.services[:20]:
            output.print_line(f"  {_name(told, one.id)}: {one.effect}", STYLES[one.effect])
    types = {t: sum(c.values()) for t, c in told.types.items()}
    if len(types) > 1:
        _print_counts("By type", types)
    organisations = {_name(told, o) or "(none)": n for o, n in told.organisations.items()}
    if organisations.keys() - {"(none)"}:
        _print_counts("By organisation", organisations)
    if told.contacts:
        output.print_line("")
        output.print_line("To call", "bold")
        for contact in told.contacts[:10]:
            about = ", ".join(_name(told, id) for id in contact.about[:3])
            more = f" and {len(contact.about) - 3} more" if len(contact.about) > 3 else ""
            output.print_line(f"  {contact.name} ({contact.type}): {about}{more}")
    _print_doubts(outage, told)


def _print_tree(outage: Outage, told: reports.Report, only: Sequence[Affected]) -> None:
    """Each CI under the one that its failure came from."""
    branches: dict[str, Tree] = {}
    top = Tree("", hide_root=True)

    def branch(path: Sequence[Reason]) -> Tree:
        reason = path[0]
        if reason.id not in branches:
            above = branch(outage.why(reason.provider)) if len(path) > 1 else top
            branches[reason.id] = above.add(_line(outage, told, reason))
        return branches[reason.id]

    for one in sorted(only, key=lambda a: (a.distance, a.id)):
        branch(outage.why(one.id))
    output.console().print(top)


def _line(outage: Outage, told: reports.Report, reason: Reason) -> Text:
    effect = outage.effect(reason.id).word
    text = Text(output.printable(_name(told, reason.id)))
    text.append(f" {outage.type(reason.id)} ", style="dim")
    text.append(effect, style=STYLES[effect])
    if reason.type:
        text.append(f"  {reason.type}", style="dim")
    if reason.group is not None:
        text.append(f"  {_group_words(reason)}", style="dim")
    elif reason.soft:
        text.append("  soft", style="dim")
    return text


def _group_words(reason: Reason) -> str:
    group = reason.group
    if group is None:
        return "soft" if reason.soft else ""
    label = f"{group.label}: " if group.label else ""
    state = f"{group.left} left of {group.total}, {group.needed} needed"
    if group.healthy != group.left:
        state += f", {group.healthy} healthy"
    if group.short:
        state += ", was short before"
    return label + state


def _print_table(outage: Outage, told: reports.Report, only: Sequence[Affected]) -> None:
    rows = []
    for one in only:
        path = outage.why(one.id)
        why = path[0]
        way = " < ".join(_name(told, reason.id) for reason in path[1:])
        rows.append(
            [
                one.effect,
                one.distance,
                _name(told, one.id),
                one.type,
                why.type,
                way,
                _group_words(why),
            ]
        )
    if rows:
        output.print_table(["effect", "steps", "name", "type", "by", "because of", "group"], rows)


def _print_together(told: reports.Report, only: Sequence[Affected]) -> None:
    together = [one for one in only if one.together]
    if together:
        output.print_line("")
        output.print_line("Only because they fail together", "bold")
        for one in together[:20]:
            output.print_line(f"  {_name(told, one.id)}: {one.effect}", STYLES[one.effect])
        if len(together) > 20:
            output.print_line(f"  … and {len(together) - 20:,} more", "dim")


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{name} {count:,}" for name, count in most[:12])
    more = f", and {len(most) - 12} more" if len(most) > 12 else ""
    output.print_line(f"{title}: {text}{more}")


def _print_doubts(outage: Outage, told: reports.Report) -> None:
    lines = [f"Truncated: {outage.truncated}."] if outage.truncated else []
    if outage.unknown:
        unknown = ", ".join(_name(told, id) for id in outage.unknown)
        lines.append(f"Nothing can depend on it: {unknown}.")
    if outage.idle:
        idle = ", ".join(_name(told, id) for id in outage.idle)
        lines.append(f"Not operational, so nothing depends on it: {idle}.")
    short = [group for group in outage.touched() if group.short]
    if short:
        names = ", ".join(dict.fromkeys(_name(told, g.dependent) for g in short[:5]))
        lines.append(f"Short of members before the outage: {names}.")
    if told.passed_over is None:
        lines.append("Relationships without an impact rule were not counted: too many CIs.")
    elif told.passed_over:
        passed = ", ".join(f"{name} {count}" for name, count in told.passed_over.items())
        lines.append(f"Passed over, as their types have no impact rule: {passed}.")
    if told.stale:
        old = ", ".join(f"{name} ({count} CIs)" for name, count in told.stale.items())
        lines.append(f"Not seen for long: {old}.")
    if lines:
        output.print_line("")
    for line in lines:
        output.print_line(line, "dim")
    if not outage.truncated:
        output.print_line("Complete.", "dim")


def _print_difference(
    graph: GraphStore, difference: Difference, told: reports.Report, versus: str
) -> None:
    ids = {change.id for change in (*difference.worse, *difference.better)}
    names = {**output.names(graph, ids), **told.names}
    against = f"at {versus}" if versus else "as it is now"
    output.print_line("")
    output.print_line(
        f"Against {against}: {len(difference.worse)} worse, {len(difference.better)} better,"
        f" {difference.unchanged} unchanged",
        "bold",
    )
    for word, changes in (("worse", difference.worse), ("better", difference.better)):
        for change in changes[:20]:
            output.print_line(
                f"  {word}: {names.get(change.id, change.id)} ({change.type}) {change.before} -> {change.after}",
                STYLES[change.after] if word == "worse" else "",
            )
        if len(changes) > 20:
            output.print_line(f"  … and {len(changes) - 20:,} more {word}", "dim")


def _plain_difference(difference: Difference) -> dict[str, Any]:
    return {
        "worse": [change._asdict() for change in difference.worse],
        "better": [change._asdict() for change in difference.better],
        "unchanged": difference.unchanged,
    }


def _name(told: reports.Report, id: str) -> str:
    return told.names.get(id, id)


def _title(told: reports.Report, roots: Mapping[str, Effect]) -> str:
    words = [f"{_name(told, id)} {effect.word}" for id, effect in list(roots.items())[:3]]
    more = f" and {len(roots) - 3} more" if len(roots) > 3 else ""
    return ", ".join(words) + more


def _drawer(file: str) -> Any:
    if not file:
        return None
    suffix = Path(file).suffix.lower()
    if suffix not in PICTURES:
        raise QueryError(
            f"{file}: what kind of picture is that?", f"End it in {', '.join(PICTURES)}."
        )
    return PICTURES[suffix]


def _write(file: str, text: str) -> None:
    transfer.refuse_database(Path(file))
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DumpError(
            f"{file} cannot be written: {error.strerror}.", "Check the folder."
        ) from None
    output.console(stderr=True).print(Text(f"Drawn into {file}."), style="dim")


# -- the other way round ----------------------------------------------------------------------------


def depends(
    cis: CIs,
    as_of: At = "",
    depth: Depth = None,
    flat: Annotated[bool, typer.Option("--flat", help="A table instead of a tree.")] = False,
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most CIs to print.")
    ] = 200,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """All that CIs stand on, directly or not."""
    with opened(store) as graph:
        at = _revision(graph, as_of)
        roots = [find_record(graph, ci, at) for ci in cis]
        ids = [record.id for record in roots]
        topology = _Finder(graph, verbose).standing(ids, at, depth)
        found = dependencies(topology, ids, depth=depth)
        names = output.names(graph, {d.id for d in found.found}) | {r.id: r.name for r in roots}
        if json:
            output.print_json(
                {
                    "revision": topology.revision,
                    "complete": not found.truncated,
                    "truncated": found.truncated or None,
                    "dependencies": [{**d._asdict(), "name": names.get(d.id)} for d in found.found],
                }
            )
            return
        shown = found.found[:first]
        if flat:
            rows = [
                [
                    d.distance,
                    names.get(d.id, d.id),
                    d.type,
                    d.relationship,
                    names.get(d.by, d.by),
                    d.id,
                ]
                for d in shown
            ]
            if rows:
                output.print_table(["steps", "name", "type", "by", "of", "id"], rows)
        else:
            branches = {r.id: Tree(Text(f"{output.printable(r.name)} {r.type}")) for r in roots}
            for d in shown:
                text = Text(output.printable(names.get(d.id, d.id)))
                text.append(f" {d.type}  {d.relationship}", style="dim")
                branches[d.id] = branches[d.by].add(text)
            for record in roots:
                output.console().print(branches[record.id])
        more = f"; --first {len(found.found)} prints all" if len(found.found) > first else ""
        whole = f"Truncated: {found.truncated}." if found.truncated else "Complete."
        output.print_line(
            f"{len(found.found):,} CIs{more} (revision {topology.revision}). {whole}", "dim"
        )


def single_points(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE]…", help="Ids or names; all services if none is named."),
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also pairs that only together take the service down.")
    ] = False,
    as_of: At = "",
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most lines to print.")
    ] = 50,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Which single CIs take services down alone: those that take down most first."""
    with opened(store) as graph:
        at, finder = _revision(graph, as_of), _Finder(graph, verbose)
        if services:
            ids = list(dict.fromkeys(find_record(graph, name, at).id for name in services))
            topology = finder.standing(ids, at)
            view = topology.live
        else:
            ids = _services(graph, at)
            topology, view = finder.whole(at)
        nodes = [node for node in topology.find(ids) if node is not None]
        found = single_points_of(topology, nodes, view)
        together = [(n, pairs_of(topology, n, view)) for n in nodes] if pairs else []
        wanted = {topology.id(p.node) for p in found[:first]} | set(ids[:first])
        wanted |= {topology.id(n) for p in found[:first] for n in p.services[:3]}
        wanted |= {topology.id(n) for _, p in together for pair in p.pairs[:first] for n in pair}
        names = output.names(graph, wanted)
        told = reports.Report(names, [], {}, None, [], None, {})  # type: ignore[arg-type]
        if json:
            output.print_json(
                {
                    "revision": topology.revision if at is None else at,
                    "services": len(ids),
                    "single_points": [
                        {
                            "id": topology.id(point.node),
                            "name": names.get(topology.id(point.node)),
                            "type": topology.type(point.node),
                            "services": [topology.id(n) for n in point.services],
                        }
                        for point in found
                    ],
                    "pairs": [
                        {
                            "service": topology.id(node),
                            "complete": tried.complete,
                            "pairs": [[topology.id(n) for n in pair] for pair in tried.pairs],
                        }
                        for node, tried in together
                    ],
                }
            )
            return
        rows = [
            [
                len(point.services),
                _name(told, topology.id(point.node)),
                topology.type(point.node),
                ", ".join(_name(told, topology.id(n)) for n in point.services[:3])
                + (" …" if len(point.services) > 3 else ""),
                topology.id(point.node),
            ]
            for point in found[:first]
        ]
        if rows:
            output.print_table(["services", "name", "type", "takes down", "id"], rows)
        more = f"; --first {len(found)} prints all" if len(found) > first else ""
        points = "single point" if len(found) == 1 else "single points"
        of = f"{len(ids):,} {'service' if len(ids) == 1 else 'services'}"
        output.print_line(f"{len(found):,} {points} of {of}{more}.", "dim")
        for node, tried in together:
            output.print_line("")
            output.print_line(
                f"Pairs for {_name(told, topology.id(node))}: {len(tried.pairs)}", "bold"
            )
            for one, other in tried.pairs[:first]:
                output.print_line(
                    f"  {_name(told, topology.id(one))} + {_name(told, topology.id(other))}"
                )
            if not tried.complete:
                output.print_line(f"  Truncated: only {tried.tried:,} pairs were tried.", "dim")


def _services(graph: GraphStore, at: int | None) -> list[str]:
    """Ids of all services."""
    found: list[str] = []
    after = None
    while True:
        page = graph.find(Query(reports.SERVICE, first=10_000, after=after, as_of=at))
        found += [record.id for record in page.records]
        after = page.cursor
        if after is None:
            return found


def root_cause(
    alarms: Annotated[
        list[str], typer.Argument(metavar="CI…", help="CIs with alarms: ids or names.")
    ],
    good: Annotated[
        list[str] | None,
        typer.Option("--good", metavar="CI", help="A CI that is known to be well. Repeatable."),
    ] = None,
    effect: EffectOption = "down",
    as_of: At = "",
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most candidates to print.")
    ] = 10,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Which single CI's failure would explain a set of alarms best."""
    with opened(store) as graph:
        at, given = _revision(graph, as_of), _effect(effect)
        said = list(dict.fromkeys(find_record(graph, name, at).id for name in alarms))
        well = [find_record(graph, name, at) for name in good or ()]
        topology, view = _Finder(graph, verbose).whole(at)
        places = [n for n in topology.find(said) if n is not None]
        healthy = [n for n in topology.find([r.id for r in well]) if n is not None]
        found = root_causes(topology, places, healthy, view=view, effect=given, first=first)
        ids = {
            topology.id(n) for c in found.causes for n in (c.node, *c.unexplained, *c.contradicted)
        }
        names = output.names(graph, ids)

        def several(nodes: Iterable[int]) -> list[str]:
            return [names.get(topology.id(n), topology.id(n)) for n in nodes]

        if json:
            output.print_json(
                {
                    "revision": topology.revision if at is None else at,
                    "complete": found.complete,
                    "tried": found.tried,
                    "causes": [
                        {
                            "id": topology.id(c.node),
                            "name": names.get(topology.id(c.node)),
                            "type": topology.type(c.node),
                            "explained": [topology.id(n) for n in c.explained],
                            "unexplained": [topology.id(n) for n in c.unexplained],
                            "contradicted": [topology.id(n) for n in c.contradicted],
                            "silent": c.silent,
                        }
                        for c in found.causes
                    ],
                }
            )
            return
        rows = [
            [
                f"{len(c.explained)} of {len(said)}",
                *several([c.node]),
                topology.type(c.node),
                ", ".join(several(c.unexplained)),
                ", ".join(several(c.contradicted)),
                c.silent,
                topology.id(c.node),
            ]
            for c in found.causes
        ]
        if rows:
            columns = ["explains", "name", "type", "not explained", "but well", "silent", "id"]
            output.print_table(columns, rows)
        else:
            output.print_line("Nothing that these CIs stand on could explain an alarm.")
        if not found.complete:
            output.print_line(f"Truncated: only {found.tried:,} candidates were tried.", "dim")
