"""The chain of revisions: what of a revision is digested, so that none can be changed unseen.

The digest of a revision is the SHA-256 of lines of UTF-8, joined by line feeds:

1. the digest of the revision before it; empty where that has none;
2. its header, a JSON list: number, change set, instant, actor, source, reason, effective date;
3. the fingerprint of the model that it applied; empty where it applied none;
4. a line for each element that it changed, all of them in order (as text)::

    created <id> <type> <attributes>             also "updated"
    related <source> <type> <target> <attributes>        also "altered"
    closed <source> <type> <target>

Attributes are JSON as orjson writes it, keys sorted. A store makes the lines while it writes; an audit
makes them of what the feed tells. Beside the digest a store keeps the *checks* of a revision, a CRC-32
of its header with the fingerprint and one of each line: where a digest does not agree they say what of
it it is. They prove nothing.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from zlib import crc32

import orjson

from cmdb.records import Record, Relationship
from cmdb.revisions import Changes, Revision
from schema.kinds import write_datetime
from schema.model import fingerprint_of


class Seal(NamedTuple):
    """What a store keeps with a revision: its digest, and the checks of its header and its lines."""

    digest: str
    checks: bytes


ToJson = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""`Model.to_json`."""


def canonical(attributes: Mapping[str, Any]) -> str:
    """JSON values as one text, the same for the same values."""
    return orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode() if attributes else "{}"


def canonical_each(elements: Iterable[Record | Relationship], to_json: ToJson) -> list[str]:
    """The attributes of each; what many have as one object is written once."""
    known: dict[int, str] = {}
    texts = []
    for element in elements:
        attributes = element[-1]
        text = known.get(id(attributes))
        if text is None:
            text = known[id(attributes)] = canonical(to_json(attributes))
        texts.append(text)
    return texts


def record_lines(created: bool, records: Iterable[Record], attributes: Iterable[str]) -> list[str]:
    """The lines of records; their attributes as `canonical` writes them."""
    what = "created" if created else "updated"
    return [f"{what} {r[0]} {r[1]} {text}" for r, text in zip(records, attributes, strict=True)]


def link_lines(
    related: bool, links: Iterable[Relationship], attributes: Iterable[str]
) -> list[str]:
    """The lines of relationships, made or altered."""
    what = "related" if related else "altered"
    return [
        f"{what} {x[0]} {x[1]} {x[2]} {text}" for x, text in zip(links, attributes, strict=True)
    ]


def closed_lines(links: Iterable[Relationship]) -> list[str]:
    return [f"closed {link.key}" for link in links]


def _told(attributes: Mapping[str, Any]) -> str:
    """As `canonical`, whatever somebody else has put there."""
    return orjson.dumps(attributes, default=repr, option=orjson.OPT_SORT_KEYS).decode()


def lines_of(changes: Changes, to_json: ToJson) -> list[str]:
    """The lines of what the feed tells of a revision."""
    lines = []
    for record in changes.records:
        if record.after is None:
            lines.append(f"gone {record.id}")  # as no store writes it: somebody else has
        else:
            text = _told(to_json(record.after.attributes))
            lines += record_lines(record.before is None, [record.after], [text])
    for link in changes.relationships:
        if link.after is None:
            lines.append(f"closed {link.key}")
        else:
            text = _told(to_json(link.after.attributes))
            lines += link_lines(link.before is None, [link.after], [text])
    return lines


def seal(previous: str | None, revision: Revision, model: str | None, lines: Iterable[str]) -> Seal:
    """The digest and the checks of a revision.

    Parameters
    ----------
    previous
        The digest of the revision before it, if that has one.
    model
        The document of the model that it applied, if it did.
    lines
        In any order.
    """
    header = f"{_header(revision)}\n{fingerprint_of(model) if model else ''}"
    ordered = sorted(lines)
    sha256 = hashlib.sha256("\n".join((previous or "", header, *ordered)).encode())
    return Seal(sha256.hexdigest(), _checks(header, ordered))


def _header(revision: Revision) -> str:
    effective = revision.effective_on and revision.effective_on.isoformat()
    at = write_datetime(revision.at)
    written = (*revision[:2], at, *revision[3:6], effective)
    return orjson.dumps(written).decode()


def line_check(line: str) -> int:
    return crc32(line.encode())


def line_checks(checks: bytes) -> list[int]:
    """The check of the header and those of the lines, in order."""
    return list(_in_this_order(array("I", checks)))


def _checks(header: str, lines: Iterable[str]) -> bytes:
    found = array("I", map(crc32, map(str.encode, (header, *lines))))
    return _in_this_order(found).tobytes()


def _in_this_order(checks: array[int]) -> array[int]:
    """Little-endian becomes what this machine has, and the other way round."""
    if sys.byteorder == "big":
        checks.byteswap()
    return checks
