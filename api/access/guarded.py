"""The store as one principal sees it: the one place where permission is enforced, under every door.

Questions carry the bounds of what may be seen into the store (`api.access.scope`), so that pages,
totals and counts are those of the visible records. What cannot be bounded there (neighbours, history,
the feed) is tested after it was read, with at most one statement more for a whole answer.

Of what is seen some values are withheld (`api.access.masking`). Who made a revision, and why, is told with
what is seen of it. Relationships to what is not seen are left out. `GuardedStore.hidden` counts what a
question does not show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from api.access.asking import asking
from api.access.masking import Mask, Withheld, kept, referred
from api.access.organisations import Organisations
from api.access.principals import Permission, Principal
from api.access.refusing import not_allowed
from api.access.roles import Roles
from api.access.scope import Reach, Scope, scope_of
from api.access.writing import GuardedTransaction
from cmdb.batching import batched
from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate
from cmdb.commits import End, Plan, StaleError, WriteTransaction
from cmdb.errors import (
    CmdbError,
    ConflictError,
    InvalidChangeError,
    NotFoundError,
    QueryError,
)
from cmdb.owners import LEVELS
from cmdb.pending import Pending
from cmdb.queries import PAGE_LIMIT, AsOf, Count, Page, Query
from cmdb.reconciliation.sources import SEEN
from cmdb.records import Record, Relationship, listed
from cmdb.revisions import (
    Changes,
    Commit,
    CommitResult,
    RecordChange,
    Revision,
)
from cmdb.steps import ParsedStep, Step
from cmdb.store import GraphStore
from cmdb.store.base import Connected, Direction, Entry, Finding, Neighbour, Span, Statistics, Usage
from cmdb.store.changes import sort_counts
from cmdb.store.topology import LinkBlock, NodeBlock
from lifecycle.refusals import NotAllowedError
from schema.kinds import is_id
from schema.model import ORGANISATION_ATTRIBUTE, Model

BATCH: Final = 1_000

SEARCH: Final = "`cmdb search` finds records by name."
ASIDE: Final = "What stands beside the revisions is the product's own."
UNSEEN: Final = "a record that you may not see"
IDS: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

UNTELLING: Final = frozenset(
    {"and", "or", "not", "eq", "ne", "in", "null", "id", ORGANISATION_ATTRIBUTE}
)
"""What a filter on what is hidden may say: it tells nothing that the count by organisation does not."""

Error = TypeVar("Error", bound=CmdbError)


class GuardedStore(GraphStore):
    """A store as one principal sees it, for one request.

    It remembers which records it has found to be visible, so make a new one for each request.

    Parameters
    ----------
    inner
        The store itself. It is not closed with this one.
    organisations
        The tree of organisations, kept for the whole process.
    roles
        Told in refusals: who could help.
    """

    def __init__(
        self, inner: GraphStore, principal: Principal, organisations: Organisations, roles: Roles
    ) -> None:
        self.url, self.clock = inner.url, inner.clock
        self.principal, self.roles = principal, roles
        self._inner, self._organisations = inner, organisations
        self._seen: dict[str, bool] = {}
        self._withheld: Withheld = {}

    @property
    def scope(self) -> Scope:
        """What the principal may read, by the organisations as they are now."""
        return self._scope(Permission.READ)

    def _scope(self, permission: Permission) -> Scope:
        tree = self._organisations.tree()
        return scope_of(self._inner.model, tree, self.principal.grants, permission)

    def reach(self, permission: Permission) -> Reach:
        """Where the principal has a permission."""
        return self.scope.reach(permission)

    def masked(self, record: Record) -> frozenset[str]:
        """Names of the attributes that were withheld from a record that this store gave."""
        return self._withheld.get((record.id, record.revision), frozenset())

    def hidden(self, query: Query) -> dict[str | None, int]:
        """How many records a question does not show, by organisation. One statement.

        None stands for those that name none: they are part of something that is not seen.

        Raises
        ------
        QueryError
            It filters by values: counts would tell those of what is hidden.
        """
        if telling := sorted({*_names(query.where)} - UNTELLING):
            raise QueryError(
                f"What is hidden is not counted by {', '.join(telling)[:80]}.",
                "Ask by type, organisation or id.",
            )
        scope = self.scope
        if not scope.bounded:
            return {}
        asked = replace(self._bounded(query, scope), beyond=True)
        counts = self._inner.count_by(asked, [ORGANISATION_ATTRIBUTE])
        return {count.values[0]: count.count for count in counts}

    # -- reading --------------------------------------------------------------------------------------

    @property
    def statements(self) -> int:
        return self._inner.statements

    @property
    def model(self) -> Model:
        return self._inner.model

    def last_revision(self) -> Revision:
        return self._anonymous(self._inner.last_revision())

    def committed(self, change_set: str) -> int | None:
        return self._inner.committed(change_set)

    def revisions(self, numbers: Collection[int]) -> dict[int, Revision]:
        """As of every store; who made one, and why, only where something is seen of what it changed.
        What others changed is read for that: a statement or two for each, where not all is seen."""
        found = self._inner.revisions(numbers)
        return {number: self._known(revision) for number, revision in found.items()}

    def instants(self, numbers: Collection[int]) -> dict[int, datetime]:
        """As of every store: that something was committed then tells nothing of what."""
        return self._inner.instants(numbers)

    def _known(self, revision: Revision) -> Revision:
        if not self.scope.bounded or revision.actor == self.principal.name:
            return revision
        commits = self.feed(revision.number - 1, revision.number)
        return next((commit.revision for commit in commits), self._anonymous(revision))

    def _anonymous(self, revision: Revision) -> Revision:
        """A revision without what tells of what it changed, unless it is one's own."""
        if not self.scope.bounded or revision.actor == self.principal.name:
            return revision
        return revision._replace(actor="", source="", reason="", effective_on=None, digest=None)

    def get(
        self,
        ids: Collection[str],
        as_of: AsOf = None,
        attributes: Collection[str] | None = None,
    ) -> dict[str, Record]:
        if attributes is not None:
            attributes = {*attributes, ORGANISATION_ATTRIBUTE, *self.model.sharing}
        records = list(self._inner.get(ids, as_of, attributes).values())
        return {record.id: record for record in self._shown(records, as_of)}

    def holders(self, attribute: str, values: Collection[Any]) -> list[Record]:
        self._ask_of_sensitive([attribute])
        self._refuse_secret(attribute)
        return self._shown(self._inner.holders(attribute, values))

    def find(self, query: Query) -> Page:
        return self._page(query, self._inner.find(self._bounded(query, self.scope)))

    def search(self, text: str, query: Query = Query()) -> Page:  # noqa: B008
        return self._page(query, self._inner.search(text, self._bounded(query, self.scope)))

    def _page(self, query: Query, page: Page) -> Page:
        scope, whole = self.scope, page.records
        if scope.bounded:
            whole = [*whole, *_records(page.below)]
            if query.as_of is None:
                self._seen.update((record.id, True) for record in whole)
        if _tells_all(query, scope):
            return page
        mask = self._mask(self._visible(referred(whole, scope), scope), scope)
        below = self._below(page.below, query.steps, mask, scope)
        return replace(page, records=[*map(mask.record, page.records)], below=below)

    def _below(
        self,
        pages: Mapping[tuple[str, int], Connected],
        steps: Sequence[Step],
        mask: Mask,
        scope: Scope,
    ) -> dict[tuple[str, int], Connected]:
        """Pages of connected records, which are seen, without what is withheld; and those behind them."""
        behind: dict[int, Mapping[tuple[str, int], Connected]] = {}
        found, whole = {}, [_tells_all_of(step, scope) for step in steps]
        for key, page in pages.items():
            index = key[1]
            if whole[index]:
                found[key] = page
                continue
            if index not in behind:
                further = steps[index].query.steps
                behind[index] = self._below(page.below, further, mask, scope)
            found[key] = page._replace(
                records=[*map(mask.record, page.records)],
                relationships=[*map(mask.relationship, page.relationships)],
                below=behind[index],
            )
        return found

    def count_by(self, query: Query, attributes: Sequence[str]) -> list[Count]:
        """As of every store; references to records that are not seen are counted as no value."""
        counts = self._inner.count_by(self._bounded(query, self.scope), attributes)
        places = [i for i, name in enumerate(attributes) if name in self.model.references]
        named = {c.values[i] for c in counts for i in places if c.values[i] is not None}
        seen = self._visible(named)
        found: dict[tuple[Any, ...], int] = {}
        for values, count in counts:
            shown = tuple(
                None if i in places and value not in seen else value
                for i, value in enumerate(values)
            )
            found[shown] = found.get(shown, 0) + count
        return sort_counts(Count(values, count) for values, count in found.items())

    def neighbours(
        self,
        ids: Collection[str],
        types: Collection[str] | None = None,
        direction: Direction = "both",
        as_of: AsOf = None,
    ) -> list[Neighbour]:
        near = self._inner.neighbours(ids, types, direction, as_of)
        scope = self.scope
        records, others = [n.record for n in near], {n.of for n in near}
        if as_of is None:
            others |= referred(records, scope)
        seen = self._judged(records, as_of, others)
        near = [n for n in near if n.of in seen and n.record.id in seen]
        mask = self._mask(self._visible(referred(records, scope), scope), scope)
        return [
            n._replace(record=mask.record(n.record), relationship=mask.relationship(n.relationship))
            for n in near
        ]

    def connections(
        self, ids: Collection[str], steps: Sequence[Step], as_of: AsOf = None
    ) -> dict[tuple[str, int], Connected]:
        scope = self.scope
        bounded = [step._replace(query=self._bounded(step.query, scope)) for step in steps]
        pages = self._inner.connections(ids, bounded, as_of)
        asked = {id for id, _ in pages}
        if not scope.bounded:
            return self._below(pages, steps, self._mask(set(), scope), scope)
        records = list(_records(pages))
        named = referred(records, scope)
        if as_of is None:
            self._seen.update((record.id, True) for record in records)
            seen = self._visible(asked | named, scope)
        else:
            seen = self._asked(asked, as_of)
        pages = {key: page for key, page in pages.items() if key[0] in seen}
        return self._below(pages, steps, self._mask(self._visible(named, scope), scope), scope)

    def spans(self, ids: Collection[str], attribute: str) -> dict[str, list[Span]]:
        """As of every store, of records seen now; references to what is not seen have no value."""
        self._ask_of_sensitive([attribute])
        self._refuse_secret(attribute)
        seen = self._visible(ids)
        spans = self._inner.spans([id for id in ids if id in seen], attribute)
        if attribute not in self.model.references:
            return spans
        named = {id for held in spans.values() for span in held for id in listed(span.value)}
        visible = self._visible(named)
        return {
            id: [span._replace(value=kept(span.value, visible)) for span in held]
            for id, held in spans.items()
        }

    # -- the past, and everything -----------------------------------------------------------------------

    def history(self, id: str, first: int = 50, before: int | None = None) -> list[Commit]:
        """As of every store. Of a record that is seen now, all that ever happened to it is shown."""
        self._found([id])
        return self._told_of({id: self._inner.history(id, first, before)}).get(id, [])

    def histories(
        self, ids: Collection[str], first: int = 50, before: int | None = None
    ) -> dict[str, list[Commit]]:
        return self._told_of(self._inner.histories(ids, first, before))

    def _told_of(self, histories: dict[str, list[Commit]]) -> dict[str, list[Commit]]:
        """What is seen of the histories of records. One statement at most."""
        commits = [commit for of_one in histories.values() for commit in of_one]
        ends = {
            end
            for commit in commits
            for link in commit.changes.relationships
            for end in (link.key.source, link.key.target)
        }
        images = [i for c in commits for change in c.changes.records for i in change if i]
        scope = self.scope
        seen = self._visible(histories.keys() | ends | referred(images, scope), scope)
        mask = self._mask(seen, scope)
        return {
            id: [c._replace(changes=mask.changes(c.changes)) for c in of_one]
            for id, of_one in histories.items()
            if id in seen
        }

    def feed(
        self, after: int = 0, upto: int | None = None, only: Collection[str] | None = None
    ) -> Iterator[Commit]:
        """As of every store: every revision, each with what is seen of what it changed; nameless where
        that is nothing."""
        for commit in self._inner.feed(after, upto, only):
            self._seen.clear()
            changes = self.seen_changes(commit.changes)
            told = changes.records or changes.relationships or changes.model is not None
            revision = commit.revision if told else self._anonymous(commit.revision)
            yield Commit(revision, changes)

    def compare(self, earlier: AsOf, later: AsOf = None) -> Changes:
        """As of every store, between what was seen and what is: a record that came into an organisation
        that is seen appears as new."""
        return self.seen_changes(self._inner.compare(earlier, later))

    def scan_records(self, as_of: AsOf = None) -> Iterator[Record]:
        for batch in batched(self._inner.scan_records(as_of), BATCH):
            yield from self._shown(batch, as_of)

    def scan_relationships(
        self, as_of: AsOf = None, types: Collection[str] | None = None
    ) -> Iterator[Relationship]:
        """As of every store, where both ends are seen now."""
        for batch in batched(self._inner.scan_relationships(as_of, types), BATCH):
            scope = self.scope
            seen = self._visible({e for link in batch for e in (link.source, link.target)}, scope)
            mask = self._mask(seen, scope)
            for link in batch:
                if link.source in seen and link.target in seen:
                    yield mask.relationship(link)

    def statistics(self) -> Statistics:
        """As of every store, of the records that are seen; what no question bounds is told to who sees
        everything."""
        if not self.scope.bounded:
            return self._inner.statistics()
        seen = self.find(Query(first=1, total=True, attributes=())).total
        last = self._inner.last_revision().number
        return Statistics(seen or 0, None, None, None, last)

    def damage(self) -> Iterator[Finding]:
        """As of every store: of everything, so for who administers everything."""
        self._require_all(Permission.ADMINISTER)
        return self._inner.damage()

    def type_usage(self) -> Usage:
        """As of every store: of everything, so for who may change the model."""
        self._require_all(Permission.MODEL)
        return self._inner.type_usage()

    def catch_up(self, progress: Callable[[int], None] = lambda _: None) -> None:
        self._inner.catch_up(progress)

    def close(self) -> None:
        """Nothing: the store itself is kept for other requests."""

    # -- the whole graph, for the product's engines ------------------------------------------------------
    #
    # Failure travels through what is hidden too: an answer without it would be wrong. Only the engines
    # of `impact` read this; what of their results is told goes through `get` again.

    def _blocks(
        self, types: Sequence[str], record_types: Sequence[str], at: int, past: bool
    ) -> Iterator[NodeBlock | LinkBlock]:
        return self._inner._blocks(types, record_types, at, past)

    def _dependencies(
        self, ids: Collection[str], ends: Mapping[str, End], at: int | None, of_dependents: bool
    ) -> tuple[NodeBlock, LinkBlock]:
        return self._inner._dependencies(ids, ends, at, of_dependents)

    def _held(self, ids: Collection[str], attribute: str) -> list[tuple[str, int, int, Any]]:
        return self._inner._held(ids, attribute)

    def _connected(
        self, ids: Sequence[str], steps: Sequence[ParsedStep], at: int | None
    ) -> dict[tuple[str, int], Connected]:
        return self._inner._connected(ids, steps, at)

    def _histories(self, ids: Sequence[str], first: int, before: int) -> dict[str, list[Commit]]:
        return self._inner._histories(ids, first, before)

    def _owners(self, ids: Collection[str]) -> dict[str, str | None]:
        return self._inner._owners(ids)

    def _refresh(self) -> None:
        self._inner._refresh()

    def _revision_at(self, instant: datetime) -> int:
        return self._inner._revision_at(instant)

    # -- writing --------------------------------------------------------------------------------------

    def require(
        self,
        permission: Permission,
        organisations: Collection[str] = (),
        records: Collection[str] = (),
    ) -> None:
        """Refuse what the principal may not do in some organisations, and with some records; without
        either, anywhere. One statement for all records, and one for those not met yet.

        Raises
        ------
        NotFoundError
            A record is not there, or not seen.
        NotAllowedError
        """
        if not self.principal.permits(permission):
            raise self._refusal(permission, ())
        held = self.reach(permission)
        if missing := {id for id in organisations if id not in held}:
            raise self._refusal(permission, missing)
        self._found(records)
        scope = self._scope(permission)
        if records and scope.bounded:
            able = self._asked(records, None, scope)
            unable = self._inner.get([id for id in records if id not in able])
            if unable:
                named = {r.attributes.get(ORGANISATION_ATTRIBUTE) for r in unable.values()}
                raise self._refusal(permission, named)

    def as_product(
        self,
        permission: Permission,
        organisations: Collection[str] = (),
        records: Collection[str] = (),
    ) -> GraphStore:
        """The store itself, for a part of the product that does what the principal may ask for: the
        process engine, reconciliation. They write what no hand may, and see the whole graph; what they
        tell is for this store to show.

        Raises
        ------
        NotFoundError, NotAllowedError
            As `require`.
        """
        self.require(permission, organisations, records)
        return self._inner

    def asking(
        self, records: Collection[str], of: Callable[[Plan], Plan] | None = None
    ) -> GraphStore:
        """Likewise, to write what these records are about; every commit asks once more inside of its
        transaction, so that nothing is outrun (`api.access.asking`).

        Parameters
        ----------
        of
            What of a plan takes the permission, besides; without it, nothing: the rest is the product's.

        Raises
        ------
        NotFoundError, NotAllowedError
            As `require`; commits, too.
        """
        self.require(Permission.WRITE, records=records)

        def ask(transaction: WriteTransaction, plan: Plan) -> None:
            asked = of(plan) if of is not None else Plan()
            held = transaction.records(records)
            updated = [*((record, record) for record in held.values()), *asked.updated]
            guard = GuardedTransaction(transaction, self.scope, self._refusal)
            guard.allow(replace(asked, updated=updated))

        return asking(self._inner, ask)

    def commit(self, change_set: ChangeSet, prepared: Plan | None = None) -> CommitResult:
        """As of every store, in the principal's name, if they may (`api.access.writing`).

        Raises
        ------
        NotFoundError
            It names a record that is not there, or not seen.
        NotAllowedError
        InvalidChangeError, ConflictError
        """
        if change_set.managed or change_set.process:
            raise _never("Only the product's own parts write so.")
        self._found(named_by(change_set.operations, self.model))
        try:
            return super().commit(replace(change_set, actor=self.principal.name), prepared)
        except InvalidChangeError as error:
            raise self.told(error) from None
        finally:
            self._seen.clear()

    def rehearse(self, operations: Sequence[Operation]) -> Plan:
        """What operations would come to, as things are, if the principal may write that; nothing is committed.

        For what is held back: who attaches it may write what it touches.

        Raises
        ------
        NotFoundError, NotAllowedError, InvalidChangeError, ConflictError
            As committing them would.
        """
        self._found(named_by(operations, self.model))
        pending = Pending(self._inner)
        change_set = ChangeSet(operations, self.principal.name)
        try:
            plan = pending.prepare(change_set, self._inner.last_revision().number + 1)
        except InvalidChangeError as error:
            raise self.told(error) from None
        except StaleError as stale:
            raise self.conflict(stale) from None
        GuardedTransaction(pending.view, self.scope, self._refusal).allow(plan)
        return plan

    def apply_model(self, model: Model, actor: str, reason: str = "model applied") -> CommitResult:
        """As of every store, in the principal's name. The model is everybody's: it takes the permission
        everywhere, or in an organisation that has none above it.

        Raises
        ------
        NotAllowedError, ModelChangeRefusedError
        """
        self._require_all(Permission.MODEL)
        return self._inner.apply_model(model, self.principal.name, reason)

    def _writing(self, work: Callable[[WriteTransaction], CommitResult]) -> CommitResult:
        def guarded(transaction: WriteTransaction) -> CommitResult:
            guard = GuardedTransaction(transaction, self.scope, self._refusal)
            return work(cast("WriteTransaction", guard))

        return self._inner._writing(guarded)

    def _refusal(
        self, permission: Permission, organisations: Collection[str | None]
    ) -> NotAllowedError:
        """Names only organisations that are seen."""
        scope = self.scope
        told = {o for o in organisations if o is None or scope.sees_organisation(o)}
        return not_allowed(self.principal, permission, told, scope.tree, self.roles)

    def _found(self, ids: Collection[str]) -> None:
        """Refuse records that are not seen, as those that are not there."""
        seen = self._visible(ids) if self.scope.bounded else set(ids)
        for id in sorted(ids):
            if id not in seen:
                raise NotFoundError(f"There is no record {id}.", SEARCH)

    def told(self, error: Error) -> Error:
        """An error that tells of no record that is not seen, nor of what is withheld."""
        if isinstance(error, ConflictError) and _is_id(error.record) and self.scope.bounded:
            self._seen.clear()
            versions = (error.expected, error.actual)
            if not self._visible([error.record]):
                return cast("Error", ConflictError("store", *versions, ()))
            if type(error) is not ConflictError:  # it says more than who wrote that record
                return error
            return cast("Error", self.conflict(StaleError(error.record, *versions)))
        return cast("Error", self._told(error)) if isinstance(error, InvalidChangeError) else error

    def _told(self, error: InvalidChangeError) -> InvalidChangeError:
        named = {id for problem in error.problems for id in IDS.findall(problem.message)}
        named |= {id for problem in error.problems for id in IDS.findall(problem.subject)}
        named |= {id for problem in error.problems for id in problem.names}
        hidden = named - self._visible(named) if self.scope.bounded else set()

        def without(text: str, names: Mapping[str, str]) -> str:
            texts = [re.escape(name) for id, name in names.items() if id in hidden]
            texts += [*hidden]
            return re.sub("|".join(texts), UNSEEN, text) if texts else text

        return InvalidChangeError(
            [
                replace(
                    problem,
                    message=without(problem.message, problem.names),
                    subject=without(problem.subject, {}),
                    names={},
                )
                for problem in error.problems
            ]
        )

    def _require_all(self, permission: Permission) -> None:
        """Refuse who has a permission neither everywhere nor in an organisation that has none above it."""
        if not self.reach(permission).shared:
            raise self._refusal(permission, {None})

    def checks(self, number: int) -> bytes:
        """As of every store: digests of what was written, whose ever it is."""
        self._require_all(Permission.AUDIT)
        return self._inner.checks(number)

    def mark(self, name: str, value: bytes | None) -> None:
        raise _never(ASIDE)

    def marks(self, prefix: str) -> dict[str, bytes]:
        """When sources were last seen; all other marks are the product's own."""
        if prefix == SEEN:
            return self._inner.marks(prefix)
        raise _never(ASIDE)

    def swap(self, name: str, expected: bytes | None, value: bytes | None) -> bool:
        raise _never(ASIDE)

    def append(self, name: str, entries: Sequence[bytes]) -> int:
        raise _never(ASIDE)

    def journal(self, name: str, after: int = 0, first: int = 1_000) -> list[Entry]:
        raise _never(ASIDE)

    def trim(self, name: str, upto: int) -> None:
        raise _never(ASIDE)

    def remove_entry(self, name: str, number: int) -> bool:
        raise _never(ASIDE)

    def replicate(self, commits: Sequence[Commit]) -> None:
        raise _never("Copies are made beside the server.")

    def initialise(self, model: Model, actor: str) -> CommitResult:
        raise _never("Stores are made beside the server.")

    def _align(self, model: Model) -> None:
        self._inner._align(model)

    # -- what is seen -----------------------------------------------------------------------------------

    def _bounded(self, query: Query, scope: Scope) -> Query:
        if query.where:
            self._ask_of_sensitive(_names(query.where))
        attributes = query.attributes
        if attributes is not None and not self.model.sensitive.isdisjoint(attributes):
            attributes = {*attributes, ORGANISATION_ATTRIBUTE}
        return replace(
            query,
            within=scope.bounds if scope.bounded else query.within,
            attributes=attributes,
            steps=[s._replace(query=self._bounded(s.query, scope)) for s in query.steps],
        )

    def _ask_of_sensitive(self, names: Iterable[str]) -> None:
        """A filter on a sensitive attribute tells its values: it is for those who may read all of them."""
        asked = self.model.sensitive.intersection(names)
        if not asked:
            return
        able, reading = self.reach(Permission.READ_SENSITIVE), self.reach(Permission.READ)
        if able.whole or (able.shared and not reading.whole and able.ids >= reading.ids):
            return
        raise self._refusal(Permission.READ_SENSITIVE, sorted(reading.ids - able.ids)[:1])

    def _refuse_secret(self, attribute: str) -> None:
        if attribute in self.model.secret:
            raise _never(f"{attribute} is secret.")

    def _shown(self, records: list[Record], as_of: AsOf = None) -> list[Record]:
        """Those of some records that are seen, without what is withheld."""
        scope = self.scope
        named = referred(records, scope) if as_of is None else ()
        seen = self._judged(records, as_of, named)
        shown = [record for record in records if record.id in seen]
        mask = self._mask(self._visible(referred(shown, scope), scope), scope)
        return [*map(mask.record, shown)]

    def _judged(
        self, records: Iterable[Record], as_of: AsOf, others: Collection[str] = ()
    ) -> set[str]:
        """Ids of those records, and of others asked about by id, that are seen. Of the past, records are
        judged by what they were. One statement at most."""
        scope = self.scope
        verdicts = {record.id: scope.sees(record) for record in records}
        open_ = [id for id, verdict in verdicts.items() if verdict is None]
        seen = {id for id, verdict in verdicts.items() if verdict}
        if as_of is None:
            self._seen.update((id, v) for id, v in verdicts.items() if v is not None)
            return seen | self._visible({*open_, *others})
        found = self._asked({*open_, *(o for o in others if o not in verdicts)}, as_of)
        return seen | found

    def _visible(self, ids: Iterable[Any], scope: Scope | None = None) -> set[str]:
        """Those of some ids whose records are seen now. One statement, where they are not known yet."""
        scope = scope or self.scope
        asked = set(ids)
        if not scope.bounded:
            return {id for id in asked if _is_id(id)}
        found = asked & scope.seen_organisations
        rest = asked - found
        unknown = {id for id in rest - self._seen.keys() if _is_id(id)}
        self._seen.update(dict.fromkeys(unknown & scope.tree.names.keys(), False))
        if unknown := unknown - self._seen.keys():
            seen = self._asked(unknown, None)
            self._seen.update((id, id in seen) for id in unknown)
        return found | {id for id in rest if self._seen.get(id)}

    def _asked(self, ids: Collection[str], as_of: AsOf, scope: Scope | None = None) -> set[str]:
        found: set[str] = set()
        within = (scope or self.scope).bounds
        for batch in batched(sorted(ids), PAGE_LIMIT):
            where = {"id": {"in": batch}}
            page = self._inner.find(
                Query(where=where, first=PAGE_LIMIT, as_of=as_of, within=within, attributes=())
            )
            found.update(record.id for record in page.records)
        return found

    def _mask(self, seen: set[str], scope: Scope) -> Mask:
        """What is shown of records that are seen; so are those of what they name."""
        return Mask(scope, seen, self._withheld)

    # -- changes ----------------------------------------------------------------------------------------

    def seen_changes(self, changes: Changes) -> Changes:
        """What is seen of some changes: each state judged by what it was. One statement at most."""
        if not self.scope.bounded:
            return self._mask(set(), self.scope).changes(changes)
        scope = self.scope
        images = [image for change in changes.records for image in change if image is not None]
        verdicts = [(image, scope.sees(image)) for image in images]
        ends = {e for link in changes.relationships for e in (link.key.source, link.key.target)}
        asked = {image.id for image, verdict in verdicts if verdict is None}
        seen = self._visible(asked | ends | referred(images, scope), scope)

        def visible(image: Record | None) -> Record | None:
            verdict = image is not None and scope.sees(image)
            shown = verdict or (verdict is None and image is not None and image.id in seen)
            return image if shown else None

        pairs = (RecordChange(visible(c.before), visible(c.after)) for c in changes.records)
        shown = [pair for pair in pairs if pair != (None, None)]
        return self._mask(seen, scope).changes(changes._replace(records=shown))

    def supposed(self, changes: Changes) -> Changes:
        """What is seen of changes that are not made yet: what is new in them and names no organisation is seen
        where what it would be a part of is. One statement more at most."""
        scope = self.scope
        new = {c.id: c.after for c in changes.records if c.before is None and c.after is not None}
        verdicts = {id: scope.sees(record) for id, record in new.items()}
        made = {id for id, verdict in verdicts.items() if verdict}
        wholes: dict[str, set[str]] = {id: set() for id, v in verdicts.items() if v is None}
        for key in (c.key for c in changes.relationships if c.after is not None):
            part = self.model.relationship_types[key.type].part
            ends = (key.source, key.target) if part == "source" else (key.target, key.source)
            if part is not None and ends[0] in wholes:
                wholes[ends[0]].add(ends[1])
        made |= self._visible({whole for some in wholes.values() for whole in some} - new.keys())
        for _ in range(LEVELS):
            made |= {id for id, some in wholes.items() if not some or not some.isdisjoint(made)}
        self._seen.update((id, id in made) for id in new)
        return self.seen_changes(changes)


def named_by(operations: Iterable[Operation], model: Model) -> set[str]:
    """The records that operations name, other than those they create."""
    named: list[Any] = []
    made: list[Any] = []
    for operation in operations:
        if isinstance(operation, Relate | Unrelate):
            named += [operation.source, operation.target]
            continue
        (made if isinstance(operation, Create) else named).append(operation.id)
        for name, value in operation.attributes.items():
            if name in model.references:
                named += listed(value)
    return {id for id in named if _is_id(id)}.difference(id for id in made if isinstance(id, str))


def _never(why: str) -> NotAllowedError:
    return NotAllowedError(
        f"That is not done on behalf of somebody. {why}", "Ask for what it is done for."
    )


def _tells_all(query: Query, scope: Scope) -> bool:
    """Whether nothing of what a query asks can be withheld, nor of what its steps lead to."""
    if query.attributes is None:
        return False
    asked = {*query.attributes, *(sort.attribute for sort in query.sort)}
    return scope.masking.isdisjoint(asked) and all(_tells_all_of(s, scope) for s in query.steps)


def _tells_all_of(step: Step, scope: Scope) -> bool:
    """Likewise, of a step and its relationships."""
    asked = () if step.only_records else step.attributes
    whole = asked is not None and scope.kept_back.isdisjoint(asked)
    return whole and _tells_all(step.query, scope)


def _records(pages: Mapping[tuple[str, int], Connected]) -> Iterator[Record]:
    """All that pages have, and those behind them."""
    behind = {id(page.below): page.below for page in pages.values()}
    for page in pages.values():
        yield from page.records
    for below in behind.values():
        yield from _records(below)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and is_id(value)


def _names(where: Any) -> Iterator[str]:
    """The names in a filter."""
    if isinstance(where, Mapping):
        for name, value in where.items():
            yield str(name)
            yield from _names(value)
    elif isinstance(where, list | tuple):
        for part in where:
            yield from _names(part)
