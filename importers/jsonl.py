"""The observation format itself: JSON Lines, one statement a line.

A line is an object::

    {"type": "Server", "key": "srv/42",
     "attributes": {"name": "web-01", "serial_number": "SN42"},
     "links": [{"name": "CONTAINED_IN", "to": {"type": "Rack", "key": "rack/R1", "attributes": {…}},
                "attributes": {"rack_position": 12}},
               {"name": "UPLINKED_TO", "to": "switch/7"}]}

``to`` is an observation nested in this one, or the key of another line, earlier or later. See
`cmdb.reconciliation.observations` for what a statement, a part and a mention are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import orjson

from cmdb.reconciliation.observations import Item, Link, Observation, Ref, Rejection
from importers.contract import Importer, Options
from importers.reading import Document

LINE_LIMIT = 64 * 2**20


class JsonLines(Importer[Options]):
    name: ClassVar[str] = "jsonl"
    title: ClassVar[str] = (
        "Observations as JSON Lines, for anything that has no importer of its own"
    )
    title_zh: ClassVar[str] = "JSON Lines 格式的上报记录，供没有专用导入器的工具使用"

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            for number, line in _lines(document):
                place, value = f"{document.name} line {number}", None
                try:
                    value = orjson.loads(line)
                    yield observation(value, place)
                except orjson.JSONDecodeError as error:
                    if number == 1:
                        raise document.error(f"is not JSON Lines (line 1: {error.msg})") from None
                    yield Rejection(place, f"is not JSON: {error.msg}")
                except ValueError as error:
                    key = value.get("key") if isinstance(value, dict) else None
                    yield Rejection(place, str(error), key if isinstance(key, str) else "")


def observation(value: Any, place: str, depth: int = 0) -> Observation:
    """An observation from its JSON form; raises ValueError with what is wrong."""
    if depth > 50:
        raise ValueError("observations are nested too deep")
    if not isinstance(value, dict):
        raise ValueError("an observation is an object with type, key, attributes and links")
    unknown = value.keys() - {"type", "key", "attributes", "links"}
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]!r} is not part of an observation")
    type_, key = value.get("type"), value.get("key", "")
    attributes, links = value.get("attributes", {}), value.get("links", [])
    if not isinstance(type_, str) or not isinstance(key, str):
        raise ValueError("type and key are texts")
    if not isinstance(attributes, dict) or not isinstance(links, list):
        raise ValueError("attributes is an object and links a list")
    made = [_link(link, place, depth) for link in links]
    return Observation(type_, key, attributes, made, place)


def _link(value: Any, place: str, depth: int) -> Link:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError("a link is an object with name and to")
    attributes = value.get("attributes", {})
    if not isinstance(attributes, dict):
        raise ValueError("attributes of a link is an object")
    to = value.get("to")
    if isinstance(to, str):
        return Link(value["name"], Ref(to), attributes)
    return Link(value["name"], observation(to, place, depth + 1), attributes)


def _lines(document: Document) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, empty ones left out."""
    number, rest = 0, b""
    for chunk in document.chunks():
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_LIMIT:
            raise document.error("has a line that never ends")
        for line in whole:
            number += 1
            if line.strip():
                yield number, line.removeprefix(b"\xef\xbb\xbf")
    if rest.strip():
        yield number + 1, rest.removeprefix(b"\xef\xbb\xbf")


def written(statement: Observation) -> bytes:
    """An observation as a line, as `observation` reads it."""
    return orjson.dumps(_plain(statement), default=_value) + b"\n"


def _plain(statement: Observation) -> dict[str, Any]:
    links = [
        {
            "name": link.name,
            "to": link.to.key if isinstance(link.to, Ref) else _plain(link.to),
            "attributes": dict(link.attributes),
        }
        for link in statement.links
    ]
    said = {"type": statement.type, "key": statement.key}
    return {**said, "attributes": dict(statement.attributes), "links": links}


def _value(value: Any) -> Any:
    """What JSON has no form for, as text that its kind reads."""
    return list(value) if isinstance(value, tuple | set | frozenset) else str(value)
