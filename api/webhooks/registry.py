"""Webhooks as they are kept: records that the product writes, and beside them where each delivery stands.

Marks: ``webhook/<id>`` is the position, ``webhook-again/<id>`` that dead letters are to be sent once more.
Journals: ``dead:<id>`` are messages that were given up, ``again:<id>`` those to be sent once more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from api.changes import Kind, Watched
from api.webhooks.messages import Message, new_secret
from api.webhooks.targets import check_url
from cmdb.change_sets import Create, Update
from cmdb.errors import InvalidChangeError, Problem
from cmdb.ids import new_id
from cmdb.queries import PAGE_LIMIT, Query
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.deciding import Deciding, Decision
from schema.model import ORGANISATION_ATTRIBUTE, ROOT, STATE_ATTRIBUTE

TYPE: Final = "Webhook"
ACTIVE, PAUSED, SUSPENDED, REMOVED = "active", "paused", "suspended", "removed"
POSITION: Final = "webhook/"
AGAIN: Final = "webhook-again/"
CHECKED: Final = {"target_url", "watched_type", "watched_filter", "watched_events"}
LETTERS: Final = 1_000
"""Dead letters that are read, or sent again, at once."""


class Position(NamedTuple):
    """Where the delivery of a webhook stands.

    Attributes
    ----------
    revision, record
        Acknowledged, or given up, is all of the revisions before, and of this one what tells of records up
        to that id.
    attempts
        So often the next message failed.
    failing_since, next_at, error
        Since when nothing was acknowledged; when it is tried again; what happened last.
    """

    revision: int
    record: str = ""
    attempts: int = 0
    failing_since: float | None = None
    next_at: float = 0.0
    error: str = ""
    delivered_at: float | None = None


class Letter(NamedTuple):
    """A message that was given up."""

    number: int
    message: Message
    error: str
    at: str


class Registry:
    """The webhooks of a store."""

    def __init__(self, store: GraphStore) -> None:
        self.store = store
        self._deciding = Deciding(store)

    def active(self) -> dict[str, Record]:
        """Those that are delivered, by id."""
        if TYPE not in self.store.model.record_types:
            return {}
        query = Query(TYPE, {STATE_ATTRIBUTE: {"eq": ACTIVE}}, first=PAGE_LIMIT)
        return {record.id: record for record in self.store.find(query).records}

    def create(
        self, actor: str, account: str, organisation: str | None, said: Mapping[str, Any]
    ) -> tuple[str, str]:
        """Make one; gives its id and its secret, which is told this once.

        Parameters
        ----------
        said
            ``name``, ``target_url``, ``watched_type``, ``watched_filter``, ``watched_events``.

        Raises
        ------
        TargetError, InvalidChangeError, QueryError, UnknownNameError
        """
        secret, id = new_secret(), new_id()
        attributes = {
            "watched_events": [kind.value for kind in Kind],
            **{name: value for name, value in said.items() if value is not None},
            "account": account,
            "signing_key": secret,
        }
        if organisation is not None:
            attributes[ORGANISATION_ATTRIBUTE] = organisation
        self._check(attributes)
        reason = f"webhook {attributes['name']} made"
        work = Decision([Create(TYPE, attributes, id)], reason)
        _, revision = self._deciding.decide(actor, lambda: work)
        self.store.swap(POSITION + id, None, _written(Position(revision + 1)))
        return id, secret

    def update(self, actor: str, id: str, said: Mapping[str, Any], reason: str = "") -> int:
        """Change one; gives the revision."""

        def work() -> Decision:
            if said.keys() & CHECKED:
                self._check({**self.store.record(id).attributes, **said})
            return Decision([Update(id, said)], reason or "webhook changed")

        _, revision = self._deciding.decide(actor, work)
        if said.get(STATE_ATTRIBUTE) == ACTIVE:
            self._begin_anew(id)
        return revision

    def _begin_anew(self, id: str) -> None:
        """Try at once, and count failures from now on."""
        position, raw = self.position(self.store.record(id))
        fresh = Position(position.revision, position.record, delivered_at=position.delivered_at)
        self.save(id, raw, fresh)

    def _check(self, said: Mapping[str, Any]) -> None:
        check_url(said["target_url"])
        if not said.get("watched_events"):
            problem = Problem(0, "", "required", "A webhook needs an event.", "watched_events")
            raise InvalidChangeError([problem])
        watched(said).check(self.store)

    # -- where it stands --------------------------------------------------------------------------------

    def position(self, webhook: Record) -> tuple[Position, bytes | None]:
        """Where a webhook stands, and what is kept of it."""
        name = POSITION + webhook.id
        raw = self.store.marks(name).get(name)
        if raw is None:  # it may be lost; what came since it was changed is told then
            return Position(webhook.revision + 1), None
        return Position(*orjson.loads(raw)), raw

    def save(self, id: str, expected: bytes | None, position: Position) -> bytes | None:
        """Keep where it stands; None where somebody else has moved it."""
        raw = _written(position)
        return raw if self.store.swap(POSITION + id, expected, raw) else None

    # -- dead letters -----------------------------------------------------------------------------------

    def give_up(self, id: str, told: Message, error: str) -> None:
        """Keep a message that was not delivered."""
        self.store.append(f"dead:{id}", [_letter(told, error)])

    def letters(self, id: str, first: int = LETTERS, *, again: bool = False) -> list[Letter]:
        """Messages that were given up, or those of them to be sent once more."""
        found = self.store.journal(f"{'again' if again else 'dead'}:{id}", 0, first)
        return [
            Letter(e.number, Message(said["id"], said["body"].encode()), said["error"], f"{e.at}")
            for e in found
            for said in [orjson.loads(e.value)]
        ]

    def replay(self, id: str, numbers: Collection[int] | None) -> int:
        """Have dead letters sent once more, all unless numbers are given; gives how many."""
        chosen = self._chosen(id, numbers)
        if chosen:
            self.store.append(f"again:{id}", [_letter(c.message, c.error) for c in chosen])
            self._remove(id, chosen)
            self.store.mark(AGAIN + id, new_id().encode())
        return len(chosen)

    def discard(self, id: str, numbers: Collection[int] | None) -> int:
        """Remove dead letters; gives how many."""
        return self._remove(id, self._chosen(id, numbers))

    def again(self) -> dict[str, bytes]:
        """The webhooks of which dead letters are to be sent once more, and a value for `no_more`."""
        return {n.removeprefix(AGAIN): value for n, value in self.store.marks(AGAIN).items()}

    def sent_again(self, id: str, letter: Letter, error: str) -> None:
        """A dead letter was sent once more; it is kept where that failed."""
        if error:
            self.give_up(id, letter.message, error)
        self.store.remove_entry(f"again:{id}", letter.number)

    def no_more(self, id: str, asked: bytes) -> None:
        """None is left to be sent once more, unless that was asked for again meanwhile."""
        self.store.swap(AGAIN + id, asked, None)

    def _chosen(self, id: str, numbers: Collection[int] | None) -> list[Letter]:
        letters = self.letters(id)
        return [one for one in letters if numbers is None or one.number in numbers]

    def _remove(self, id: str, letters: Sequence[Letter]) -> int:
        return sum(self.store.remove_entry(f"dead:{id}", one.number) for one in letters)


def watched(said: Mapping[str, Any]) -> Watched:
    """What a webhook watches; its organisation bounds what its owner sees."""
    return Watched(said.get("watched_type") or ROOT, said.get("watched_filter"))


def _written(position: Position) -> bytes:
    return orjson.dumps(list(position))


def _letter(told: Message, error: str) -> bytes:
    return orjson.dumps({"id": told.id, "body": told.body.decode(), "error": error})
