"""An alert as it was received: what a format's reader makes of it, and what is kept until it is taken in.

Everything in it is bounded and storable, whatever was sent: texts are cut, control characters and secrets
taken out. What cannot be read is kept, too, with the reason, as `Malformed`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from cmdb.reconciliation.secrets import REMOVED, is_secret_name, without_secrets
from schema.kinds import parse_datetime, write_datetime

LABELS: Final = 100
"""Most labels of an alert."""
NAME: Final = 200
VALUE: Final = 1_000
SUMMARY: Final = 300
KEY: Final = 200
SOURCE: Final = 100
RAW: Final = 4_000
"""Most characters of what could not be read."""
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
"""What is older is how some write that there is none."""


class Received(NamedTuple):
    """What a tool says of one alert.

    Attributes
    ----------
    source
        Who sent it.
    key
        What the source calls it: the same for repeats, and for its end.
    began
        When it began; None where that is not said.
    at
        The instant that this speaks of: of what is cleared, when it ended. None where that is not said.
    labels
        All that is said of it, flat.
    """

    source: str
    key: str
    name: str
    firing: bool
    began: datetime | None
    at: datetime | None
    labels: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        return f"{self.source}:{self.key}"

    def kept(self) -> bytes:
        """As it is kept."""
        return orjson.dumps(
            [
                self.source,
                self.key,
                self.name,
                self.firing,
                self.began and write_datetime(self.began),
                self.at and write_datetime(self.at),
                dict(self.labels),
            ]
        )


class Malformed(NamedTuple):
    """What could not be read as an alert.

    Attributes
    ----------
    reason
        A sentence; of few, so that what is wrong in the same way can be folded.
    raw
        What was sent, or its beginning.
    """

    source: str
    reason: str
    raw: str

    @property
    def fingerprint(self) -> str:
        return f"{self.source}:{digest('malformed', self.reason)}"

    def kept(self) -> bytes:
        """As it is kept."""
        return orjson.dumps([self.source, self.reason, self.raw])


Entry = Received | Malformed


def entry_of(kept: bytes) -> Entry:
    """What `kept` made, read back."""
    said = orjson.loads(kept)
    if len(said) == 3:
        return Malformed(*said)
    source, key, name, firing, began, at, labels = said
    return Received(
        source,
        key,
        name,
        firing,
        began and parse_datetime(began),
        at and parse_datetime(at),
        labels,
    )


def received(
    source: str,
    key: str,
    firing: bool,
    labels: Mapping[str, Any],
    *,
    names: Iterable[Any] = (),
    began: Any = None,
    at: Any = None,
) -> Received:
    """An alert of what a format says, bounded.

    Parameters
    ----------
    names
        What it may be called, the first that says something counts.
    began, at
        Instants as text or seconds since 1970; what is none says nothing.
    """
    bounded = {
        text(name, NAME): REMOVED if is_secret_name(name) else text(value, VALUE)
        for name, value in list(labels.items())[:LABELS]
        if value not in (None, "")
    }
    said = (text(name, SUMMARY) for name in names if name not in (None, ""))
    key = text(key, VALUE)
    return Received(
        text(source, SOURCE),
        key if len(key) <= KEY else digest(key),
        next((name for name in said if name), "") or text(key, SUMMARY) or "alert",
        firing,
        instant(began),
        instant(at),
        {name: value for name, value in bounded.items() if name and value},
    )


def malformed(source: str, reason: str, raw: Any) -> Malformed:
    """What could not be read, bounded."""
    if isinstance(raw, bytes):
        raw = raw[: 4 * RAW].decode(errors="replace")
    elif not isinstance(raw, str):
        raw = orjson.dumps(raw, default=str).decode(errors="replace")
    return Malformed(text(source, SOURCE), reason, text(raw, RAW))


def text(value: Any, most: int) -> str:
    """A value as text that can be stored: without control characters and secrets, cut where it is long."""
    if isinstance(value, bool | dict | list):
        value = orjson.dumps(value, default=str).decode()
    # A secret is not to be cut so that it is known as one no longer; none is longer than this.
    plain = str(value)[: 8 * most].encode(errors="replace").decode()
    plain = "".join(c if c.isprintable() else " " for c in plain).strip()
    plain = without_secrets(plain)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def instant(value: Any) -> datetime | None:
    """An instant, of text or of seconds since 1970; None for what is none, or none that can be meant."""
    try:
        if isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal():
            value = float(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str):
            found = parse_datetime(_microseconds(value))
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found >= EARLIEST else None


def _microseconds(value: str) -> str:
    """An instant with no more digits than can be kept: Go writes nanoseconds."""
    head, dot, rest = value.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}{dot}{rest[: min(digits, 6)]}{rest[digits:]}"


def digest(*parts: str) -> str:
    """A short name for something long."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
