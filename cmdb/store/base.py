"""The contract of a store, and what is the same in every store.

A store keeps the *live graph* (records and relationships as they are) and beside it the *images*:
each change keeps the element as it was before, with the interval of revisions it held for. A read
as of revision R sees the live elements whose revision is at most R, and the images whose interval
holds R. Creation therefore writes no history, and the past costs only where something changed.

All writes go through `GraphStore.commit`, `GraphStore.apply_model` and `GraphStore.replicate`, which
share one serialised write transaction (`cmdb.commits.WriteTransaction`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, NamedTuple, Self, TypeVar

from cmdb.change_sets import ChangeSet
from cmdb.commits import End, Plan, StaleError, WriteTransaction
from cmdb.errors import (
    ChainBrokenError,
    ConflictError,
    Interference,
    InvalidChangeError,
    ModelChangeRefusedError,
    NotFoundError,
    Problem,
    QueryError,
    StoreBusyError,
)
from cmdb.preparation import prepare
from cmdb.queries import AsOf, Count, Page, ParsedQuery, Query, wanted
from cmdb.records import Record, Relationship, same_values
from cmdb.revisions import Changes, Commit, CommitResult, Revision
from cmdb.steps import ParsedStep, Step, parse_step
from cmdb.store.changes import Replay
from cmdb.store.deadlines import Deadline, deadline
from cmdb.store.topology import LinkBlock, NodeBlock, Topology
from schema.errors import UnknownNameError
from schema.kinds import parse_date, parse_datetime, parse_string, parse_text
from schema.model import ROOT, Model

FORMAT: Final = 4
"""Format of what a store keeps; a store of a higher one is refused."""

NEVER: Final = 2**62
"""Beyond every revision number."""

Direction = Literal["out", "in", "both"]

Parsed = TypeVar("Parsed")


class Neighbour(NamedTuple):
    """A record next to one that was asked for, and the relationship between them."""

    of: str
    relationship: Relationship
    record: Record


class Connected(NamedTuple):
    """One page of the records next to one that was asked for.

    `relationships` lead to the records, one to each; there are none where the step asks for none.
    `cursor` continues after the last one; None says there are no more, or that none was asked for.
    `total` counts all that match, where the step asked for it. `below` is as of `Page`.
    """

    records: list[Record]
    relationships: list[Relationship]
    cursor: str | None
    total: int | None = None
    below: Mapping[tuple[str, int], Connected] = MappingProxyType({})


class Span(NamedTuple):
    """From which revision on, and until which, an attribute had a value; until None: it still has."""

    value: Any
    since: int
    until: int | None


class Statistics(NamedTuple):
    """What a store holds. None: that is not told to who does not see everything."""

    records: int
    relationships: int | None
    record_images: int | None
    relationship_images: int | None
    revisions: int


class Finding(NamedTuple):
    """One thing an integrity check found wrong."""

    code: str
    subject: str
    message: str


class Entry(NamedTuple):
    """One entry of a journal."""

    number: int
    at: datetime
    value: bytes


def connected(
    query: ParsedQuery,
    records: list[Record],
    relationships: list[Relationship],
    total: int | None,
    below: Mapping[tuple[str, int], Connected],
) -> Connected:
    """A page of a step's query, of one record more than it takes."""
    if len(records) <= query.first:
        return Connected(records, relationships, None, total, below)
    page = records[: query.first]
    cursor = query.cursor(page[-1]) if page else None
    return Connected(page, relationships[: query.first], cursor, total, below)


class GraphStore(ABC):
    """Records, relationships, revisions and their history, behind one contract.

    A store may be used by several threads and, through stores of their own, several processes. The
    model in use is the one applied to the store (`model`), not the one in files.

    Every read takes ``as_of``: a revision number, an instant, or None for now. All methods raise
    the `StoreError` family when the store itself fails.
    """

    url: str
    """Where the store is, without secrets."""

    clock: Callable[[], datetime] = staticmethod(lambda: datetime.now(UTC))
    """Gives the instants of revisions, and of entries of journals."""

    # -- what every store must do -------------------------------------------------------------------

    @property
    @abstractmethod
    def statements(self) -> int:
        """How many statements were sent so far, for tests and measurements.

        Looking at Neo4j's clock is a part of each reading, and not counted by itself; a reading that is
        repeated because of it is, each time (docs/decisions/0007). Neither is looking for a newer model.
        Of what SQLite reads in several statements at one moment (`feed`, `compare`, scans) only some are.
        """

    @property
    @abstractmethod
    def model(self) -> Model:
        """The model applied to the store, read again when another process has changed it."""

    @abstractmethod
    def last_revision(self) -> Revision:
        """The newest revision."""

    @abstractmethod
    def revisions(self, numbers: Collection[int]) -> dict[int, Revision]:
        """Revisions by number; unknown ones are left out. One statement."""

    def instants(self, numbers: Collection[int]) -> dict[int, datetime]:
        """When revisions were made, by number; unknown ones are left out. One statement."""
        return {number: revision.at for number, revision in self.revisions(numbers).items()}

    @abstractmethod
    def committed(self, change_set: str) -> int | None:
        """The revision that a change set became, by its id; None if it was not committed. One statement."""

    @abstractmethod
    def checks(self, number: int) -> bytes:
        """Four bytes for the header of a revision and for each line of it, in order
        (`cmdb.store.chain`); none where it has no digest."""

    @abstractmethod
    def get(
        self,
        ids: Collection[str],
        as_of: AsOf = None,
        attributes: Collection[str] | None = None,
    ) -> dict[str, Record]:
        """Records by id; those that do not (yet) exist are left out. One statement.

        As of the past it costs with the history of these records, not with that of the store.

        Parameters
        ----------
        attributes
            Names of those that are wanted; None for all. Records may have more than these.

        Raises
        ------
        UnknownNameError
        """

    @abstractmethod
    def holders(self, attribute: str, values: Collection[Any]) -> list[Record]:
        """The live records, of whatever type, that have one of these values. One statement.

        ``attribute`` must be indexed, and no list; values are canonical.
        """

    @abstractmethod
    def find(self, query: Query) -> Page:
        """One page of the records that match. One statement, the total included.

        What the query's steps lead to comes with it, as of the same moment: on Neo4j by that statement,
        on SQLite by one for each level.

        Raises
        ------
        QueryError, UnknownNameError
        """

    @abstractmethod
    def count_by(self, query: Query, attributes: Sequence[str]) -> list[Count]:
        """How many matching records share each combination of values; most first. One statement.

        ``type`` may be named beside attributes. Paging and sorting of the query are not used.
        """

    @abstractmethod
    def neighbours(
        self,
        ids: Collection[str],
        types: Collection[str] | None = None,
        direction: Direction = "both",
        as_of: AsOf = None,
    ) -> list[Neighbour]:
        """All records next to these, by relationship type and direction. One statement.

        ``types`` are names of relationship types; None means all. Sorted by asked id, relationship
        type, direction and neighbour's id. A relationship of a record to itself appears once for
        each direction asked for.
        """

    @abstractmethod
    def search(self, text: str, query: Query = Query()) -> Page:  # noqa: B008
        """Full-text search: records in which every word of the text occurs.

        A word matches anywhere inside a searchable value, whatever its case: part of a serial
        number, two or one Chinese characters, the end of an address. Records whose name is the
        text come first, then those whose name begins with it, then the others; each group by name.
        ``query`` narrows (type, filter, organisation) and pages; it may not sort, nor ask the past.
        """

    @abstractmethod
    def feed(
        self, after: int = 0, upto: int | None = None, only: Collection[str] | None = None
    ) -> Iterator[Commit]:
        """Every revision after a number, in order, with what it changed: no gap, no repeat.

        Parameters
        ----------
        only
            Types of records and relationships that the caller looks at. What is of no such type may be left
            out, and what has another one now; it need not be.
        """

    @abstractmethod
    def compare(self, earlier: AsOf, later: AsOf = None) -> Changes:
        """The net difference between two states: what came, went and changed.

        Costs with what changed between them. What changed and changed back is left out.
        """

    @abstractmethod
    def scan_records(self, as_of: AsOf = None) -> Iterator[Record]:
        """All records, in order of id, streamed."""

    @abstractmethod
    def scan_relationships(
        self, as_of: AsOf = None, types: Collection[str] | None = None
    ) -> Iterator[Relationship]:
        """All relationships (of some types), streamed, each once."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """Counts of everything the store holds. One statement."""

    @abstractmethod
    def damage(self) -> Iterator[Finding]:
        """What only the store itself can see is broken: dangling ends, intervals, the file.

        `cmdb.integrity` looks at the rest through the contract.
        """

    @abstractmethod
    def type_usage(self) -> Usage:
        """Which types and attributes stored data uses, images included."""

    @abstractmethod
    def catch_up(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Bring the search index up to the newest revision. `search` does so itself; after a large
        load this moves the cost to where a progress bar can show it."""

    @abstractmethod
    def mark(self, name: str, value: bytes | None) -> None:
        """Keep a value under a name, beside the revisions; None forgets it.

        For what may be lost, or worked out again: positions, caches. It has no history, and is not
        part of a copy.
        """

    @abstractmethod
    def marks(self, prefix: str) -> dict[str, bytes]:
        """The values kept under names that begin so."""

    @abstractmethod
    def swap(self, name: str, expected: bytes | None, value: bytes | None) -> bool:
        """Set a mark if its present value is the expected one (None: there is none); gives whether.

        Of several that try, in whatever processes, one succeeds. A value of None forgets the mark.
        """

    # Journals: sequences of values by name, beside the revisions. They have no history and are not part
    # of a copy, but what was appended is kept until it is trimmed or removed.

    @abstractmethod
    def append(self, name: str, entries: Sequence[bytes]) -> int:
        """Add entries to the end of a journal, all of them or none; gives the number of the last.

        Numbers begin at 1, grow without a gap and are never given again. The entries are durable when
        this returns; one statement, however many. Where the connection is lost on the way they may
        have been kept: who appends once more then may find them twice. On SQLite this waits for a commit
        under way, and for nothing longer.
        """

    @abstractmethod
    def journal(self, name: str, after: int = 0, first: int = 1_000) -> list[Entry]:
        """The first entries behind a number, in order; none where there is no such journal. Follows
        appends without gaps, but for what was trimmed or removed. Neo4j takes the right to write for it.
        """

    @abstractmethod
    def trim(self, name: str, upto: int) -> None:
        """Remove the entries up to a number, that one included."""

    @abstractmethod
    def remove_entry(self, name: str, number: int) -> bool:
        """Remove one entry; gives whether it was there: of several that try, one is told so."""

    @abstractmethod
    def close(self) -> None:
        """Release connections. Using the store afterwards is an error."""

    @abstractmethod
    def _blocks(
        self, types: Sequence[str], record_types: Sequence[str], at: int, past: bool
    ) -> Iterator[NodeBlock | LinkBlock]:
        """The blocks of `topology`."""

    @abstractmethod
    def _dependencies(
        self, ids: Collection[str], ends: Mapping[str, End], at: int | None, of_dependents: bool
    ) -> tuple[NodeBlock, LinkBlock]:
        """`dependencies`, or `dependents`."""

    @abstractmethod
    def _connected(
        self, ids: Sequence[str], steps: Sequence[ParsedStep], at: int | None
    ) -> dict[tuple[str, int], Connected]:
        """`connections`, checked."""

    @abstractmethod
    def _histories(self, ids: Sequence[str], first: int, before: int) -> dict[str, list[Commit]]:
        """`histories`, of revisions below a number. One statement."""

    @abstractmethod
    def _refresh(self) -> None:
        """Look whether another process has applied a newer model."""

    @abstractmethod
    def _held(self, ids: Collection[str], attribute: str) -> list[tuple[str, int, int, Any]]:
        """``(id, revision, until, value)`` of the live records and their images; `NEVER` of live ones.
        One statement."""

    @abstractmethod
    def _revision_at(self, instant: datetime) -> int:
        """`revision_at`, the instant in UTC."""

    @abstractmethod
    def _writing(self, work: Callable[[WriteTransaction], CommitResult]) -> CommitResult:
        """Run work in one serialised write transaction, repeated where the store asks for it."""

    @abstractmethod
    def _owners(self, ids: Collection[str]) -> dict[str, str | None]:
        """What is kept of the owners of live records (`cmdb.owners`): None where nothing is."""

    @abstractmethod
    def _align(self, model: Model) -> None:
        """Bring constraints and indexes in line with the model; does nothing where they are."""

    # -- what is the same in every store --------------------------------------------------------------

    def commit(self, change_set: ChangeSet, prepared: Plan | None = None) -> CommitResult:
        """Apply a change set as one revision: all of it or nothing.

        A change set that would change nothing makes no revision. One that was committed before (by
        its id) is not applied again.

        Parameters
        ----------
        prepared
            Its net effect, where it was worked out by the rules (`cmdb.pending`) on the very revision
            that it is based on: as nobody has committed since, that need not be done again.

        Raises
        ------
        InvalidChangeError
            It breaks rules of the model, or does not say who wants it; carries up to 100 problems.
        ConflictError
            A record, or the store where the change set says so, is not at the revision the writer
            expected; says who changed what.
        """

        _check_header(change_set)

        def work(transaction: WriteTransaction) -> CommitResult:
            done = transaction.revision_of(change_set.id)
            if done is not None:
                return CommitResult(done, False)
            newest = transaction.last.number if transaction.last else 0
            if change_set.based_on is not None and change_set.based_on != newest:
                raise ConflictError("store", change_set.based_on, newest, ())
            revision = self._next_revision(transaction, change_set)
            plan = prepared
            if plan is None or change_set.based_on is None:
                plan = prepare(
                    change_set.operations,
                    transaction,
                    revision.number,
                    managed=change_set.managed,
                    process=change_set.process,
                    known={} if change_set.based_on is None else change_set.known,
                )
            if not plan:
                return CommitResult(revision.number - 1, False)
            transaction.write(revision, plan)
            return CommitResult(revision.number, True)

        try:
            return self._writing(work)
        except StaleError as stale:
            raise self.conflict(stale) from None

    def spans(self, ids: Collection[str], attribute: str) -> dict[str, list[Span]]:
        """The values that an attribute of some records ever had, the earliest first. One statement.

        Costs with the history of these records. Where a record had no value the value is None.

        Raises
        ------
        UnknownNameError
        """
        self.model.attribute(ROOT, attribute)
        found: dict[str, list[Span]] = {}
        for id, revision, until, value in sorted(self._held(ids, attribute), key=lambda h: h[:2]):
            spans = found.setdefault(id, [])
            end = None if until == NEVER else until
            if spans and same_values(spans[-1].value, value):
                spans[-1] = spans[-1]._replace(until=end)
            elif not spans or spans[-1].since != revision:
                spans.append(Span(value, revision, end))
        return found

    def initialise(self, model: Model, actor: str) -> CommitResult:
        """Give an empty store its first model."""
        result = self._apply(model, actor, "store created")
        self._align(model)
        return result

    def apply_model(self, model: Model, actor: str, reason: str = "model applied") -> CommitResult:
        """Make a model the store's model; recorded as a revision. Additions apply online.

        Raises
        ------
        ModelChangeRefusedError
            Stored records would become invalid, or history unreadable (`cmdb.model_changes`).
        """
        from cmdb.model_changes import plan_model_change

        plan = plan_model_change(self, model)
        if plan.refusals:
            more = f" (and {len(plan.refusals) - 1} more reasons)" if len(plan.refusals) > 1 else ""
            raise ModelChangeRefusedError(
                f"{plan.refusals[0]}{more}", "Change the records first, or keep what they use."
            )
        result = self._apply(model, actor, reason, plan.revision)
        self._align(model)
        return result

    def _apply(
        self, model: Model, actor: str, reason: str, planned: int | None = None
    ) -> CommitResult:
        change = ChangeSet((), actor, "schema", reason)

        def work(transaction: WriteTransaction) -> CommitResult:
            number = transaction.last.number if transaction.last else 0
            if transaction.model and transaction.model.fingerprint == model.fingerprint:
                return CommitResult(number, False)
            if planned is not None and number != planned:
                raise StoreBusyError(
                    "Records changed while the model change was checked.",
                    "Try again, or when writers are quiet.",
                )
            revision = self._next_revision(transaction, change)
            transaction.write(revision, Plan(model=model.document))
            return CommitResult(revision.number, True)

        return self._writing(work)

    def replicate(self, commits: Sequence[Commit]) -> None:
        """Write revisions of another store as they are, in one transaction.

        They must follow this store's newest revision without a gap. Nothing is validated: it was
        when it was first committed. What was before each change is what this store holds; of the
        commits' own ``before`` it matters only whether there was one.

        A revision with a digest gets its digest here too; one without gets none.

        Raises
        ------
        InvalidChangeError
            A revision changes what is not there.
        ChainBrokenError
            A revision has another digest here: it is not what it was when it was committed.
        """

        def work(transaction: WriteTransaction) -> CommitResult:
            number = transaction.last.number if transaction.last else 0
            new = [commit for commit in commits if commit.revision.number > number]
            replay = Replay(new, transaction)
            for commit in new:
                number += 1
                if commit.revision.number != number:
                    raise ConflictError("feed", number, commit.revision.number, ())
                digest = commit.revision.digest
                written = transaction.write(
                    commit.revision, replay.plan(commit), digest is not None
                )
                if written.digest != digest:
                    raise ChainBrokenError(number, "the source")
            assert transaction.last is not None
            return CommitResult(transaction.last.number, True)

        if not commits:
            return
        self._writing(work)
        models = [commit.changes.model for commit in commits if commit.changes.model]
        if models:
            self._align(self.model)

    def record(self, id: str, as_of: AsOf = None) -> Record:
        """One record; raises `NotFoundError` where there is none (at that time)."""
        found = self.get([id], as_of).get(id)
        if found is None:
            when = "" if as_of is None else f" as of {as_of}"
            raise NotFoundError(
                f"There is no record {id}{when}.", "`cmdb search` finds records by name."
            )
        return found

    def history(self, id: str, first: int = 50, before: int | None = None) -> list[Commit]:
        """What happened to a record and its relationships, newest first, at most ``first`` revisions.

        Each entry's changes are only those of this record. ``before`` continues: only revisions
        with a lower number. One statement; it costs with the record's relationships and its history.

        Raises
        ------
        NotFoundError
        """
        ids = [id] if id.isascii() else []
        found = self._histories(ids, first, NEVER if before is None else min(before, NEVER))
        if id not in found:
            raise NotFoundError(f"There is no record {id}.", "`cmdb search` finds records by name.")
        return found[id]

    def histories(
        self, ids: Collection[str], first: int = 50, before: int | None = None
    ) -> dict[str, list[Commit]]:
        """The `history` of several records; ids that do not exist are left out. One statement."""
        asked = sorted({id for id in ids if id.isascii()})  # as every id is
        until = NEVER if before is None else min(before, NEVER)
        return self._histories(asked, first, until) if asked else {}

    def deadline(self, seconds: float) -> AbstractContextManager[Deadline]:
        """Within it, readings that are not done after so many seconds are cancelled.

        It holds for the context that it is entered in and for copies of that (`contextvars`), so also
        for what is handed to a worker thread with its context; of several deadlines, the earliest. The
        store itself stops working on the statement, and can be used again at once. Neo4j looks for
        transactions that are out of time every two seconds (``db.transaction.monitor.check.interval``),
        and may be that late. What it gives can be cancelled before (`Deadline.cancel`), from any thread;
        on a cluster of Neo4j servers that may come to nothing, and the time out does it. Writes are not
        cut off.

        Raises
        ------
        StoreTimeoutError
            By each reading that was cut off, or begun when the time was over.
        """
        return deadline(seconds)

    def revision_at(self, instant: datetime) -> int:
        """Number of the newest revision at or before an instant; 0 before the first.

        Raises
        ------
        QueryError
            The instant has no time zone.
        """
        try:
            utc = parse_datetime(instant)
        except ValueError as error:
            raise QueryError(f"The instant {error}.", "Give it a time zone.") from None
        return self._revision_at(utc)

    def resolve(self, as_of: AsOf) -> int | None:
        """A revision number for ``as_of``; None for now.

        Raises
        ------
        QueryError
            An instant without time zone, or a number that no revision can have.
        """
        if isinstance(as_of, datetime):
            return self.revision_at(as_of)
        if as_of is not None and not 0 <= as_of < NEVER:
            raise QueryError(f"There is no revision {as_of}.", "They are numbered from 1 on.")
        return as_of

    def connections(
        self, ids: Collection[str], steps: Sequence[Step], as_of: AsOf = None
    ) -> dict[tuple[str, int], Connected]:
        """For each of these records and each step, one page of those it leads to. One statement; with
        further steps behind them, as `find`.

        What is sent is a page for each record and step, whatever they are connected to. To choose it
        the store looks at what sorts all neighbours of the step, as no index has them in order: tenths
        of a second for a record with 100,000, more of the past. Filtering by an indexed attribute does
        without that. A total costs the same again, less where nothing is filtered by.

        Parameters
        ----------
        steps
            Relationships to go by, and which records at their other ends (`cmdb.steps.Step`).

        Returns
        -------
        By id and index of the step; ids that do not exist (at that time) are left out. Neighbours are
        sorted as the step's query says, by id where it says nothing.

        Raises
        ------
        QueryError, UnknownNameError
        """
        at = self.resolve(as_of)
        parsed = [self._checked(partial(parse_step, step=s, past=at is not None)) for s in steps]
        asked = sorted({id for id in ids if id.isascii()})  # as every id is
        return self._connected(asked, parsed, at) if asked and steps else {}

    def _wanted(self, attributes: Collection[str] | None) -> tuple[str, ...] | None:
        """Names of attributes, checked; None for all."""
        if attributes is None:
            return None
        return self._checked(partial(wanted, attributes=attributes))

    def _checked(self, parse: Callable[[Model], Parsed]) -> Parsed:
        """What is asked, checked against the model; against a newer one where names are unknown."""
        try:
            return parse(self.model)
        except UnknownNameError:
            self._refresh()
            return parse(self.model)

    def topology(self, types: Collection[str], as_of: AsOf = None, past: bool = False) -> Topology:
        """All relationships of some types, and all records of types that can stand at their ends.

        Streamed column by column, as of one revision, whatever is committed meanwhile: the feed after
        that revision keeps it up to date.

        Parameters
        ----------
        past
            Also what was before, each state with its interval: of relationships, and of records while
            they had such a type; what these are now in any case. States that meet and differ in
            nothing that is told may come as one.

        Raises
        ------
        UnknownNameError, QueryError
        """
        chosen = sorted(set(types))
        found: set[str] = set()
        for name in chosen:
            relationship_type = self.model.relationship_type(name)
            found |= relationship_type.sources | relationship_type.targets
        at, last = self.resolve(as_of), self.last_revision().number
        at = last if at is None else min(at, last)
        return Topology(at, self._blocks(chosen, sorted(found), at, past))

    def dependencies(
        self, ids: Collection[str], ends: Mapping[str, End], as_of: AsOf = None
    ) -> tuple[NodeBlock, LinkBlock]:
        """What these records depend on directly. One statement.

        Parameters
        ----------
        ends
            The relationship types to go by, each with the end at which the *provider* stands: the
            record that the one at the other end depends on.

        Returns
        -------
        The relationships by which these records depend on others, and the records at their ends;
        the records asked for in any case, as far as they exist.

        Raises
        ------
        UnknownNameError, QueryError
        """
        return self._step(ids, ends, as_of, False)

    def dependents(
        self, ids: Collection[str], ends: Mapping[str, End], as_of: AsOf = None
    ) -> tuple[NodeBlock, LinkBlock]:
        """What depends directly on these records, and on what else it does. One statement.

        Parameters and exceptions are those of `dependencies`.

        Returns
        -------
        All relationships by which the direct dependents depend on anything, so that each of their
        redundancy groups is whole; and the records at their ends. The records asked for in any case,
        as far as they exist.
        """
        return self._step(ids, ends, as_of, True)

    def _step(
        self, ids: Collection[str], ends: Mapping[str, End], as_of: AsOf, of_dependents: bool
    ) -> tuple[NodeBlock, LinkBlock]:
        for name in ends:
            self.model.relationship_type(name)
        return self._dependencies(ids, ends, self.resolve(as_of), of_dependents)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _next_revision(self, transaction: WriteTransaction, change_set: ChangeSet) -> Revision:
        last, now = transaction.last, self.clock()
        if last is not None:
            now = max(now, last.at + timedelta(microseconds=1))
        return Revision(
            (last.number if last else 0) + 1,
            change_set.id,
            now,
            change_set.actor,
            change_set.source,
            change_set.reason,
            change_set.effective_on,
        )

    def conflict(self, stale: StaleError) -> ConflictError:
        """Who changed the record since the revision its writer expected."""
        interferences = []
        before: int | None = None
        while (before is None or before > stale.expected) and (
            entries := self.history(stale.record, 50, before)
        ):
            before = entries[-1].revision.number
            for entry in entries:
                if not entry.changes.records or entry.revision.number <= stale.expected:
                    continue
                change = entry.changes.records[0]
                changed = differences(change.before, change.after, self.model)
                interferences.append(
                    Interference(
                        entry.revision.number, entry.revision.at, entry.revision.actor, changed
                    )
                )
        return ConflictError(stale.record, stale.expected, stale.actual, interferences)


def _check_header(change_set: ChangeSet) -> None:
    """Who, why and when must be what a store can keep: it cannot be corrected afterwards."""
    problems = []
    for name, parse, needed in (
        ("id", parse_string, True),
        ("actor", parse_string, True),
        ("source", parse_string, True),
        ("reason", parse_text, False),
        ("effective_on", parse_date, False),
    ):
        value = getattr(change_set, name)
        try:
            if value is None and name == "effective_on":
                continue
            if type(value) is not (date if name == "effective_on" else str):
                raise ValueError(f"is {value!r}")
            parse(value)
            if needed and not str(value).strip():
                raise ValueError("is empty")
        except ValueError as error:
            problems.append(
                Problem(0, "", "change_set", f"The {name} of the change set {error}.", name)
            )
    if problems:
        raise InvalidChangeError(problems)


class Usage(NamedTuple):
    """What stored data uses of a model, images included.

    ``records`` and ``relationships`` count by type; the attribute maps name, for each type, the
    attributes that hold values anywhere.
    """

    records: dict[str, int]
    relationships: dict[str, int]
    record_attributes: dict[str, set[str]]
    relationship_attributes: dict[str, set[str]]


MASK: Final = "(hidden)"


def mask(attributes: Any, model: Model) -> dict[str, Any]:
    """Attributes for logs, events and people without the permission: sensitive values hidden."""
    hidden = model.sensitive
    return {name: MASK if name in hidden else value for name, value in attributes.items()}


def differences(
    before: Record | Relationship | None, after: Record | Relationship | None, model: Model
) -> dict[str, tuple[Any, Any]]:
    """Attribute -> (before, after) where they differ; sensitive values are hidden, managed ones left
    out."""
    old = before.attributes if before else {}
    new = after.attributes if after else {}
    return {
        name: (MASK, MASK) if name in model.sensitive else (old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if not same_values(old.get(name), new.get(name)) and name not in model.managed
    }
