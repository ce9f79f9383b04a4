"""Asking the server: one connection, answers as plain values, errors by code.

Requests that change something carry an idempotency key, so they are sent again when a connection is lost.
"""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Self

import httpx

from client.errors import ServerError, UnreachableError

AsOf = int | str | None
"""A revision number, an instant as text, or None for now."""
PAGE: Final = 500
TRIES: Final = 3
RECORD: Final = "id type revision maskedAttributes attributes"
FAILURE: Final = """... on Failure { code message remedy }
  ... on InvalidChange { problems { operation subject attribute code message } }
  ... on Conflict { record expected actual interferences
    { revision at actor changed { attribute before after } } }
  ... on Refused { refusals { subject name code message override detail } }"""


class Found(NamedTuple):
    """A record.

    Attributes
    ----------
    attributes
        Values by attribute name, as JSON.
    masked
        Attributes that it has and that the token may not read.
    """

    id: str
    type: str
    revision: int
    attributes: Mapping[str, Any]
    masked: Sequence[str] = ()

    @property
    def name(self) -> str:
        return str(self.attributes.get("name", self.id))


class Page(NamedTuple):
    """Some records of an answer; ``cursor`` continues, None says there are no more."""

    records: list[Found]
    cursor: str | None
    total: int | None


class Change(NamedTuple):
    """What a change set became."""

    revision: int
    committed: bool


class Client:
    """A server, and a token for it.

    Parameters
    ----------
    url
        ``https://host[:port]``.
    authority
        A file of certificates to trust, beside those the system has.
    seconds
        How long one answer may take.
    """

    def __init__(
        self, url: str, token: str = "", *, authority: Path | None = None, seconds: float = 60
    ) -> None:
        self.url = url.rstrip("/")
        trusted = ssl.create_default_context()
        if authority is not None:
            trusted.load_verify_locations(authority)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=seconds, verify=trusted
        )

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # -- asking ---------------------------------------------------------------------------------------

    def query(self, document: str, /, **variables: Any) -> dict[str, Any]:
        """The data that a GraphQL operation gives.

        Raises
        ------
        ServerError, UnreachableError
        """
        body = {
            "query": document,
            "variables": {k: v for k, v in variables.items() if v is not None},
        }
        answer = self._sent("POST", "/graphql", json=body).json()
        for error in answer.get("errors") or ():
            told = error.get("extensions", {})
            raise ServerError(
                told.get("code", "invalid_query"), error["message"], told.get("remedy", "")
            )
        data: dict[str, Any] = answer["data"]
        return data

    def find(
        self,
        type: str = "Record",
        where: Mapping[str, Any] | None = None,
        *,
        order: Sequence[str] = (),
        first: int = 50,
        after: str | None = None,
        organisation: str | None = None,
        as_of: AsOf = None,
        exact: bool = False,
        total: bool = True,
    ) -> Page:
        """One page of the records that match; ``order`` names attributes, ``-name`` for descending.

        Parameters
        ----------
        exact
            Without subtypes.
        total
            Whether to count all that match, which takes time.
        """
        narrowed = {
            "orderBy": ("[String!]", list(order)),
            "asOf": ("AsOf", as_of),
            "exact": ("Boolean", exact),
        }
        return self._page("records", narrowed, type, where, first, after, organisation, total)

    def records(
        self,
        type: str = "Record",
        where: Mapping[str, Any] | None = None,
        *,
        order: Sequence[str] = (),
        as_of: AsOf = None,
    ) -> Iterator[Found]:
        """All records that match, page by page."""
        after = None
        while True:
            found = self.find(
                type, where, order=order, first=PAGE, after=after, as_of=as_of, total=False
            )
            yield from found.records
            after = found.cursor
            if after is None:
                return

    def get(self, ids: Iterable[str], as_of: AsOf = None) -> dict[str, Found]:
        """Records by id; what is not there, or not to be seen, is left out."""
        wanted, found = list(dict.fromkeys(ids)), {}
        for start in range(0, len(wanted), PAGE):
            where = {"id": {"in": wanted[start : start + PAGE]}}
            for record in self.find(where=where, first=PAGE, as_of=as_of, total=False).records:
                found[record.id] = record
        return found

    def search(
        self,
        text: str,
        type: str = "Record",
        where: Mapping[str, Any] | None = None,
        *,
        first: int = 50,
        after: str | None = None,
        organisation: str | None = None,
        total: bool = True,
    ) -> Page:
        """Records in which every word occurs, the nearest by name first."""
        narrowed = {"text": ("String!", text)}
        return self._page("search", narrowed, type, where, first, after, organisation, total)

    def _page(
        self,
        field: str,
        narrowed: Mapping[str, tuple[str, Any]],
        type: str,
        where: Mapping[str, Any] | None,
        first: int,
        after: str | None,
        organisation: str | None,
        total: bool,
    ) -> Page:
        """A page of records; ``narrowed`` has the types and values of what else the field is given."""
        given = {
            "type": ("String!", type),
            "where": ("JSON", dict(where or {})),
            "first": ("Int", first),
            "after": ("String", after),
            "organisation": ("ID", organisation),
            **narrowed,
        }
        declared = ", ".join(f"${name}: {kind}" for name, (kind, _) in given.items())
        handed = ", ".join(f"{name}: ${name}" for name in given)
        document = f"""query({declared}, $total: Boolean!) {{ {field}({handed}) {{
            totalCount @include(if: $total)
            pageInfo {{ hasNextPage endCursor }} nodes {{ {RECORD} }} }} }}"""
        values = {name: value for name, (_, value) in given.items()}
        return page(self.query(document, total=total, **values)[field])

    # -- changing -------------------------------------------------------------------------------------

    def mutate(self, document: str, /, **variables: Any) -> dict[str, Any]:
        """The answer of a mutation of one field, if it is not a failure.

        Raises
        ------
        ServerError
            With the failure's code, and all it told.
        """
        [answer] = self.query(document, **variables).values()
        if "message" in answer and "code" in answer:
            details = {k: v for k, v in answer.items() if k not in ("code", "message", "remedy")}
            raise ServerError(answer["code"], answer["message"], answer["remedy"], details)
        return dict(answer)

    def apply(
        self,
        operations: Sequence[Mapping[str, Any]],
        *,
        reason: str = "",
        effective_on: str | None = None,
        key: str | None = None,
    ) -> Change:
        """Commit operations as one revision: all of them or nothing.

        Parameters
        ----------
        operations
            As `applyChange` takes them: ``{"create": {"type": …, "attributes": {…}, "id"?: …}}``,
            ``{"update": {"id": …, "attributes": {…}, "expectedRevision"?: …}}``,
            ``{"relate": {"source": …, "type": …, "target": …, "attributes"?: {…}}}``, ``{"unrelate": …}``.
        key
            An idempotency key; one is made, unless given.
        """
        answer = self.mutate(
            f"""mutation($operations: JSON!, $reason: String, $on: Date, $key: String) {{
            applyOperations(operations: $operations, reason: $reason, effectiveOn: $on,
            idempotencyKey: $key) {{ __typename ... on Committed {{ revision committed }} {FAILURE} }} }}""",
            operations=list(operations),
            reason=reason,
            on=effective_on,
            key=key or str(uuid.uuid4()),
        )
        return Change(answer["revision"], answer["committed"])

    def observe(
        self,
        source: str,
        lines: Iterable[bytes],
        *,
        apply: bool = False,
        complete: bool = False,
        vanish_limit: float | None = None,
        first: int = 1_000,
    ) -> dict[str, Any]:
        """Reconcile observations (lines of the observation format) with the graph: the plan."""
        asked = {"apply": apply, "complete": complete, "vanish_limit": vanish_limit, "first": first}
        params = {k: str(v).lower() for k, v in asked.items() if v is not None}
        headers = {"content-type": "application/jsonl"}
        path = f"/observations/{source}"
        plan: dict[str, Any] = self._sent(
            "POST", path, params=params, content=b"".join(lines), headers=headers
        ).json()
        return plan

    def me(self) -> Mapping[str, Any]:
        """Who one is, and may do, as ``/me`` tells it.

        Raises
        ------
        ServerError, UnreachableError
        """
        told: Mapping[str, Any] = self._sent("GET", "/me").json()
        return told

    def export(self, what: str, file: BinaryIO, **asked: str) -> int:
        """Write an export (``records``, ``ledger``, ``graph``) into a file; gives the revision it is as of.

        Parameters
        ----------
        asked
            As ``/openapi.json`` has it: type, where, columns, format …

        Raises
        ------
        ServerError, UnreachableError
        """
        params = {name: value for name, value in asked.items() if value}
        try:
            with self._http.stream("GET", f"/exports/{what}", params=params) as response:
                if response.is_error:
                    response.read()
                _checked(response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
                return int(response.headers["x-revision"])
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def attach(self, content: bytes, **asked: str | Sequence[str]) -> Mapping[str, Any]:
        """Attach a file to an order; gives its evidence, as ``/attachments`` tells it.

        Parameters
        ----------
        asked
            As ``/openapi.json`` has it: order, name, device (ids), kind, comment.

        Raises
        ------
        ServerError, UnreachableError
        """
        headers = {"content-type": "application/octet-stream"}
        told: Mapping[str, Any] = self._sent(
            "POST", "/attachments", params=asked, content=content, headers=headers
        ).json()
        return told

    def attachment(self, evidence: str) -> bytes:
        """The content of an attached file, by the id of its evidence.

        Raises
        ------
        ServerError, UnreachableError
        """
        return self._sent("GET", f"/attachments/{evidence}").content

    def _sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        lost: httpx.TransportError | None = None
        for _ in range(TRIES):
            try:
                return _checked(self._http.request(method, path, **more))
            except httpx.TransportError as error:
                lost = error
        raise self._unreachable(lost)

    def _unreachable(self, lost: Exception | None) -> UnreachableError:
        return UnreachableError(
            f"{self.url} does not answer: {lost}.",
            "Is it the right URL, and is the server running?",
        )


def _checked(response: httpx.Response) -> httpx.Response:
    if response.status_code < 400:
        return response
    try:
        told = response.json()
        raise ServerError(told["code"], told["detail"], told.get("remedy", ""), told)
    except (ValueError, KeyError, TypeError):
        raise ServerError(
            "server_error",
            f"The server answered {response.status_code}.",
            "Is that the URL of a CMDB server?",
        ) from None


def page(connection: Mapping[str, Any]) -> Page:
    """A connection as it came, as a page."""
    records = [record(node) for node in connection["nodes"]]
    info = connection["pageInfo"]
    cursor = info["endCursor"] if info["hasNextPage"] else None
    return Page(records, cursor, connection.get("totalCount"))


def record(node: Mapping[str, Any]) -> Found:
    """A record as it came."""
    return Found(
        node["id"], node["type"], node["revision"], node["attributes"], node["maskedAttributes"]
    )
