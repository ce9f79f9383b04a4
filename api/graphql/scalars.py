"""The scalars: one for each kind of value that GraphQL has no type for."""

from __future__ import annotations

from typing import Any, Final, NewType

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition

from schema.kinds import KINDS

Int64 = NewType("Int64", int)
Date = NewType("Date", str)
DateTime = NewType("DateTime", str)
Duration = NewType("Duration", str)
IP = NewType("IP", str)
CIDR = NewType("CIDR", str)
MAC = NewType("MAC", str)
URL = NewType("URL", str)
Email = NewType("Email", str)
Money = NewType("Money", str)
JSON = NewType("JSON", object)
AsOf = NewType("AsOf", object)


def _same(value: Any) -> Any:
    return value


def _scalar(
    name: str, description: str, parse: Any = _same, url: str | None = None
) -> ScalarDefinition:
    return strawberry.scalar(
        name=name,
        description=description,
        serialize=_same,
        parse_value=parse,
        specified_by_url=url,
    )


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise ValueError(f"Int64 is a whole number of at most 64 bits, not {value!r}.")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"Written as text, not {value!r}.")
    return value


def _moment(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"A revision number, or an instant with a time zone, not {value!r}.")
    return value


SCALARS: Final[dict[object, ScalarDefinition]] = {
    Int64: _scalar("Int64", "A whole number of 64 bits.", _integer),
    Date: _scalar("Date", "A day: 2026-03-31.", _text),
    DateTime: _scalar("DateTime", "An instant in UTC: 2026-03-31T08:00:00.000000Z.", _text),
    Duration: _scalar("Duration", "A length of time in ISO 8601: PT1H30M.", _text),
    IP: _scalar("IP", "An IPv4 or IPv6 address.", _text),
    CIDR: _scalar("CIDR", "An IPv4 or IPv6 network: 10.2.0.0/16.", _text),
    MAC: _scalar("MAC", "A MAC address: 00:1b:21:aa:bb:cc.", _text),
    URL: _scalar("URL", "A URL.", _text),
    Email: _scalar("Email", "An e-mail address.", _text),
    Money: _scalar("Money", "An amount and its currency: CNY 12500.00.", _text),
    JSON: _scalar("JSON", "Any JSON value."),
    AsOf: _scalar(
        "AsOf", "A moment as recorded: a revision number, or an instant with a time zone.", _moment
    ),
}

OF_KIND: Final[dict[str, Any]] = {
    "string": str,
    "text": str,
    "integer": Int64,
    "number": float,
    "boolean": bool,
    "date": Date,
    "datetime": DateTime,
    "duration": Duration,
    "enum": str,
    "ip_address": IP,
    "ip_network": CIDR,
    "mac": MAC,
    "url": URL,
    "email": Email,
    "money": Money,
    "json": JSON,
    "reference": strawberry.ID,
}
"""The GraphQL type of each kind of value."""

assert OF_KIND.keys() == KINDS.keys()


def configuration() -> StrawberryConfig:
    """How Strawberry is set up."""
    return StrawberryConfig(scalar_map=SCALARS, auto_camel_case=True)
