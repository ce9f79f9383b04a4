"""Properties of any values and any filters, on both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmdb.change_sets import Update
from cmdb.queries import Query, Sort
from cmdb.store import GraphStore
from schema.kinds import KINDS, Money
from tests.support.building import commit, create
from tests.support.oracle import holds
from tests.support.values import INSTANTS

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
NAME = TEXT.filter(bool)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
MONEY = st.builds(
    Money,
    st.sampled_from(["CNY", "USD", "EUR"]),
    st.decimals(-(10**11), 10**11, places=2, allow_nan=False, allow_infinity=False),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "note": TEXT,
    "serial_number": TEXT,
    "size": st.integers(-100, 1_000_000),
    "weight": st.floats(allow_nan=False, allow_infinity=False),
    "active": st.booleans(),
    "bought": st.dates(),
    "seen": INSTANTS,
    "runtime": st.timedeltas(-KINDS["duration"].parse("P36500D"), KINDS["duration"].parse("P36500D")),
    "colour": st.sampled_from(["red", "blue"]),
    "address": st.ip_addresses().map(str),
    "mac": st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":")),
    "price": MONEY,
    "facts": JSON.filter(lambda value: value is not None),
    "tags": st.lists(TEXT, max_size=3),
    "dates": st.lists(st.dates(), max_size=3),
}  # fmt: skip
ATTRIBUTES = st.fixed_dictionaries({"name": NAME}, optional=VALUES)


def check_values(store: GraphStore, first: dict[str, Any], second: dict[str, Any]) -> None:
    """What is stored is what was given, made canonical; now, and as of when it was."""
    parse = store.model.record_types["Device"].parsers
    operation = create("Device", **first)
    created = commit(store, operation)
    expected = {name: parse[name](value) for name, value in first.items() if value != ""}
    if "seen" in expected:
        assert expected["seen"] == first["seen"].astimezone(UTC)
    for name, value in (("grade", "standard"), ("lifecycle_state", "planned")):
        expected.setdefault(name, value)
    stored = dict(store.record(operation.id).attributes)
    assert {k: v for k, v in stored.items() if v != ""} == expected
    commit(store, Update(operation.id, {**dict.fromkeys(VALUES), **second}))
    assert dict(store.record(operation.id, created).attributes) == stored
    changed = {name: parse[name](value) for name, value in second.items() if value != ""}
    now = dict(store.record(operation.id).attributes)
    assert {k: v for k, v in now.items() if k in changed} == changed
    [found] = store.find(Query("Device", {"id": operation.id})).records
    assert dict(found.attributes) == now


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from([n for n in VALUES if n not in ("facts", "dates", "price")]))
    if name == "tags":
        return {name: {"contains": draw(TEXT)}}
    kind = {"note": "text", "serial_number": "string", "size": "integer", "weight": "number", "active": "boolean",
            "bought": "date", "seen": "datetime", "runtime": "duration", "colour": "enum", "address": "ip_address",
            "mac": "mac"}[name]  # fmt: skip
    allowed = ["eq", "ne", "in", "null"]
    allowed += ["lt", "lte", "gt", "gte"] if KINDS[kind].ordered else []
    allowed += ["contains", "prefix"] if KINDS[kind].textual else []
    operator = draw(st.sampled_from(allowed))
    if operator == "null":
        return {name: {"null": draw(st.booleans())}}
    if operator in ("contains", "prefix"):
        return {name: {operator: draw(VALUES[name].map(lambda text: text[:2]))}}
    if operator == "in":
        return {name: {"in": draw(st.lists(VALUES[name], max_size=3))}}
    return {name: {operator: draw(VALUES[name])}}


FILTERS = st.recursive(
    comparisons(),
    lambda inner: (
        st.builds(lambda part: {"not": part}, inner)
        | st.builds(lambda parts: {"and": parts}, st.lists(inner, max_size=3))
        | st.builds(lambda parts: {"or": parts}, st.lists(inner, max_size=3))
    ),
    max_leaves=5,
)


def check_filters(store: GraphStore, data: st.DataObject) -> None:
    """A filter finds just those that hold by the book; sorted, in pages of any size."""
    commit(store, *(create("Device", **a) for a in data.draw(st.lists(ATTRIBUTES, max_size=4))))
    devices = {r.id: r.attributes for r in store.scan_records()}
    where = data.draw(FILTERS)
    canonical = _canonical(store, where)
    expected = {id for id, attributes in devices.items() if holds(canonical, attributes)}
    order = data.draw(
        st.sampled_from(["name", "note", "size", "weight", "bought", "seen", "runtime"])
    )
    descending = data.draw(st.booleans())
    # Either way of asking, but one in each example: what costs a server most is planning a statement.
    total = data.draw(st.booleans())
    asked = Query("Device", where, sort=[Sort(order, descending)], first=10_000, total=total)
    whole = store.find(asked).records
    assert {record.id for record in whole} == expected
    present = [r.attributes[order] for r in whole if order in r.attributes]
    assert present == sorted(present, reverse=descending), "text in order of code points"
    size, walked, cursor = data.draw(st.integers(3, 40)), [], None
    while True:
        page = store.find(replace(asked, first=size, after=cursor))
        assert page.total == (len(whole) if total else None)
        walked += page.records
        cursor = page.cursor
        if cursor is None:
            break
    assert walked == whole


def _canonical(store: GraphStore, where: Any) -> Any:
    parse = store.model.record_types["Device"].parsers
    if isinstance(where, list):
        return [_canonical(store, part) for part in where]
    canonical: dict[str, Any] = {}
    for key, value in where.items():
        if key in ("and", "or", "not"):
            canonical[key] = _canonical(store, value)
            continue
        [(operator, operand)] = value.items()
        if operator == "in":
            operand = [parse[key](element) for element in operand]
        elif operator not in ("null", "contains", "prefix"):
            operand = parse[key](operand)
        canonical[key] = {operator: operand}
    return canonical


QUIET = list(HealthCheck)


@given(first=ATTRIBUTES, second=ATTRIBUTES)
@settings(max_examples=150, suppress_health_check=QUIET)
def test_sqlite_keeps_values(
    kept_file: GraphStore, first: dict[str, Any], second: dict[str, Any]
) -> None:
    check_values(kept_file, first, second)


@pytest.mark.neo4j
@given(first=ATTRIBUTES, second=ATTRIBUTES)
@settings(max_examples=60, suppress_health_check=QUIET)
def test_neo4j_keeps_values(
    kept_neo4j: GraphStore, first: dict[str, Any], second: dict[str, Any]
) -> None:
    check_values(kept_neo4j, first, second)


@given(data=st.data())
@settings(max_examples=80, suppress_health_check=QUIET)
def test_sqlite_filters_by_the_book(kept_file: GraphStore, data: st.DataObject) -> None:
    check_filters(kept_file, data)


@pytest.mark.neo4j
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=QUIET)
def test_neo4j_filters_by_the_book(kept_neo4j: GraphStore, data: st.DataObject) -> None:
    check_filters(kept_neo4j, data)
