"""Doing what a mutation asks for, once: its errors as answers, and the same again under the same key."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any, Final

import orjson

from api.access.guarded import GuardedStore
from api.context import Context
from api.graphql.fields import argument
from api.graphql.mutations.results import failure
from cmdb.ids import new_id
from schema.errors import CmdbError

KEY: Final = argument(
    "idempotencyKey",
    str | None,
    "Any text of up to 200 characters: the same request under the same key is done once.",
)
MARK: Final = "idempotency:"
KEY_SIZE: Final = 200


class IdempotencyError(CmdbError):
    """The key was given with another request before."""

    code = "idempotency_key_reused"


Ids = Callable[[], str]
"""Gives the ids that a request needs: the same ones, in the same order, when it is repeated."""

Work = Callable[[Context, Ids, Mapping[str, Any]], Any]
"""What a mutation does; gives its answer. It runs in a thread."""


def doing(work: Work) -> Callable[..., Awaitable[Any]]:
    """The resolver of a mutation."""

    async def resolve(_: Any, info: Any, **given: Any) -> Any:
        context: Context = info.context
        key = given.pop("idempotencyKey", None)

        def done() -> Any:
            ids = new_id if key is None else ids_of(context, info.field_name, key, given)
            return work(context, ids, given)

        try:
            answer = await context.call(done)
        except CmdbError as error:
            return failure(await _told(context, error), context.store.model)
        context.services.follower.look()
        return answer

    return resolve


async def _told(context: Context, error: CmdbError) -> CmdbError:
    """The product's own parts see the whole graph; what went wrong is told without what is not seen."""
    store = context.store
    if isinstance(store, GuardedStore):
        return await context.call(lambda: store.told(error))
    return error


def ids_of(context: Context, field: str, key: str, given: Mapping[str, Any]) -> Ids:
    """The ids of a request under a key: they follow from who asks, the key and what is asked.

    A change set that was committed is not committed again, so no more need be kept than which request
    came first under the key.

    Raises
    ------
    IdempotencyError
    """
    if not 0 < len(key) <= KEY_SIZE:
        raise IdempotencyError(
            f"An idempotency key of {len(key)} characters.", f"Give 1 to {KEY_SIZE}."
        )
    who = context.principal.account or context.principal.name
    name = MARK + hashlib.sha256(f"{who}\n{key}".encode()).hexdigest()
    asked = orjson.dumps([field, given], default=_plain, option=orjson.OPT_SORT_KEYS)
    store = context.services.store
    wanted = orjson.dumps({"asked": hashlib.sha256(asked).hexdigest(), "seed": new_id()})
    if not store.swap(name, None, wanted):
        kept = store.marks(name)[name]
        if orjson.loads(kept)["asked"] != orjson.loads(wanted)["asked"]:
            raise IdempotencyError(
                "This idempotency key was given with another request before.",
                "Take a new one for each request, and the same one only to repeat it.",
            )
        wanted = kept
    seed = orjson.loads(wanted)["seed"]
    numbers = count()
    return lambda: derived(seed, next(numbers))


def derived(seed: str, number: int) -> str:
    """The id of that number of a request: a UUIDv7 of the time of its first try."""
    digest = hashlib.sha256(f"{seed}:{number}".encode()).hexdigest()
    variant = "89ab"[int(digest[3], 16) % 4]
    return f"{seed[:14]}7{digest[:3]}-{variant}{digest[4:7]}-{digest[7:19]}"


def _plain(value: Any) -> Any:
    return getattr(value, "value", None) or str(value)
