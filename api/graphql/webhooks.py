"""Webhooks: made, changed, tried and looked at by who administers their organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson
import strawberry

from api.access.principals import Permission
from api.access.refusing import not_allowed
from api.changes import Kind
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.mutations.doing import Ids, doing
from api.graphql.records import Records
from api.graphql.scalars import JSON, DateTime, Int64
from api.webhooks.messages import headers, new_secret, trial
from api.webhooks.registry import (
    ACTIVE,
    PAUSED,
    REMOVED,
    TYPE,
    Letter,
    Position,
    Registry,
)
from cmdb.errors import InvalidChangeError, NotFoundError, Problem
from cmdb.ids import new_id
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.kinds import write_datetime
from schema.model import ORGANISATION_ATTRIBUTE, STATE_ATTRIBUTE

SHOWN: Final = 50
GIVEN: Final = {
    "name": "name",
    "url": "target_url",
    "type": "watched_type",
    "where": "watched_filter",
}


class Status(NamedTuple):
    """A webhook, and where its delivery stands."""

    view: Any
    position: Position
    last: int
    letters: list[Letter]


class Made(NamedTuple):
    """A webhook that was made or changed; the secret where it is new."""

    view: Any
    secret: str | None
    graphql_type: str = "WebhookSaved"


class Tried(NamedTuple):
    """What came of a test."""

    error: str
    graphql_type: str = "WebhookTested"


@dataclass(frozen=True)
class Counted:
    """How many dead letters something was done with."""

    count: int
    graphql_type: str = "DeadLettersDone"


# -- reading ------------------------------------------------------------------------------------------


async def _statuses(_: Any, info: Any, **given: Any) -> list[Status]:
    context: Context = info.context

    def read() -> list[Status]:
        ids = given["ids"]
        inner = _administered(context, ids)
        registry, last = Registry(inner), inner.last_revision().number
        records = context.store.get(ids)
        return [
            Status(
                context.view(records[id]),
                registry.position(records[id])[0],
                last,
                registry.letters(id, SHOWN),
            )
            for id in ids
        ]

    return await context.call(read)


def _instant(seconds: float | None) -> str | None:
    return write_datetime(datetime.fromtimestamp(seconds, UTC)) if seconds else None


def _status_type(records: Records) -> type:
    letter = make_type(
        "DeadLetter",
        [
            model_field("number", Int64, read=lambda e: e.number),
            model_field("eventId", str, read=lambda e: e.message.id),
            model_field("error", str, read=lambda e: e.error),
            model_field("event", JSON, read=lambda e: orjson.loads(e.message.body)),
        ],
        description="A message that was given up after the last attempt.",
    )
    return make_type(
        "WebhookStatus",
        [
            model_field("webhook", records.lazy(TYPE), read=lambda s: s.view),
            model_field(
                "state", str, read=lambda s: str(s.view.record.attributes[STATE_ATTRIBUTE])
            ),
            model_field(
                "lag",
                Int64,
                "Revisions that are not looked at yet.",
                read=lambda s: max(0, s.last - s.position.revision + 1),
            ),
            model_field(
                "attempts", int, "Of the next message.", read=lambda s: s.position.attempts
            ),
            model_field("lastError", str | None, read=lambda s: s.position.error or None),
            model_field(
                "failingSince",
                DateTime | None,
                read=lambda s: _instant(s.position.failing_since),
            ),
            model_field(
                "nextAttemptAt", DateTime | None, read=lambda s: _instant(s.position.next_at)
            ),
            model_field(
                "lastDeliveryAt", DateTime | None, read=lambda s: _instant(s.position.delivered_at)
            ),
            model_field(
                "deadLetters",
                list[letter],  # type: ignore[valid-type]
                f"The first {SHOWN}.",
                read=lambda s: s.letters,
            ),
        ],
    )


def query_fields(records: Records) -> list[ModelField]:
    if TYPE not in records.model.record_types:
        return []
    return [
        model_field(
            "webhookStatus",
            list[_status_type(records)],  # type: ignore[misc]
            "Where the delivery of webhooks stands. `webhooks` lists them.",
            arguments=[argument("ids", list[strawberry.ID])],
            resolve=_statuses,
        )
    ]


# -- writing ------------------------------------------------------------------------------------------


def _administered(context: Context, ids: list[str]) -> GraphStore:
    """The store itself, if who asks administers these webhooks."""
    inner: GraphStore = context.store.as_product(  # type: ignore[attr-defined]
        Permission.ADMINISTER, records=ids
    )
    for id in ids:
        if inner.record(id).type != TYPE:
            raise NotFoundError(f"There is no webhook {id}.", "`webhooks` lists them.")
    return inner


def _here(context: Context, organisation: str | None) -> GraphStore:
    """The store itself, if who asks administers an organisation; without one, everything."""
    store: Any = context.store
    if organisation is None and not store.reach(Permission.ADMINISTER).whole:
        tree = context.services.organisations.tree()
        raise not_allowed(context.principal, Permission.ADMINISTER, {None}, tree, store.roles)
    named = [] if organisation is None else [organisation]
    inner: GraphStore = store.as_product(Permission.ADMINISTER, named)
    return inner


def _saved(context: Context, id: str, secret: str | None) -> Made:
    return Made(context.view(context.store.record(id)), secret)


def _create(context: Context, _: Ids, given: Mapping[str, Any]) -> Made:
    account = context.principal.account
    if not account:
        problem = Problem(0, "", "required", "A webhook is of an account: sign in.", "account")
        raise InvalidChangeError([problem])
    own = context.services.store.record(account).attributes.get(ORGANISATION_ATTRIBUTE)
    organisation = given.get("organisation", own)
    inner = _here(context, organisation)
    said = _said(given)
    actor = context.principal.name
    id, secret = Registry(inner).create(actor, account, organisation, said)
    return _saved(context, id, secret)


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: given[key] for key, name in GIVEN.items() if key in given}
    if given.get("events") is not None:
        said["watched_events"] = [Kind(event).value for event in given["events"]]
    return said


def _update(context: Context, _: Ids, given: Mapping[str, Any]) -> Made:
    id = given["id"]
    registry, said = Registry(_administered(context, [id])), _said(given)
    secret = None
    if given.get("active") is not None:
        said[STATE_ATTRIBUTE] = ACTIVE if given["active"] else PAUSED
    if given.get("newSecret"):
        said["signing_key"] = secret = new_secret()
    registry.update(context.principal.name, id, said)
    return _saved(context, id, secret)


def _delete(context: Context, _: Ids, given: Mapping[str, Any]) -> Made:
    id = given["id"]
    registry = Registry(_administered(context, [id]))
    registry.update(context.principal.name, id, {STATE_ATTRIBUTE: REMOVED}, "webhook removed")
    return _saved(context, id, None)


def _test(context: Context, _: Ids, given: Mapping[str, Any]) -> Tried:
    webhook: Record = _administered(context, [given["id"]]).record(given["id"])
    said, at = webhook.attributes, datetime.now(UTC)
    told = trial(webhook.id, new_id(), at)
    head = headers(said["signing_key"], told, at)
    sender = context.services.webhooks.sender
    return Tried(sender.send(said["target_url"], head, told.body).error)


def _replay(context: Context, _: Ids, given: Mapping[str, Any]) -> Counted:
    registry = Registry(_administered(context, [given["id"]]))
    return Counted(registry.replay(given["id"], given.get("numbers")))


def _discard(context: Context, _: Ids, given: Mapping[str, Any]) -> Counted:
    registry = Registry(_administered(context, [given["id"]]))
    return Counted(registry.discard(given["id"], given.get("numbers")))


def mutation_fields(records: Records) -> list[ModelField]:
    if TYPE not in records.model.record_types:
        return []
    results = records.results
    saved = make_type(
        "WebhookSaved",
        [
            model_field("webhook", records.lazy(TYPE), read=lambda m: m.view),
            model_field(
                "secret",
                str | None,
                "To check signatures; shown this once.",
                read=lambda m: m.secret,
            ),
        ],
    )
    tested = make_type(
        "WebhookTested",
        [
            model_field("delivered", bool, read=lambda t: not t.error),
            model_field("error", str | None, read=lambda t: t.error or None),
        ],
    )
    done = make_type("DeadLettersDone", [model_field("count", int, read=lambda c: c.count)])
    save = results.union("WebhookResult", saved)
    letters = results.union("DeadLettersResult", done)
    id = argument("id", strawberry.ID)
    numbers = argument("numbers", list[Int64] | None, "All of them, if left out.")
    said = [
        argument("type", str | None, "Record type, subtypes included; any, if left out."),
        argument("where", JSON | None, "In the form that every door takes."),
        argument("events", list[str] | None, f"Of {', '.join(Kind)}; all, if left out."),
    ]
    fields = (
        (
            "createWebhook",
            save,
            "Have changes sent somewhere, as your account sees them. Takes the permission to administer.",
            [
                argument("name", str),
                argument("url", str, "https, or http."),
                argument(
                    "organisation",
                    strawberry.ID | None,
                    "Only of it and of those below it; that of your account, if left out.",
                ),
                *said,
            ],
            _create,
        ),
        (
            "updateWebhook",
            save,
            "Change a webhook, pause it (`active: false`), go on with it, or give it a new secret.",
            [
                id,
                argument("name", str | None),
                argument("url", str | None),
                *said,
                argument("active", bool | None),
                argument("newSecret", bool | None),
            ],
            _update,
        ),
        ("deleteWebhook", save, "Nothing is sent any more, for good.", [id], _delete),
        (
            "testWebhook",
            results.union("WebhookTestResult", tested),
            "Send a test event now, once.",
            [id],
            _test,
        ),
        (
            "replayDeadLetters",
            letters,
            "Have dead letters sent once more; those that fail are dead letters again.",
            [id, numbers],
            _replay,
        ),
        ("removeDeadLetters", letters, "Remove dead letters.", [id, numbers], _discard),
    )
    return [
        model_field(name, type_, text, arguments=arguments, resolve=doing(work))
        for name, type_, text, arguments, work in fields
    ]
