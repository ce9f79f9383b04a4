"""From parsed queries to a query language: what SQL and Cypher have in common.

Names come from the model only, and are written as they are; everything else is a parameter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from cmdb.queries import (
    AMONG,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Naming,
    Not,
    OfType,
    Owned,
    ParsedQuery,
    Reaching,
    Related,
)
from cmdb.store.places import Places
from schema.kinds import Kind

SYMBOLS: Final = {"eq": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


class QueryCompiler(ABC):
    """Writes conditions, order and position of one statement, and gathers its parameters.

    Parameters
    ----------
    as_of
        Revision number, or None for now.
    places
        Gives the numbers of owners; None where none can be relied on: then records are asked themselves.
    """

    row: str
    """What a record of the page is called in the statement."""
    true: ClassVar[str]
    false: ClassVar[str]

    def __init__(self, as_of: int | None, places: Callable[[Owned], Places] | None = None) -> None:
        self.as_of, self._places = as_of, places
        self._lists: dict[int, str] = {}

    # -- what each language has words of its own for --------------------------------------------------

    @abstractmethod
    def parameter(self, value: Any) -> str:
        """Gather a parameter; gives what stands for it, as often as it is needed."""

    @abstractmethod
    def attribute(self, alias: str, name: str) -> str:
        """An attribute's value."""

    @abstractmethod
    def stored(self, kind: Kind, value: Any) -> Any:
        """A value as the store keeps it."""

    @abstractmethod
    def one_of(self, values: Sequence[Any]) -> str:
        """What stands behind IN."""

    def among(self, expression: str, values: Sequence[Any]) -> str:
        """Whether a value is one of very many, which are gathered once however often they are named."""
        if id(values) not in self._lists:
            self._lists[id(values)] = self.one_of(values)
        return f"{expression} IN {self._lists[id(values)]}"

    @abstractmethod
    def holds(self, alias: str, name: str, value: Any) -> str:
        """Whether a list holds a value."""

    @abstractmethod
    def holds_one(self, alias: str, name: str, values: Sequence[Any]) -> str:
        """Whether a list holds one of very many values (`among`)."""

    @abstractmethod
    def contains(self, expression: str, text: str) -> str: ...

    @abstractmethod
    def begins(self, expression: str, text: str) -> str: ...

    @abstractmethod
    def money(self, expression: str) -> tuple[str, str]:
        """Currency and amount of money."""

    @abstractmethod
    def related(self, alias: str, related: Related) -> str: ...

    @abstractmethod
    def reaching(self, alias: str, reaching: Reaching) -> str: ...

    @abstractmethod
    def naming(self, alias: str, naming: Naming) -> str: ...

    @abstractmethod
    def of_type(self, alias: str, asked: OfType) -> str: ...

    @abstractmethod
    def owned(self, alias: str, owned: Owned, places: Places) -> str:
        """Of live records."""

    # -- conditions -----------------------------------------------------------------------------------

    def condition(self, alias: str, condition: Condition) -> str:
        """True, or else false or null. `Not` makes null false first, so it is the complement."""
        if isinstance(condition, Comparison):
            return self.comparison(alias, condition)
        if isinstance(condition, AllOf | AnyOf):
            if not condition.parts:
                return self.true if isinstance(condition, AllOf) else self.false
            if isinstance(condition, AllOf):
                return f"({self.all_of(alias, condition)})"
            return f"({' OR '.join(self.all_of(alias, part) for part in condition.parts)})"
        if isinstance(condition, Not):
            return self._not(self.condition(alias, condition.part))
        if isinstance(condition, OfType):
            return self.of_type(alias, condition)
        if isinstance(condition, Reaching):
            return self.reaching(alias, condition)
        if isinstance(condition, Owned):
            if self.as_of is not None or self._places is None:
                return self.condition(alias, condition.exactly)
            return self.owned(alias, condition, self._places(condition))
        if isinstance(condition, Naming):
            return self.naming(alias, condition)
        return self.related(alias, condition)

    def all_of(self, alias: str, condition: Condition) -> str:
        """A condition to stand behind AND or OR: its parts need no brackets, which parsers count."""
        parts = condition.parts if isinstance(condition, AllOf) else (condition,)
        return " AND ".join(self.condition(alias, part) for part in parts) or self.true

    def comparison(self, alias: str, comparison: Comparison) -> str:
        name, kind, many, operator, value = comparison
        expression = self.attribute(alias, name)
        if operator == "null":
            return f"{expression} IS {'' if value else 'NOT '}NULL"
        if many and operator == AMONG:
            return self.holds_one(alias, name, value)
        if many:
            return self.holds(alias, name, self.stored(kind, value))
        if operator == "ne":
            return self._not(self.scalar(expression, kind, "eq", value))
        return self.scalar(expression, kind, operator, value)

    def scalar(self, expression: str, kind: Kind, operator: str, value: Any) -> str:
        """A comparison with one value, or with several (``in``)."""
        if operator == "contains":
            return self.contains(expression, value)
        if operator == "prefix":
            return self.begins(expression, value)
        if operator == AMONG:
            return self.among(expression, value)
        if operator == "in":
            if kind.name == "money":
                parts = [self.scalar(expression, kind, "eq", element) for element in value]
                return f"({' OR '.join(parts)})" if parts else self.false
            return f"{expression} IN {self.one_of([self.stored(kind, v) for v in value])}"
        if kind.name == "money":
            currency, amount = self.money(expression)
            same = f"{currency} = {self.parameter(value.currency)}"
            return (
                f"({same} AND {amount} {SYMBOLS[operator]} {self.parameter(float(value.amount))})"
            )
        stored = self.stored(kind, value)
        return self.compared(expression, SYMBOLS[operator], self.parameter(stored), stored)

    def compared(self, expression: str, symbol: str, parameter: str, value: Any) -> str:
        """A comparison with one value as the store keeps it, already gathered; text goes by code
        points, as it is sorted."""
        return f"{expression} {symbol} {parameter}"

    def _not(self, condition: str) -> str:
        if condition.startswith("EXISTS"):  # which is never null; parsers count brackets
            return f"NOT {condition}"
        return f"NOT coalesce({condition}, {self.false})"

    # -- order and position -----------------------------------------------------------------------------

    def order(self, query: ParsedQuery) -> str:
        """What stands behind ORDER BY: what has no value comes last, the id decides."""
        keys = [self.sorted_by(*key) for key in self._keys(query)]
        return ", ".join([*keys, f"{self.row}.id"])

    def sorted_by(self, expression: str, descending: bool) -> str:
        """One key of an order; what has no value comes last."""
        return f"{expression} IS NULL, {expression}{' DESC' if descending else ''}"

    def after(self, query: ParsedQuery) -> str:
        """Rows behind the position: for some key all earlier ones equal and this one behind.

        Empty where the page is the first.
        """
        if query.position is None:
            return ""
        values: list[Any] = []
        for (_, kind, _), value in zip(query.sort, query.position, strict=False):
            if kind.name == "money":
                values += [None, None] if value is None else [value.currency, float(value.amount)]
            else:
                values.append(None if value is None else self.stored(kind, value))
        alternatives, equal = [], ""
        for (expression, descending), value in zip(self._keys(query), values, strict=True):
            if value is None:
                equal += f"{expression} IS NULL AND "
                continue
            parameter = self.parameter(value)
            symbol = "<" if descending else ">"
            behind = self.compared(expression, symbol, parameter, value)
            alternatives.append(f"{equal}({behind} OR {expression} IS NULL)")
            equal += f"{expression} = {parameter} AND "
        alternatives.append(f"{equal}{self.row}.id > {self.parameter(query.position[-1])}")
        return f"({' OR '.join(alternatives)})"

    def _keys(self, query: ParsedQuery) -> list[tuple[str, bool]]:
        """Expressions to sort by, each with whether it descends."""
        keys: list[tuple[str, bool]] = []
        for name, kind, descending in query.sort:
            expression = self.attribute(self.row, name)
            parts = self.money(expression) if kind.name == "money" else (expression,)
            keys += [(part, descending) for part in parts]
        return keys
