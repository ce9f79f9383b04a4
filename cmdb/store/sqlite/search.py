"""Full-text search by substring, Chinese included, on SQLite's trigram index.

A trigram index finds substrings of three characters or more, but a Chinese word has two, or one.
So each Chinese character is indexed between separators of its own: 变电 becomes ``.变..电.``, whose
trigrams hold every single character, and any run of them stays one run. Words that are still
shorter than three characters (``a1``) are looked for in the indexed text itself.

The index follows the change feed: `catch_up` takes it from the revision it has reached to the
newest one. So a large load is not slowed by it, and a search never misses anything.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from cmdb.queries import fold

BATCH: Final = 5_000
SEPARATOR: Final = "\x1f"
_IDEOGRAPH = re.compile(r"[⺀-〿㐀-䶿一-鿿豈-﫿𠀀-\U0003ffff]")


def indexed(text: str) -> str:
    """Folded text with each ideograph between separators."""
    if text.isascii():
        return text
    return _IDEOGRAPH.sub(lambda match: f"{SEPARATOR}{match[0]}{SEPARATOR}", text)


def document(attributes: Mapping[str, Any], searchable: Collection[str]) -> str:
    """The searchable values of a record's JSON attributes, folded, one a line."""
    values: list[str] = []
    for name, value in attributes.items():
        if name in searchable:
            if isinstance(value, str):
                values.append(value)
            else:
                values += value
    return indexed(fold("\n".join(value.replace("\n", " ") for value in values)))


def match(text: str, parameter: Callable[[str], str]) -> str:
    """An SQL condition on ``r.node`` for the records in which every word occurs.

    ``text`` is folded already; ``parameter`` gathers a parameter and gives what stands for it.
    """
    long: list[str] = []
    short: list[str] = []
    for word in text.split():
        written = indexed(word)
        (long if len(written) >= 3 else short).append(written)
    parts = [f"instr(text, {parameter(word)}) > 0" for word in short]
    if long:
        phrases = ('"' + word.replace('"', '""') + '"' for word in long)
        parts.append(f"search MATCH {parameter(' AND '.join(phrases))}")
    return f"r.node IN (SELECT rowid FROM search WHERE {' AND '.join(parts) or '0'})"


def position(connection: sqlite3.Connection) -> int:
    (revision,) = connection.execute("SELECT revision FROM search_position").fetchone()
    return int(revision)


def index(
    connection: sqlite3.Connection,
    searchable: Iterable[str],
    read: Callable[[str], dict[str, Any]],
) -> None:
    """Index one batch of records changed since the position, within the open write transaction.

    Revisions are taken whole, so a batch may be larger than 5,000.
    """
    start = position(connection)
    (upto,) = connection.execute("SELECT max(number) FROM revisions").fetchone()
    ordered = "SELECT revision FROM records WHERE revision > ? ORDER BY revision LIMIT ?"
    newest = connection.execute(f"SELECT count(*), max(revision) FROM ({ordered})", (start, BATCH))
    count, last = newest.fetchone()
    reached = last if count == BATCH else upto
    names = frozenset(searchable)
    rows = connection.execute(
        "SELECT node, attributes FROM records WHERE revision > ? AND revision <= ?",
        (start, reached),
    )
    while batch := rows.fetchmany(1_000):
        texts = [(node, document(read(attributes), names)) for node, attributes in batch]
        connection.executemany("DELETE FROM search WHERE rowid = ?", ((node,) for node, _ in texts))
        connection.executemany("INSERT INTO search (rowid, text) VALUES (?, ?)", texts)
    connection.execute("UPDATE search_position SET revision = ?", (reached,))


def align(connection: sqlite3.Connection, searchable: Iterable[str]) -> None:
    """Begin anew where a model makes other attributes searchable than what was indexed."""
    names = " ".join(searchable)
    (indexed_names,) = connection.execute("SELECT attributes FROM search_position").fetchone()
    if names != indexed_names:
        connection.execute("DELETE FROM search")
        connection.execute("UPDATE search_position SET revision = 0, attributes = ?", (names,))
