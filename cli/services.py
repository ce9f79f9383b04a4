"""What the commands ask of the product, wherever it is: the store's own parts here, or a server's there.

Each is a function of a store. `cli.remote` registers what a server is asked instead: where it decides, who asks
is who acts, and what they may not see is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import singledispatch
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from cmdb.errors import Problem
from cmdb.queries import AsOf
from cmdb.records import Record
from cmdb.revisions import Changes
from cmdb.store import GraphStore
from itsm import merging
from itsm.alerts import attaching
from itsm.alerts.rules import AlertRules
from itsm.changes.desk import Changes as ChangesDesk
from itsm.changes.moved import moved
from itsm.changes.planned import APPLIED, PLANNED, Planned
from itsm.hits import Summary, summary
from itsm.incidents import Incidents
from itsm.overview import Overview, overview
from itsm.recent import Recent, recent
from lifecycle import due
from lifecycle.approvals import Stage
from lifecycle.attachments import Attachments
from lifecycle.desk import Desk, Waiting, stages_of
from lifecycle.drafting import Drafting
from lifecycle.engine import Choice, Engine
from lifecycle.figures import evaluate
from lifecycle.figures.declared import Figure
from lifecycle.figures.evaluators import Answer, Moment
from lifecycle.files import Files, folder_of
from lifecycle.ledger import Ledger, files
from lifecycle.ledger.columns import Column
from lifecycle.resume import Resume, resume
from lifecycle.settling import Settling

S = TypeVar("S", bound=Drafting)


class OnesDesk(Protocol):
    """What one person may do with processes."""

    def waiting(self, record_type: str) -> Iterator[Waiting]: ...

    def asked(self, order: Record) -> str | None: ...

    def choices(self, order: Record) -> list[Choice]: ...


@singledispatch
def engine(graph: GraphStore) -> Engine:
    """What takes records from state to state, and decides."""
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


class Outdated(NamedTuple):
    """Something that is not as it was when it was planned to be otherwise: whose it is, in words, and as JSON."""

    name: str
    text: str
    plain: Mapping[str, Any]


class Difference(NamedTuple):
    """What a change makes otherwise; and of one that is not carried out, what does not fit any more."""

    changes: Changes
    outdated: Sequence[Outdated] = ()
    problems: Sequence[Problem] = ()


@singledispatch
def difference_of(graph: GraphStore, change: Record) -> Difference:
    """What a change makes otherwise."""
    found = ChangesDesk(Engine(graph)).difference(change)
    if change.attributes.get(APPLIED) is not None:
        return Difference(found)
    planned = Planned(graph, change)
    outdated = [Outdated(one.name, str(one), one.plain(graph.model)) for one in moved(planned)]
    return Difference(found, outdated, planned.problems())


class Kept(NamedTuple):
    """What is kept with a change that names others: how many operations, what it hits, why it is so risky."""

    held: int
    impact: Summary | None
    risk: Sequence[tuple[float, str]]


@singledispatch
def kept_of(graph: GraphStore, change: Record) -> Kept:
    """What is kept with a change."""
    said = change.attributes
    factors = (said.get("risk_explained") or {}).get("factors", ())
    risk = [(factor["points"], factor["said"]) for factor in factors]
    return Kept(len(said.get(PLANNED) or ()), summary(said.get("impact")), risk)


@singledispatch
def overview_of(graph: GraphStore, incident: Record) -> Overview:
    """An incident, with all that belongs to it."""
    return overview(Engine(graph), incident)


@singledispatch
def recent_of(
    graph: GraphStore, ci: str, until: datetime, span: timedelta, first: int, depth: int | None
) -> Recent:
    """What changed of a CI and what it stands on, before an instant."""
    return recent(graph, ci, until, span, first=first, depth=depth)


@singledispatch
def merge(
    incidents: Incidents, into: str, others: Sequence[str], actor: str, reason: str = ""
) -> int:
    """Make one incident of several; gives the revision."""
    return merging.merge(incidents, into, others, actor, reason)


@singledispatch
def split(
    incidents: Incidents, incident: str, cis: Sequence[str], actor: str, name: str, reason: str
) -> Record:
    """Make an incident of its own of some of the CIs of one; gives the new one."""
    return merging.split(incidents, incident, cis, actor, name, reason)


@singledispatch
def attach_alert(graph: GraphStore, alert: str, ci: str, actor: str, rules: AlertRules) -> int:
    """Say which CI an alert is about; gives the revision."""
    return attaching.attach(Engine(graph), alert, ci, actor, rules)


@singledispatch
def settling(graph: GraphStore) -> Settling:
    """What counts devices (its ``counts``), and settles what is different."""
    return Settling(Engine(graph))


@singledispatch
def attachments(graph: GraphStore) -> Attachments:
    """What deals with attached files."""
    return Attachments(Engine(graph), Files(folder_of(graph.url)))


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
