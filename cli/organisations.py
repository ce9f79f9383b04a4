"""Subcommands over organisations: the tree, roles, renames, moves, mergers and splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import typer

from cli import output, services
from cli.confirming import Yes, confirm
from cli.options import (
    STORE_DEFAULT,
    Actor,
    At,
    Json,
    Reason,
    Store,
    actor_or_me,
    moment,
    opened,
    organisation_id,
)
from cli.words import find_record, parse_conditions
from cmdb.queries import Query
from cmdb.store import GraphStore
from lifecycle.organisations import Branch, Organisations, tree
from lifecycle.reorganisation import Moved, Reorganisation

app = typer.Typer(
    no_args_is_help=True, help="Organisations (单位): the tree, roles, mergers, splits, renames."
)

Name = Annotated[str, typer.Argument(metavar="ORGANISATION", help="Its id, or its exact name.")]
Person = Annotated[
    str, typer.Argument(metavar="PERSON", help="A user name, employee number, id, or exact name.")
]
Role = Annotated[
    str, typer.Argument(metavar="ROLE", help="operator, asset_manager, director, auditor …")
]
On = Annotated[
    datetime | None,
    typer.Option("--effective", formats=["%Y-%m-%d"], help="The day from which it holds."),
]


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


def _id(graph: GraphStore, text: str) -> str:
    found = organisation_id(graph, text)
    assert found is not None, "an argument is not empty"
    return found


@app.command("tree")
def tree_(
    top: Annotated[
        str, typer.Argument(metavar="[ORGANISATION]", help="Only this one and those below it.")
    ] = "",
    dissolved: Annotated[
        bool, typer.Option("--all", help="Those that are dissolved, too, and what became of them.")
    ] = False,
    as_of: At = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """The organisations as a tree, now or as of then."""
    with opened(store) as graph:
        at = moment(graph, as_of)
        root = find_record(graph, top, at).id if top else None
        found = tree(graph, root, at, dissolved=dissolved)
        if json:
            output.print_json([_plain(branch) for branch in found])
            return
        for line in _lines(found, 0):
            output.print_line(line)


def _plain(branch: Branch) -> dict[str, Any]:
    record = branch.record
    days = {n: record.attributes.get(n) for n in ("established_on", "dissolved_on")}
    days["since"] = branch.since
    return {
        "id": record.id,
        "name": record.name,
        "type": record.type,
        "code": record.attributes.get("code"),
        "state": record.attributes.get("lifecycle_state"),
        **{name: day.isoformat() if day else None for name, day in days.items()},
        "successors": [r.name for r in branch.successors],
        "below": [_plain(below) for below in branch.below],
    }


def _lines(branches: Sequence[Branch], depth: int) -> Iterator[str]:
    for branch in branches:
        said = [branch.record.type]
        for word, day in (
            ("from", branch.record.attributes.get("established_on")),
            ("until", branch.record.attributes.get("dissolved_on")),
            ("here since", branch.since),
        ):
            said += [f"{word} {day}"] if day else []
        said += [f"-> {r.name}" for r in branch.successors]
        yield f"{'  ' * depth}{branch.record.name}  ({', '.join(said)})"
        yield from _lines(branch.below, depth + 1)


@app.command()
def grant(
    person: Person,
    role: Role,
    organisation: Name,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Give a person a role in an organisation, and so in all below it."""
    with opened(store) as graph:
        door, who = Organisations(services.engine(graph)), actor_or_me(actor)
        revision = door.grant(who, person, [role], _id(graph, organisation), reason)
        _done(revision, f"{person} is {role} of {organisation}.", json)


@app.command()
def revoke(
    person: Person,
    role: Role,
    organisation: Name,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take a role in an organisation from a person."""
    with opened(store) as graph:
        door, who = Organisations(services.engine(graph)), actor_or_me(actor)
        revision = door.revoke(who, person, [role], _id(graph, organisation), reason)
        _done(revision, f"{person} is no longer {role} of {organisation}.", json)


@app.command()
def rename(
    organisation: Name,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new one.")],
    effective: On = None,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Give an organisation another name; as of then it goes by the old one."""
    with opened(store) as graph:
        id, day = _id(graph, organisation), _day(effective)
        revision = Organisations(services.engine(graph)).rename(
            actor_or_me(actor), id, name, effective_on=day, reason=reason
        )
        _done(revision, f"{organisation} is now {name}.", json)


@app.command()
def move(
    organisation: Name,
    under: Annotated[str, typer.Argument(metavar="UNDER", help="What it is part of from now on.")],
    effective: On = None,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Make an organisation, with all below it, part of another one."""
    with opened(store) as graph:
        ids, day = (_id(graph, organisation), _id(graph, under)), _day(effective)
        revision = Organisations(services.engine(graph)).move(
            actor_or_me(actor), *ids, effective_on=day, reason=reason
        )
        _done(revision, f"{organisation} is now part of {under}.", json)


@app.command()
def merge(
    organisation: Name,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The one that goes on.")],
    effective: On = None,
    reason: Reason = "",
    yes: Yes = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Merge an organisation into another one, and dissolve it. Goes on where it was stopped."""
    with opened(store) as graph:
        ids, day = (_id(graph, organisation), _id(graph, into)), _day(effective)
        confirm(f"To merge {organisation} into {into}, and dissolve it,", yes)
        with output.progress_bar("merging") as advance:
            moved = Reorganisation(services.engine(graph)).merge(
                actor_or_me(actor), *ids, effective_on=day, reason=reason, progress=advance
            )
    _print_moved(moved, json)


@app.command()
def split(
    organisation: Name,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the new one.")],
    type_: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="By default that of the old one.")
    ] = "",
    children: Annotated[
        list[str] | None,
        typer.Option("--child", metavar="ORGANISATION", help="One below that goes along."),
    ] = None,
    records: Annotated[
        str, typer.Option("--records", metavar="TYPE", help="Records of this type go along.")
    ] = "",
    conditions: Annotated[
        list[str] | None,
        typer.Option("--if", metavar="CONDITION", help="Only those, as in `cmdb find`."),
    ] = None,
    effective: On = None,
    reason: Reason = "",
    yes: Yes = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Make a new organisation beside one, out of a part of it. Goes on where it was stopped."""
    with opened(store) as graph:
        id, below = _id(graph, organisation), [_id(graph, child) for child in children or ()]
        of = records or "Record"
        where = parse_conditions(graph, of, conditions or (), "")
        chosen = Query(of, where) if records or conditions else None
        confirm(f"To split {name} from {organisation}", yes)
        with output.progress_bar("splitting") as advance:
            moved = Reorganisation(services.engine(graph)).split(
                actor_or_me(actor), id, name, type_=type_, children=below, records=chosen,
                effective_on=_day(effective), reason=reason, progress=advance,
            )  # fmt: skip
    _print_moved(moved, json)


def _print_moved(moved: Moved, json: bool) -> None:
    counts = {"records": moved.records, "organisations": moved.children, "roles": moved.roles}
    if json:
        into = {"id": moved.into.id, "name": moved.into.name}
        output.print_json({"into": into, **counts, "revisions": moved.revisions})
        return
    told = ", ".join(f"{n} {what}" for what, n in counts.items())
    output.print_line(f"{told} are now of {moved.into.name}.")


def _done(revision: int, text: str, json: bool) -> None:
    if json:
        output.print_json({"revision": revision})
    else:
        output.print_line(text)
