"""Full-text search: every word is found wherever it stands inside a value, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmdb.change_sets import Update
from cmdb.errors import QueryError
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.building import add, commit, create


@pytest.fixture(scope="module")
def shelf(module_url: str, model: Model) -> Iterator[GraphStore]:
    """A store with some devices in it, read only."""
    with create_store(module_url, model) as store:
        commit(
            store,
            create("Device", "web"),
            create("Device", "web-02"),
            create("Server", "old web server", note="stands in the corner"),
            create("Server", "PROD-DB-01", serial_number="2102312AXY10KB000042", address="10.23.4.117",
                   mac="00:1a:2b:3c:4d:5e", tags=["gold", "Ω-line"], secret="unfindable"),
            create("Device", "500kV昌平变电站保护装置", note="备用 电源 屏"),
            create("Device", "变电所监控", note="线路一次设备 & 二次"),
            create("Box", "A & B (left) [x]*?~^\"quoted\" back\\slash"),
            create("Box", "snake_case_name.with.dots/and-dashes"),
            create("Box", "Größe Æther İstanbul"),
        )  # fmt: skip
        yield store


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web", ["web", "web-02", "old web server"]),
        ("WEB", ["web", "web-02", "old web server"]),
        ("web server", ["old web server"]),
        ("server corner", ["old web server"]),
        ("corn", ["old web server"]),
        ("02", ["web-02", "PROD-DB-01"]),
        ("xY", ["PROD-DB-01"]),
        ("x", ["PROD-DB-01", 'A & B (left) [x]*?~^"quoted" back\\slash']),
        ("KB0000", ["PROD-DB-01"]),
        ("0042", ["PROD-DB-01"]),
        ("23.4.1", ["PROD-DB-01"]),
        (".117", ["PROD-DB-01"]),
        ("2b:3c", ["PROD-DB-01"]),
        ("2B:3C:4D", ["PROD-DB-01"]),
        ("gold Ω", ["PROD-DB-01"]),
        ("ω-LINE", ["PROD-DB-01"]),
        ("unfindable", []),
        ("变电", ["500kV昌平变电站保护装置", "变电所监控"]),
        ("电", ["500kV昌平变电站保护装置", "变电所监控"]),
        ("变电站", ["500kV昌平变电站保护装置"]),
        ("站保", ["500kV昌平变电站保护装置"]),
        ("电变", []),
        ("500KV昌", ["500kV昌平变电站保护装置"]),
        ("备用 屏", ["500kV昌平变电站保护装置"]),
        ("用电", []),
        ("一次 &", ["变电所监控"]),
        ("&", ['A & B (left) [x]*?~^"quoted" back\\slash', "变电所监控"]),
        ('"quoted"', ['A & B (left) [x]*?~^"quoted" back\\slash']),
        ("(left) [x]*?~^", ['A & B (left) [x]*?~^"quoted" back\\slash']),
        ("back\\slash", ['A & B (left) [x]*?~^"quoted" back\\slash']),
        ("OR 1=1", []),
        ("web OR 02", []),
        ("name:web", []),
        ("*", ['A & B (left) [x]*?~^"quoted" back\\slash']),
        ("case_name.with", ["snake_case_name.with.dots/and-dashes"]),
        ("dots/and-", ["snake_case_name.with.dots/and-dashes"]),
        ("GRÖSSE", []),
        ("größe æTHER", ["Größe Æther İstanbul"]),
        ("nothing like this", []),
    ],
)
def test_finds(shelf: GraphStore, text: str, expected: list[str]) -> None:
    page = shelf.search(text, Query(total=True))
    assert sorted(record.name for record in page.records) == sorted(expected)
    assert page.total == len(expected)


def test_names_that_are_or_begin_with_the_text_come_first(shelf: GraphStore) -> None:
    assert [r.name for r in shelf.search("web").records] == ["web", "web-02", "old web server"]


def test_narrowed_and_paged(shelf: GraphStore) -> None:
    assert [r.name for r in shelf.search("web", Query("Server")).records] == ["old web server"]
    where = {"note": {"null": True}}
    assert [r.name for r in shelf.search("web", Query("Device", where)).records] == [
        "web",
        "web-02",
    ]
    names, cursor = [], None
    for _ in range(3):
        page = shelf.search("web", Query(first=1, after=cursor, total=True))
        assert page.total == 3
        names += [record.name for record in page.records]
        cursor = page.cursor
    assert (names, cursor) == (["web", "web-02", "old web server"], None)
    with pytest.raises(QueryError, match="cursor"):
        shelf.search("other", Query(after=shelf.search("web", Query(first=1)).cursor))


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_nothing_to_search_for(shelf: GraphStore, text: str) -> None:
    with pytest.raises(QueryError, match="Nothing to search for"):
        shelf.search(text)


def test_a_search_has_its_own_order_and_looks_at_the_present(shelf: GraphStore) -> None:
    with pytest.raises(QueryError):
        shelf.search("web", Query(as_of=1))


def test_what_was_just_written_is_found_and_what_was_overwritten_is_not(store: GraphStore) -> None:
    id = add(store, "Device", "旧名称", tags=["one"])
    assert [r.id for r in store.search("旧名").records] == [id]
    commit(store, Update(id, {"name": "新名称", "tags": None}))
    assert store.search("旧名").records == []
    assert store.search("one").records == []
    assert [r.id for r in store.search("新名").records] == [id]


ALPHABET = 'ab1.-_ 变电站Éé"*\\Ω'
WORDS = st.text(ALPHABET, min_size=1, max_size=8)


def check_searches(store: GraphStore, data: st.DataObject) -> None:
    """What a search finds is what plain substrings say, whatever the characters."""
    values = data.draw(
        st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=2)), min_size=1, max_size=6)
    )
    devices = [create("Device", name, tags=tags) for name, tags in values if name.strip()]
    commit(store, *devices)
    everything: dict[str, dict[str, Any]] = {
        r.id: dict(r.attributes) for r in store.scan_records() if r.type == "Device"
    }
    for _ in range(3):
        text = data.draw(WORDS.filter(lambda text: bool(text.strip())))
        words = text.lower().split()
        expected = {
            id
            for id, attributes in everything.items()
            if all(
                any(word in value.lower() for value in [attributes["name"], "standard", *attributes["tags"]])
                for word in words
            )
        }  # fmt: skip
        found = store.search(text, Query("Device", first=10_000, total=True))
        assert {record.id for record in found.records} == expected, text
        assert found.total == len(expected)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_sqlite_searches_by_substring(kept_file: GraphStore, data: st.DataObject) -> None:
    check_searches(kept_file, data)


@pytest.mark.neo4j
@given(data=st.data())
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_neo4j_searches_by_substring(kept_neo4j: GraphStore, data: st.DataObject) -> None:
    check_searches(kept_neo4j, data)
