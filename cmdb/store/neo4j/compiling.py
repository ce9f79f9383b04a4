"""Cypher from parsed queries.

Labels, relationship types and property names come from the model only; everything else is a
parameter. ``Compiler`` gathers the parameters while it writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from cmdb.commits import End
from cmdb.queries import CLOSENESS, AllOf, OfType, Owned, ParsedQuery, Reaching, Related, Way
from cmdb.steps import ParsedStep
from cmdb.store.compiling import QueryCompiler
from cmdb.store.neo4j.statements import (
    SEARCH_INDEX,
    labelled,
    link_image,
    record,
    record_image,
)
from cmdb.store.places import ASKED, EVERYWHERE, MOST, Places
from cmdb.store.topology import sides
from schema.kinds import Kind
from schema.model import (
    ORGANISATION_ATTRIBUTE,
    ORGANISATION_TREE,
    ROOT,
    STATE_ATTRIBUTE,
    Model,
)

BEYOND: Final = r"[\x{10000}-\x{10FFFF}]"
BELOW: Final = r"[\x{E000}-\x{FFFF}]"
MISPLACED: Final = 50
CAUGHT_UP: Final = "CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()"


class Compiler(QueryCompiler):
    """Writes the Cypher of one statement, over the live graph or as of a revision.

    Parameters
    ----------
    as_of
        Revision number, or None for now.
    subtrees
        As of the past: by organisation that is asked for, its id and those that were below it.
    places
        Gives the numbers of owners.
    """

    row = "n"
    true, false = "true", "false"

    def __init__(
        self,
        model: Model,
        as_of: int | None,
        subtrees: Mapping[str, Sequence[str]] = MappingProxyType({}),
        places: Callable[[Owned], Places] = lambda _: EVERYWHERE,
    ) -> None:
        super().__init__(as_of)
        self.model = model
        self.subtrees, self._places = subtrees, places
        self.parameters: dict[str, Any] = {} if as_of is None else {"at": as_of}
        self._depth = 0

    def parameter(self, value: Any) -> str:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"

    # -- whole statements: each returns one row with one column, ``answer`` ---------------------------

    def page(self, query: ParsedQuery) -> str:
        """The answer is a list of records, one more than the page takes."""
        order, limit = self.order(query), self.parameter(query.first + 1)
        return (
            f"{self._page(query)} WITH n ORDER BY {order} LIMIT {limit}"
            f" RETURN collect({record('n')}) AS answer"
        )

    def page_with_total(self, query: ParsedQuery) -> str:
        """The answer is [list of records, total]."""
        page = self.page(query)
        count = f"{self._matching(query)} RETURN count(*) AS total"
        return f"CALL () {{ {page} }} CALL () {{ {count} }} RETURN [answer, total] AS answer"

    def count_by(self, query: ParsedQuery, attributes: Sequence[str]) -> str:
        """The answer is a list of [value, …, count]; a type is given as labels or a list of one."""
        type_ = "CASE WHEN n:`_RecordImage` THEN [n.type] ELSE labels(n) END"
        columns = [type_ if a == "type" else self.attribute("n", a) for a in attributes]
        keys = ", ".join(f"{column} AS v{i}" for i, column in enumerate(columns))
        names = ", ".join(f"v{i}" for i in range(len(columns)))
        return (
            f"{self._matching(query)} WITH {keys}, count(*) AS count"
            f" RETURN collect([{names}, count]) AS answer"
        )

    def neighbours(self, types: Sequence[str] | None, ways: Sequence[str]) -> str:
        """The answer is a list of [of, way, type, link properties, record]; takes ``$ids``."""
        chosen = "" if types is None else ":" + "|".join(f"`{name}`" for name in types)
        if types is not None:
            self.parameters["types"] = list(types)
        arms = []
        for way in ways:
            arrow = f"-[x{chosen}]->" if way == "out" else f"<-[x{chosen}]-"
            match = f"UNWIND $ids AS of MATCH (a:`Record` {{id: of}}){arrow}(r:`Record`)"
            result = f"RETURN [of, '{way}', type(x), properties(x), {record('r')}] AS row"
            if self.as_of is not None:
                narrowed = "" if types is None else " AND x.type IN $types"
                match = f"UNWIND $ids AS of {self._links_then(way, arrow, narrowed)} {self._record_of('other', 'r')}"
                result = f"RETURN [of, '{way}', type, link, {record('r')}] AS row"
            arms.append(f"{match} {result}")
        return f"CALL () {{ {' UNION ALL '.join(arms)} }} RETURN collect(row) AS answer"

    def connections(self, steps: Sequence[ParsedStep]) -> str:
        """The answer is a list of [id, [page, total], …]; takes ``$ids``.

        A page is a list of [link properties, record].
        """
        existed = "" if self.as_of is None else (
            " WHERE a.revision <= $at"
            " OR EXISTS { MATCH (i:`_RecordImage` {id: of}) WHERE i.revision <= $at }"
        )  # fmt: skip
        before, parts, answers = "", "", ["of"]
        for number, step in enumerate(steps):
            members = self._members(step.query)
            known = f", members{number}" if members else ""
            if members:
                before += f"CALL () {{ {members}RETURN members AS members{number} }} "
                members = f"WITH *, members{number} AS members "
            page, total = "[]", "null"
            if step.query.first:
                page = f"page{number}"
                parts += f" CALL (of, a{known}) {{ {members}{self._page_of(step)} AS {page} }}"
            if step.total:
                total = f"total{number}"
                count = f"{self._beside(step, '')} RETURN count(*)"
                parts += f" CALL (of, a{known}) {{ {members}{count} AS {total} }}"
            answers.append(f"[{page}, {total}]")
        return (
            f"{before}UNWIND $ids AS of MATCH (a:`Record` {{id: of}}){existed}{parts}"
            f" RETURN collect([{', '.join(answers)}]) AS answer"
        )

    def dependencies(self, ends: Mapping[str, End], of_dependents: bool) -> str:
        """The answer is [records, relationships]; takes ``$ids``.

        Those by which some records, or the direct dependents of those, depend on others.
        """
        dependents = "WITH $ids AS dependents"
        if of_dependents:
            found = self._links_of(ends, providers=True)
            dependents = (
                f"CALL () {{ UNWIND $ids AS id CALL (id) {{ {found} }}"
                " RETURN collect(DISTINCT far) AS dependents }"
            )
        links = self._links_of(ends, providers=False)
        match = "MATCH (n:`Record` {id: id})" if self.as_of is None else self._record_of("id", "n")
        type_ = "CASE WHEN n:`_RecordImage` THEN [n.type] ELSE labels(n) END"
        return (
            f"{dependents} CALL (dependents) {{ UNWIND dependents AS id CALL (id) {{ {links} }}"
            " RETURN collect(link) AS links }"
            " CALL (links) { UNWIND $ids + [x IN links | x[0]] + [x IN links | x[1]] AS id"
            f" WITH DISTINCT id {match}"
            f" RETURN collect([n.id, {type_}, n.`{STATE_ATTRIBUTE}`, n.`redundancy`, n.revision]) AS records }}"
            " RETURN [records, links] AS answer"
        )

    def get(self) -> str:
        """The answer is a list of records; takes ``$ids``."""
        match = "MATCH (n:`Record` {id: id})" if self.as_of is None else self._record_of("id", "n")
        return f"UNWIND $ids AS id {match} RETURN collect({record('n')}) AS answer"

    # -- where records come from ----------------------------------------------------------------------

    def _page(self, query: ParsedQuery) -> str:
        matching = self._matching(query)
        closeness, after = self._closeness(query), self.after(query)
        where = f" WHERE {after}" if after else ""
        return f"{matching} WITH n{closeness}{where}" if closeness or after else matching

    def _matching(self, query: ParsedQuery) -> str:
        """Binds ``n`` to each record that matches."""
        members, conditions = self._members(query), self._conditions(query)
        source = f"MATCH (n{labelled(query.label)})"
        if query.text is not None:
            terms = lucene(query.text)
            if terms:
                source = f"{CAUGHT_UP} CALL db.index.fulltext.queryNodes('{SEARCH_INDEX}', {self.parameter(terms)}) YIELD node AS n WITH * WHERE n:`{query.label}` WITH *"
            conditions.append(self._occurs(query.text))
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        if self.as_of is None:
            return f"{members}{source}{where}"
        types = self.parameter(list(query.types))
        return (
            f"CALL () {{ {source} WHERE n.revision <= $at RETURN n"
            f" UNION ALL MATCH (n:`_RecordImage`) WHERE n.revision <= $at AND n.until > $at AND n.type IN {types} RETURN n }}"
            f" WITH n{where}"
        )

    def _page_of(self, step: ParsedStep) -> str:
        order, limit = self.order(step.query), self.parameter(step.query.first + 1)
        link = "x" if self.as_of is None else "link"
        properties = "properties(x)" if self.as_of is None else "link"
        return (
            f"{self._beside(step, self.after(step.query))}"
            f" WITH n, {link} ORDER BY {order} LIMIT {limit} RETURN collect([{properties}, {record('n')}])"
        )

    def _beside(self, step: ParsedStep, after: str) -> str:
        """Binds ``n`` to the records that a step from ``a`` leads to, ``x`` or ``link`` to the
        relationships."""
        query, chosen = step.query, f"[x:`{step.type}`]"
        arrow = f"-{chosen}->" if step.direction == "out" else f"<-{chosen}-"
        conditions = [*self._conditions(query), *filter(None, [after])]
        if self.as_of is None:
            match = f"MATCH (a){arrow}(n{labelled(query.label)})"
        else:
            then = self._links_then(step.direction, arrow, f" AND x.type = '{step.type}'")
            match = f"{then} {self._record_of('other', 'n')} WITH n, link"
            if query.label != ROOT or not query.subtypes:
                types = self.parameter(list(query.types))
                conditions.insert(0, f"(n:`{query.label}` OR n.type IN {types})")
        return f"{match} WHERE {' AND '.join(conditions)}" if conditions else match

    def _links_then(self, way: str, arrow: str, narrowed: str) -> str:
        """Binds ``type``, ``link`` and ``other`` to the relationships that an ``of`` had, and to the
        ids at their other ends."""
        near, far = ("source", "target") if way == "out" else ("target", "source")
        return (
            "CALL (of) {"
            f" MATCH (a:`Record` {{id: of}}){arrow}(y:`Record`) WHERE x.revision <= $at"
            " RETURN type(x) AS type, properties(x) AS link, y.id AS other"
            f" UNION ALL {link_image('x', **{near: 'of'})}"
            f" WHERE x.revision <= $at AND x.until > $at{narrowed}"
            f" RETURN x.type AS type, properties(x) AS link, x.{far} AS other }}"
        )

    def _links_of(self, ends: Mapping[str, End], providers: bool) -> str:
        """Binds ``link`` and ``far`` to the relationships, and to the ids at their other ends, at which
        an ``id`` is the provider, or the dependent."""
        arms = []
        for near, far, types in sides(ends, providers):
            if not types:
                continue
            chosen = "|".join(f"`{name}`" for name in types)
            arrow = f"-[x:{chosen}]->" if near == "source" else f"<-[x:{chosen}]-"
            link = "id, o.id" if near == "source" else "o.id, id"
            then = "" if self.as_of is None else " WHERE x.revision <= $at"
            arms.append(
                f"MATCH (:`Record` {{id: id}}){arrow}(o:`Record`){then}"
                f" RETURN o.id AS far, [{link}, type(x), x.`group`, x.revision] AS link"
            )
            if self.as_of is not None:
                arms.append(
                    f"{link_image('x', **{near: 'id'})} WHERE x.revision <= $at"
                    f" AND x.until > $at AND x.type IN {self.parameter(types)} RETURN x.{far} AS far,"
                    " [x.source, x.target, x.type, x.`group`, x.revision] AS link"
                )
        return " UNION ALL ".join(arms) or "WITH id WHERE false RETURN id AS far, [] AS link"

    def _members(self, query: ParsedQuery) -> str:
        """Binds ``members`` to the ids of an organisation and all below it, once for all rows."""
        if query.organisation is None or self.as_of is not None:
            return ""
        root = self.parameter(query.organisation)
        return (
            f"MATCH (:`Record` {{id: {root}}})<-[:`{ORGANISATION_TREE}`*0..]-(o:`Record`)"
            " WITH collect(o.id) AS members "
        )

    def _record_of(self, id: str, name: str) -> str:
        """Binds a name to the record of an id, as it was."""
        return (
            f"CALL ({id}) {{ MATCH ({name}:`Record` {{id: {id}}}) WHERE {name}.revision <= $at RETURN {name}"
            f" UNION ALL {record_image(name, id)} WHERE {name}.revision <= $at AND {name}.until > $at RETURN {name} }}"
        )

    def _conditions(self, query: ParsedQuery) -> list[str]:
        parts = []
        if not query.subtypes:
            below = (t for t in self.model.record_types.values() if t.parent == query.label)
            parts += [f"NOT n:`{child.name}`" for child in below]
        if query.organisation is not None:
            members = "members"
            if self.as_of is not None:
                members = self.parameter(list(self.subtrees[query.organisation]))
            parts.append(f"(n.`{ORGANISATION_ATTRIBUTE}` IN {members} OR n.id IN {members})")
        if query.condition != AllOf(()):
            parts.append(self.condition("n", query.condition))
        return parts

    # -- conditions -----------------------------------------------------------------------------------

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
        pattern, steps = f"({alias}){_arrow(way)}", len(reaching.steps)
        if further and further[0] == way[0]:
            both = (way[0], tuple(sorted({*way[1], *further[1]})))
            pattern = f"({alias}){_arrow(both, length=f'*1..{steps}')}"
        elif further:
            pattern += f"(:`Record`){_arrow(further, length=f'*0..{steps - 1}')}"
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
            arrows = (f"{_arrow(way)}({far}:`Record`)" for way, far, _ in hops)
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
            f" MATCH (:`Record` {{id: {alias}.id}}){_arrow(way, link)}(y:`Record`) WHERE {link}.revision <= $at RETURN y.id AS {other}"
            f" UNION {link_image(link, **{near: f'{alias}.id'})}"
            f" WHERE {link}.type IN {self.parameter(list(types))} AND {link}.revision <= $at AND {link}.until > $at RETURN {link}.{end} AS {other} }}"
            f" {self._record_of(other, far)}"
        )

    def of_type(self, alias: str, asked: OfType) -> str:
        if self.as_of is None:
            return f"{alias}:`{asked.type}`"
        types = self.parameter(list(asked.concrete))
        return f"({alias}:`{asked.type}` OR ({alias}:`_RecordImage` AND {alias}.type IN {types}))"

    def owned(self, alias: str, owned: Owned) -> str:
        """One choice after the other: the server would make a disjunction of ranges a conjunction first,
        and look into the graph for each record that a disjunction does not hold for."""
        owner, places = f"{alias}.`_owner`", self._places(owned)
        choices = []
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

    def holds(self, alias: str, name: str, value: Any) -> str:
        return f"{self.parameter(value)} IN {self.attribute(alias, name)}"

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


def _arrow(way: Way, link: str = "", length: str = "") -> str:
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
