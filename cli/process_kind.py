"""One kind of process at the command line: finding and telling it, and the subcommands that draft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from cli import output, services
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.process_show import Section
from cli.process_words import (
    DeviceType,
    Find,
    From,
    ProcessName,
    WhereDevices,
    Words,
    attributes_and_details,
    chosen,
    concerned_by,
    told_apart,
    values_of,
)
from cmdb.errors import QueryError
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.drafting import Drafting
from lifecycle.items import count
from lifecycle.naming import find_devices, process_type
from schema.model import RecordType

TypeName = Annotated[
    str,
    typer.Argument(
        metavar="TYPE", help="A short name, such as stock-in or normal; or a record type."
    ),
]


Beside = Callable[[GraphStore, Record], Section]
"""What a kind tells of a process beside what all do."""


class Kind:
    """One kind of process at the command line: what its subcommands need, and those that draft.

    Parameters
    ----------
    service
        What drafts them, and what people add to them; it knows their type, and what they are called.
    items
        What the things that they concern are called.
    columns
        Attributes that are listed beside those of every kind.
    beside
        What ``show`` tells beside what every kind has: of a store and a process.
    """

    def __init__(
        self,
        service: type[Drafting],
        *,
        items: str = "items",
        columns: Sequence[str] = (),
        beside: Beside = lambda _, __: Section(),
    ) -> None:
        self.service, self.base = service, service.kind
        self.items, self.columns, self.beside = items, columns, beside

    # -- what a door needs ----------------------------------------------------------------------------

    def of(self, graph: GraphStore) -> Drafting:
        return services.processes(graph, self.service)

    def find(self, graph: GraphStore, text: str) -> Record:
        """The process of this kind that a number or id means.

        Raises
        ------
        NotFoundError
        """
        return self.of(graph).find(text)

    def report(self, graph: GraphStore, id: str, json: bool, text: str) -> None:
        """What was done, and the state that the process is in now."""
        process = graph.record(id)
        if json:
            plain = {n: process.attributes.get(n) for n in ("number", "lifecycle_state")}
            said = {"id": id, **plain, "type": process.type, "revision": process.revision}
            output.print_json({**said, self.items: count(graph, id)})
        else:
            state = output.state(graph.model, process)
            output.print_line(f"{text}: {state} (revision {graph.last_revision().number}).")

    def number_of(self, number: int) -> str:
        """So many of what it concerns, in words."""
        return f"{number:,} {self.items if number != 1 else self.items.removesuffix('s')}"

    # -- drafts ---------------------------------------------------------------------------------------

    def new_of(
        self,
        type_: TypeName,
        words: Words = None,
        find: Find = None,
        where: WhereDevices = "",
        record_type: DeviceType = "",
        file: From = "",
        actor: Actor = "",
        reason: Reason = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Draft one: its type, what it concerns, and what holds for it: place=R01 rack_position=10."""
        with opened(store) as graph:
            kind = process_type(graph.model, type_, self.base)
            self._draft(graph, kind, words, find, where, record_type, file, actor, reason, json)

    def new(
        self,
        words: Words = None,
        find: Find = None,
        where: WhereDevices = "",
        record_type: DeviceType = "",
        file: From = "",
        actor: Actor = "",
        reason: Reason = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Make a new one: what it concerns, and what holds for it: name='Mail is slow'."""
        with opened(store) as graph:
            kind = graph.model.record_type(self.base)
            self._draft(graph, kind, words, find, where, record_type, file, actor, reason, json)

    def _draft(
        self,
        graph: GraphStore,
        kind: RecordType,
        words: list[str] | None,
        find: list[str] | None,
        where: str,
        record_type: str,
        file: str,
        actor: str,
        reason: str,
        json: bool,
    ) -> None:
        named, values = told_apart(words or ())
        attributes, details = attributes_and_details(graph, kind, values)
        concerned = concerned_by(graph.model, kind.name)
        meant = chosen(graph, concerned, named, details, find or (), where, record_type, file)
        made = self.of(graph).new(kind.name, actor_or_me(actor), attributes, meant, reason)
        text = f"Drafted {title(made)} with {self.number_of(len(meant))}"
        self.report(graph, made.id, json, text)

    def add(
        self,
        process: ProcessName,
        words: Words = None,
        find: Find = None,
        where: WhereDevices = "",
        record_type: DeviceType = "",
        file: From = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Add what else a draft concerns, or give other details to what it does."""
        with opened(store) as graph:
            found = self.find(graph, process)
            named, values = told_apart(words or ())
            details, concerned = values_of(graph, values), concerned_by(graph.model, found.type)
            meant = chosen(graph, concerned, named, details, find or (), where, record_type, file)
            if not meant:
                remedy = f"Name {self.items}, or --find or --from."
                raise QueryError("Nothing was named to be added.", remedy)
            self.of(graph).add(found.id, actor_or_me(actor), meant)
            text = f"Added {self.number_of(len(meant))} to {title(found)}"
            self.report(graph, found.id, json, text)

    def remove(
        self,
        process: ProcessName,
        items: Annotated[list[str], typer.Argument(metavar="ITEM...")],
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Take off a draft what it should not concern."""
        with opened(store) as graph:
            found = self.find(graph, process)
            named = find_devices(graph, items, concerned_by(graph.model, found.type))
            ids = [record.id for record in named.values()]
            self.of(graph).remove(found.id, actor_or_me(actor), ids)
            self.report(
                graph, found.id, json, f"Took {self.number_of(len(ids))} off {title(found)}"
            )


def title(process: Record) -> str:
    """What a process is called for people: its number, and its name where that says more."""
    number = str(process.attributes.get("number") or "")
    return process.name if number in process.name else f"{number} {process.name}"
