"""Attribute kinds: what values each takes, and how a value is written as JSON.

A kind turns what people and tools give (`parse`) into one canonical Python value, and that into
JSON and back (`to_json`, `from_json`). The JSON form of every ordered kind sorts like the value
itself, so a store can compare what it keeps: instants are UTC with six decimals, durations are
seconds. Money is ``"CNY 1234.50"``: compared by amount, within one currency.

`parse` raises `ValueError` with a sentence about the value; the caller knows which attribute of
which record it was.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import orjson

STRING_LENGTH: Final = 1_000
"""Longest `string` in characters: short enough for an index entry of either store."""
TEXT_LENGTH: Final = 1_000_000
"""Longest `text` in characters."""

INTEGER_RANGE: Final = (-(2**63), 2**63 - 1)


class Money(NamedTuple):
    """An amount in a currency (ISO 4217 code)."""

    currency: str
    amount: Decimal

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:f}"


def _storable(value: str) -> str:
    """Refuse what no store and no JSON reader takes: NUL and lone surrogates."""
    if "\x00" in value:
        raise ValueError("holds a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a surrogate pair") from None
    return value


def parse_string(value: object) -> str:
    if (
        type(value) is str
        and len(value) <= STRING_LENGTH
        and value.isascii()
        and "\x00" not in value
    ):
        return value  # by far the most frequent
    if not isinstance(value, str):
        raise ValueError(f"is {_kind_of(value)}, not a string")
    if len(value) > STRING_LENGTH:
        raise ValueError(f"has {len(value)} characters; a string takes {STRING_LENGTH}")
    return _storable(value)


def parse_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is {_kind_of(value)}, not a text")
    if len(value) > TEXT_LENGTH:
        raise ValueError(f"has {len(value)} characters; a text takes {TEXT_LENGTH}")
    return _storable(value)


def parse_integer(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            raise ValueError(f"{value!r} is not an integer") from None
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"is {_kind_of(value)}, not an integer")
    if not INTEGER_RANGE[0] <= value <= INTEGER_RANGE[1]:
        raise ValueError(f"{value} does not fit in 64 bits")
    return value


def parse_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"is {_kind_of(value)}, not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number + 0.0  # -0.0 becomes 0.0


_BOOLEANS = {
    "true": True,
    "yes": True,
    "1": True,
    "是": True,
    "false": False,
    "no": False,
    "0": False,
    "否": False,
}


def parse_boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _BOOLEANS:
        return _BOOLEANS[value.strip().lower()]
    raise ValueError(f"{value!r} is neither true nor false")


def parse_date(value: object) -> date:
    if isinstance(value, datetime):
        raise ValueError("is an instant, not a date")
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ValueError(f"{value!r} is not a date like 2026-03-31")


def parse_datetime(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{value!r} is not an instant like 2026-03-31T08:00:00Z") from None
    if not isinstance(value, datetime):
        raise ValueError(f"is {_kind_of(value)}, not an instant")
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; write 2026-03-31T08:00:00+08:00")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value.isoformat()} is outside the calendar in UTC") from None


def write_datetime(value: datetime) -> str:
    """An instant as JSON: UTC, always six decimals, so that text order is time order."""
    year, rest = value.year, value.strftime("%m-%dT%H:%M:%S.%fZ")
    return f"{year:04d}-{rest}"


_DURATION = re.compile(
    r"(?P<sign>-)?P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


def parse_duration(value: object) -> timedelta:
    if isinstance(value, bool):
        raise ValueError("is a boolean, not a duration")
    try:
        if isinstance(value, int | float):
            value = timedelta(seconds=value)
        if isinstance(value, str):
            match = _DURATION.fullmatch(value.strip())
            if match is None or value.strip().rstrip("T")[-1:] in ("P", "-", ""):
                raise ValueError(f"{value!r} is not a duration like P30D or PT4H")
            parts = match.groupdict(default="0")
            sign = -1 if parts.pop("sign") == "-" else 1
            seconds = timedelta(seconds=0)
            whole, _, fraction = parts.pop("seconds").partition(".")
            seconds = timedelta(seconds=int(whole), microseconds=int(fraction.ljust(6, "0") or 0))
            value = sign * (timedelta(**{k: int(v) for k, v in parts.items()}) + seconds)
    except OverflowError:
        raise ValueError(f"{value!r} is too long for a duration") from None
    if not isinstance(value, timedelta):
        raise ValueError(f"is {_kind_of(value)}, not a duration")
    if abs(value) > timedelta(days=36_500):
        raise ValueError("is longer than a hundred years")
    return value


def write_duration(value: timedelta) -> float:
    """A duration as JSON: seconds. Exact to the microsecond within the hundred years allowed."""
    return value.total_seconds()


def read_duration(value: Any) -> timedelta:
    return timedelta(microseconds=round(value * 1_000_000))


_MONEY = re.compile(r"(?P<currency>[A-Z]{3})\s*(?P<amount>-?\d{1,12}(?:\.\d{1,3})?)", re.ASCII)


def parse_money(value: object) -> Money:
    if isinstance(value, Money):
        value = str(value)
    if isinstance(value, dict) and set(value) == {"currency", "amount"}:
        value = f"{value['currency']} {value['amount']}"
    match = _MONEY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not money like 'CNY 1234.50'")
    try:
        return Money(match["currency"], Decimal(match["amount"]))
    except InvalidOperation:  # pragma: no cover - the pattern allows only decimals
        raise ValueError(f"{value!r} is not money like 'CNY 1234.50'") from None


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)


def parse_ip_address(value: object) -> str:
    if isinstance(value, str) and _IPV4.fullmatch(value):
        return value  # canonical already, and by far the most frequent
    try:
        return str(ipaddress.ip_address(value.strip() if isinstance(value, str) else str(value)))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address") from None


def parse_ip_network(value: object) -> str:
    try:
        text = value.strip() if isinstance(value, str) else str(value)
        return str(ipaddress.ip_network(text, strict=True))
    except ValueError as error:
        hint = " (host bits are set)" if "host bits" in str(error) else ""
        raise ValueError(f"{value!r} is not an IP network like 10.1.0.0/16{hint}") from None


_MAC = re.compile(r"[0-9a-f]{12}", re.ASCII)


def parse_mac(value: object) -> str:
    digits = re.sub(r"[:.\-\s]", "", value).lower() if isinstance(value, str) else ""
    if not _MAC.fullmatch(digits):
        raise ValueError(f"{value!r} is not a MAC address like 00:1a:2b:3c:4d:5e")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def parse_url(value: object) -> str:
    text = parse_string(value).strip()
    try:
        parts = urlsplit(text)
        valid = bool(parts.scheme) and bool(parts.netloc or parts.path) and " " not in text
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"{value!r} is not a URL like https://host/path")
    return text


_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def parse_email(value: object) -> str:
    text = parse_string(value).strip()
    if not _EMAIL.fullmatch(text):
        raise ValueError(f"{value!r} is not an e-mail address")
    return text


def parse_json(value: object) -> Any:
    try:
        written = orjson.dumps(value, option=_STRICT)
        plain = orjson.loads(written)
        if plain != value or b"null" in written:  # NaN is written so, and tuples as lists
            plain = json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON that can be kept ({error})") from None
    if len(written) > TEXT_LENGTH and len(written.decode()) > TEXT_LENGTH:
        raise ValueError(
            f"is {len(written.decode())} characters of JSON; {TEXT_LENGTH} is the most"
        )
    if b"\\u0000" in written:
        raise ValueError("holds a NUL character")
    return plain


_STRICT: Final = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
"""Only what JSON has: dataclasses, instants and the like are mistakes."""


_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)


def parse_id(value: object) -> str:
    """A record's id: a UUIDv7 in its canonical lower-case form."""
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise ValueError(f"{value!r} is not a record id (a UUIDv7 like 019a0000-0000-7000-8000-…)")


def is_id(text: str) -> bool:
    """Whether text is a record's id."""
    return _ID.fullmatch(text) is not None


def _kind_of(value: object) -> str:
    return {
        "NoneType": "nothing",
        "bool": "a boolean",
        "int": "an integer",
        "float": "a number",
        "str": "a string",
        "list": "a list",
        "dict": "an object",
    }.get(type(value).__name__, f"a {type(value).__name__}")


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """One attribute kind.

    Attributes
    ----------
    ordered
        Whether values can be compared with ``<`` and sorted by meaning.
    textual
        Whether the value is text, so that `contains` and `prefix` apply to it.
    searchable
        Whether full-text search looks at it unless the attribute says otherwise.
    plain
        Whether the canonical value already is its JSON form.
    """

    name: str
    parse: Callable[[object], Any]
    ordered: bool = False
    textual: bool = False
    searchable: bool = False
    to_json: Callable[[Any], Any] = _same
    from_json: Callable[[Any], Any] = _same

    @property
    def plain(self) -> bool:
        return self.to_json is _same


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("string", parse_string, ordered=True, textual=True, searchable=True),
        Kind("text", parse_text, ordered=True, textual=True, searchable=True),
        Kind("integer", parse_integer, ordered=True),
        Kind("number", parse_number, ordered=True),
        Kind("boolean", parse_boolean),
        Kind(
            "date", parse_date, ordered=True, to_json=date.isoformat, from_json=date.fromisoformat
        ),
        Kind(
            "datetime",
            parse_datetime,
            ordered=True,
            to_json=write_datetime,
            from_json=parse_datetime,
        ),
        Kind(
            "duration",
            parse_duration,
            ordered=True,
            to_json=write_duration,
            from_json=read_duration,
        ),
        Kind("enum", parse_string, ordered=True, textual=True),
        Kind("ip_address", parse_ip_address, textual=True, searchable=True),
        Kind("ip_network", parse_ip_network, textual=True, searchable=True),
        Kind("mac", parse_mac, textual=True, searchable=True),
        Kind("url", parse_url, textual=True, searchable=True),
        Kind("email", parse_email, textual=True, searchable=True),
        Kind("money", parse_money, ordered=True, to_json=str, from_json=parse_money),
        Kind("json", parse_json),
        Kind("reference", parse_id),
    )
}
