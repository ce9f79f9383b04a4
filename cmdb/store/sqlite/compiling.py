"""SQL from parsed queries.

Attribute names and relationship types come from the model only, and are written as they are;
everything else is a numbered parameter. The first one is the revision, where there is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cmdb.commits import End
from cmdb.queries import (
    CLOSENESS,
    SYSTEM_KINDS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Naming,
    OfType,
    Owned,
    ParsedQuery,
    Reaching,
    Related,
)
from cmdb.steps import ParsedStep
from cmdb.store.compiling import QueryCompiler
from cmdb.store.places import ASKED, MOST, Places
from cmdb.store.sqlite.members import Members
from cmdb.store.sqlite.search import match
from cmdb.store.sqlite.topology import GROUP, NEEDS, STATE
from cmdb.store.topology import OPEN, sides
from schema.kinds import Kind
from schema.model import ORGANISATION_ATTRIBUTE, ORGANISATION_TREE, ROOT

LIVE_RECORDS = "records"
LIVE_RELATIONSHIPS = "relationships"

UNKNOWN: Final = -2
"""No owner's number."""

NESTED: Final = 3
"""So many conditions on related records stand one inside the other; a deeper one comes before the
statement, as the parser's stack is small."""


SEPARATOR: Final = "\0"


class Compiler(QueryCompiler):
    """Writes the SQL of one statement, over the live tables or as of a revision.

    Parameters
    ----------
    as_of
        Revision number, or None for now.
    indexed
        Attributes kept in ``attribute_values`` (live reads only).
    places
        As of `QueryCompiler`.

    Attributes
    ----------
    looked_up
        Whether the statement relies on that.
    """

    row = "r"
    true, false = "1", "0"

    def __init__(
        self,
        as_of: int | None,
        indexed: Collection[str] = (),
        places: Callable[[Owned], Places] | None = None,
    ) -> None:
        super().__init__(as_of, places)
        self.indexed = indexed if as_of is None else ()
        self.parameters: list[Any] = [] if as_of is None else [as_of]
        self.looked_up = False
        self._aliases = 0
        self._level = 0
        self._heads: list[str] = []
        self._written: dict[int, str] = {}

    # -- where rows come from -----------------------------------------------------------------------

    def records(self) -> str:
        """A table of records: node, id, type, revision, attributes."""
        if self.as_of is None:
            return LIVE_RECORDS
        return (
            "(SELECT node, id, type, revision, attributes FROM records WHERE revision <= ?1"
            " UNION ALL SELECT i.node, o.id, i.type, i.revision, i.attributes"
            " FROM record_images i JOIN records o ON o.node = i.node"
            " WHERE i.revision <= ?1 AND i.until > ?1)"
        )

    def relationships(self) -> str:
        """A table of relationships: source, type, target, revision, attributes."""
        if self.as_of is None:
            return LIVE_RELATIONSHIPS
        return (
            "(SELECT source, type, target, revision, attributes FROM relationships"
            " WHERE revision <= ?1"
            " UNION ALL SELECT source, type, target, revision, attributes"
            " FROM relationship_images WHERE revision <= ?1 AND until > ?1)"
        )

    # -- whole statements ---------------------------------------------------------------------------

    def page(self, query: ParsedQuery) -> str:
        """Columns id, type, revision, attributes of one row more than the page takes."""
        source = self._base(query)
        return f"SELECT r.id, r.type, r.revision, r.attributes FROM {source} r WHERE {self._chosen(query)}"

    def page_with_total(self, query: ParsedQuery) -> str:
        """Likewise, each row with the total behind; where none matches, one row of NULLs with it."""
        count = self._count(query)
        return f"SELECT p.*, c.total FROM (SELECT ({count}) AS total) c LEFT JOIN ({self.page(query)}) p"

    def connections(self, ids: Sequence[str], steps: Sequence[ParsedStep]) -> str:
        """Columns id, then page and total of each step.

        A page is a JSON array, whose elements are id, type, revision, attributes of a record, then
        revision and attributes of the relationship; of all neighbours only what sorts them is looked
        at before it is cut off.
        """
        columns = []
        for step in steps:
            columns += [self._page_of(step), self._total_of(step) if step.total else "NULL"]
        existed = "" if self.as_of is None else (
            " WHERE a.revision <= ?1 OR EXISTS (SELECT 1 FROM record_images i"
            " WHERE i.node = a.node AND i.revision <= ?1)"
        )  # fmt: skip
        return (
            f"SELECT a.id, {', '.join(columns)} FROM json_each({self.parameter(json.dumps(ids))}) j"
            f" JOIN records a ON a.id = j.value{existed}"
        )

    def count_by(self, query: ParsedQuery, attributes: Sequence[str]) -> str:
        columns = ", ".join("r.type" if a == "type" else self.attribute("r", a) for a in attributes)
        numbers = ", ".join(str(i + 1) for i in range(len(attributes)))
        where, owned = self.where(query), self.as_of is None and set(attributes) == {"type"}
        if owned and any(isinstance(part, Owned) for part in _parts(query.condition)):
            where = f"r.owner IS NOT NULL AND {where}"  # then it is counted in the index on owners
        return (
            f"SELECT {columns}, count(*) FROM {self.records()} r WHERE {where} GROUP BY {numbers}"
        )

    def dependencies(
        self, ids: Collection[str], ends: Mapping[str, End], of_dependents: bool
    ) -> str:
        """Rows of `cmdb.store.topology`: records, then relationships with a NULL in front.

        Those by which some records, or the direct dependents of those, depend on others.
        """
        asked = f"SELECT node FROM records WHERE id IN {self.one_of(sorted(ids))}"
        dependents = "SELECT node FROM asked"
        if of_dependents:
            found = self._links_of("asked", ends, providers=True)
            dependents = " UNION ".join(f"SELECT x.{far} {rows}" for far, rows in found)
        links = " UNION ALL ".join(
            f"SELECT x.* {rows}" for _, rows in self._links_of("dependents", ends, providers=False)
        )
        return (
            f"WITH asked AS ({asked}), dependents (node) AS ({dependents}), links AS ({links}),"
            " ends AS (SELECT node FROM asked UNION SELECT source FROM links UNION SELECT target FROM links)"
            f" SELECT r.node, r.id, r.type, {STATE.format('r')}, {NEEDS.format('r')}, r.revision, {OPEN}"
            f" FROM ends e JOIN {self.records()} r ON r.node = e.node"
            f" UNION ALL SELECT NULL, x.source, x.target, x.type, {GROUP.format('x')}, x.revision, {OPEN}"
            " FROM links x"
        )

    def where(self, query: ParsedQuery) -> str:
        parts = [self._types(query)]
        if query.organisation is not None:
            parts.append(self._organisation(query.organisation))
        if query.condition != AllOf(()):
            parts.append(self.all_of("r", query.condition))
        return " AND ".join(parts)

    # -- parts --------------------------------------------------------------------------------------

    def _count(self, query: ParsedQuery) -> str:
        """How many match. By owner it is counted interval by interval, all in an index."""
        conditions = _parts(query.condition)
        owned = next((part for part in conditions if isinstance(part, Owned)), None)
        if (
            owned is None
            or self._places is None
            or self.as_of is not None
            or query.text is not None
            or query.organisation is not None
            or self._selective(query.condition)
        ):
            return f"SELECT count(*) FROM {self._base(query)} r WHERE {self.where(query)}"
        names = "', '".join(query.types)
        rest = "".join(
            f" AND {self.condition('r', part)}" for part in conditions if part is not owned
        )
        return "SELECT " + " + ".join(
            f"(SELECT count(*) FROM records r WHERE r.type IN ('{names}') AND {arm}{rest})"
            for arm in self._arms("r", "r.owner", owned, self._places(owned))
        )

    def _chosen(self, query: ParsedQuery) -> str:
        """What stands behind WHERE for one row more than the page takes."""
        where = self.where(query)
        if query.position is not None:
            where = f"{where} AND {self.after(query)}"
        return f"{where} ORDER BY {self.order(query)} LIMIT {self.parameter(query.first + 1)}"

    def _page_of(self, step: ParsedStep) -> str:
        """The page of a step from the record ``a``."""
        if step.query.first == 0:
            return "NULL"
        link, rows = "r.link_revision || ',' || r.link", f"SELECT r.* FROM {self._beside(step)}"
        if self.as_of is None:
            link, rows = (
                "x.revision || ',' || x.attributes",
                f"SELECT r.node FROM {self._beside(step)}",
            )
        rows = f"({rows} AND {self._chosen(step.query)}) r"
        if self.as_of is None:
            near, far = _ends(step)
            rows = (
                f"{rows[:-1]}p CROSS JOIN records r ON r.node = p.node CROSS JOIN relationships x"
                f" ON x.{near} = a.node AND x.type = '{step.type}' AND x.{far} = p.node"
            )
        row = (
            "'[\"' || r.id || '\",\"' || r.type || '\",' || r.revision || ',' || r.attributes"
            f" || ',' || {link} || ']'"
        )
        return f"(SELECT '[' || group_concat({row}) || ']' FROM {rows})"

    def _total_of(self, step: ParsedStep) -> str:
        return f"(SELECT count(*) FROM {self._beside(step)} AND {self.where(step.query)})"

    def _beside(self, step: ParsedStep) -> str:
        """Rows ``r`` at the other ends of the record ``a``, and the beginning of a condition.

        SQLite would read all images to join them to something; so the past is put together for
        each ``a``.
        """
        near, far = _ends(step)
        here = f"x.{near} = a.node AND x.type = '{step.type}'"
        if self.as_of is None:
            join = "JOIN" if self._selective(step.query.condition) else "CROSS JOIN"
            return f"relationships x {join} records r ON r.node = x.{far} WHERE {here}"
        columns = f"SELECT x.{far} AS far, x.revision AS link_revision, x.attributes AS link"
        then = [f"iif(o.revision <= ?1, o.{c}, i.{c}) AS {c}" for c in _STATE]
        return (
            f"(SELECT o.node, o.id, {', '.join(then)}, l.link_revision, l.link FROM"
            f" ({columns} FROM relationships x WHERE {here} AND x.revision <= ?1"
            f" UNION ALL {columns} FROM relationship_images x"
            f" WHERE {here} AND x.revision <= ?1 AND x.until > ?1) l"
            " CROSS JOIN records o ON o.node = l.far LEFT JOIN record_images i"
            " ON i.node = o.node AND o.revision > ?1 AND i.revision <= ?1 AND i.until > ?1) r WHERE 1"
        )

    def _links_of(
        self, nodes: str, ends: Mapping[str, End], providers: bool
    ) -> Iterator[tuple[End, str]]:
        """The far end and the source of rows ``x``: relationships at which nodes are the providers, or
        the dependents."""
        for near, far, types in sides(ends, providers):
            rows = f"FROM {nodes} n JOIN {self.relationships()} x ON x.{near} = n.node"
            yield far, f"{rows} WHERE x.type IN {self.one_of(types)}"

    def _base(self, query: ParsedQuery) -> str:
        """The records to choose from: all, or those a search found with their closeness."""
        if query.text is None:
            return self.records()
        name = "fold(json_extract(r.attributes, '$.name'))"
        text, condition = self.parameter(query.text), match(query.text, self.parameter)
        return (
            f"(SELECT r.*, CASE WHEN {name} = {text} THEN 0"
            f" WHEN substr({name}, 1, {len(query.text)}) = {text} THEN 1 ELSE 2 END AS {CLOSENESS}"
            f" FROM records r WHERE {condition})"
        )

    def parameter(self, value: Any) -> str:
        self.parameters.append(value)
        return f"?{len(self.parameters)}"

    def one_of(self, values: Sequence[Any]) -> str:
        """A list of values as one parameter."""
        return f"(SELECT value FROM json_each({self.parameter(json.dumps(list(values)))}))"

    def among(self, expression: str, values: Sequence[Any]) -> str:
        number = self._list(values)
        return f"EXISTS (SELECT 1 FROM members WHERE list = {number} AND value = {expression})"

    def _list(self, values: Sequence[Any]) -> str:
        if id(values) not in self._lists:
            self._lists[id(values)] = self.parameter(Members(values))
        return self._lists[id(values)]

    def attribute(self, alias: str, name: str) -> str:
        """An attribute's value. The name comes from the model."""
        if name in SYSTEM_KINDS or name == CLOSENESS:
            return f"{alias}.{name}"
        return f"json_extract({alias}.attributes, '$.{name}')"

    def _types(self, query: ParsedQuery) -> str:
        """The plus keeps SQLite from walking a whole type where an index leads to few records."""
        if query.label == ROOT and query.subtypes:
            return "1"
        column = "+r.type" if self._selective(query.condition) else "r.type"
        if len(query.types) == 1:
            return f"{column} = '{query.types[0]}'"
        names = "', '".join(query.types)
        return f"{column} IN ('{names}')"

    def related(self, alias: str, related: Related) -> str:
        self._aliases += 1
        x, far = f"x{self._aliases}", f"r{self._aliases}"
        near_end, far_end = (
            ("source", "target") if related.direction == "out" else ("target", "source")
        )
        relationships = self.relationships()
        records = self.records()
        types = "', '".join(related.types)
        self._level += 1
        condition = self.all_of(far, related.condition)
        self._level -= 1
        rows = (
            f"FROM {relationships} {x} JOIN {records} {far} ON {far}.node = {x}.{far_end}"
            f" WHERE {x}.type IN ('{types}') AND {condition}"
        )
        if self._level == NESTED:
            self._heads.append(f"{x} (node) AS (SELECT {x}.{near_end} {rows})")
            return f"{alias}.node IN {x}"
        if self._selective(related.condition):
            return f"{alias}.node IN (SELECT {x}.{near_end} {rows})"
        return f"EXISTS (SELECT 1 {rows} AND {x}.{near_end} = {alias}.node)"

    def headed(self, statement: str) -> str:
        """A statement, and before it what its conditions have put there."""
        return f"WITH {', '.join(self._heads)} {statement}" if self._heads else statement

    def reaching(self, alias: str, reaching: Reaching) -> str:
        """A recursion instead of one subquery inside the other: the parser's stack is small."""
        self._aliases += 1
        up, w = f"up{self._aliases}", f"w{self._aliases}"
        ways = sorted({way for step in reaching.steps for way in step})
        first, further = [], []
        for direction, types in ways:
            near, far = ("source", "target") if direction == "out" else ("target", "source")
            names = "', '".join(types)
            rows = f"{self.relationships()} x ON x.{near} = {{}} AND x.type IN ('{names}')"
            first.append(f"SELECT x.{far}, 1 FROM (SELECT 1) JOIN {rows.format(f'{alias}.node')}")
            further.append(
                f"SELECT x.{far}, {up}.level + 1 FROM {up} JOIN {self.records()} {w} ON {w}.node = {up}.node"
                f" AND {up}.level < {len(reaching.steps)} AND {self.all_of(w, reaching.through)}"
                f" JOIN {rows.format(f'{up}.node')}"
            )
        return (
            f"EXISTS (WITH RECURSIVE {up} (node, level) AS ({' UNION '.join(first + further)})"
            f" SELECT 1 FROM {up} JOIN {self.records()} {w} ON {w}.node = {up}.node"
            f" WHERE {self.all_of(w, reaching.condition)})"
        )

    def naming(self, alias: str, naming: Naming) -> str:
        """Those of the few records of these types that name such a one come before the statement."""
        self._aliases += 1
        x, near, far = (f"{letter}{self._aliases}" for letter in ("x", "n", "r"))
        level, at = self._level, self.as_of
        self._level, self.as_of = 0, None
        condition = self.all_of(far, naming.condition)
        self._level, self.as_of = level, at
        types = "', '".join(naming.types)
        self._heads.append(
            f"{x} (node) AS (SELECT {near}.node FROM {self.records()} {near}"
            f" CROSS JOIN json_each({near}.attributes, '$.{naming.attribute}') v"
            f" CROSS JOIN {LIVE_RECORDS} {far} ON {far}.id = v.value"
            f" WHERE {near}.type IN ('{types}') AND {condition})"
        )
        return f"{alias}.node IN {x}"

    def of_type(self, alias: str, asked: OfType) -> str:
        names = "', '".join(asked.concrete)
        return f"{alias}.type IN ('{names}')"

    def owned(self, alias: str, owned: Owned, places: Places) -> str:
        """Not by the index, which SQLite would take instead of the one in whose order a page is."""
        arms = self._arms(alias, f"ifnull({alias}.owner, {UNKNOWN})", owned, places)
        return f"({' OR '.join(arms)})" if arms else self.false

    def _arms(self, alias: str, owner: str, owned: Owned, places: Places) -> list[str]:
        """No two of these hold for one record."""
        if len(places.spans) > MOST:
            arms = [self.among(owner, places.numbers)]
        else:
            arms = [
                f"{owner} BETWEEN {self.parameter(low)} AND {self.parameter(high)}"
                for low, high in places.spans
            ]
        if owned.asked:
            exactly = self._exactly(owned)
            rows = f"SELECT a.node FROM records a WHERE a.owner = {ASKED} AND {exactly}"
            if self._level:
                self._aliases += 1
                head = f"a{self._aliases}"
                self._heads.append(f"{head} (node) AS ({rows})")
                arms.append(f"{owner} = {ASKED} AND {alias}.node IN {head}")
            else:
                arms.append(f"{owner} = {ASKED} AND EXISTS ({rows} AND a.node = {alias}.node)")
        return arms

    def _exactly(self, owned: Owned) -> str:
        """The condition on records ``a`` whose owner cannot be said, written once for a statement."""
        if id(owned) not in self._written:
            text, heads, values = _asked(owned)
            names = [f"t{self._aliases + number}" for number in range(1, heads + 1)]
            self._aliases += heads
            filled = text.format(*map(self.parameter, values), *names)
            *before, condition = filled.split(SEPARATOR)
            self._heads += before
            self._written[id(owned)] = condition
        return self._written[id(owned)]

    def _selective(self, condition: Condition) -> bool:
        """Whether an index leads to the few records that a condition holds for: then it is better to
        begin with those than to try one record after the other."""
        if isinstance(condition, Comparison):
            indexed = condition.attribute in self.indexed or condition.attribute == "id"
            return indexed and condition.operator in ("eq", "in", "prefix")
        if isinstance(condition, AllOf):
            return any(map(self._selective, condition.parts))
        if isinstance(condition, AnyOf):
            return all(map(self._selective, condition.parts))
        return isinstance(condition, Related) and self._selective(condition.condition)

    def _organisation(self, organisation: str) -> str:
        below = (
            "WITH RECURSIVE below (node) AS (SELECT node FROM records WHERE id = {root} UNION"
            " SELECT x.source FROM {relationships} x JOIN below b ON x.target = b.node"
            f" WHERE x.type = '{ORGANISATION_TREE}')"
        )
        first = below.format(root=self.parameter(organisation), relationships=self.relationships())
        members = f"{first} SELECT o.id FROM below JOIN records o ON o.node = below.node"
        if ORGANISATION_ATTRIBUTE in self.indexed:
            self.looked_up = True
            own = f"r.node IN (SELECT node FROM attribute_values WHERE attribute = '{ORGANISATION_ATTRIBUTE}' AND value IN ({members}))"
        else:
            own = f"{self.attribute('r', ORGANISATION_ATTRIBUTE)} IN ({members})"
        second = below.format(root=self.parameter(organisation), relationships=self.relationships())
        return f"({own} OR r.node IN ({second} SELECT node FROM below))"

    def comparison(self, alias: str, comparison: Comparison) -> str:
        name, kind, many, operator, value = comparison
        if not many and name in self.indexed and operator in ("eq", "in", "prefix"):
            self.looked_up = True
            inner = self.scalar("value", kind, operator, value)
            return f"{alias}.node IN (SELECT node FROM attribute_values WHERE attribute = '{name}' AND {inner})"
        return super().comparison(alias, comparison)

    def holds(self, alias: str, name: str, value: Any) -> str:
        values = f"json_each({alias}.attributes, '$.{name}')"
        return f"EXISTS (SELECT 1 FROM {values} WHERE value = {self.parameter(value)})"

    def holds_one(self, alias: str, name: str, values: Sequence[Any]) -> str:
        each = f"json_each({alias}.attributes, '$.{name}')"
        return f"EXISTS (SELECT 1 FROM {each} AS one WHERE {self.among('one.value', values)})"

    def contains(self, expression: str, text: str) -> str:
        return f"instr({expression}, {self.parameter(text)}) > 0"

    def begins(self, expression: str, text: str) -> str:
        low, end = self.parameter(text), _end_of_prefix(text)
        below = f" AND {expression} < {self.parameter(end)}" if end else ""
        return f"({expression} >= {low}{below})"

    def money(self, expression: str) -> tuple[str, str]:
        return f"substr({expression}, 1, 3)", f"CAST(substr({expression}, 5) AS REAL)"

    def stored(self, kind: Kind, value: Any) -> Any:
        return kind.to_json(value)


class _Template(Compiler):
    """Writes what is used in many statements, with braces where the parameters go."""

    def __init__(self) -> None:
        super().__init__(None)
        self._aliases = 1_000

    def parameter(self, value: Any) -> str:
        self.parameters.append(value)
        return f"{{{len(self.parameters) - 1}}}"


@lru_cache(256)
def _asked(owned: Owned) -> tuple[str, int, list[Any]]:
    """The condition on records ``a`` whose owner cannot be said, behind what comes before the statement; how
    many those are, for each of which a name goes behind the parameters; and these."""
    template = _Template()
    condition = template.all_of("a", owned.exactly)
    text = SEPARATOR.join([*template._heads, condition])
    for number, head in enumerate(template._heads, len(template.parameters)):
        text = re.sub(rf"\b{head.partition(' ')[0]}\b", f"{{{number}}}", text)
    return text, len(template._heads), template.parameters


def _parts(condition: Condition) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, AllOf) else (condition,)


_STATE: Final = ("type", "revision", "attributes")


def _ends(step: ParsedStep) -> tuple[End, End]:
    """Where a step begins, and where it leads."""
    return ("source", "target") if step.direction == "out" else ("target", "source")


def _end_of_prefix(prefix: str) -> str | None:
    """The first text behind all that begin with a prefix; None where there is none."""
    prefix = prefix.rstrip("\U0010ffff")
    if not prefix:
        return None
    following = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if following == 0xD800 else following)
