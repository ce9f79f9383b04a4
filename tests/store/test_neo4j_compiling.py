"""The Cypher that is sent: exactly, and that no name or value from outside gets into it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdb.errors import QueryError, UnknownNameError
from cmdb.queries import Query, Sort, parse_query
from cmdb.records import Record
from cmdb.steps import Step, parse_step, parse_steps
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.compiling import Compiler
from cmdb.store.neo4j.conditions import lucene
from schema.model import Model

ORGANISATION = "019a0000-0000-7000-8000-000000000000"


def compiled(model: Model, query: Query, text: str | None = None) -> tuple[str, dict[str, Any]]:
    as_of = query.as_of
    assert as_of is None or isinstance(as_of, int)
    compiler = Compiler(model, as_of)
    return compiler.page(parse_query(model, query, text)), compiler.parameters


def test_a_page_of_the_present(model: Model) -> None:
    query = Query(
        "Device", {"size": {"gte": 5}, "not": {"colour": "red"}}, sort=[Sort("name", True)], first=2
    )
    assert compiled(model, query) == (
        (
            "MATCH (n:`Record`:`Device`) WHERE (n.`size` >= $p1 AND NOT coalesce(n.`colour` = $p2, false))"
            " WITH n ORDER BY n.`name` IS NULL, n.`name` DESC, n.id LIMIT $p0 RETURN collect([[labels(n), n {.*}]]) AS answer"
        ),
        {"p0": 3, "p1": 5, "p2": "red"},
    )


def test_the_next_page(model: Model) -> None:
    first = parse_query(model, Query("Box", sort=[Sort("name")], first=2))
    cursor = first.cursor(Record(ORGANISATION, "Box", 2, {"name": "b"}))
    behind = "((n.`name` > $p1 OR n.`name` IS NULL) OR n.`name` = $p1 AND n.id > $p2)"
    assert compiled(model, Query("Box", sort=[Sort("name")], first=2, after=cursor)) == (
        (
            f"MATCH (n:`Record`:`Box`) WITH n WHERE {behind}"
            " WITH n, n.`name` AS key ORDER BY key LIMIT $p0"
            " WITH collect(n) AS first, collect(key)[-1] AS last"
            " CALL (first, last) { UNWIND first AS n WITH n, last WHERE n.`name` <> last RETURN n"
            f" UNION MATCH (n:`Record`:`Box`) WITH n WHERE {behind} AND n.`name` = last RETURN n }}"
            " WITH n ORDER BY n.`name`, n.id LIMIT $p0 RETURN collect([[labels(n), n {.*}]]) AS answer"
        ),
        {"p0": 3, "p1": "b", "p2": ORGANISATION},
    )


def test_a_page_of_the_past(model: Model) -> None:
    statement, parameters = compiled(model, Query("Device", {"price": {"gt": "CNY 5"}}, as_of=7))
    assert statement == (
        "CALL () { MATCH (n:`Record`:`Device`) WHERE n.revision <= $at RETURN n"
        " UNION ALL MATCH (n:`_RecordImage`) WHERE n.revision <= $at AND n.until > $at AND n.type IN $p4 RETURN n }"
        " WITH n WHERE (left(n.`price`, 3) = $p2 AND toFloat(substring(n.`price`, 4)) > $p3)"
        " WITH n ORDER BY n.id LIMIT $p1 RETURN collect([[labels(n), n {.*}]]) AS answer"
    )
    assert parameters == {"at": 7, "p1": 51, "p2": "CNY", "p3": 5.0, "p4": ["Device", "Server"]}


def test_related_records_types_and_organisations(model: Model) -> None:
    statement, _ = compiled(
        model, Query("Device", {"RUNS": {"name": {"prefix": "a"}}}, subtypes=False)
    )
    assert statement.startswith(
        "MATCH (n:`Record`:`Device`) WHERE NOT n:`Server` AND EXISTS { MATCH (n)<-[:`RUNS_ON`]-(m1:`Record`)"
        " WHERE m1.`name` STARTS WITH $p1 } WITH n ORDER BY"
    )
    statement, _ = compiled(model, Query("Server", organisation=ORGANISATION))
    assert statement.startswith(
        "MATCH (:`Record` {id: $p1})<-[:`PART_OF`*0..]-(o:`Record`) WITH collect(o.id) AS members"
        " MATCH (n:`Record`:`Server`) WHERE (n.`organisation` IN members OR n.id IN members) WITH n"
    )


def test_neighbours_and_get(model: Model) -> None:
    assert Compiler(model, None).get() == (
        "UNWIND $ids AS id MATCH (n:`Record` {id: id}) RETURN collect([labels(n), n {.*}]) AS answer"
    )
    assert Compiler(model, None).neighbours(["CALLS", "RUNS_ON"], ["out"]) == (
        "CALL () { UNWIND $ids AS of MATCH (a:`Record` {id: of})-[x:`CALLS`|`RUNS_ON`]->(r:`Record`)"
        " RETURN [of, 'out', type(x), properties(x), [labels(r), r {.*}]] AS row } RETURN collect(row) AS answer"
    )


def test_what_is_written(model: Model) -> None:
    assert statements.CREATE_RECORDS == (
        "CYPHER replan=skip UNWIND $groups AS g UNWIND g.rows AS row"
        " CREATE (n:$(g.labels)) SET n = row"
    )
    assert statements.RELATE == (
        "CYPHER replan=skip UNWIND $groups AS g UNWIND g.rows AS row"
        " MATCH (s:`Record` {id: row[0]}) USING INDEX s:`Record`(id)"
        " MATCH (t:`Record` {id: row[1]}) USING INDEX t:`Record`(id)"
        " CREATE (s)-[x:$(g.type)]->(t) SET x = g.properties[row[2]]"
    )
    assert statements.model_constraints(model)["cmdb_unique_Device_row_column"] == (
        "CREATE CONSTRAINT `cmdb_unique_Device_row_column` IF NOT EXISTS FOR (n:`Device`)"
        " REQUIRE (n.`row`, n.`column`) IS UNIQUE"
    )
    assert "cmdb_index_serial_number" in statements.model_indexes(model)


def test_a_reading_of_now_looks_at_the_clock_before_and_after(model: Model) -> None:
    assert statements.quiet("RETURN 1 AS answer") == (
        "MATCH (c:`_Store` {key: 'clock'}) WHERE c.announced = c.published WITH c.published AS begun"
        " CALL () { RETURN 1 AS answer }"
        " MATCH (d:`_Store` {key: 'clock'}) WHERE d.announced = begun RETURN answer"
    )


EVIL = "x`}) DETACH DELETE n //' OR 1=1 --\" $p0 \\u0060 变"


@pytest.mark.parametrize(
    "query",
    [
        Query(EVIL),
        Query("Device", {EVIL: 1}),
        Query("Device", {EVIL.upper(): {}}),
        Query("Device", {"RUNS": {EVIL: 1}}),
        Query("Device", {"size": {EVIL: 1}}),
        Query("Device", {"size": EVIL}),
        Query("Device", {"keeper": EVIL}),
        Query("Device", sort=[Sort(EVIL)]),
        Query("Device", organisation=EVIL),
        Query("Device", after=EVIL),
    ],
)
def test_names_from_outside_are_refused(model: Model, query: Query) -> None:
    with pytest.raises((QueryError, UnknownNameError)):
        parse_query(model, query)


TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: "\x00" not in text)


@given(value=TEXT | st.just(EVIL))
def test_values_are_parameters(model: Model, value: str) -> None:
    for where in (
        {"note": value}, {"note": {"in": [value]}}, {"note": {"contains": value}}, {"name": {"prefix": value}},
        {"tags": {"contains": value}}, {"RUNS": {"note": value}}, {"not": {"note": {"ne": value}}},
    ):  # fmt: skip
        for as_of in (None, 3):
            statement, parameters = compiled(model, Query("Device", where, as_of=as_of))
            plain, _ = compiled(model, Query("Device", _with(where, "plain"), as_of=as_of))
            assert statement == plain
            assert value in parameters.values() or [value] in parameters.values()


def _with(where: Any, value: str) -> Any:
    if isinstance(where, dict):
        return {key: _with(part, value) for key, part in where.items()}
    return [value] if isinstance(where, list) else value


@given(text=TEXT | st.just(EVIL) | st.text('"*?~^:()[]{}\\/ +-&|!aB1变站'))
def test_a_search_sends_only_plain_terms(model: Model, text: str) -> None:
    for term in lucene(text).split(" AND "):
        inner = term[1:-1]
        assert term[:1] + term[-1:] in ("", '""', "**")
        assert all(c.isalnum() or ord(c) > 0x2E7F for c in inner)
    if text.split():
        statement, parameters = compiled(model, Query("Device"), text)
        assert statement in {compiled(model, Query("Device"), t)[0] for t in ("plain", "-")}
        assert text.lower().split() in parameters.values()


def connected(model: Model, as_of: int | None, *steps: Step) -> tuple[str, dict[str, Any]]:
    compiler = Compiler(model, as_of)
    parsed = [parse_step(model, step, as_of is not None) for step in steps]
    return compiler.connections(parsed), compiler.parameters


def test_steps_are_subqueries_of_one_statement(model: Model) -> None:
    apps = Query("App", {"note": "x"}, sort=[Sort("name")], first=2)
    total = Query("Server", first=0, total=True)
    assert connected(model, None, Step("RUNS", apps), Step("RUNS_ON", total)) == (
        (
            "UNWIND $ids AS id MATCH (n:`Record` {id: id}) RETURN collect([id,"
            " [COLLECT { MATCH (n)<-[x1:`RUNS_ON`]-(n1:`Record`) WHERE n1.`note` = $p1"
            " WITH n1, x1 ORDER BY n1.`name`, n1.id LIMIT $p0"
            " RETURN [[labels(n1), n1 {.*}], properties(x1)] }, null],"
            " [[], COUNT { MATCH (n)-[x1:`RUNS_ON`]->(n1:`Record`:`Server`) RETURN 1 }]]) AS answer"
        ),
        {"p0": 3, "p1": "x"},
    )


def test_steps_behind_a_page_ask_for_what_is_wanted(model: Model) -> None:
    calls = Step("CALLED_BY", Query("App", attributes=[]), only_records=True)
    runs = Step("RUNS", Query("App", first=3, attributes=["note"], steps=[calls]), ["port"])
    query = Query("Server", first=2, attributes=["size", "name"], sort=[Sort("row")], steps=[runs])
    compiler = Compiler(model, None)
    steps = parse_steps(model, query.steps, past=False)
    assert compiler.page(parse_query(model, query), steps) == (
        "MATCH (n:`Record`:`Server`) WITH n ORDER BY n.`row`, n.id LIMIT $p0"
        " RETURN collect([[labels(n), [n.`id`, n.`revision`, n.`name`, n.`row`, n.`size`]],"
        " [COLLECT { MATCH (n)<-[x1:`RUNS_ON`]-(n1:`Record`) WITH n1, x1 ORDER BY n1.id LIMIT $p1"
        " RETURN [[labels(n1), [n1.`id`, n1.`revision`, n1.`note`]], [x1.`revision`, x1.`port`],"
        " [COLLECT { MATCH (n1)<-[x2:`CALLS`]-(n2:`Record`) WITH n2, x2 ORDER BY n2.id LIMIT $p2"
        " RETURN [[labels(n2), [n2.`id`, n2.`revision`]]] }, null]] }, null]]) AS answer"
    )
    assert compiler.parameters == {"p0": 3, "p1": 4, "p2": 51}


def test_a_step_of_the_past(model: Model) -> None:
    query = Query("Server", first=2, attributes=["size"])
    statement, parameters = connected(model, 7, Step("RUNS_ON", query))
    assert statement == (
        "UNWIND $ids AS id MATCH (n:`Record` {id: id}) WHERE n.revision <= $at"
        " OR EXISTS { MATCH (i:`_RecordImage` {id: id}) WHERE i.revision <= $at }"
        " RETURN collect([id, [COLLECT { WITH n.id AS of1 CALL (of1) {"
        " MATCH (a:`Record` {id: of1})-[x:`RUNS_ON`]->(y:`Record`) WHERE x.revision <= $at"
        " RETURN type(x) AS type1, properties(x) AS link1, y.id AS other1"
        " UNION ALL MATCH (x:`_RelationshipImage` {source: of1})"
        " USING INDEX SEEK x:`_RelationshipImage`(`source`)"
        " WHERE x.revision <= $at AND x.until > $at AND x.type = 'RUNS_ON'"
        " RETURN x.type AS type1, properties(x) AS link1, x.target AS other1 }"
        " CALL (other1) { MATCH (n1:`Record` {id: other1}) WHERE n1.revision <= $at RETURN n1"
        " UNION ALL MATCH (n1:`_RecordImage` {id: other1}) USING INDEX SEEK n1:`_RecordImage`(`id`)"
        " WHERE n1.revision <= $at AND n1.until > $at RETURN n1 }"
        " WITH n1, link1 AS x1 WHERE (n1:`Server` OR n1.type IN $p2)"
        " WITH n1, x1 ORDER BY n1.id LIMIT $p1"
        " RETURN [[CASE WHEN n1:`_RecordImage` THEN [n1.type] ELSE labels(n1) END,"
        " [n1.`id`, n1.`revision`, n1.`size`]], properties(x1)] }, null]]) AS answer"
    )
    assert parameters == {"at": 7, "p1": 3, "p2": ["Server"]}
