"""The Cypher that does not depend on a query: set-up, writing, history.

Labels, relationship types and property names come from the model only, and stand in backticks;
everything else is a parameter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from schema.model import ORGANISATION, Model, RecordType

SEARCH_INDEX: Final = "cmdb_search"

CONSTRAINTS: Final = (
    "CREATE CONSTRAINT `cmdb_record_id` IF NOT EXISTS FOR (n:`Record`) REQUIRE n.`id` IS UNIQUE",
    "CREATE CONSTRAINT `cmdb_store` IF NOT EXISTS FOR (s:`_Store`) REQUIRE s.`key` IS UNIQUE",
    "CREATE CONSTRAINT `cmdb_revision` IF NOT EXISTS FOR (v:`_Revision`) REQUIRE v.`number` IS UNIQUE",
    "CREATE CONSTRAINT `cmdb_change_set` IF NOT EXISTS FOR (v:`_Revision`) REQUIRE v.`change_set` IS UNIQUE",
    "CREATE CONSTRAINT `cmdb_model` IF NOT EXISTS FOR (m:`_Model`) REQUIRE m.`revision` IS UNIQUE",
    "CREATE CONSTRAINT `cmdb_journal` IF NOT EXISTS FOR (j:`_Journal`) REQUIRE j.`name` IS UNIQUE",
    "CREATE CONSTRAINT `cmdb_entry` IF NOT EXISTS FOR (e:`_Entry`) REQUIRE (e.`journal`, e.`number`) IS UNIQUE",
    "CREATE INDEX `cmdb_mark` IF NOT EXISTS FOR (m:`_Mark`) ON (m.`name`)",
    "CREATE INDEX `cmdb_revision_at` IF NOT EXISTS FOR (v:`_Revision`) ON (v.`at`)",
    "CREATE INDEX `cmdb_image_id` IF NOT EXISTS FOR (i:`_RecordImage`) ON (i.`id`)",
    "CREATE INDEX `cmdb_image_until` IF NOT EXISTS FOR (i:`_RecordImage`) ON (i.`until`)",
    "CREATE INDEX `cmdb_link_source` IF NOT EXISTS FOR (i:`_RelationshipImage`) ON (i.`source`, i.`type`, i.`target`)",
    "CREATE INDEX `cmdb_link_from` IF NOT EXISTS FOR (i:`_RelationshipImage`) ON (i.`source`)",
    "CREATE INDEX `cmdb_link_target` IF NOT EXISTS FOR (i:`_RelationshipImage`) ON (i.`target`)",
    "CREATE INDEX `cmdb_link_until` IF NOT EXISTS FOR (i:`_RelationshipImage`) ON (i.`until`)",
)
"""What every store needs, whatever its model."""

CREATE_STORE: Final = (
    "MERGE (s:`_Store` {key: 'store'}) ON CREATE SET s.number = 0, s.model = 0, s.format = $format"
    " MERGE (c:`_Store` {key: 'clock'}) ON CREATE SET c.announced = 0, c.published = 0"
)


SET_FORMAT: Final = (
    "MATCH (s:`_Store` {key: 'store'}) WHERE s.format < $format SET s.format = $format"
)
"""Of a store that an older release made: from then on older releases refuse it."""


def model_constraints(model: Model) -> dict[str, str]:
    """Name -> statement: a uniqueness constraint for each unique key that the model declares."""
    found: dict[str, str] = {}
    for record_type in model.record_types.values():
        for key in record_type.unique:
            if key.record_type == record_type.name:
                name = f"cmdb_unique_{key.record_type}_{'_'.join(key.attributes)}"
                properties = ", ".join(f"n.`{attribute}`" for attribute in key.attributes)
                found[name] = (
                    f"CREATE CONSTRAINT `{name}` IF NOT EXISTS FOR (n:`{key.record_type}`) REQUIRE ({properties}) IS UNIQUE"
                )
    return found


def model_indexes(model: Model) -> dict[str, str]:
    """Name -> statement: an index for each indexed attribute, over the records of all types."""
    return {
        f"cmdb_index_{name}": (
            f"CREATE INDEX `cmdb_index_{name}` IF NOT EXISTS FOR (n:`Record`) ON (n.`{name}`)"
        )
        for name in sorted(model.indexed)
    }


def search_index(model: Model) -> str:
    """The full-text index over all searchable attributes.

    The analyzer makes one token of each ideograph and one of each run of letters and digits, and
    leaves no word out. The server updates it behind the commit (measured: a tenth faster loading);
    a search first waits until it has caught up, so it misses nothing.
    """
    properties = ", ".join(f"n.`{name}`" for name in model.searchable)
    return f"CREATE FULLTEXT INDEX `{SEARCH_INDEX}` IF NOT EXISTS FOR (n:`Record`) ON EACH [{properties}] OPTIONS {{indexConfig: {{`fulltext.analyzer`: 'standard-no-stop-words', `fulltext.eventually_consistent`: true}}}}"


def record(name: str) -> str:
    """What is asked of a record: as values, which stay as they were when they were read.

    Not ``properties(n)``: seen on 5.26.18, in it a property has the value true where the statement
    asks ``n.property IS NOT NULL OR …``.
    """
    return f"[labels({name}), {name} {{.*}}]"


def labelled(name: str) -> str:
    """The records of a type, as those that the indexes are over."""
    return ":`Record`" if name == "Record" else f":`Record`:`{name}`"


def record_image(name: str, id: str) -> str:
    """The images of the record of an id.

    Found by their id, whatever else is asked of them: on a plan made while there were few images the
    server would go through all of them for each id, by the index on their end.
    """
    return (
        f"MATCH ({name}:`_RecordImage` {{id: {id}}}) USING INDEX SEEK {name}:`_RecordImage`(`id`)"
    )


def link_image(name: str, **ends: str) -> str:
    """The images of relationships, by properties that there is an index on; likewise."""
    found = ", ".join(f"{key}: {value}" for key, value in ends.items())
    index = ", ".join(f"`{key}`" for key in ends)
    return (
        f"MATCH ({name}:`_RelationshipImage` {{{found}}})"
        f" USING INDEX SEEK {name}:`_RelationshipImage`({index})"
    )


# -- writing ----------------------------------------------------------------------------------------
#
# What is new goes in one statement for all types, grouped by type: planning a statement costs the
# server as much as running it for thousands of rows. What changes is rare: a statement for each type.


_KEEP: Final = "CYPHER replan=skip "
"""For what has one good plan, whatever the graph has: it is not planned anew as the graph grows.

Records are found by their unique index, which a hint makes sure of where the first plan is made on a
graph that is still empty. Not for what follows relationships: how, depends on how many there are."""


def _by_id(name: str, id: str) -> str:
    return f"MATCH ({name}:`Record` {{id: {id}}}) USING INDEX {name}:`Record`(id)"


CREATE_RECORDS: Final = (
    f"{_KEEP}UNWIND $groups AS g UNWIND g.rows AS row CREATE (n:$(g.labels)) SET n = row"
)
RELATE: Final = (
    f"{_KEEP}UNWIND $groups AS g UNWIND g.rows AS row"
    f" {_by_id('s', 'row[0]')} {_by_id('t', 'row[1]')}"
    " CREATE (s)-[x:$(g.type)]->(t) SET x = g.properties[row[2]]"
)
"""(source)-[:TYPE]->(target), where none was. Each row says which properties of its group it has."""


def alter(relationship_type: str) -> str:
    """New attributes for a relationship."""
    return (
        f"UNWIND $rows AS row MATCH (s:`Record` {{id: row[0]}})-[x:`{relationship_type}`]->(t:`Record` {{id: row[1]}})"
        " SET x = row[2]"
    )


def unrelate(relationship_type: str) -> str:
    """Take a relationship out of the live graph."""
    return (
        f"UNWIND $rows AS row MATCH (s:`Record` {{id: row[0]}})-[x:`{relationship_type}`]->(t:`Record` {{id: row[1]}})"
        " DELETE x"
    )


def release_unique(attributes: Iterable[str]) -> str:
    """Take unique values off records before they are written anew, so that two may swap them."""
    removed = ", ".join(f"n.`{name}`" for name in sorted(attributes))
    return f"UNWIND $ids AS id MATCH (n:`Record` {{id: id}}) REMOVE {removed}"


def retype(before: RecordType, after: RecordType) -> str:
    """Give records the labels of another type."""
    gone = "".join(f":`{name}`" for name in before.ancestors if name not in after.ancestors)
    come = "".join(f":`{name}`" for name in after.ancestors if name not in before.ancestors)
    removed, added = gone and f" REMOVE n{gone}", come and f" SET n{come}"
    return f"UNWIND $ids AS id MATCH (n:`Record` {{id: id}}){removed}{added}"


COUNT_TYPE_CHANGES: Final = (
    "MATCH (s:`_Store` {key: 'store'}) SET s.type_changes = coalesce(s.type_changes, 0) + 1"
)

UPDATE_RECORDS: Final = f"{_KEEP}UNWIND $rows AS row {_by_id('n', 'row[0]')} SET n += row[1]"
"""Only what changes goes there; null takes a property away."""
OWN: Final = f"{_KEEP}UNWIND $rows AS row {_by_id('n', 'row[0]')} SET n.`_owner` = row[1]"
NUMBER: Final = f"{_KEEP}UNWIND $rows AS row {_by_id('n', 'row[0]')} SET n.`_number` = row[1]"
"""The owner of a record, and the number of an organisation (`cmdb.store.places`)."""
NUMBERS: Final = "UNWIND $ids AS id MATCH (n:`Record` {id: id}) RETURN id, n.`_number` AS number"
OWNERS: Final = "UNWIND $ids AS id MATCH (n:`Record` {id: id}) RETURN id, n.`_owner` AS owner"
UNNUMBERED: Final = (
    f"MATCH (n:`{ORGANISATION}`) WHERE n.`_number` IS NULL RETURN n.id AS id ORDER BY id"
)
ORGANISATIONS: Final = f"MATCH (n:`{ORGANISATION}`) RETURN collect([n.id, n.`_number`]) AS answer"
NUMBERED: Final = "MATCH (s:`_Store` {key: 'store'}) SET s.numbered = $numbered"
SET_OWNER_RULES: Final = (
    "MATCH (s:`_Store` {key: 'store'}) WHERE s.model = $model SET s.owners = $rules"
)
"""By which rules all owners are made; there are none from a model that has others until it is done."""

_REVISION = "v {.number, .change_set, .at, .actor, .source, .reason, .effective_on, .digest}"
_HEADER = f"{_REVISION} AS v"
"""A revision without the lists of what it touched, and without its checks."""

LOCK: Final = (
    f"{_KEEP}MATCH (s:`_Store` {{key: 'store'}}) SET s.key = 'store'"
    " WITH s OPTIONAL MATCH (v:`_Revision` {number: s.number})"
    " OPTIONAL MATCH (m:`_Model` {revision: s.model}) WHERE s.model <> $known"
    f" RETURN {_HEADER}, m.document AS document, coalesce(s.type_changes, 0) AS type_changes,"
    " coalesce(s.numbered, 0) AS numbered"
)
"""Take the writers' lock, held to the end of the transaction, and read the newest revision."""

WRITE_REVISION: Final = (
    f"{_KEEP}MATCH (s:`_Store` {{key: 'store'}}) SET s.number = $revision.number, s.numbered = $numbered"
    " CREATE (v:`_Revision`) SET v = $revision"
)
WRITE_MODEL: Final = (
    "MATCH (s:`_Store` {key: 'store'})"
    " SET s.model = $revision, s.owners = CASE WHEN s.owners = $rules THEN $rules END"
    " CREATE (m:`_Model` {revision: $revision, document: $document})"
)
REVISION_OF: Final = (
    f"{_KEEP}MATCH (v:`_Revision` {{change_set: $change_set}}) RETURN v.number AS number"
)

# -- the clock: which revisions readers may see, see the package ------------------------------------

_CLOCK = "MATCH (c:`_Store` {key: 'clock'})"
_PUBLISH = "SET c.published = CASE WHEN c.published < $number THEN $number ELSE c.published END"
ANNOUNCE: Final = (
    f"{_KEEP}MATCH (s:`_Store` {{key: 'store'}}) WHERE s.number = $number"
    f" {_CLOCK} SET c.announced = $announced {_PUBLISH} RETURN c.announced AS announced"
)
"""No row where another writer has committed meanwhile: then this one has lost its lock."""
PUBLISH: Final = f"{_KEEP}{_CLOCK} SET c.key = 'clock' WITH c {_PUBLISH}"
SETTLE: Final = (
    "MATCH (s:`_Store` {key: 'store'}) SET s.key = 'store' WITH s.number AS number"
    f" {_CLOCK} SET c.announced = number, c.published = number"
)
"""After a writer that ended between announcing and publishing; waits for the writers' lock."""

ADD_RECORD_IMAGES: Final = (
    f"{_KEEP}UNWIND $rows AS row {_by_id('n', 'row[0]')}"
    " CREATE (i:`_RecordImage`)"
    " SET i = n {.*, type: row[1], until: $until, `_owner`: null, `_number`: null}"
)
"""Of live records as they are, before anything of them changes; the past has no owners."""
ADD_RELATIONSHIP_IMAGES: Final = (
    f"{_KEEP}UNWIND $rows AS row CREATE (i:`_RelationshipImage`) SET i = row"
)

STOP: Final = (
    "SHOW TRANSACTIONS YIELD transactionId, metaData WHERE metaData.mark = $mark"
    " TERMINATE TRANSACTIONS transactionId YIELD message RETURN message"
)
"""End the transaction of a reading. A user may always see and end their own ones."""


def quiet(statement: str) -> str:
    """A reading that no commit overlapped: one row with the column ``answer``, none where one did.

    The reading must give one row, of lists, maps and values: nodes and relationships would be read once
    more, after the clock. It is nested no deeper than it must be: for planning, the server goes through a
    statement many times, and through what is nested each time again.
    """
    return (
        f"{_CLOCK} WHERE c.announced = c.published WITH c.published AS begun"
        f" CALL () {{ {statement} }}"
        " MATCH (d:`_Store` {key: 'clock'}) WHERE d.announced = begun RETURN answer"
    )


# -- reading inside the write transaction -----------------------------------------------------------

RECORDS: Final = f"UNWIND $ids AS id MATCH (n:`Record` {{id: id}}) RETURN {record('n')} AS n"
TYPES: Final = (
    "UNWIND range(0, size($ids) - 1) AS i MATCH (n:`Record` {id: $ids[i]})"
    " RETURN labels(n) AS labels, collect(i) AS positions"
)
"""Positions in ``$ids`` by labels: a few rows, however many ids."""

RELATIONSHIPS: Final = (
    "UNWIND $keys AS key MATCH (s:`Record` {id: key[0]})-[x]->(t:`Record` {id: key[2]})"
    " WHERE type(x) = key[1] RETURN key, properties(x) AS properties"
)


def relationships_at(end: str, types: Iterable[str]) -> str:
    chosen = "|".join(f"`{name}`" for name in sorted(types))
    pattern = f"-[x:{chosen}]->" if end == "source" else f"<-[x:{chosen}]-"
    return (
        f"UNWIND $ids AS id MATCH (n:`Record` {{id: id}}){pattern}(o:`Record`)"
        " RETURN id, type(x) AS type, o.id AS other"
    )


def holders(record_type: str, attribute: str) -> str:
    return f"MATCH (n{labelled(record_type)}) WHERE n.`{attribute}` IN $values RETURN {record('n')} AS n"


def holders_of_any(attribute: str) -> str:
    """Records of any type with one of ``$values``."""
    return (
        f"MATCH (n:`Record`) WHERE n.`{attribute}` IN $values"
        f" RETURN collect({record('n')}) AS answer"
    )


MARK: Final = "MERGE (m:`_Mark` {name: $name, part: $part}) SET m.value = $value"
FORGET_MARK: Final = "MATCH (m:`_Mark` {name: $name}) WHERE m.part >= $parts DELETE m"
MARKS: Final = (
    "MATCH (m:`_Mark`) WHERE m.name STARTS WITH $prefix"
    " RETURN m.name AS name, m.value AS value ORDER BY name, m.part"
)

LOCK_MARKS: Final = "MERGE (s:`_Store` {key: 'marks'}) SET s.key = 'marks'"
"""One after the other, so that what a mark is compared with is what it is."""
ONE_MARK: Final = "MATCH (m:`_Mark` {name: $name}) RETURN m.value AS value ORDER BY m.part"

# -- journals: a node for each, which whoever appends or reads locks, and one for each entry ---------

APPEND: Final = (
    "MERGE (j:`_Journal` {name: $name}) ON CREATE SET j.last = 0 SET j.name = $name"
    " WITH j, j.last AS last SET j.last = last + size($values)"
    " WITH last UNWIND range(1, size($values)) AS i"
    " CREATE (:`_Entry` {journal: $name, number: last + i, at: $at, value: $values[i - 1]})"
    " RETURN max(last + i) AS number"
)
LAST_ENTRY: Final = (
    "OPTIONAL MATCH (j:`_Journal` {name: $name}) RETURN coalesce(j.last, 0) AS number"
)
LOCK_JOURNAL: Final = "MATCH (j:`_Journal` {name: $name}) SET j.name = $name"
"""Waits for an append that is being committed: nobody reads a part of one."""
ENTRIES: Final = (
    "MATCH (e:`_Entry`) WHERE e.journal = $name AND e.number > $after"
    " RETURN e.number AS number, e.at.epochSeconds AS seconds, e.at.microsecond AS microsecond, e.value AS value"
    " ORDER BY e.number LIMIT $first"
)
"""Instants as numbers: the driver takes longer to make one of its own than for all the rest of an entry."""
TRIM: Final = (
    "MATCH (e:`_Entry`) WHERE e.journal = $name AND e.number <= $upto"
    " WITH e LIMIT $size DELETE e RETURN count(*) AS count"
)
REMOVE_ENTRY: Final = (
    "MATCH (e:`_Entry` {journal: $name, number: $number}) DELETE e RETURN count(*) AS count"
)

# -- revisions and history --------------------------------------------------------------------------

LAST_REVISION: Final = f"{_CLOCK} MATCH (v:`_Revision` {{number: c.published}}) RETURN {_HEADER}"
REVISIONS: Final = f"{_CLOCK} MATCH (v:`_Revision`) WHERE v.number IN $numbers AND v.number <= c.published RETURN {_HEADER}"
CHECKS: Final = "MATCH (v:`_Revision` {number: $number}) RETURN v.checks AS checks"
REVISION_AT: Final = f"{_CLOCK} MATCH (v:`_Revision`) WHERE v.at <= $instant AND v.number <= c.published RETURN v.number AS number ORDER BY v.at DESC LIMIT 1"
LATEST_MODEL: Final = (
    "MATCH (s:`_Store` {key: 'store'})"
    " OPTIONAL MATCH (m:`_Model` {revision: s.model}) WHERE s.model <> $known"
    f" {_CLOCK} RETURN c.announced = c.published AS quiet, s.format AS format, s.owners AS owners, m.revision AS revision, m.document AS document"
)
"""The format, the rules by which owners were made, and the model if it is another one than the reader
knows."""

# The readings below answer with a list of elements: [id, labels, properties] of a record,
# [[source, type, target], null, properties] of a relationship; `quiet` makes them whole.

_SPAN = "MATCH (v:`_Revision`) WHERE v.number > $after AND v.number <= $upto"
_RECORDS_OF = "UNWIND v.records AS id WITH DISTINCT id"
_LINKS_OF = "UNWIND v.relationships AS link WITH DISTINCT link WITH split(link, ' ') AS key"
_RECORDS = "RETURN collect([n.id, labels(n), n {.*}]) AS answer"
_LINKS = "RETURN collect([key, NULL, properties(x)]) AS answer"
_IMAGE_OF_LINK = link_image("x", source="key[0]", type="key[1]", target="key[2]")
_LINK_OF = "MATCH (s:`Record` {id: key[0]})-[x]->(t:`Record` {id: key[2]}) WHERE type(x) = key[1]"

_LOOKED_AT = "($only IS NULL OR any(label IN labels(n) WHERE label IN $only))"
_LINK_LOOKED_AT = "WITH key WHERE $only IS NULL OR key[1] IN $only"
_UNTIL_HERE = "MATCH (v:`_Revision`) WHERE v.number > $after AND v.number <= here"
FEED: Final = (
    f"{_CLOCK} WITH c.published AS at CALL (at) {{"
    " MATCH (v:`_Revision`) WHERE v.number > $after AND v.number <= at AND v.number <= $upto"
    " WITH v ORDER BY v.number LIMIT 500"
    " OPTIONAL MATCH (m:`_Model` {revision: v.number})"
    f" WITH {_HEADER}, size(v.records) + size(v.relationships) AS size, m.document AS model"
    " ORDER BY v.number RETURN collect([v, model, size]) AS headers }"
    " WITH at, headers, reduce(taken = [0, $after], h IN headers | CASE WHEN taken[0] < $size"
    " THEN [taken[0] + h[2], h[0].number] ELSE taken END)[1] AS here"
    f" CALL (here) {{ {_UNTIL_HERE} {_RECORDS_OF}"
    f" MATCH (n:`Record` {{id: id}}) WHERE n.revision > $after AND n.revision <= here AND {_LOOKED_AT}"
    " RETURN collect([n.id, labels(n), n {.*}]) AS records }"
    f" CALL (here) {{ {_UNTIL_HERE} {_LINKS_OF} {_LINK_LOOKED_AT}"
    f" {_LINK_OF} AND x.revision > $after AND x.revision <= here"
    " RETURN collect([key, NULL, properties(x)]) AS links }"
    f" CALL (here) {{ {_UNTIL_HERE} {_RECORDS_OF}"
    f" MATCH (n:`Record` {{id: id}}) WHERE {_LOOKED_AT} WITH id"
    f" {record_image('n', 'id')} WHERE n.until > $after AND n.revision <= here"
    " RETURN collect([n.id, labels(n), n {.*}]) AS record_images }"
    f" CALL (here) {{ {_UNTIL_HERE} {_LINKS_OF} {_LINK_LOOKED_AT}"
    f" {_IMAGE_OF_LINK} WHERE x.until > $after AND x.revision <= here"
    " RETURN collect([key, NULL, properties(x)]) AS link_images }"
    " RETURN [at, [h IN headers WHERE h[0].number <= here | [h[0], h[1]]],"
    " records + links, record_images + link_images] AS answer"
)
"""The next revisions, so many that they touched about ``$size`` elements: the newest revision there is;
[header, model] of each; live elements that began in them; images that began or ended in them."""

RECORDS_CHANGED_AS_OF: Final = (
    f"{_SPAN} {_RECORDS_OF} CALL (id) {{"
    " MATCH (n:`Record` {id: id}) WHERE n.revision <= $at RETURN n"
    f" UNION ALL {record_image('n', 'id')} WHERE n.revision <= $at AND n.until > $at RETURN n }}"
    f" {_RECORDS}"
)
LINKS_CHANGED_AS_OF: Final = (
    f"{_SPAN} {_LINKS_OF} CALL (key) {{"
    f" {_LINK_OF} AND x.revision <= $at RETURN properties(x) AS link"
    f" UNION ALL {_IMAGE_OF_LINK}"
    " WHERE x.revision <= $at AND x.until > $at RETURN properties(x) AS link }"
    " RETURN collect([key, NULL, link]) AS answer"
)

HISTORIES: Final = (
    "UNWIND $ids AS id MATCH (n:`Record` {id: id})"
    " CALL (n) { CALL (n) {"
    " RETURN n.revision AS number"
    " UNION MATCH (i:`_RecordImage` {id: n.id}) RETURN i.revision AS number"
    " UNION MATCH (n)-[x]-() RETURN x.revision AS number"
    " UNION MATCH (i:`_RelationshipImage` {source: n.id}) UNWIND [i.revision, i.until] AS number RETURN number"
    " UNION MATCH (i:`_RelationshipImage` {target: n.id}) UNWIND [i.revision, i.until] AS number RETURN number }"
    " WITH DISTINCT number WHERE number < $before"
    " WITH number ORDER BY number DESC LIMIT $first RETURN collect(number) AS numbers }"
    " WITH n, numbers, numbers[0] AS high, numbers[-1] AS low"
    " CALL (numbers) { UNWIND numbers AS number MATCH (v:`_Revision` {number: number})"
    f" RETURN collect({_REVISION}) AS revisions }}"
    " CALL (n, low, high) { CALL (n) {"
    " MATCH (n)-[x]->(o:`Record`) RETURN x, [n.id, type(x), o.id] AS key"
    " UNION MATCH (n)<-[x]-(o:`Record`) RETURN x, [o.id, type(x), n.id] AS key }"
    " WITH x, key, low, high WHERE low <= x.revision AND x.revision <= high"
    " RETURN collect([key, NULL, properties(x)]) AS links }"
    f" CALL (n, low, high) {{ {record_image('i', 'n.id')}"
    " WHERE low <= i.until AND i.revision <= high"
    " RETURN collect([i.id, labels(i), i {.*}]) AS images }"
    " CALL (n, low, high) { CALL (n) {"
    f" {link_image('x', source='n.id')} RETURN x"
    f" UNION {link_image('x', target='n.id')} RETURN x }}"
    " WITH x, low, high WHERE low <= x.until AND x.revision <= high"
    " RETURN collect([[x.source, x.type, x.target], NULL, properties(x)]) AS ended }"
    " RETURN collect([revisions, [n.id, labels(n), n {.*}], links, images + ended]) AS answer"
)
"""For each of ``$ids``: the newest ``$first`` revisions below ``$before`` that touched the record or its
relationships, newest first; the record; live relationships and images that began or ended with them."""

# -- everything -------------------------------------------------------------------------------------

SOME_IDS: Final = "MATCH (n:`Record`) WHERE n.id > $last WITH n.id AS id ORDER BY id LIMIT $size RETURN collect(id) AS answer"
LINKS_FROM: Final = (
    "UNWIND $ids AS id CALL (id) {"
    " MATCH (:`Record` {id: id})-[x]->(t:`Record`)"
    " WHERE x.revision <= $at AND ($types IS NULL OR type(x) IN $types)"
    " RETURN [id, type(x), t.id] AS key, properties(x) AS link"
    f" UNION ALL {link_image('x', source='id')}"
    " WHERE x.revision <= $at AND x.until > $at AND ($types IS NULL OR x.type IN $types)"
    " RETURN [id, x.type, x.target] AS key, properties(x) AS link }"
    " RETURN collect([key, NULL, link]) AS answer"
)
"""The relationships that begin at some records, as of a revision."""


def held(attribute: str) -> str:
    """The values of an attribute of some records, live and of their images: rows of (id, revision, until,
    value); until is null of live ones."""
    return (
        f"CALL () {{ UNWIND $ids AS id MATCH (n:`Record` {{id: id}}) RETURN id, n, null AS until"
        " UNION ALL UNWIND $ids AS id MATCH (n:`_RecordImage` {id: id}) RETURN id, n, n.until AS until }"
        f" RETURN collect([id, n.revision, until, n.`{attribute}`]) AS answer"
    )


STATISTICS: Final = (
    "CALL () { MATCH (n:`Record`) RETURN count(n) AS records }"
    " CALL () { MATCH ()-[x]->() RETURN count(x) AS relationships }"
    " CALL () { MATCH (n:`_RecordImage`) RETURN count(n) AS record_images }"
    " CALL () { MATCH (n:`_RelationshipImage`) RETURN count(n) AS relationship_images }"
    " CALL () { MATCH (n:`_Revision`) RETURN count(n) AS revisions }"
    " RETURN [records, relationships, record_images, relationship_images, revisions] AS answer"
)
USAGE_RECORDS: Final = (
    "MATCH (n:`Record`) UNWIND keys(n) AS name RETURN labels(n) AS labels, name, count(*) AS count"
)
USAGE_RECORD_IMAGES: Final = (
    "MATCH (n:`_RecordImage`) UNWIND keys(n) AS name RETURN DISTINCT n.type AS type, name"
)
USAGE_RELATIONSHIPS: Final = (
    "MATCH ()-[x]->() UNWIND keys(x) AS name RETURN type(x) AS type, name, count(*) AS count"
)
USAGE_RELATIONSHIP_IMAGES: Final = "MATCH (x:`_RelationshipImage`) UNWIND keys(x) AS name RETURN x.type AS type, name, count(*) AS count"

DAMAGE: Final = (
    (
        "foreign_node",
        "MATCH (n:`Record`) WHERE n.id IS NULL OR n.revision IS NULL RETURN elementId(n) AS subject",
        "A node has the label Record but no id or revision: something else wrote it.",
    ),
    (
        "foreign_relationship",
        "MATCH (s)-[x]->(t) WHERE x.revision IS NULL OR NOT s:`Record` OR NOT t:`Record` RETURN elementId(x) AS subject",
        "A relationship was not written by this product.",
    ),
    (
        "dangling_image",
        "MATCH (i:`_RecordImage`) WHERE NOT EXISTS { (:`Record` {id: i.id}) } RETURN i.id AS subject",
        "An image belongs to no record.",
    ),
    (
        "unknown_revision",
        "MATCH (n:`Record`) WHERE NOT EXISTS { (:`_Revision` {number: n.revision}) } RETURN n.id AS subject",
        "A record names a revision that is not there.",
    ),
    (
        "broken_interval",
        "MATCH (i:`_RecordImage`|`_RelationshipImage`) WHERE i.revision >= i.until RETURN coalesce(i.id, i.source + ' ' + i.type + ' ' + i.target) AS subject",
        "An image ends before it begins.",
    ),
    (
        "broken_interval",
        f"{_CLOCK} MATCH (i:`_RecordImage`) WHERE i.until <= c.published AND NOT EXISTS {{ (:`_RecordImage` {{id: i.id, revision: i.until}}) }} AND NOT EXISTS {{ (:`Record` {{id: i.id, revision: i.until}}) }} RETURN i.id AS subject",
        "A record's images leave a gap.",
    ),
    (
        "lost_revision",
        "MATCH (s:`_Store` {key: 'store'}) CALL () { MATCH (v:`_Revision`) RETURN count(v) AS count, max(v.number) AS top } WITH s, count, top WHERE s.number <> top OR count <> top RETURN toString(s.number) AS subject",
        "The newest revision does not agree with the revisions kept.",
    ),
)
"""(code, statement that finds the damaged as ``subject``, message)."""
