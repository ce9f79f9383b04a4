"""Text ledgers as rows: which encoding, which delimiter, records one after the other.

Everything is read in pieces; a file is gone through once to tell its encoding and once for its rows.
Bytes that are not of the encoding become U+FFFD, so that one damaged byte costs one value.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from importers.reading import Document

Rows = Iterator[tuple[int, list[str] | None]]
"""Rows with their numbers from 1, empty ones included; None where a row cannot be read."""

DELIMITERS: Final = (",", "\t", ";", "|")
LINE_LIMIT: Final = 2**20
HEAD: Final = 60
"""Rows that are looked at for a header."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS: Final = bytes({*range(32)} - {*b"\t\n\v\f\r\x1a\x1b"})
_HIGH: Final = bytes(range(0x80, 0x100))
_OTHER: Final = re.compile("[^\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+")


class Tally(NamedTuple):
    """What a document looks like in an encoding.

    Attributes
    ----------
    size, controls
        Bytes; of them control characters that no text has.
    beyond
        Bytes beyond ASCII.
    bad, common
        Characters that are unreadable, and such as Chinese is written in.
    """

    size: int = 0
    controls: int = 0
    beyond: int = 0
    bad: int = 0
    common: int = 0

    @property
    def is_text(self) -> bool:
        return self.controls * 50 <= self.size + 1000

    @property
    def fits(self) -> bool:
        """Whether no more than stray characters are unreadable."""
        return self.bad * 50 <= self.beyond


def encoding_of(document: Document, given: str = "") -> str:
    """The encoding of a text document, from all of its bytes.

    A byte order mark says it; else UTF-8 if it fits but for stray bytes; else UTF-16 by where the
    NULs are; else GB18030 if it fits and gives characters that Chinese is written in; else Latin-1.

    Raises
    ------
    SourceError
        It is no text, or of an encoding that cannot be told.
    """
    if given:
        return _known(document, given)
    head = next(document.chunks(4096), b"")
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if name := marked or _nul_side(document):
        if not _tally(document, name).is_text:
            raise document.error("is not text, and no XLSX workbook")
        return name
    tally = _tally(document, "utf-8")
    if not tally.is_text:
        raise document.error("is not text, and no XLSX workbook")
    if tally.fits:
        return "utf-8"
    chinese = _tally(document, "gb18030")
    if chinese.fits and 2 * chinese.common >= 0.7 * chinese.beyond:
        return "gb18030"
    return _latin(document)


def _known(document: Document, name: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        raise document.error(
            "cannot be read: the option encoding names none that is known"
        ) from None
    return name


def _nul_side(document: Document) -> str | None:
    """UTF-16 without a mark, by the side on which its NULs are; no other text has any."""
    sides, place = [0, 0], 0
    for chunk in document.chunks():
        if b"\x00" in chunk:
            for offset in (0, 1):
                sides[(place + offset) % 2] += chunk[offset::2].count(0)
        place += len(chunk)
    if not any(sides):
        return None
    if max(sides) < 20 * min(sides) or max(sides) * 50 < place:
        raise document.error("is not text, and no XLSX workbook")
    return "utf-16-le" if sides[1] > sides[0] else "utf-16-be"


def _tally(document: Document, name: str) -> Tally:
    decoder = codecs.getincrementaldecoder(name)("replace")
    wide = name.startswith("utf-16")
    total = Tally()
    for chunk in document.chunks():
        text = decoder.decode(chunk)
        # Of UTF-16 only the characters tell: each byte of one may be anything.
        raw = text.encode("utf-8", "ignore") if wide else chunk
        controls = len(raw) - len(raw.translate(None, _CONTROLS))
        beyond = bad = common = 0
        if not text.isascii():
            beyond = len(raw) - len(raw.translate(None, _HIGH))
            bad = text.count("\ufffd")
            common = _usual(text) if name == "gb18030" else 0
        more = (len(chunk), controls, beyond, bad, common)
        total = Tally(*(a + b for a, b in zip(total, more, strict=True)))
    return total


def _usual(text: str) -> int:
    """How many characters are in GB 2312: of a Chinese text nearly all, of misread ones few."""
    return len(_OTHER.sub("", text).encode("gb2312", "ignore")) // 2


def _latin(document: Document) -> str:
    """Latin-1, as Windows writes it, where most of the letters are plain ones."""
    high = size = 0
    for chunk in document.chunks():
        size += len(chunk)
        high += size if re.search(rb"[\x81\x8d\x8f\x90\x9d]", chunk) else 0
        high += len(chunk) - len(chunk.translate(None, _HIGH))
    if high * 3 > size:
        raise document.error(
            "is in an encoding that cannot be told", "Name it with the option encoding."
        )
    return "cp1252"


def lines(document: Document, encoding: str) -> Iterator[str]:
    """Lines, each ended by ``\\n`` whatever ends it in the document.

    Raises
    ------
    SourceError
        A line never ends.
    """
    inner = codecs.getincrementaldecoder(encoding)("replace")
    decoder = io.IncrementalNewlineDecoder(inner, translate=True)
    rest = ""
    for chunk in document.chunks():
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        if len(rest) > LINE_LIMIT:
            raise document.error("has a line that never ends")
        for line in whole:
            yield line + "\n"
    rest += decoder.decode(b"", True)
    yield from (line + "\n" for line in rest.split("\n") if line)


def text_rows(
    document: Document, encoding: str, delimiter: str, score: Callable[[Sequence[str]], int]
) -> Rows:
    """The rows of a text document.

    Parameters
    ----------
    encoding, delimiter
        Empty to tell them from the document.
    score
        How much a row looks like a header: the delimiter that gives the best one is taken.
    """
    stream = lines(document, encoding_of(document, encoding))
    head = list(islice(stream, HEAD))
    if not any(line.strip() for line in head):
        raise document.error("is empty")
    if said := re.fullmatch(r"\ufeff?\"?sep=(.)\"?\s*", head[0], re.I):
        head, delimiter = ["\n", *head[1:]], delimiter or said[1]
    if not delimiter:
        delimiter = max(DELIMITERS, key=lambda d: _best(head, d, score))
    return enumerate(_records(_chained(head, stream), delimiter), start=1)


def _best(
    head: list[str], delimiter: str, score: Callable[[Sequence[str]], int]
) -> tuple[int, int]:
    rows = [row for row in _records(iter(head), delimiter) if row]
    return max((score(row) for row in rows), default=0), max(map(len, rows), default=0)


def _chained(head: list[str], stream: Iterator[str]) -> Iterator[str]:
    yield from head
    yield from stream


def _records(stream: Iterator[str], delimiter: str) -> Iterator[list[str] | None]:
    """Records, and None for a line whose quotation marks do not match; the next line starts anew."""
    again: deque[str] = deque()
    taken: list[str] = []

    def fed() -> Iterator[str]:
        while True:
            line = again.popleft() if again else next(stream, None)
            if line is None:
                return
            taken.append(line)
            yield line

    while True:
        reader = csv.reader(fed(), delimiter=delimiter, strict=True)
        try:
            for row in reader:
                taken.clear()
                yield row
            return
        except csv.Error:
            again.extendleft(reversed(taken[1:]))
            taken.clear()
            yield None
