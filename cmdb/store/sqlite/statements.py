"""The SQL that does not depend on a query: the feed, history, integrity."""

from __future__ import annotations

from typing import Final

_MINE = " AND {0}.node = :node"
_MINE_LINKS = " AND (x.source = :node OR x.target = :node)"
_RECORD = "r.id, {0}.type, {0}.revision, {0}.attributes"
_LINK = "s.id, x.type, t.id, x.revision, x.attributes"
_ENDS = "JOIN records s ON s.node = x.source JOIN records t ON t.node = x.target"

CHANGE_STREAMS: Final = (
    (
        f"SELECT r.revision, 'after', {_RECORD.format('r')} FROM records r WHERE r.revision > :after AND r.revision <= :upto{{mine}} ORDER BY r.revision",
        _MINE.format("r"),
    ),
    (
        f"SELECT i.revision, 'after', {_RECORD.format('i')} FROM record_images i JOIN records r ON r.node = i.node WHERE i.revision > :after AND i.revision <= :upto{{mine}} ORDER BY i.revision",
        _MINE.format("i"),
    ),
    (
        f"SELECT i.until, 'before', {_RECORD.format('i')} FROM record_images i JOIN records r ON r.node = i.node WHERE i.until > :after AND i.until <= :upto{{mine}} ORDER BY i.until",
        _MINE.format("i"),
    ),
    (
        f"SELECT x.revision, 'after', {_LINK} FROM relationships x {_ENDS} WHERE x.revision > :after AND x.revision <= :upto{{mine}} ORDER BY x.revision",
        _MINE_LINKS,
    ),
    (
        f"SELECT x.revision, 'after', {_LINK} FROM relationship_images x {_ENDS} WHERE x.revision > :after AND x.revision <= :upto{{mine}} ORDER BY x.revision",
        _MINE_LINKS,
    ),
    (
        f"SELECT x.until, 'before', {_LINK} FROM relationship_images x {_ENDS} WHERE x.until > :after AND x.until <= :upto{{mine}} ORDER BY x.until",
        _MINE_LINKS,
    ),
)
"""What began or ended in a span of revisions, in order: records and relationships, live and past."""

TOUCHED: Final = """
    SELECT DISTINCT number FROM (
        SELECT revision AS number FROM records WHERE node = :node
        UNION ALL SELECT revision FROM record_images WHERE node = :node
        UNION ALL SELECT revision FROM relationships WHERE source = :node
        UNION ALL SELECT revision FROM relationships WHERE target = :node
        UNION ALL SELECT revision FROM relationship_images WHERE source = :node
        UNION ALL SELECT revision FROM relationship_images WHERE target = :node
        UNION ALL SELECT until FROM relationship_images WHERE source = :node
        UNION ALL SELECT until FROM relationship_images WHERE target = :node)
    WHERE number < :before ORDER BY number DESC LIMIT :first"""
"""The newest revisions that touched a record or its relationships."""

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
