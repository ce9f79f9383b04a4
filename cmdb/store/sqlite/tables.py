"""Layout of the file and its migrations.

``node`` is a record's number within this file; it keeps relationships small and quick to join.
Images carry the interval [revision, until) of an element's earlier states. ``attribute_values``
holds the indexed attributes of live records, whatever the model, so that a model change needs no
new table and no new index. An image keeps its type, which a record may change; ``type_changes`` counts
how often any has. ``owner`` is a record's owner (`cmdb.owners`) as a number: the node of an organisation, or
what `cmdb.store.places` has for others; ``owner_rules`` by which rules of a model, empty where it is still
to be worked out. The index on it is for statements that ask for an owner, and no others: it is partial.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x434D4442
"""Marks the file as ours (`PRAGMA application_id`): "CMDB"."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE revisions (
            number INTEGER PRIMARY KEY, change_set TEXT NOT NULL UNIQUE, at TEXT NOT NULL UNIQUE,
            actor TEXT NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL, effective_on TEXT)""",
        "CREATE TABLE models (revision INTEGER PRIMARY KEY, document TEXT NOT NULL)",
        """CREATE TABLE records (
            node INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
            revision INTEGER NOT NULL, attributes TEXT NOT NULL)""",
        "CREATE INDEX records_type ON records (type, id)",
        "CREATE INDEX records_revision ON records (revision)",
        """CREATE TABLE relationships (
            source INTEGER NOT NULL, type TEXT NOT NULL, target INTEGER NOT NULL,
            revision INTEGER NOT NULL, attributes TEXT NOT NULL,
            PRIMARY KEY (source, type, target)) WITHOUT ROWID""",
        "CREATE INDEX relationships_target ON relationships (target, type, source)",
        "CREATE INDEX relationships_revision ON relationships (revision)",
        """CREATE TABLE record_images (
            node INTEGER NOT NULL, revision INTEGER NOT NULL, until INTEGER NOT NULL,
            attributes TEXT NOT NULL, PRIMARY KEY (node, revision)) WITHOUT ROWID""",
        "CREATE INDEX record_images_revision ON record_images (revision)",
        "CREATE INDEX record_images_until ON record_images (until)",
        """CREATE TABLE relationship_images (
            source INTEGER NOT NULL, type TEXT NOT NULL, target INTEGER NOT NULL,
            revision INTEGER NOT NULL, until INTEGER NOT NULL, attributes TEXT NOT NULL,
            PRIMARY KEY (source, type, target, revision)) WITHOUT ROWID""",
        "CREATE INDEX relationship_images_target ON relationship_images (target, type, source)",
        "CREATE INDEX relationship_images_revision ON relationship_images (revision)",
        "CREATE INDEX relationship_images_until ON relationship_images (until)",
        """CREATE TABLE attribute_values (
            attribute TEXT NOT NULL, value NOT NULL, node INTEGER NOT NULL,
            PRIMARY KEY (attribute, value, node)) WITHOUT ROWID""",
        "CREATE VIRTUAL TABLE search USING fts5 (text, tokenize = 'trigram')",
        "CREATE TABLE search_position (revision INTEGER NOT NULL, attributes TEXT NOT NULL)",
        "INSERT INTO search_position VALUES (0, '')",
    ),
    (
        "ALTER TABLE record_images ADD COLUMN type TEXT",
        "UPDATE record_images SET type = (SELECT r.type FROM records r WHERE r.node = record_images.node)",
        "CREATE TABLE marks (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE type_changes (count INTEGER NOT NULL)",
        "INSERT INTO type_changes VALUES (0)",
    ),
    (
        "ALTER TABLE revisions ADD COLUMN digest TEXT",
        "ALTER TABLE revisions ADD COLUMN checks BLOB",
        "CREATE TABLE journals (name TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE journal_entries (
            journal TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, value BLOB NOT NULL,
            PRIMARY KEY (journal, number)) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE records ADD COLUMN owner INTEGER",
        "CREATE INDEX records_owner ON records (type, owner) WHERE owner IS NOT NULL",
        "CREATE TABLE owner_rules (text TEXT NOT NULL)",
        "INSERT INTO owner_rules VALUES ('')",
    ),
)
"""Statements that take a file from format n to n + 1; an old file is brought up when opened."""
