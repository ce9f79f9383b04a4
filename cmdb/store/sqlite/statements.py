"""The SQL that does not depend on a query: the feed, history, integrity."""

from __future__ import annotations

from typing import Final

from cmdb.store.sqlite.rows import REVISION

_RECORD = "r.id, {0}.type, {0}.revision, {0}.attributes"
_LINK = "s.id, x.type, t.id, x.revision, x.attributes"
_ENDS = "JOIN records s ON s.node = x.source JOIN records t ON t.node = x.target"

CHANGE_STREAMS: Final = (
    f"SELECT r.revision, 'after', {_RECORD.format('r')} FROM records r WHERE r.revision > :after AND r.revision <= :upto ORDER BY r.revision",
    f"SELECT i.revision, 'after', {_RECORD.format('i')} FROM record_images i JOIN records r ON r.node = i.node WHERE i.revision > :after AND i.revision <= :upto ORDER BY i.revision",
    f"SELECT i.until, 'before', {_RECORD.format('i')} FROM record_images i JOIN records r ON r.node = i.node WHERE i.until > :after AND i.until <= :upto ORDER BY i.until",
    f"SELECT x.revision, 'after', {_LINK} FROM relationships x {_ENDS} WHERE x.revision > :after AND x.revision <= :upto ORDER BY x.revision",
    f"SELECT x.revision, 'after', {_LINK} FROM relationship_images x {_ENDS} WHERE x.revision > :after AND x.revision <= :upto ORDER BY x.revision",
    f"SELECT x.until, 'before', {_LINK} FROM relationship_images x {_ENDS} WHERE x.until > :after AND x.until <= :upto ORDER BY x.until",
)
"""What began or ended in a span of revisions, in order: records and relationships, live and past."""

_AT_ENDS = (("x.source = {0}.node", ""), ("x.target = {0}.node", " AND x.source <> x.target"))
_BOUNDS = (
    ("records r", "r.revision", "after"),
    ("record_images i", "i.revision", "after"),
    ("record_images i", "i.until", "before"),
)
_LINK_BOUNDS = (
    ("relationships x", "x.revision", "after"),
    ("relationship_images x", "x.revision", "after"),
    ("relationship_images x", "x.until", "before"),
)
"""Where what concerns a record begins and ends."""


def _histories() -> str:
    touched = [
        f"SELECT a.node, {number} AS number FROM asked a CROSS JOIN {table} ON {table[-1]}.node = a.node"
        for table, number, _ in _BOUNDS
    ]
    touched += [
        f"SELECT a.node, {number} FROM asked a CROSS JOIN {table} ON {near.format('a')}"
        for table, number, _ in _LINK_BOUNDS
        for near, _ in _AT_ENDS
    ]
    changed = [
        f"SELECT s.id, '{side}', {number}, s.id, {table[-1]}.type, NULL, {table[-1]}.revision,"
        f" {table[-1]}.attributes, NULL, NULL FROM spans s CROSS JOIN {table} ON {table[-1]}.node = s.node"
        f" WHERE {number} BETWEEN s.low AND s.high"
        for table, number, side in _BOUNDS
    ]
    changed += [
        f"SELECT h.id, '{side}', {number}, {_LINK}, NULL, NULL FROM spans h CROSS JOIN {table}"
        f" ON {near.format('h')} {_ENDS} WHERE {number} BETWEEN h.low AND h.high{once}"
        for table, number, side in _LINK_BOUNDS
        for near, once in _AT_ENDS
    ]
    return (
        "WITH asked (node, id) AS MATERIALIZED"
        " (SELECT r.node, r.id FROM json_each(:ids) j JOIN records r ON r.id = j.value),"
        " touched (node, number) AS MATERIALIZED (SELECT node, number FROM"
        " (SELECT node, number, row_number() OVER (PARTITION BY node ORDER BY number DESC) AS place"
        f" FROM ({' UNION '.join(touched)}) WHERE number < :before) WHERE place <= :first),"
        " spans (node, id, low, high) AS MATERIALIZED (SELECT t.node, a.id, min(t.number), max(t.number)"
        " FROM touched t JOIN asked a ON a.node = t.node GROUP BY 1, 2)"
        f" SELECT a.id, 'revision', {REVISION} FROM asked a LEFT JOIN touched t ON t.node = a.node"
        f" LEFT JOIN revisions v ON v.number = t.number UNION ALL {' UNION ALL '.join(changed)}"
    )


HISTORIES: Final = _histories()
"""The newest ``:first`` revisions below ``:before`` that touched each of some records or their
relationships: (id, ``revision``, its columns), or NULLs where there is none; and what began and ended
with them: (id, side, number, id or source, type, target, revision, attributes, NULL, NULL)."""

TOUCHED_RECORDS: Final = (
    "SELECT node FROM records WHERE revision > :after AND revision <= :upto"
    " UNION SELECT node FROM record_images WHERE revision > :after AND revision <= :upto"
    " UNION SELECT node FROM record_images WHERE until > :after AND until <= :upto"
)
TOUCHED_RELATIONSHIPS: Final = (
    "SELECT source, type, target FROM relationships WHERE revision > :after AND revision <= :upto"
    " UNION SELECT source, type, target FROM relationship_images WHERE revision > :after AND revision <= :upto"
    " UNION SELECT source, type, target FROM relationship_images WHERE until > :after AND until <= :upto"
)


def with_model(statement: str) -> str:
    """A statement's rows, each with the revision of the model behind; without any, one of NULLs."""
    return f"SELECT p.*, m.revision FROM (SELECT max(revision) AS revision FROM models) m LEFT JOIN ({statement}) p"


def indexing(name: str, many: bool) -> str:
    """Put the values of an attribute of all live records in ``attribute_values``."""
    return f"INSERT OR IGNORE INTO attribute_values {_values(name, many)}"


def wrongly_indexed(name: str, many: bool) -> str:
    """Nodes of records whose values in ``attribute_values`` are not those they have."""
    held, stored = _values(name, many), f"SELECT * FROM attribute_values WHERE attribute = '{name}'"
    return (
        f"SELECT r.id FROM records r JOIN (SELECT node FROM ({held} EXCEPT {stored})"
        f" UNION SELECT node FROM ({stored} EXCEPT {held})) w ON w.node = r.node LIMIT 100"
    )


def _values(name: str, many: bool) -> str:
    if many:
        return f"SELECT '{name}', j.value, r.node FROM records r, json_each(r.attributes, '$.{name}') j"
    value = f"json_extract(attributes, '$.{name}')"
    return f"SELECT '{name}', {value}, node FROM records WHERE {value} IS NOT NULL"


INTEGRITY: Final = (
    (
        "dangling_end",
        "SELECT x.source || ' ' || x.type || ' ' || x.target FROM relationships x WHERE x.source NOT IN (SELECT node FROM records) OR x.target NOT IN (SELECT node FROM records)",
        "A relationship has an end that is not there.",
    ),
    (
        "dangling_image",
        "SELECT node FROM record_images WHERE node NOT IN (SELECT node FROM records)",
        "An image belongs to no record.",
    ),
    (
        "unknown_revision",
        "SELECT id FROM records WHERE revision NOT IN (SELECT number FROM revisions)",
        "A record names a revision that is not there.",
    ),
    (
        "broken_interval",
        "SELECT node FROM record_images WHERE revision >= until",
        "An image ends before it begins.",
    ),
    (
        "broken_interval",
        "SELECT source || ' ' || type || ' ' || target FROM relationship_images WHERE revision >= until",
        "An image ends before it begins.",
    ),
    (
        "broken_interval",
        "SELECT r.id FROM record_images i JOIN records r ON r.node = i.node WHERE i.until NOT IN (SELECT revision FROM record_images n WHERE n.node = i.node UNION SELECT r.revision)",
        "A record's images leave a gap.",
    ),
)
"""(code, statement that finds the damaged, message)."""


def inlined(statement: str, span: dict[str, int]) -> str:
    """The numbers of a span written into a statement whose other parameters are positional."""
    return statement.replace(":after", str(int(span["after"]))).replace(
        ":upto", str(int(span["upto"]))
    )
