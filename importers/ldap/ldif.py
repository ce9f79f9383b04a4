"""LDIF (RFC 2849), read record by record.

It is read here and not by the package `ldif` because that checks names with a regular expression
that takes exponential time on some of them, joins folded lines in quadratic time (photographs are
thousands of lines), decodes damaged base64 to something else without a word, and ends at the first
damaged record. Here a damaged record is rejected and the next one read.

Only attributes that are asked for are decoded: passwords, keys and photographs stay in the file.
Values by reference (``jpegPhoto:< file:///…``) are never opened.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cmdb.reconciliation.observations import Rejection
from importers.reading import Document

LINE_LIMIT: Final = 64 * 2**20

_ATTRIBUTE: Final = re.compile(
    rb"([A-Za-z0-9][A-Za-z0-9.-]*)((?:;[A-Za-z0-9_=*-]+)*)(::|:<|:)(.*)", re.DOTALL
)
_SEARCH_RESULT: Final = re.compile(rb"(?:search|result|ref|matchedDN|text|control): ")

Line = tuple[int, bytes]


@dataclass(slots=True)
class Entry:
    """One record of an LDIF file.

    Attributes
    ----------
    dn
        The distinguished name as it is written.
    values
        Values of the attributes that were asked for, by attribute type in lower case.
    place
        The file and the line where it begins.
    change
        ``add``, ``modify`` … of a change record; else empty.
    partial
        Attributes of which the server gave only the first values (``member;range=0-1499``).
    """

    dn: str
    values: dict[str, list[str]]
    place: str
    change: str = ""
    partial: list[str] = field(default_factory=list)

    def first(self, *names: str) -> str | None:
        """The first value of the first of these attributes that has one."""
        return next((value for name in names for value in self.values.get(name, ())), None)


class _DamagedError(ValueError):
    """A record that cannot be read; the text says why, without its values."""


def entries(document: Document, wanted: frozenset[str]) -> Iterator[Entry | Rejection]:
    """The records of a file, and a rejection for each that is damaged.

    Parameters
    ----------
    wanted
        Attribute types, lower case.

    Raises
    ------
    SourceError
        The document is no LDIF, or is cut off in its compression.
    """
    is_ldif = False
    for record in _records(document):
        place = f"{document.name} line {record[0][0]}"
        if _is_version(record[0]):
            is_ldif = True
            del record[0]
        if not record:
            continue
        if _SEARCH_RESULT.match(record[0][1]):
            is_ldif = True
            yield from _search_result(record, place)
            continue
        try:
            yield _entry(record, place, wanted)
            is_ldif = True
        except _DamagedError as error:
            yield Rejection(place, str(error))
    if not is_ldif:
        raise document.error("is not LDIF: no record in it begins with “dn:”")


def _entry(record: list[Line], place: str, wanted: frozenset[str]) -> Entry:
    number, line = record[0]
    type_, _, dn = _attribute(number, line)
    if type_ != "dn":
        raise _DamagedError("the record does not begin with “dn:”")
    entry = Entry(_text(number, type_, dn), {}, place)
    variants: dict[str, list[str]] = {}
    for number, line in record[1:]:
        type_, options, value = _attribute(number, line)
        if type_ == "dn":
            raise _DamagedError(f"line {number} begins another record, without an empty line")
        if type_ == "changetype":
            entry.change = _text(number, type_, value).lower()
            if entry.change != "add":
                return entry  # what follows is written in another way
        elif type_ in wanted and value is not None:
            _add(entry, variants, type_, options, _text(number, type_, value))
    for type_, values in variants.items():
        entry.values.setdefault(type_, values)
    return entry


def _add(
    entry: Entry, variants: dict[str, list[str]], type_: str, options: str, value: str
) -> None:
    """Keep a value: of a language (``cn;lang-zh``) only where there is none without."""
    if options.startswith(";range="):
        if not options.endswith("-*") and type_ not in entry.partial:
            entry.partial.append(type_)
        options = ""
    if value and not options:
        entry.values.setdefault(type_, []).append(value)
    elif value and options.startswith(";lang-"):
        variants.setdefault(type_, []).append(value)


def _attribute(number: int, line: bytes) -> tuple[str, str, bytes | None]:
    """Type, options and bytes of a line; no bytes for a value by reference."""
    match = _ATTRIBUTE.fullmatch(line)
    if match is None:
        raise _DamagedError(f"line {number} is no attribute and value")
    type_, options = match[1].decode().lower(), match[2].decode().lower()
    if match[3] == b":<":
        return type_, options, None
    if match[3] == b":":
        return type_, options, match[4].strip(b" ")
    try:
        return type_, options, base64.b64decode(match[4].strip(b" "), validate=True)
    except binascii.Error:
        raise _DamagedError(f"line {number}: the base64 of {type_} is damaged") from None


def _text(number: int, type_: str, value: bytes | None) -> str:
    if value is None:
        raise _DamagedError(f"line {number}: {type_} is a reference, which is not followed")
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        raise _DamagedError(f"line {number}: {type_} is not UTF-8 text") from None


def _is_version(line: Line) -> bool:
    return re.fullmatch(rb"version:\s*1\s*", line[1], re.IGNORECASE) is not None


def _search_result(record: list[Line], place: str) -> Iterator[Rejection]:
    """What ldapsearch writes at the end; a search that was cut off is said."""
    for _, line in record:
        match = re.match(rb"result: (\d+)", line)
        if match and match[1] != b"0":
            code = match[1].decode()[:9]
            yield Rejection(
                place, f"the search ended early (LDAP result {code}): entries are missing"
            )


def _records(document: Document) -> Iterator[list[Line]]:
    """Lines without comments, unfolded, in groups that empty lines part."""
    record: list[Line] = []
    for number, line in _unfolded(_lines(document)):
        if line and not line.startswith(b"#"):
            record.append((number, line))
        elif not line and record:
            yield record
            record = []
    if record:
        yield record


def _unfolded(lines: Iterable[Line]) -> Iterator[Line]:
    first, parts = 0, [b""]
    for number, line in lines:
        if line.startswith(b" ") and parts != [b""]:  # an empty line is not continued
            parts.append(line[1:])
            continue
        yield first, b"".join(parts)
        first, parts = number, [line]
    yield first, b"".join(parts)


def _lines(document: Document) -> Iterator[Line]:
    number, rest = 0, b""
    for chunk in _utf8(document):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_LIMIT:
            raise document.error("has a line that never ends")
        for line in whole:
            number += 1
            yield number, line.removesuffix(b"\r")
    yield number + 1, rest.removesuffix(b"\r")


def _utf8(document: Document) -> Iterator[bytes]:
    """The bytes; UTF-16, as ``ldifde -u`` writes it, as UTF-8. A byte order mark is left out."""
    decoder: codecs.IncrementalDecoder | None = None
    for number, chunk in enumerate(document.chunks()):
        if number == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            decoder = codecs.getincrementaldecoder("utf-16")()
        try:
            plain = decoder.decode(chunk).encode() if decoder else chunk
        except UnicodeError:
            raise document.error("begins as UTF-16 text and is not") from None
        yield plain if number else plain.removeprefix(codecs.BOM_UTF8)
