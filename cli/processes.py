"""What every kind of process has at the command line, and its transitions as subcommands.

``Processes(Problems).app("…")`` is a group with ``new``, ``add``, ``remove``, ``list``, ``show``,
``approve``, ``reject``, ``comment`` and ``assign``, and one subcommand for each transition that people may take.
What a kind has beside is added to its app by its own module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Final

import typer

from cli import process_list, process_show, services
from cli.confirming import Yes, confirm
from cli.options import (
    STORE_DEFAULT,
    Actor,
    After,
    First,
    Json,
    Reason,
    Store,
    actor_or_me,
    opened,
)
from cli.process_kind import Kind, title
from cli.process_transitions import group_of
from cli.process_words import Given, Override, ProcessName, pairs, told_apart, values_of
from cmdb.errors import QueryError
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import APPROVE, REJECT
from lifecycle.desk import is_final
from lifecycle.naming import process_type

Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="What you say to it.")]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE]...", help="What it needs, or says: root_cause=…"),
]
AnyKind = Annotated[
    str, typer.Argument(metavar="[TYPE]", help="Only these, by a short name or a record type.")
]
Mine = Annotated[bool, typer.Option("--mine", help="Those that wait for you, and for what.")]
OWN: Final = ("new", "list", "add", "remove", "show", "approve", "reject", "comment", "assign")
"""The subcommands that every kind has, unless it leaves some out."""


class Processes(Kind):
    """The subcommands of one kind of process."""

    def app(
        self,
        help_: str,
        *,
        several: bool = False,
        without: Iterable[str] = (),
        helps: Mapping[str, str] = {},
    ) -> typer.Typer:
        """The group.

        Parameters
        ----------
        several
            The kind has several types, which ``new`` and ``list`` are told.
        without
            Subcommands of `OWN` that are left out, or that the kind adds by itself.
        helps
            Transition -> what it is for; without one, what the model says of it.
        """
        group = group_of(self.base, self.mover, helps)
        made = typer.Typer(cls=group, no_args_is_help=True, help=help_)
        ways: dict[str, Callable[..., None]] = {
            **{name: getattr(self, name) for name in OWN if name not in ("new", "list")},
            "new": self.new_of if several else self.new,
            "list": self.list_of if several else self.list_all,
        }
        for name in OWN:
            if name not in without:
                made.command(name)(ways[name])
        return made

    # -- looking ----------------------------------------------------------------------------------------

    def list_of(
        self,
        type_: AnyKind = "",
        mine: Mine = False,
        first: First = 50,
        after: After = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Open ones, newest first."""
        with opened(store) as graph:
            kind = process_type(graph.model, type_, self.base).name if type_ else self.base
            self._list(graph, kind, mine, first, after, actor, json)

    def list_all(
        self,
        mine: Mine = False,
        first: First = 50,
        after: After = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Open ones, newest first."""
        with opened(store) as graph:
            self._list(graph, self.base, mine, first, after, actor, json)

    def _list(
        self,
        graph: GraphStore,
        kind: str,
        mine: bool,
        first: int,
        after: str,
        actor: str,
        json: bool,
    ) -> None:
        columns = process_list.Columns(self.service.command, self.items, self.columns)
        if mine:
            desk = services.desk(graph, actor_or_me(actor))
            process_list.print_waiting(graph, desk.waiting(kind), columns, first, json)
        else:
            process_list.print_open(graph, kind, columns, first, after, json)

    def show(
        self,
        process: ProcessName,
        first: First = 50,
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """One with all that belongs to it: state, approval, what it concerns, comments, what you may do now."""
        with opened(store) as graph:
            found = self.find(graph, process)
            looked_at = process_show.Looked(
                graph, found, actor_or_me(actor), self.items, first, self.beside(graph, found)
            )
            looked_at.print(json)

    # -- onwards ----------------------------------------------------------------------------------------

    def mover(self, name: str) -> Callable[..., None]:
        """The subcommand of a transition."""

        def move(
            process: ProcessName,
            words: Inputs = None,
            override: Override = None,
            reason: Reason = "",
            yes: Yes = False,
            actor: Actor = "",
            store: Store = STORE_DEFAULT,
            json: Json = False,
        ) -> None:
            with opened(store) as graph:
                found, given = self.find(graph, process), told_apart(words or ())
                self._move(graph, found, name, given, override, reason, yes, actor)
                self.report(graph, found.id, json, title(found))

        return move

    def _move(
        self,
        graph: GraphStore,
        process: Record,
        name: str,
        given: Given,
        override: list[str] | None,
        reason: str,
        yes: bool,
        actor: str,
    ) -> None:
        if given.devices:
            raise QueryError(f"{given.devices[0]!r} is no input.", "Write NAME=VALUE.")
        if is_final(graph.model, process, name):
            confirm(f"To {name.replace('_', '-')} {title(process)}", yes)
        self.of(graph).engine.transition(
            process.id,
            name,
            actor_or_me(actor),
            reason=reason,
            inputs=values_of(graph, given.values),
            overrides=pairs(override or (), "--override", "GUARD=REASON"),
        )

    def approve(
        self,
        process: ProcessName,
        comment: Comment = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Agree to one, if you are asked: `show` says who is."""
        self._vote(process, APPROVE, comment, actor, store, json)

    def reject(
        self,
        process: ProcessName,
        comment: Comment = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Reject one, if you are asked; its requester may reopen it."""
        self._vote(process, REJECT, comment, actor, store, json)

    def _vote(
        self, process: str, decision: str, comment: str, actor: str, store: str, json: bool
    ) -> None:
        with opened(store) as graph:
            found = self.find(graph, process)
            self.of(graph).engine.vote(found.id, actor_or_me(actor), decision, comment)
            self.report(graph, found.id, json, title(found))

    def comment(
        self,
        process: ProcessName,
        text: Annotated[str, typer.Argument(metavar="TEXT")],
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Say something about one; `show` prints it."""
        with opened(store) as graph:
            found = self.find(graph, process)
            self.of(graph).comment(found.id, actor_or_me(actor), text)
            self.report(graph, found.id, json, f"Noted at {title(found)}")

    def assign(
        self,
        process: ProcessName,
        person: Annotated[str, typer.Argument(metavar="PERSON", help="A user name, id or name.")],
        reason: Reason = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Give one to a person to carry out."""
        with opened(store) as graph:
            found = self.find(graph, process)
            self.of(graph).reassign(found.id, actor_or_me(actor), person, reason)
            self.report(graph, found.id, json, f"{title(found)} is {person}'s now")
