"""Bodies of requests: JSON, strictly, and the parts that a GraphQL request may have."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from schema.errors import CmdbError

MEDIA_TYPE: Final = "application/json"
SEND: Final = "Send a JSON object: {query, variables, operationName, extensions}."
ONE: Final = (
    "Send one operation in a request; HTTP/2 and connections that are kept make that cheap."
)


class RequestError(CmdbError):
    """A request that is none of GraphQL."""

    code = "invalid_request"
    status = 400


class MediaTypeError(RequestError):
    """A body of another kind."""

    code = "unsupported_media_type"
    status = 415


def check_media_type(content_type: str) -> None:
    """Raises `MediaTypeError` for anything but JSON in UTF-8."""
    kind, _, parameters = content_type.lower().partition(";")
    charset = parameters.partition("charset=")[2].strip(' "')
    if kind.strip() != MEDIA_TYPE or charset not in ("", "utf-8", "utf8"):
        raise MediaTypeError(
            "The body is of another kind than JSON.", f"Send it as Content-Type: {MEDIA_TYPE}."
        )


def read_body(body: bytes) -> dict[str, Any]:
    """The parts of a request, each of its type or None.

    Raises
    ------
    RequestError
    """
    try:
        read = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise RequestError("The body is nested too deeply.", SEND) from None
    except ValueError as error:
        raise RequestError(f"The body is no JSON: {str(error)[:200]}.", SEND) from None
    if isinstance(read, list):
        raise RequestError("Several operations in one request.", ONE)
    if not isinstance(read, dict):
        raise RequestError("The body is no JSON object.", SEND)
    for name, type_ in (
        ("query", str),
        ("variables", dict),
        ("operationName", str),
        ("extensions", dict),
    ):
        if not isinstance(read.get(name), type_ | None):
            what = "text" if type_ is str else "an object"
            raise RequestError(f"`{name}` must be {what}.", SEND)
    return read


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("an object has the same key twice")
    return made


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
