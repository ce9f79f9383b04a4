"""What the commands ask of the product, wherever it is: the store's own parts here, or a server's there.

Each is a function of a store. `cli.remote` registers what a server is asked instead: where it decides, who asks
is who acts, and what they may not see is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Protocol, TypeVar, cast

from cmdb.queries import AsOf
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle import due
from lifecycle.approvals import Stage
from lifecycle.desk import Desk, Waiting, stages_of
from lifecycle.drafting import Drafting
from lifecycle.engine import Choice, Engine
from lifecycle.figures import evaluate
from lifecycle.figures.declared import Figure
from lifecycle.figures.evaluators import Answer, Moment
from lifecycle.ledger import Ledger, files
from lifecycle.ledger.columns import Column
from lifecycle.resume import Resume, resume

S = TypeVar("S", bound=Drafting)


class OnesDesk(Protocol):
    """What one person may do with processes."""

    def waiting(self, record_type: str) -> Iterator[Waiting]: ...

    def asked(self, order: Record) -> str | None: ...

    def choices(self, order: Record) -> list[Choice]: ...


@singledispatch
def engine(graph: GraphStore, instead: str = "") -> Engine:
    """What takes records from state to state, and decides.

    Parameters
    ----------
    instead
        Where a server does what the command decides by itself, for who has named one.
    """
    return Engine(graph)


@singledispatch
def door(graph: GraphStore, service: type[Drafting]) -> Drafting:
    """What deals with a kind of process."""
    return service(engine(graph))


def processes(graph: GraphStore, service: type[S]) -> S:
    """What deals with a kind of process: its service, by which a server is asked where it is one's."""
    return cast("S", door(graph, service))


@singledispatch
def desk(graph: GraphStore, actor: str) -> OnesDesk:
    """The desk of who acts.

    Raises
    ------
    NotAllowedError
        Nobody is known by that name.
    """
    return Desk(Engine(graph), actor)


@singledispatch
def stages(graph: GraphStore, process: Record) -> list[Stage]:
    """The stages of a process's approval, as they stand."""
    return stages_of(Engine(graph), process)


@singledispatch
def write_ledger(
    graph: GraphStore, found: Ledger, columns: Sequence[Column], path: Path, language: str
) -> int:
    """Write a ledger into a file; gives the number of devices.

    Raises
    ------
    QueryError
        The file's name says no format.
    OSError
    """
    return files.write(path, columns, found.rows(columns), language)


@singledispatch
def resume_of(graph: GraphStore, id: str, at: int) -> Resume:
    """The résumé of a device, up to a revision."""
    return resume(graph, id, at)


@singledispatch
def figures_of(
    graph: GraphStore, figures: Sequence[Figure], asked: Moment, as_of: AsOf
) -> list[tuple[Figure, Answer]]:
    """What figures come to."""
    return [(figure, evaluate(figure, asked)) for figure in figures]


@singledispatch
def due_of(graph: GraphStore, kinds: Collection[str], moment: due.Moment) -> list[due.Due]:
    """What is due, kind by kind."""
    return [found for kind in kinds for found in due.ask(graph, kind, moment)]
