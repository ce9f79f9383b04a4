"""Conditions as Cypher.

Names come from the model only, and stand in backticks; everything else is a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from cmdb.queries import CLOSENESS, Naming, OfType, Owned, ParsedQuery, Reaching, Related, Way
from cmdb.store.compiling import QueryCompiler
from cmdb.store.neo4j.statements import link_image, record_image
from cmdb.store.places import ASKED, MOST, Places
from schema.kinds import Kind
from schema.model import Model

BEYOND: Final = r"[\x{10000}-\x{10FFFF}]"
BELOW: Final = r"[\x{E000}-\x{FFFF}]"
MISPLACED: Final = 50


class Conditions(QueryCompiler):
    """Writes the conditions of one statement, over the live graph or as of a revision.

    Parameters
    ----------
    as_of
        Revision number, or None for now.
    subtrees
        As of the past: by organisation that is asked for, its id and those that were below it.
    places
        As of `QueryCompiler`.
    """

    true, false = "true", "false"

    def __init__(
        self,
        model: Model,
        as_of: int | None,
        subtrees: Mapping[str, Sequence[str]] = MappingProxyType({}),
        places: Callable[[Owned], Places] | None = None,
    ) -> None:
        super().__init__(as_of, places)
        self.model, self.subtrees = model, subtrees
        self.parameters: dict[str, Any] = {} if as_of is None else {"at": as_of}
        self._depth = 0

    def parameter(self, value: Any) -> str:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"

    def attribute(self, alias: str, name: str) -> str:
        return name if name == CLOSENESS else f"{alias}.`{name}`"

    def related(self, alias: str, related: Related) -> str:
        self._depth += 1
        far, way = f"m{self._depth}", (related.direction, related.types)
        condition = self.condition(far, related.condition)
        return self._along(alias, [(way, far, condition)])

    def reaching(self, alias: str, reaching: Reaching) -> str:
        """One pattern for each first step, where the steps behind it all go one way round; planning many
        patterns, or one inside the other, takes the server seconds to minutes."""
        first, *rest = reaching.steps
        directions = {direction for step in rest for direction, _ in step}
        if self.as_of is None and len(directions) < 2:
            behind = tuple(sorted({name for step in rest for _, types in step for name in types}))
            further = (directions.pop(), behind) if rest else None
            arms = [self._upwards(alias, way, further, reaching) for way in first]
        else:
            lengths = range(1, len(reaching.steps) + 1)
            ways = (ways for n in lengths for ways in product(*reaching.steps[:n]))
            arms = [self._step_by_step(alias, gone, reaching) for gone in ways]
        return arms[0] if len(arms) == 1 else f"({' OR '.join(arms)})"

    def _upwards(self, alias: str, way: Way, further: Way | None, reaching: Reaching) -> str:
        """Whether a way, and then any number of steps of another, leads to what is looked for."""
        self._depth += 1
        far, on, path = f"m{self._depth}", f"o{self._depth}", f"q{self._depth}"
        pattern, steps = f"({alias}){arrow_of(way)}", len(reaching.steps)
        if further and further[0] == way[0]:
            both = (way[0], tuple(sorted({*way[1], *further[1]})))
            pattern = f"({alias}){arrow_of(both, length=f'*1..{steps}')}"
        elif further:
            pattern += f"(:`Record`){arrow_of(further, length=f'*0..{steps - 1}')}"
        through = self.all_of(on, reaching.through)
        return (
            f"EXISTS {{ MATCH {path} = {pattern}({far}:`Record`)"
            f" WHERE {self.all_of(far, reaching.condition)}"
            f" AND all({on} IN nodes({path})[1..-1] WHERE {through}) }}"
        )

    def _step_by_step(self, alias: str, ways: Sequence[Way], reaching: Reaching) -> str:
        hops = []
        for number, way in enumerate(ways, 1):
            self._depth += 1
            far = f"m{self._depth}"
            then = reaching.condition if number == len(ways) else reaching.through
            hops.append((way, far, self.all_of(far, then)))
        return self._along(alias, hops)

    def _along(self, alias: str, hops: Sequence[tuple[Way, str, str]]) -> str:
        """Whether ways lead on to records, each of a name, that conditions hold for."""
        if self.as_of is None:
            arrows = (f"{arrow_of(way)}({far}:`Record`)" for way, far, _ in hops)
            conditions = " AND ".join(condition for *_, condition in hops)
            return f"EXISTS {{ MATCH ({alias}){''.join(arrows)} WHERE {conditions} }}"
        then, near = "", alias
        for way, far, condition in hops:
            then += f"{self._hop(near, way, far)} WITH {far} WHERE {condition} "
            near = far
        return f"EXISTS {{ {then}RETURN {near} }}"

    def _hop(self, alias: str, way: Way, far: str) -> str:
        """Binds a name to the records that a way led to, as they were."""
        direction, types = way
        near, end = ("source", "target") if direction == "out" else ("target", "source")
        link, other = f"x{far[1:]}", f"other{far[1:]}"
        return (
            f"CALL ({alias}) {{"
            f" MATCH (:`Record` {{id: {alias}.id}}){arrow_of(way, link)}(y:`Record`) WHERE {link}.revision <= $at RETURN y.id AS {other}"
            f" UNION {link_image(link, **{near: f'{alias}.id'})}"
            f" WHERE {link}.type IN {self.parameter(list(types))} AND {link}.revision <= $at AND {link}.until > $at RETURN {link}.{end} AS {other} }}"
            f" {self._record_of(other, far)}"
        )

    def naming(self, alias: str, naming: Naming) -> str:
        """Other types have no such attribute, or are asked something else before."""
        self._depth += 1
        far, named = f"m{self._depth}", self.attribute(alias, naming.attribute)
        at, self.as_of = self.as_of, None
        condition = self.all_of(far, naming.condition)
        self.as_of = at
        same = "IN" if self.model.attributes[naming.attribute].many else "="
        return f"EXISTS {{ MATCH ({far}:`Record`) WHERE {far}.id {same} {named} AND {condition} }}"

    def of_type(self, alias: str, asked: OfType) -> str:
        if self.as_of is None:
            return f"{alias}:`{asked.type}`"
        types = self.parameter(list(asked.concrete))
        return f"({alias}:`{asked.type}` OR ({alias}:`_RecordImage` AND {alias}.type IN {types}))"

    def owned(self, alias: str, owned: Owned, places: Places) -> str:
        """One choice after the other: the server would make a disjunction of ranges a conjunction first,
        and look into the graph for each record that a disjunction does not hold for."""
        owner, choices = f"{alias}.`_owner`", []
        if owned.asked:
            exactly = self.all_of(alias, owned.exactly)
            choices.append(f"WHEN {owner} = {ASKED} THEN {exactly}")
        if not places.spans:
            rest = self.false
        elif len(places.spans) > MOST:
            rest = self.among(owner, places.numbers)
        else:
            for low, high in places.spans[:-1]:
                bounds = self.parameter(high), self.parameter(low)
                choices.append(f"WHEN {owner} <= {bounds[0]} THEN {owner} >= {bounds[1]}")
            low, high = places.spans[-1]
            rest = f"{self.parameter(low)} <= {owner} <= {self.parameter(high)}"
        return f"CASE {' '.join(choices)} ELSE {rest} END" if choices else f"({rest})"

    def sorted_by(self, expression: str, descending: bool) -> str:
        """What has no value is sorted as the greatest."""
        return super().sorted_by(expression, True) if descending else expression

    def holds(self, alias: str, name: str, value: Any) -> str:
        return f"{self.parameter(value)} IN {self.attribute(alias, name)}"

    def holds_one(self, alias: str, name: str, values: Sequence[Any]) -> str:
        return f"any(one IN {self.attribute(alias, name)} WHERE {self.among('one', values)})"

    def compared(self, expression: str, symbol: str, parameter: str, value: Any) -> str:
        """The server sorts text by code points, but compares it with a parameter by units of UTF-16,
        where what lies beyond U+FFFF comes before U+E000 (seen on 5.26.18; an index does not)."""
        plain = super().compared(expression, symbol, parameter, value)
        if symbol == "=" or not isinstance(value, str):
            return plain
        greater, less = misplaced(value)
        if symbol.startswith("<"):
            greater, less = less, greater
        if less:
            plain = f"({plain} AND NOT {expression} =~ {self.parameter(less)})"
        return f"({plain} OR {expression} =~ {self.parameter(greater)})" if greater else plain

    def contains(self, expression: str, text: str) -> str:
        return f"{expression} CONTAINS {self.parameter(text)}"

    def begins(self, expression: str, text: str) -> str:
        return f"{expression} STARTS WITH {self.parameter(text)}"

    def one_of(self, values: Sequence[Any]) -> str:
        return self.parameter(list(values))

    def money(self, expression: str) -> tuple[str, str]:
        return f"left({expression}, 3)", f"toFloat(substring({expression}, 4))"

    def stored(self, kind: Kind, value: Any) -> Any:
        if kind.name == "money":
            return str(value)
        return value.total_seconds() if kind.name == "duration" else value

    def _record_of(self, id: str, name: str) -> str:
        """Binds a name to the record of an id, as it was."""
        return (
            f"CALL ({id}) {{ MATCH ({name}:`Record` {{id: {id}}}) WHERE {name}.revision <= $at RETURN {name}"
            f" UNION ALL {record_image(name, id)} WHERE {name}.revision <= $at AND {name}.until > $at RETURN {name} }}"
        )

    # -- search -----------------------------------------------------------------------------------------

    def _closeness(self, query: ParsedQuery) -> str:
        if query.text is None:
            return ""
        text = self.parameter(query.text)
        return (
            f", CASE WHEN toLower(n.`name`) = {text} THEN 0"
            f" WHEN toLower(n.`name`) STARTS WITH {text} THEN 1 ELSE 2 END AS {CLOSENESS}"
        )

    def _occurs(self, text: str) -> str:
        """Every word stands in a searchable value: what the index finds, made exact."""
        attributes = self.model.attributes
        lists = self.parameter([n for n in self.model.searchable if attributes[n].many])
        single = self.parameter([n for n in self.model.searchable if not attributes[n].many])
        return (
            f"all(word IN {self.parameter(text.split())} WHERE"
            f" any(k IN keys(n) WHERE k IN {single} AND toLower(n[k]) CONTAINS word)"
            f" OR any(k IN keys(n) WHERE k IN {lists} AND any(v IN n[k] WHERE toLower(v) CONTAINS word)))"
        )


_RUNS = re.compile(
    r"(?P<characters>[⺀-〿㐀-䶿一-鿿豈-﫿𠀀-\U0003ffff぀-ゟ]+)"
    r"|(?P<letters>[^\W_⺀-〿㐀-䶿一-鿿豈-﫿𠀀-\U0003ffff぀-ゟ]+)"
)


def arrow_of(way: Way, link: str = "", length: str = "") -> str:
    """The relationships of a way, in a pattern."""
    types = "|".join(f"`{name}`" for name in way[1])
    return f"-[{link}:{types}{length}]->" if way[0] == "out" else f"<-[{link}:{types}{length}]-"


def lucene(text: str) -> str:
    """A query whose matches include every record in which all words of a text occur.

    The analyzer splits at punctuation and makes a token of each ideograph; it never splits a run of
    letters and digits. So each run of a word stands inside one token (``*run*``), and a run of
    ideographs is a phrase. Empty where no word has such a run: then nothing narrows the search.
    """
    return " AND ".join(_terms(text))


def _terms(text: str) -> Iterator[str]:
    for match in _RUNS.finditer(text):
        if match["characters"]:
            yield f'"{match["characters"]}"'
        elif match["letters"].isascii():
            yield f"*{match['letters']}*"


def misplaced(text: str) -> tuple[str, str]:
    """Patterns of what is greater than a text by code points and less by units of UTF-16, and the
    other way round; empty where there is nothing of the kind.

    They tell texts apart up to the `MISPLACED`th place at which the two orders can disagree.
    """
    places = [at for at, character in enumerate(text) if character >= "\ue000"][:MISPLACED]
    greater = [f"{re.escape(text[:at])}{BEYOND}" for at in places if text[at] <= "\uffff"]
    less = [f"{re.escape(text[:at])}{BELOW}" for at in places if text[at] > "\uffff"]
    return _any_of(greater), _any_of(less)


def _any_of(beginnings: Sequence[str]) -> str:
    return f"(?s)(?:{'|'.join(beginnings)}).*" if beginnings else ""
