"""The topology of a Neo4j store, read as of one revision, some records at a time.

Each statement answers with whole columns, for each type: that is several times faster than rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final

from cmdb.store.neo4j.database import Database
from cmdb.store.neo4j.properties import Properties
from cmdb.store.topology import OPEN, Columns, LinkBlock, NodeBlock, joined, link_block, node_block
from schema.model import STATE_ATTRIBUTE

SIZE: Final = 5_000
"""Records, or relationships of so many sources, that one statement reads."""

_UNTIL: Final = f"CASE WHEN i.until > $at THEN {OPEN} ELSE i.until END"


class Reader:
    """Reads blocks as of a revision, with the past before it or without."""

    def __init__(self, database: Database, properties: Properties, at: int, past: bool) -> None:
        self._database = database
        self._type_of = properties.type_of
        self._at, self._past = at, past

    def blocks(
        self, types: Sequence[str], record_types: Sequence[str]
    ) -> Iterator[NodeBlock | LinkBlock]:
        """The blocks of `GraphStore.topology`."""
        last, spans = "", []
        while types:
            after = last
            last, live, images = self._answer(self._nodes(), record_types, after=after)
            if last is None:
                break
            spans.append((after, last))
            named = ((self._type_of(frozenset(labels)), *columns) for labels, *columns in live)
            found = joined(_columns(named, 7), list(map(tuple, images)))
            if found[0]:
                yield node_block(found)
        for after, upto in spans:
            live, images = self._answer(self._links(types), types, after=after, upto=upto)
            found = joined(_columns(live, 6), list(map(tuple, images)))
            if found[0]:
                yield link_block(found)

    def _answer(self, statement: str, types: Sequence[str], **parameters: Any) -> Any:
        return self._database.answer(statement, {"at": self._at, "types": types, **parameters})

    def _nodes(self) -> str:
        """The answer is [last id, columns of live records by labels, images]; takes ``$after``."""
        span = "i.id > $after AND i.id <= last"
        had = f"MATCH (i:`_RecordImage`) WHERE {span} AND i.revision <= $at AND i.type IN $types"
        were = f"CALL (last) {{ {had} RETURN collect(DISTINCT i.id) AS were }}"
        chosen = "(i.type IN $types OR i.until > $at AND i.id IN were)"
        if not self._past:
            were, chosen = "WITH last, [] AS were", "i.until > $at AND i.type IN $types"
        return (
            f"CALL () {{ MATCH (n:`Record`) WHERE n.id > $after WITH n.id AS id ORDER BY id LIMIT {SIZE}"
            f" RETURN max(id) AS last }} {were}"
            " CALL (last, were) { MATCH (n:`Record`)"
            " WHERE n.id > $after AND n.id <= last AND n.revision <= $at"
            " WITH labels(n) AS labels, collect(n) AS all, were"
            " WITH labels, CASE WHEN any(label IN labels WHERE label IN $types) THEN all"
            " ELSE [n IN all WHERE n.id IN were] END AS found WHERE found <> []"
            " RETURN collect([labels, [n IN found | id(n)], [n IN found | n.id],"
            f" [n IN found | n.`{STATE_ATTRIBUTE}`], [n IN found | n.`redundancy`],"
            " [n IN found | n.revision]]) AS live }"
            f" CALL (last, were) {{ MATCH (i:`_RecordImage`) WHERE {span}"
            f" AND i.revision <= $at AND {chosen} MATCH (n:`Record` {{id: i.id}})"
            f" RETURN collect([id(n), i.id, i.type, i.`{STATE_ATTRIBUTE}`, i.`redundancy`,"
            f" i.revision, {_UNTIL}]) AS images }}"
            " RETURN [last, live, images] AS answer"
        )

    def _links(self, types: Sequence[str]) -> str:
        """The answer is [columns of live relationships by type, images]; takes ``$after``, ``$upto``."""
        names = "|".join(f"`{name}`" for name in types)
        chosen = "" if self._past else " AND i.until > $at"
        return (
            "CALL () { MATCH (s:`Record`) WHERE s.id > $after AND s.id <= $upto"
            f" MATCH (s)-[x:{names}]->(t:`Record`) WHERE x.revision <= $at"
            " WITH type(x) AS type, collect(id(s)) AS sources, collect(id(t)) AS targets,"
            " collect(x) AS found"
            " RETURN collect([type, sources, targets,"
            " [x IN found | x.`group`], [x IN found | x.revision]]) AS live }"
            " CALL () { MATCH (i:`_RelationshipImage`) WHERE i.source > $after AND i.source <= $upto"
            f" AND i.revision <= $at{chosen} AND i.type IN $types"
            " MATCH (s:`Record` {id: i.source}) MATCH (t:`Record` {id: i.target})"
            f" RETURN collect([id(s), id(t), i.type, i.`group`, i.revision, {_UNTIL}]) AS images }}"
            " RETURN [live, images] AS answer"
        )


def _columns(groups: Iterable[Sequence[Any]], count: int) -> Columns:
    """So many columns of live rows, put together from those of each type."""
    found: Columns = [[] for _ in range(count)]
    for type_, first, second, *rest in groups:
        types, until = repeat(type_, len(first)), repeat(OPEN, len(first))
        for column, part in zip(found, (first, second, types, *rest, until), strict=True):
            column += part
    return found
