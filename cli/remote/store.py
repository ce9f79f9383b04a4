"""A server as the commands need a store: what they ask goes by the client, in the name of a token.

It gives what the server gives: what the token may not read is not there, and sensitive values are withheld.
What a command needs beyond that is refused; the server's own doors have it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from cli.remote.instead import not_over_server, refusing
from client import Client, Found, ServerError
from client.client import PAGE
from client.client import AsOf as ClientAsOf
from client.client import Page as ClientPage
from client.client import record as found_of
from cmdb.change_sets import ChangeSet, Create, Relate, Unrelate, Update
from cmdb.commits import Plan
from cmdb.errors import (
    CmdbError,
    ConflictError,
    Interference,
    InvalidChangeError,
    Problem,
    StoreAccessError,
)
from cmdb.queries import AsOf, Count, Page, Query
from cmdb.records import Record, Relationship
from cmdb.revisions import (
    Changes,
    Commit,
    CommitResult,
    RecordChange,
    RelationshipChange,
    Revision,
)
from cmdb.store import GraphStore
from cmdb.store.base import Direction, Neighbour, Statistics
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError
from schema.kinds import parse_datetime, write_datetime
from schema.model import Model, read_document

T = TypeVar("T")
REVISION: Final = "number at actor source reason changeSet effectiveOn"
CHANGED: Final = """records { id type name created attributes { attribute before after } }
    relationships { source type target created closed attributes { attribute before after } }
"""
CHANGES: Final = f"{CHANGED} modelApplied"


def token() -> str:
    """The token to ask with, from ``CMDB_TOKEN`` or the file that ``CMDB_TOKEN_FILE`` names.

    Raises
    ------
    StoreAccessError
    """
    if file := os.environ.get("CMDB_TOKEN_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise StoreAccessError(
                f"The token file {file} cannot be read.", "Does CMDB_TOKEN_FILE name it?"
            ) from None
    return os.environ.get("CMDB_TOKEN", "")


_Refusing: Any = type(
    "_Refusing", (GraphStore,), {n: refusing(n) for n in GraphStore.__abstractmethods__}
)


class RemoteStore(_Refusing):  # type: ignore[misc]
    """A server, asked as a store is."""

    def __init__(self, url: str) -> None:
        self.url = url
        authority = os.environ.get("CMDB_CA_FILE")
        self.client = Client(url, token(), authority=Path(authority) if authority else None)

    def close(self) -> None:
        self.client.close()

    def _refresh(self) -> None:
        """The model is as it was when the command began."""

    @cached_property
    def model(self) -> Model:
        return read_document(self.client.query("{ model { document } }")["model"]["document"])

    @cached_property
    def me(self) -> str:
        """The name of whose token it is."""
        return str(self.asked(lambda client: client.me())["name"])

    # -- reading --------------------------------------------------------------------------------------

    def last_revision(self) -> Revision:
        return read_revision(self.client.query(f"{{ revision {{ {REVISION} }} }}")["revision"])

    def revisions(self, numbers: Collection[int]) -> dict[int, Revision]:
        asked = "query($n: Int64) { revision(number: $n) { " + REVISION + " } }"
        found = [self.client.query(asked, n=number)["revision"] for number in numbers]
        return {each["number"]: read_revision(each) for each in found if each}

    def get(self, ids: Collection[str], as_of: AsOf = None) -> dict[str, Record]:
        found = self.client.get(ids, _moment(as_of))
        return {id: self._record(record) for id, record in found.items()}

    def find(self, query: Query) -> Page:
        return self._paged(
            query,
            lambda first, after: self.client.find(
                query.type,
                plain(query.where),
                order=[f"{'-' * s.descending}{s.attribute}" for s in query.sort],
                first=first,
                after=after,
                organisation=query.organisation,
                as_of=_moment(query.as_of),
                exact=not query.subtypes,
                total=query.total and after == query.after,
            ),
        )

    def search(self, text: str, query: Query = Query()) -> Page:  # noqa: B008
        return self._paged(
            query,
            lambda first, after: self.client.search(
                text,
                query.type,
                plain(query.where),
                first=first,
                after=after,
                organisation=query.organisation,
                total=query.total and after == query.after,
            ),
        )

    def _paged(self, query: Query, ask: Callable[[int, str | None], ClientPage]) -> Page:
        """A page, in parts of which each is one that a server gives."""
        found: list[Record] = []
        total, after = None, query.after
        while True:
            part = ask(min(PAGE, query.first - len(found)), after)
            found += [self._record(record) for record in part.records]
            total, after = part.total if total is None else total, part.cursor
            if after is None or len(found) >= query.first:
                return Page(found, after, total)

    def count_by(self, query: Query, attributes: Sequence[str]) -> list[Count]:
        asked = """query($type: String!, $where: JSON, $by: [String!]!, $organisation: ID, $at: AsOf) {
            counts(type: $type, where: $where, by: $by, organisation: $organisation, asOf: $at)
            { values count } }"""
        found = self.client.query(
            asked,
            type=query.type,
            where=plain(query.where),
            by=list(attributes),
            organisation=query.organisation,
            at=_moment(query.as_of),
        )
        kinds = [self.model.attributes[n].kind if n != "type" else None for n in attributes]
        return [
            Count(
                tuple(
                    v if v is None or kind is None else kind.from_json(v)
                    for kind, v in zip(kinds, each["values"], strict=True)
                ),
                each["count"],
            )
            for each in found["counts"]
        ]

    def neighbours(
        self,
        ids: Collection[str],
        types: Collection[str] | None = None,
        direction: Direction = "both",
        as_of: AsOf = None,
    ) -> list[Neighbour]:
        asked = """query($ids: [ID!]!, $types: [String!], $direction: String!, $at: AsOf) {
            neighbours(ids: $ids, types: $types, direction: $direction, asOf: $at) { of source
            relationship target revision attributes
            record { id type revision attributes maskedAttributes } } }"""
        found = self.client.query(
            asked,
            ids=list(ids),
            types=None if types is None else list(types),
            direction=direction,
            at=_moment(as_of),
        )
        read = self.model.from_json
        return [
            Neighbour(
                n["of"],
                Relationship(
                    n["source"],
                    n["relationship"],
                    n["target"],
                    n["revision"],
                    read(n["attributes"]),
                ),
                self.read(n["record"]),
            )
            for n in found["neighbours"]
        ]

    def history(self, id: str, first: int = 50, before: int | None = None) -> list[Commit]:
        asked = f"""query($id: ID!, $first: Int, $before: Int64) {{ record(id: $id) {{
            history(first: $first, before: $before) {{ entries {{ revision {{ {REVISION} }}
            {CHANGES} }} }} }} }}"""
        found = self.client.query(asked, id=id, first=first, before=before)["record"]
        if found is None:
            self.record(id)
        entries = found["history"]["entries"]
        return [Commit(read_revision(e["revision"]), self.changes(e)) for e in entries]

    def compare(self, earlier: AsOf, later: AsOf = None) -> Changes:
        asked = f"""query($from: AsOf!, $to: AsOf, $after: String) {{ compare(from: $from, to: $to,
            after: $after) {{ {CHANGES} endCursor }} }}"""
        records: list[RecordChange] = []
        links: list[RelationshipChange] = []
        after: str | None = None
        while True:
            ends = {"from": _moment(earlier), "to": _moment(later)}
            page = self.client.query(asked, after=after, **ends)["compare"]
            changes = self.changes(page)
            records += changes.records
            links += changes.relationships
            after = page["endCursor"]
            if after is None:
                return Changes(records, links, changes.model)

    def statistics(self) -> Statistics:
        asked = "{ statistics { records relationships recordImages relationshipImages revisions } }"
        return Statistics(*self.client.query(asked)["statistics"].values())

    def _revision_at(self, instant: datetime) -> int:
        asked = "query($at: AsOf) { revision(asOf: $at) { number } }"
        found = self.client.query(asked, at=write_datetime(instant))["revision"]
        return found["number"] if found else 0

    # -- writing --------------------------------------------------------------------------------------

    def commit(self, change_set: ChangeSet, prepared: Plan | None = None) -> CommitResult:
        if change_set.managed or change_set.process:
            raise not_over_server("This writes what is the product's own.")
        effective = change_set.effective_on
        change = self.asked(
            lambda client: client.apply(
                [plain_operation(operation) for operation in change_set.operations],
                reason=change_set.reason,
                effective_on=effective.isoformat() if effective else None,
                key=change_set.id,
            )
        )
        return CommitResult(change.revision, change.committed)

    def asked(self, ask: Callable[[Client], T]) -> T:
        """What the server answers.

        Raises
        ------
        CmdbError
            As the product itself raises it.
        """
        try:
            return ask(self.client)
        except ServerError as error:
            raise _told(error) from None

    # -- values ---------------------------------------------------------------------------------------

    def read(self, node: Mapping[str, Any]) -> Record:
        """A record as it came, with the fields of `client.client.RECORD`."""
        return self._record(found_of(node))

    def _record(self, found: Found) -> Record:
        attributes = self.model.from_json(dict(found.attributes))
        return Record(found.id, found.type, found.revision, attributes)

    def changes(self, told: Mapping[str, Any]) -> Changes:
        """Changes as they are told: of each side only what differs."""
        read = self.model.from_json

        def side(change: Mapping[str, Any], which: str) -> Mapping[str, Any]:
            values = {c["attribute"]: c[which] for c in change["attributes"]}
            return read({name: value for name, value in values.items() if value is not None})

        def record(change: Mapping[str, Any], which: str) -> Record:
            named = {"name": change["name"], **side(change, which)}
            return Record(change["id"], change["type"], 0, named)

        def link(change: Mapping[str, Any], which: str) -> Relationship:
            ends = (change["source"], change["type"], change["target"])
            return Relationship(*ends, 0, side(change, which))

        records = [
            RecordChange(None if c["created"] else record(c, "before"), record(c, "after"))
            for c in told["records"]
        ]
        links = [
            RelationshipChange(
                None if c["created"] else link(c, "before"),
                None if c["closed"] else link(c, "after"),
            )
            for c in told["relationships"]
        ]
        return Changes(records, links, "" if told["modelApplied"] else None)


def _told(error: ServerError) -> CmdbError:
    """A refusal of the server's, as the product itself would have raised it."""
    details = error.details
    if error.code == "invalid_change" and details.get("problems"):
        return InvalidChangeError([Problem(**problem) for problem in details["problems"]])
    if error.code == "conflict" and "interferences" in details:
        between = [
            Interference(
                i["revision"],
                parse_datetime(i["at"]),
                i["actor"],
                {c["attribute"]: (c["before"], c["after"]) for c in i["changed"]},
            )
            for i in details["interferences"]
        ]
        return ConflictError(details["record"], details["expected"], details["actual"], between)
    if error.code == RefusedError.code and details.get("refusals"):
        return RefusedError([Refusal(**refusal) for refusal in details["refusals"]])
    if error.code == NotAllowedError.code:
        return NotAllowedError(error.message, error.remedy)
    return error


def plain_operation(operation: Any) -> dict[str, Any]:
    """An operation as `Client.apply` takes it."""
    if isinstance(operation, Create):
        said: dict[str, Any] = {"type": operation.type, "id": operation.id}
    elif isinstance(operation, Update):
        said = {"id": operation.id, "expectedRevision": operation.expected_revision}
        said |= {"type": operation.type}
    else:
        said = dict(zip(("source", "type", "target"), operation[:3], strict=True))
    if not isinstance(operation, Unrelate):
        said["attributes"] = plain(operation.attributes)
    kinds = {Create: "create", Update: "update", Relate: "relate", Unrelate: "unrelate"}
    return {kinds[type(operation)]: said}


def plain(value: Any) -> Any:
    """A filter, or a value, as JSON has it."""
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, date):
        return write_datetime(value) if isinstance(value, datetime) else value.isoformat()
    return value


def _moment(as_of: AsOf) -> ClientAsOf:
    return write_datetime(as_of) if isinstance(as_of, datetime) else as_of


def read_revision(told: Mapping[str, Any]) -> Revision:
    """A revision as it came."""
    effective = told["effectiveOn"]
    return Revision(
        told["number"],
        told["changeSet"],
        parse_datetime(told["at"]),
        told["actor"],
        told["source"],
        told["reason"],
        date.fromisoformat(effective) if effective else None,
    )
