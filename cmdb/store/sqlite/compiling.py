"""SQL from parsed queries.

Attribute names and relationship types come from the model only, and are written as they are;
everything else is a parameter. ``Compiler`` gathers the parameters while it writes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from cmdb.queries import (
    CLOSENESS,
    SYSTEM_KINDS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    ParsedQuery,
    Related,
)
from cmdb.store.sqlite.search import match
from schema.kinds import Kind
from schema.model import ORGANISATION_ATTRIBUTE, ORGANISATION_TREE, ROOT

LIVE_RECORDS = "records"
LIVE_RELATIONSHIPS = "relationships"

SYMBOLS = {"eq": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


class Compiler:
    """Writes the SQL of one statement, over the live tables or as of a revision.

    Parameters
    ----------
    as_of
        Revision number, or None for now.
    indexed
        Attributes kept in ``attribute_values`` (live reads only).
    """

    def __init__(self, as_of: int | None, indexed: Collection[str] = ()) -> None:
        self.as_of = as_of
        self.indexed = indexed if as_of is None else ()
        self.parameters: list[Any] = []
        self._aliases = 0

    # -- where rows come from -----------------------------------------------------------------------

    def records(self) -> str:
        """A table of records: node, id, type, revision, attributes."""
        if self.as_of is None:
            return LIVE_RECORDS
        self.parameters += [self.as_of, self.as_of, self.as_of]
        return (
            "(SELECT node, id, type, revision, attributes FROM records WHERE revision <= ?"
            " UNION ALL SELECT i.node, o.id, o.type, i.revision, i.attributes"
            " FROM record_images i JOIN records o ON o.node = i.node"
            " WHERE i.revision <= ? AND i.until > ?)"
        )

    def relationships(self) -> str:
        """A table of relationships: source, type, target, revision, attributes."""
        if self.as_of is None:
            return LIVE_RELATIONSHIPS
        self.parameters += [self.as_of, self.as_of, self.as_of]
        return (
            "(SELECT source, type, target, revision, attributes FROM relationships"
            " WHERE revision <= ?"
            " UNION ALL SELECT source, type, target, revision, attributes"
            " FROM relationship_images WHERE revision <= ? AND until > ?)"
        )

    # -- whole statements ---------------------------------------------------------------------------

    def page(self, query: ParsedQuery) -> str:
        """Columns id, type, revision, attributes of one row more than the page takes."""
        source = self._base(query)
        where = self.where(query)
        position = self._after(query) if query.position else ""
        order = self._order(query)
        limit = self.parameter(query.first + 1)
        return f"SELECT r.id, r.type, r.revision, r.attributes FROM {source} r WHERE {where}{position} ORDER BY {order} LIMIT {limit}"

    def count(self, query: ParsedQuery) -> str:
        return f"SELECT count(*) FROM {self._base(query)} r WHERE {self.where(query)}"

    def count_by(self, query: ParsedQuery, attributes: Sequence[str]) -> str:
        columns = ", ".join("r.type" if a == "type" else self.attribute("r", a) for a in attributes)
        numbers = ", ".join(str(i + 1) for i in range(len(attributes)))
        return f"SELECT {columns}, count(*) FROM {self.records()} r WHERE {self.where(query)} GROUP BY {numbers}"

    def where(self, query: ParsedQuery) -> str:
        parts = [self._types(query)]
        if query.organisation is not None:
            parts.append(self._organisation(query.organisation))
        if query.condition != AllOf(()):
            parts.append(self.condition("r", query.condition))
        return " AND ".join(parts)

    # -- parts --------------------------------------------------------------------------------------

    def _base(self, query: ParsedQuery) -> str:
        """The records to choose from: all, or those a search found with their closeness."""
        if query.text is None:
            return self.records()
        name = "fold(json_extract(r.attributes, '$.name'))"
        exact, prefix = self.parameter(query.text), self.parameter(query.text)
        condition, parameters = match(query.text)
        self.parameters += parameters
        return (
            f"(SELECT r.*, CASE WHEN {name} = {exact} THEN 0"
            f" WHEN substr({name}, 1, {len(query.text)}) = {prefix} THEN 1 ELSE 2 END AS {CLOSENESS}"
            f" FROM records r WHERE {condition})"
        )

    def parameter(self, value: Any) -> str:
        self.parameters.append(value)
        return "?"

    def one_of(self, values: Sequence[Any]) -> str:
        """A list of values as one parameter."""
        return f"(SELECT value FROM json_each({self.parameter(json.dumps(list(values)))}))"

    def attribute(self, alias: str, name: str) -> str:
        """An attribute's value. The name comes from the model."""
        if name in SYSTEM_KINDS or name == CLOSENESS:
            return f"{alias}.{name}"
        return f"json_extract({alias}.attributes, '$.{name}')"

    def condition(self, alias: str, condition: Condition) -> str:
        """True, or else false or NULL. `Not` makes NULL false first, so it is the complement."""
        if isinstance(condition, Comparison):
            return self._comparison(alias, condition)
        if isinstance(condition, AllOf | AnyOf):
            if not condition.parts:
                return "1" if isinstance(condition, AllOf) else "0"
            joint = " AND " if isinstance(condition, AllOf) else " OR "
            return f"({joint.join(self.condition(alias, part) for part in condition.parts)})"
        if isinstance(condition, Not):
            return f"NOT coalesce({self.condition(alias, condition.part)}, 0)"
        return self._related(alias, condition)

    def _types(self, query: ParsedQuery) -> str:
        """The plus keeps SQLite from walking a whole type where an index leads to few records."""
        if query.label == ROOT and query.subtypes:
            return "1"
        column = "+r.type" if self._selective(query.condition) else "r.type"
        if len(query.types) == 1:
            return f"{column} = '{query.types[0]}'"
        names = "', '".join(query.types)
        return f"{column} IN ('{names}')"

    def _related(self, alias: str, related: Related) -> str:
        self._aliases += 1
        x, far = f"x{self._aliases}", f"r{self._aliases}"
        near_end, far_end = (
            ("source", "target") if related.direction == "out" else ("target", "source")
        )
        relationships = self.relationships()
        records = self.records()
        type_ = self.parameter(related.relationship_type)
        condition = self.condition(far, related.condition)
        rows = (
            f"FROM {relationships} {x} JOIN {records} {far} ON {far}.node = {x}.{far_end}"
            f" WHERE {x}.type = {type_} AND {condition}"
        )
        if self._selective(related.condition):
            return f"{alias}.node IN (SELECT {x}.{near_end} {rows})"
        return f"EXISTS (SELECT 1 {rows} AND {x}.{near_end} = {alias}.node)"

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
            own = f"r.node IN (SELECT node FROM attribute_values WHERE attribute = '{ORGANISATION_ATTRIBUTE}' AND value IN ({members}))"
        else:
            own = f"{self.attribute('r', ORGANISATION_ATTRIBUTE)} IN ({members})"
        second = below.format(root=self.parameter(organisation), relationships=self.relationships())
        return f"({own} OR r.node IN ({second} SELECT node FROM below))"

    def _comparison(self, alias: str, comparison: Comparison) -> str:
        name, kind, many, operator, value = comparison
        expression = self.attribute(alias, name)
        if operator == "null":
            return f"{expression} IS {'' if value else 'NOT '}NULL"
        if many:
            return f"EXISTS (SELECT 1 FROM json_each({alias}.attributes, '$.{name}') WHERE value = {self.parameter(kind.to_json(value))})"
        if operator == "ne":
            return f"NOT coalesce({self._scalar(expression, kind, 'eq', value)}, 0)"
        if name in self.indexed and operator in ("eq", "in", "prefix"):
            inner = self._scalar("value", kind, operator, value)
            return f"{alias}.node IN (SELECT node FROM attribute_values WHERE attribute = '{name}' AND {inner})"
        return self._scalar(expression, kind, operator, value)

    def _scalar(self, expression: str, kind: Kind, operator: str, value: Any) -> str:
        if operator == "contains":
            return f"instr({expression}, {self.parameter(value)}) > 0"
        if operator == "prefix":
            low, end = self.parameter(value), _end_of_prefix(value)
            below = f" AND {expression} < {self.parameter(end)}" if end else ""
            return f"({expression} >= {low}{below})"
        if operator == "in":
            if kind.name == "money":
                parts = [self._scalar(expression, kind, "eq", element) for element in value]
                return f"({' OR '.join(parts)})" if parts else "0"
            return f"{expression} IN {self.one_of([kind.to_json(element) for element in value])}"
        if kind.name == "money":
            currency, amount = _money(expression)
            return f"({currency} = {self.parameter(value.currency)} AND {amount} {SYMBOLS[operator]} {self.parameter(float(value.amount))})"
        return f"{expression} {SYMBOLS[operator]} {self.parameter(kind.to_json(value))}"

    # -- order and position -------------------------------------------------------------------------

    def _keys(self, query: ParsedQuery) -> list[tuple[str, bool]]:
        keys: list[tuple[str, bool]] = []
        for name, kind, descending in query.sort:
            expression = self.attribute("r", name)
            parts = _money(expression) if kind.name == "money" else (expression,)
            keys += [(part, descending) for part in parts]
        return keys

    def _order(self, query: ParsedQuery) -> str:
        keys = [
            f"{expression} IS NULL, {expression}{' DESC' if descending else ''}"
            for expression, descending in self._keys(query)
        ]
        return ", ".join([*keys, "r.id"])

    def _after(self, query: ParsedQuery) -> str:
        """Rows behind the position: for some key all earlier ones equal and this one behind."""
        assert query.position is not None
        values: list[Any] = []
        for (_, kind, _), value in zip(query.sort, query.position, strict=False):
            if kind.name == "money":
                values += [None, None] if value is None else [value.currency, float(value.amount)]
            else:
                values.append(None if value is None else kind.to_json(value))
        alternatives, equal = [], ""
        for (expression, descending), value in zip(self._keys(query), values, strict=True):
            if value is not None:
                symbol = "<" if descending else ">"
                prefix = self._replay(equal, values)
                alternatives.append(
                    f"{prefix}({expression} {symbol} {self.parameter(value)} OR {expression} IS NULL)"
                )
            equal += f"{expression} IS ? AND "
        prefix = self._replay(equal, values)
        alternatives.append(f"{prefix}r.id > {self.parameter(query.position[-1])}")
        return f" AND ({' OR '.join(alternatives)})"

    def _replay(self, equal: str, values: Sequence[Any]) -> str:
        self.parameters += values[: equal.count("?")]
        return equal


def _end_of_prefix(prefix: str) -> str | None:
    """The first text behind all that begin with a prefix; None where there is none."""
    prefix = prefix.rstrip("\U0010ffff")
    if not prefix:
        return None
    following = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if following == 0xD800 else following)


def _money(expression: str) -> tuple[str, str]:
    return f"substr({expression}, 1, 3)", f"CAST(substr({expression}, 5) AS REAL)"
