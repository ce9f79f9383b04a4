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
from typing import Any, Final

from client import Client, Found, ServerError
from client.client import AsOf as ClientAsOf
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
from schema.kinds import parse_datetime, write_datetime
from schema.model import Model, read_document

REVISION: Final = "number at actor source reason changeSet effectiveOn"
CHANGES: Final = """records { id type name created attributes { attribute before after } }
    relationships { source type target created closed attributes { attribute before after } }
    modelApplied"""


class NotOverServerError(CmdbError):
    """A command needs the store itself."""

    code = "not_over_server"


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


def _refusing(name: str) -> Any:
    def refuse(self: GraphStore, *_: Any, **__: Any) -> Any:
        raise NotOverServerError(
            f"This does not go by a server: it needs the store itself ({name.strip('_')}).",
            "Name the store by --store, where it is; or ask the server by GraphQL.",
        )

    return refuse


_Refusing: Any = type(
    "_Refusing", (GraphStore,), {n: _refusing(n) for n in GraphStore.__abstractmethods__}
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

    # -- reading --------------------------------------------------------------------------------------

    def last_revision(self) -> Revision:
        return _revision(self.client.query(f"{{ revision {{ {REVISION} }} }}")["revision"])

    def revisions(self, numbers: Collection[int]) -> dict[int, Revision]:
        asked = "query($n: Int64) { revision(number: $n) { " + REVISION + " } }"
        found = [self.client.query(asked, n=number)["revision"] for number in numbers]
        return {each["number"]: _revision(each) for each in found if each}

    def get(self, ids: Collection[str], as_of: AsOf = None) -> dict[str, Record]:
        found = self.client.get(ids, _moment(as_of))
        return {id: self._record(record) for id, record in found.items()}

    def find(self, query: Query) -> Page:
        page = self.client.find(
            query.type,
            query.where,
            order=[f"{'-' * s.descending}{s.attribute}" for s in query.sort],
            first=query.first,
            after=query.after,
            organisation=query.organisation,
            as_of=_moment(query.as_of),
            exact=not query.subtypes,
        )
        return Page([self._record(r) for r in page.records], page.cursor, page.total)

    def search(self, text: str, query: Query = Query()) -> Page:  # noqa: B008
        page = self.client.search(
            text,
            query.type,
            query.where,
            first=query.first,
            after=query.after,
            organisation=query.organisation,
        )
        return Page([self._record(r) for r in page.records], page.cursor, page.total)

    def count_by(self, query: Query, attributes: Sequence[str]) -> list[Count]:
        asked = """query($type: String!, $where: JSON, $by: [String!]!, $organisation: ID) {
            counts(type: $type, where: $where, by: $by, organisation: $organisation)
            { values count } }"""
        found = self.client.query(
            asked,
            type=query.type,
            where=query.where,
            by=list(attributes),
            organisation=query.organisation,
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
                self._plain(n["record"]),
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
        return [Commit(_revision(e["revision"]), self._changes(e)) for e in entries]

    def compare(self, earlier: AsOf, later: AsOf = None) -> Changes:
        asked = f"""query($from: AsOf!, $to: AsOf, $after: String) {{ compare(from: $from, to: $to,
            after: $after) {{ {CHANGES} endCursor }} }}"""
        records: list[RecordChange] = []
        links: list[RelationshipChange] = []
        after: str | None = None
        while True:
            ends = {"from": _moment(earlier), "to": _moment(later)}
            page = self.client.query(asked, after=after, **ends)["compare"]
            changes = self._changes(page)
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
            _refusing("processes")(self)
        effective = change_set.effective_on
        try:
            change = self.client.apply(
                [_operation(operation) for operation in change_set.operations],
                reason=change_set.reason,
                effective_on=effective.isoformat() if effective else None,
                key=change_set.id,
            )
        except ServerError as error:
            raise self._told(error) from None
        return CommitResult(change.revision, change.committed)

    def _told(self, error: ServerError) -> CmdbError:
        """A refusal of the server's, as a store would have raised it."""
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
        return error

    # -- values ---------------------------------------------------------------------------------------

    def _record(self, found: Found) -> Record:
        return Record(
            found.id, found.type, found.revision, self.model.from_json(dict(found.attributes))
        )

    def _plain(self, node: Mapping[str, Any]) -> Record:
        attributes = self.model.from_json(node["attributes"])
        return Record(node["id"], node["type"], node["revision"], attributes)

    def _changes(self, told: Mapping[str, Any]) -> Changes:
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


def _operation(operation: Any) -> dict[str, Any]:
    """An operation as `Client.apply` takes it."""
    if isinstance(operation, Create):
        said: dict[str, Any] = {"type": operation.type, "id": operation.id}
    elif isinstance(operation, Update):
        said = {"id": operation.id, "expectedRevision": operation.expected_revision}
        said |= {"type": operation.type}
    else:
        said = dict(zip(("source", "type", "target"), operation[:3], strict=True))
    if not isinstance(operation, Unrelate):
        said["attributes"] = {n: _json(v) for n, v in operation.attributes.items()}
    kinds = {Create: "create", Update: "update", Relate: "relate", Unrelate: "unrelate"}
    return {kinds[type(operation)]: said}


def _json(value: Any) -> Any:
    write: Callable[[Any], Any] | None = getattr(value, "isoformat", None)
    return write() if write else value  # type: ignore[call-arg]


def _moment(as_of: AsOf) -> ClientAsOf:
    return write_datetime(as_of) if isinstance(as_of, datetime) else as_of


def _revision(told: Mapping[str, Any]) -> Revision:
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
