"""Cypher from parsed queries.

Labels, relationship types and property names come from the model only; everything else is a
parameter. ``Compiler`` gathers the parameters while it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from cmdb.commits import End
from cmdb.queries import AllOf, ParsedQuery
from cmdb.steps import ParsedStep, organisations_of
from cmdb.store.neo4j.conditions import Conditions, arrow_of, lucene
from cmdb.store.neo4j.statements import SEARCH_INDEX, labelled, link_image, record
from cmdb.store.topology import sides
from schema.model import ORGANISATION_ATTRIBUTE, ORGANISATION_TREE, ROOT, STATE_ATTRIBUTE

CAUGHT_UP: Final = "CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()"


class Compiler(Conditions):
    """Writes the Cypher of one statement, over the live graph or as of a revision."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.row = "n"
        self._level = 0
        self._members: dict[str, str] = {}

    # -- whole statements: each returns one row with one column, ``answer`` ---------------------------

    def page(self, query: ParsedQuery, steps: Sequence[ParsedStep] = ()) -> str:
        """The answer is a list of [record, [page, total] of each step, …], one more than the page takes.

        A page of a step is a list of [record, relationship, [page, total] of each step behind it, …],
        without the relationship where only records are asked for.
        """
        limit, members = self.parameter(query.first + 1), self._bind_members([query], steps)
        matching = self._settled(query, limit) or self._page(query)
        return (
            f"{members}{matching} WITH {self._with('n')} ORDER BY {self.order(query)} LIMIT {limit}"
            f" RETURN collect([{self._told(query.attributes)}{self._below(steps)}]) AS answer"
        )

    def page_with_total(self, query: ParsedQuery, steps: Sequence[ParsedStep] = ()) -> str:
        """The answer is [what `page` answers, total]."""
        page = self.page(query, steps)
        count = f"{self._bind_members([query])}{self._matching(query)} RETURN count(*) AS total"
        return f"CALL () {{ {page} }} CALL () {{ {count} }} RETURN [answer, total] AS answer"

    def count_by(self, query: ParsedQuery, attributes: Sequence[str]) -> str:
        """The answer is a list of [value, …, count]; a type is given as labels or a list of one."""
        type_ = "CASE WHEN n:`_RecordImage` THEN [n.type] ELSE labels(n) END"
        columns = [type_ if a == "type" else self.attribute("n", a) for a in attributes]
        keys = ", ".join(f"{column} AS v{i}" for i, column in enumerate(columns))
        names = ", ".join(f"v{i}" for i in range(len(columns)))
        return (
            f"{self._bind_members([query])}{self._matching(query)} WITH {keys}, count(*) AS count"
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
        """The answer is a list of [id, [page, total] of each step, …], as of `page`; takes ``$ids``."""
        existed = "" if self.as_of is None else (
            " WHERE n.revision <= $at"
            " OR EXISTS { MATCH (i:`_RecordImage` {id: id}) WHERE i.revision <= $at }"
        )  # fmt: skip
        members = self._bind_members([], steps)
        return (
            f"{members}UNWIND $ids AS id MATCH (n:`Record` {{id: id}}){existed}"
            f" RETURN collect([id{self._below(steps)}]) AS answer"
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

    def get(self, attributes: Sequence[str] | None = None) -> str:
        """The answer is a list of records; takes ``$ids``."""
        match = "MATCH (n:`Record` {id: id})" if self.as_of is None else self._record_of("id", "n")
        return f"UNWIND $ids AS id {match} RETURN collect({self._told(attributes)}) AS answer"

    # -- where records come from ----------------------------------------------------------------------

    def _page(self, query: ParsedQuery) -> str:
        matching = self._matching(query)
        closeness, after = self._closeness(query), self.after(query)
        where = f" WHERE {after}" if after else ""
        return (
            f"{matching} WITH {self._with('n')}{closeness}{where}"
            if closeness or after
            else matching
        )

    def _settled(self, query: ParsedQuery, limit: str) -> str:
        """As `_page`, for the first rows by an indexed attribute that all have; empty for other orders.

        Ids settle ties, and reading the id of every record that matches takes as long as sorting them: so
        ids are read only of the first rows by the attribute, and of all that share the last one's value.
        """
        if self.as_of is not None or query.text is not None or len(query.sort) != 1:
            return ""
        name, kind, descending = query.sort[0]
        required = (name in self.model.record_types[type_].required for type_ in query.types)
        kept = name in self.model.indexed and all(required)
        if descending or kind.name == "money" or not kept:
            return ""
        key, page = self.attribute("n", name), self._page(query)
        same = "AND" if " WHERE " in page else "WHERE"
        return (
            f"{page} WITH {self._with('n')}, {key} AS key ORDER BY key LIMIT {limit}"
            f" WITH {self._with('collect(n) AS first')}, collect(key)[-1] AS last"
            f" CALL ({self._with('first')}, last) {{ UNWIND first AS n WITH n, last WHERE {key} <> last RETURN n"
            f" UNION {page} {same} {key} = last RETURN n }}"
        )

    def _matching(self, query: ParsedQuery) -> str:
        """Binds ``n`` to each record that matches."""
        conditions = self._conditions(query)
        source = f"MATCH (n{labelled(query.label)})"
        if query.text is not None:
            terms = lucene(query.text)
            if terms:
                source = f"{CAUGHT_UP} CALL db.index.fulltext.queryNodes('{SEARCH_INDEX}', {self.parameter(terms)}) YIELD node AS n WITH * WHERE n:`{query.label}` WITH *"
            conditions.append(self._occurs(query.text))
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        if self.as_of is None:
            return f"{source}{where}"
        types = self.parameter(list(query.types))
        return (
            f"CALL () {{ {source} WHERE n.revision <= $at RETURN n"
            f" UNION ALL MATCH (n:`_RecordImage`) WHERE n.revision <= $at AND n.until > $at AND n.type IN {types} RETURN n }}"
            f" WITH n{where}"
        )

    def _told(self, attributes: Sequence[str] | None) -> str:
        """What is asked of the row: `statements.record`, or [its labels, [id, revision, attribute, …]]."""
        row = self.row
        if attributes is None:
            return record(row)
        labels = f"labels({row})"
        if self.as_of is not None:
            labels = f"CASE WHEN {row}:`_RecordImage` THEN [{row}.type] ELSE {labels} END"
        return f"[{labels}, [{', '.join(f'{row}.`{n}`' for n in ('id', 'revision', *attributes))}]]"

    # -- steps ------------------------------------------------------------------------------------------

    def _below(self, steps: Sequence[ParsedStep]) -> str:
        """What steps from the row add to its answer."""
        answers = ""
        for step in steps:
            page, total = "[]", "null"
            if step.query.first:
                page = f"COLLECT {{ {self._page_of(step)} }}"
            if step.total:
                with self._next_row() as of:
                    total = f"COUNT {{ {self._beside(of, step, '')} RETURN 1 }}"
            answers += f", [{page}, {total}]"
        return answers

    def _own(self, name: str) -> str:
        """What something of this level is called: subqueries see the names of the levels above, too."""
        return f"{name}{self._level or ''}"

    @contextmanager
    def _next_row(self) -> Iterator[str]:
        """Names rows of the next level; gives what those of this one are called."""
        of, self._level = self.row, self._level + 1
        self.row = self._own("n")
        yield of
        self.row, self._level = of, self._level - 1

    def _page_of(self, step: ParsedStep) -> str:
        with self._next_row() as of:
            order, limit = self.order(step.query), self.parameter(step.query.first + 1)
            beside = self._beside(of, step, self.after(step.query))
            return (
                f"{beside} WITH {self.row}, {self._own('x')} ORDER BY {order} LIMIT {limit}"
                f" RETURN [{self._told(step.query.attributes)}{self._link_of(step)}{self._below(step.steps)}]"
            )

    def _link_of(self, step: ParsedStep) -> str:
        """What is asked of the relationship of a step: nothing, all, or its revision and some attributes."""
        link = self._own("x")
        if step.attributes is None:
            return f", properties({link})"
        if step.only_records:
            return ""
        return f", [{', '.join(f'{link}.`{n}`' for n in ('revision', *step.attributes))}]"

    def _beside(self, of: str, step: ParsedStep, after: str) -> str:
        """Binds the row to the records that a step leads to, its ``x`` to the relationships or what they
        were."""
        query, row = step.query, self.row
        conditions = [*self._conditions(query), *filter(None, [after])]
        if self.as_of is None:
            arrow = arrow_of((step.direction, (step.type,)), self._own("x"))
            match = f"MATCH ({of}){arrow}({row}{labelled(query.label)})"
        else:
            arrow = arrow_of((step.direction, (step.type,)), "x")
            then = self._links_then(step.direction, arrow, f" AND x.type = '{step.type}'")
            match = (
                f"WITH {of}.id AS {self._own('of')} {then} {self._record_of(self._own('other'), row)}"
                f" WITH {row}, {self._own('link')} AS {self._own('x')}"
            )
            if query.label != ROOT or not query.subtypes:
                types = self.parameter(list(query.types))
                conditions.insert(0, f"({row}:`{query.label}` OR {row}.type IN {types})")
        return f"{match} WHERE {' AND '.join(conditions)}" if conditions else match

    def _links_then(self, way: str, arrow: str, narrowed: str) -> str:
        """Binds ``type``, ``link`` and ``other`` to the relationships that an ``of`` had, and to the
        ids at their other ends."""
        near, far = ("source", "target") if way == "out" else ("target", "source")
        of, type_, link, other = map(self._own, ("of", "type", "link", "other"))
        return (
            f"CALL ({of}) {{"
            f" MATCH (a:`Record` {{id: {of}}}){arrow}(y:`Record`) WHERE x.revision <= $at"
            f" RETURN type(x) AS {type_}, properties(x) AS {link}, y.id AS {other}"
            f" UNION ALL {link_image('x', **{near: of})}"
            f" WHERE x.revision <= $at AND x.until > $at{narrowed}"
            f" RETURN x.type AS {type_}, properties(x) AS {link}, x.{far} AS {other} }}"
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

    # -- organisations --------------------------------------------------------------------------------

    def _bind_members(
        self, queries: Sequence[ParsedQuery], steps: Sequence[ParsedStep] = ()
    ) -> str:
        """Binds names to the ids of the organisations that are asked for and all below them, each once
        for all rows."""
        asked = [*(query.organisation for query in queries), *organisations_of(steps)]
        self._members, bound = {}, ""
        for organisation in dict.fromkeys(asked if self.as_of is None else ()):
            if organisation is None:
                continue
            before = "".join(f"{name}, " for name in self._members.values())
            name = self._members[organisation] = f"members{len(self._members) or ''}"
            bound += (
                f"MATCH (:`Record` {{id: {self.parameter(organisation)}}})"
                f"<-[:`{ORGANISATION_TREE}`*0..]-(o:`Record`) WITH {before}collect(o.id) AS {name} "
            )
        return bound

    def _with(self, names: str) -> str:
        """Names that go on, with those that `_bind_members` has bound."""
        return ", ".join([names, *self._members.values()])

    def _conditions(self, query: ParsedQuery) -> list[str]:
        parts, row = [], self.row
        if not query.subtypes:
            below = (t for t in self.model.record_types.values() if t.parent == query.label)
            parts += [f"NOT {row}:`{child.name}`" for child in below]
        if query.organisation is not None:
            if self.as_of is None:
                members = self._members[query.organisation]
            else:
                members = self.parameter(list(self.subtrees[query.organisation]))
            parts.append(
                f"({row}.`{ORGANISATION_ATTRIBUTE}` IN {members} OR {row}.id IN {members})"
            )
        if query.condition != AllOf(()):
            parts.append(self.condition(row, query.condition))
        return parts
