"""Reading: get, find with every operator on every kind, neighbours, counts. One estate, read only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cmdb.change_sets import Relate, Unrelate, Update
from cmdb.errors import NotFoundError, QueryError, UnknownNameError
from cmdb.ids import new_id
from cmdb.queries import Count, Query, Sort
from cmdb.store import GraphStore, create_store
from schema.kinds import KINDS
from schema.model import Model
from tests.support.building import commit, create
from tests.support.oracle import holds

VALUES: dict[str, dict[str, Any]] = {
    "full": {
        "size": 5, "weight": 2.5, "active": True, "bought": "2020-02-29", "seen": "2026-01-01T08:00:00+08:00",
        "runtime": "PT36H", "colour": "red", "address": "10.0.0.5", "network": "10.0.0.0/8", "mac": "00:1A:2B:3C:4D:5E",
        "link": "https://a.example/x?y=1", "mail": "a@b.cn", "price": "CNY 1234.50", "facts": {"cpu": [1, "ü", None]},
        "tags": ["alpha", "β", "a'b"], "dates": ["2020-01-01", "2021-01-01"], "serial_number": "SN-0001",
        "note": "first\nline two", "secret": "hush", "asset": "ZC-1",
    },
    "other": {
        "size": -3, "weight": 1e-9, "active": False, "bought": "1999-12-31", "seen": "2026-01-01T00:00:00.000001Z",
        "runtime": -1.5, "colour": "blue", "address": "2001:db8::1", "network": "2001:db8::/32", "mac": "ffffffffffff",
        "link": "mailto:x@y.z", "mail": "z@b.cn", "price": "CNY 99.999", "facts": [], "tags": [], "dates": ["2021-01-01"],
        "serial_number": "SN-0002", "note": "变电站", "grade": "special",
    },
    "dollars": {"price": "USD 1234.50", "size": 1000000, "weight": -7.0, "bought": "2020-02-29", "serial_number": "sn-0001"},
    "empty": {},
    "变电站主机": {"size": 5, "colour": "red", "tags": ["alpha"], "note": "变电站"},
    "back\\slash `tick` $5 \"q\" 'q' %_": {"size": 0, "serial_number": "100%_"},
}  # fmt: skip


class Estate:
    """What every test here reads; each step of its making is a revision."""

    def __init__(self, store: GraphStore) -> None:
        self.store = store
        hq, north, south, city = (
            create("Organisation", name, code=name) for name in ("hq", "north", "south", "city")
        )
        self.organisations = {o.attributes["name"]: o.id for o in (hq, north, south, city)}
        commit(
            store, hq, north, south, city,
            Relate(north.id, "PART_OF", hq.id), Relate(south.id, "PART_OF", hq.id),
            Relate(city.id, "PART_OF", north.id),
        )  # fmt: skip
        self.person = create("Person", "anna", organisation=city.id)
        self.devices = {name: create("Device", name, **values) for name, values in VALUES.items()}
        self.server = create("Server", "srv", organisation=city.id, size=7, keeper=self.person.id)
        self.apps = [create("App", f"app {i}", organisation=south.id) for i in range(3)]
        self.box = create("Box", "box", organisation=north.id)
        commit(store, self.person, *self.devices.values(), self.server, *self.apps, self.box)
        full, other = self.devices["full"].id, self.devices["other"].id
        self.before_relations = store.last_revision()
        self.related = commit(
            store,
            Relate(self.apps[0].id, "RUNS_ON", full, {"port": 1}),
            Relate(self.apps[0].id, "RUNS_ON", other, {"port": 2}),
            Relate(self.apps[1].id, "RUNS_ON", full),
            Relate(self.apps[1].id, "CALLS", self.apps[0].id),
            Relate(self.apps[2].id, "CALLS", self.apps[2].id),
            Relate(self.box.id, "CONTAINS", full, {"position": 4}),
        )
        self.changed = commit(
            store,
            Update(full, {"size": 6}),
            Relate(self.apps[0].id, "RUNS_ON", full, {"port": 9}),
            Unrelate(self.apps[0].id, "RUNS_ON", other),
            Unrelate(city.id, "PART_OF", north.id),
            Relate(city.id, "PART_OF", south.id),
        )
        self.records = {record.id: record for record in store.scan_records()}

    def names(
        self, type_: str = "Device", where: Mapping[str, Any] | None = None, **more: Any
    ) -> set[str]:
        page = self.store.find(Query(type_, where, total=True, first=100, **more))
        assert page.total == len(page.records)
        assert page.cursor is None
        return {record.name for record in page.records}


@pytest.fixture(scope="module")
def estate(module_url: str, model: Model) -> Iterator[Estate]:
    with create_store(module_url, model) as store:
        yield Estate(store)


# -- get ----------------------------------------------------------------------------------------------


def test_every_kind_is_read_as_it_was_given(estate: Estate) -> None:
    attributes = estate.store.record(estate.devices["full"].id, estate.related).attributes
    assert attributes == {
        "name": "full", "size": 5, "weight": 2.5, "active": True, "bought": date(2020, 2, 29),
        "seen": datetime(2026, 1, 1, tzinfo=UTC), "runtime": timedelta(hours=36), "colour": "red",
        "address": "10.0.0.5", "network": "10.0.0.0/8", "mac": "00:1a:2b:3c:4d:5e", "link": "https://a.example/x?y=1",
        "mail": "a@b.cn", "price": KINDS["money"].parse("CNY 1234.50"), "facts": {"cpu": [1, "ü", None]},
        "tags": ["alpha", "β", "a'b"], "dates": [date(2020, 1, 1), date(2021, 1, 1)],
        "serial_number": "SN-0001", "note": "first\nline two", "secret": "hush", "asset": "ZC-1",
        "grade": "standard", "lifecycle_state": "planned",
    }  # fmt: skip
    assert type(attributes["active"]) is bool
    other = estate.store.record(estate.devices["other"].id).attributes
    assert other["tags"] == []
    assert other["runtime"] == timedelta(seconds=-1.5)
    assert other["seen"].microsecond == 1


def test_many_are_read_at_once_and_missing_ones_left_out(estate: Estate) -> None:
    ids = [device.id for device in estate.devices.values()]
    assert set(estate.store.get([*ids, new_id(), "nonsense", ids[0]])) == set(ids)
    assert estate.store.get([]) == {}
    with pytest.raises(NotFoundError, match="There is no record"):
        estate.store.record(new_id())


# -- filters ------------------------------------------------------------------------------------------

FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"size": {"eq": 6}}, {"full"}),
    ({"size": 5}, {"变电站主机"}),
    ({"size": {"lt": 0}}, {"other"}),
    ({"size": {"gte": 5, "lt": 7}}, {"full", "变电站主机"}),
    ({"size": {"in": [6, -3]}}, {"full", "other"}),
    ({"size": {"in": []}}, set()),
    ({"size": {"null": True}}, {"empty"}),
    ({"weight": {"gt": 0}}, {"full", "other"}),
    ({"weight": {"lte": "1e-9"}}, {"other", "dollars"}),
    ({"active": {"eq": True}}, {"full"}),
    ({"active": {"eq": "否"}}, {"other"}),
    ({"bought": {"lt": "2020-02-29"}}, {"other"}),
    ({"bought": "2020-02-29"}, {"full", "dollars"}),
    ({"seen": {"eq": "2026-01-01T00:00:00Z"}}, {"full"}),
    ({"seen": {"gt": "2026-01-01T00:00:00Z"}}, {"other"}),
    ({"runtime": {"gt": "PT35H"}}, {"full"}),
    ({"runtime": {"lt": 0}}, {"other"}),
    ({"colour": {"eq": "red"}}, {"full", "变电站主机"}),
    ({"address": "10.0.0.5"}, {"full"}),
    ({"address": {"prefix": "10."}}, {"full"}),
    ({"address": "2001:0DB8:0::1"}, {"other"}),
    ({"network": {"contains": "/32"}}, {"other"}),
    ({"mac": "00-1a-2b-3c-4d-5e"}, {"full"}),
    ({"link": {"contains": "x?y"}}, {"full"}),
    ({"mail": {"ne": "a@b.cn"}}, {"other", "dollars", "empty", "变电站主机", "back\\slash `tick` $5 \"q\" 'q' %_", "srv"}),
    ({"price": {"gt": "CNY 100"}}, {"full"}),
    ({"price": {"lt": "CNY 1234.50"}}, {"other"}),
    ({"price": "USD 1234.5"}, {"dollars"}),
    ({"price": {"in": ["CNY 99.999", "USD 1234.50"]}}, {"other", "dollars"}),
    ({"facts": {"null": False}}, {"full", "other"}),
    ({"tags": {"contains": "alpha"}}, {"full", "变电站主机"}),
    ({"tags": {"contains": "a'b"}}, {"full"}),
    ({"tags": {"null": True}}, {"dollars", "empty", "back\\slash `tick` $5 \"q\" 'q' %_", "srv"}),
    ({"dates": {"contains": "2021-01-01"}}, {"full", "other"}),
    ({"serial_number": {"prefix": "SN-"}}, {"full", "other"}),
    ({"serial_number": {"contains": "0001"}}, {"full", "dollars"}),
    ({"serial_number": {"contains": "%_"}}, {"back\\slash `tick` $5 \"q\" 'q' %_"}),
    ({"serial_number": "sn-0001"}, {"dollars"}),
    ({"name": {"prefix": "back\\slash `tick`"}}, {"back\\slash `tick` $5 \"q\" 'q' %_"}),
    ({"name": "变电站主机"}, {"变电站主机"}),
    ({"name": {"contains": "站主"}}, {"变电站主机"}),
    ({"grade": "special"}, {"other"}),
    ({"not": {"size": {"gte": 0}}}, {"other", "empty"}),
    ({"not": {"not": {"size": 6}}}, {"full"}),
    ({"or": [{"size": 6}, {"colour": "blue"}]}, {"full", "other"}),
    ({"or": []}, set()),
    ({"and": [], "size": 6}, {"full"}),
    ({"and": [{"size": {"gte": 5}}, {"not": {"colour": "red"}}]}, {"dollars", "srv"}),
    ({"keeper": {"null": False}}, {"srv"}),
    ({"RUNS": {}}, {"full"}),
    ({"RUNS": {"name": "app 1"}}, {"full"}),
    ({"not": {"INSIDE": {}}, "size": {"gt": 5}}, {"dollars", "srv"}),
    ({"RUNS": {"CALLED_BY": {"name": "app 1"}}}, {"full"}),
    ({"RUNS": {"not": {"CALLS": {}}}}, {"full"}),
    ({"RUNS": {"RUNS_ON": {"colour": "blue"}}}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("where", "expected"), FILTERS, ids=[str(f[0]) for f in FILTERS])
def test_filters(estate: Estate, where: dict[str, Any], expected: set[str]) -> None:
    assert estate.names(where=where) == expected
    everything = estate.names()
    assert estate.names(where={"not": where}) == everything - expected
    assert estate.names(where=where, as_of=estate.changed) == expected


def test_what_is_sensitive_is_neither_sorted_nor_counted_by(estate: Estate) -> None:
    with pytest.raises(QueryError, match="sensitive"):
        estate.store.find(Query("Device", sort=[Sort("secret")]))
    with pytest.raises(QueryError, match="sensitive"):
        estate.store.count_by(Query("Device"), ["secret"])
    assert estate.names(where={"secret": "hush"}) == {"full"}


def test_deep_filters_that_are_allowed_are_answered(estate: Estate) -> None:
    where: dict[str, Any] = {"name": "app 0"}
    for name in ("CALLED_BY", "CALLED_BY", "CALLS", "RUNS"):
        where = {name: where}
    for as_of in (None, estate.changed):
        estate.names(where={"not": where}, as_of=as_of)
    assert estate.names(where={"price": {"in": ["CNY 1234.50"] * 100}}) == {"full"}


def test_ids_that_cannot_be_are_not_there(estate: Estate) -> None:
    assert estate.store.get(["", "x", "\ud800", "变"]) == {}


def test_a_filter_does_not_show_in_what_it_finds(estate: Estate) -> None:
    """Neo4j's ``properties(n)`` gives ``seen: true`` here."""
    where = {"or": [{"seen": {"null": False}}, {"and": [{"size": 4}, {"tags": {"contains": "x"}}]}]}
    found = estate.store.find(Query("Device", where)).records
    assert found
    assert {record.id: record for record in found} == estate.store.get([r.id for r in found])


def test_filters_look_at_what_was(estate: Estate) -> None:
    assert estate.names(where={"size": 5}, as_of=estate.related) == {"full", "变电站主机"}
    assert estate.names(where={"RUNS": {"name": "app 0"}}, as_of=estate.related) == {
        "full",
        "other",
    }
    assert estate.names("App", {"RUNS_ON": {"size": 5}}, as_of=estate.related) == {"app 0", "app 1"}
    assert estate.names("App", {"RUNS_ON": {"size": 5}}) == set()
    assert estate.names("App", {"RUNS_ON": {}}, as_of=estate.before_relations.at) == set()
    assert estate.names("Device", as_of=1) == set()
    assert estate.names("Device", as_of=datetime(2000, 1, 1, tzinfo=UTC)) == set()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"sise": 1}, "sise"),
        ({"name` = 1 OR 1=1 //": 1}, "name`"),
        ({"size": {"like": 1}}, "no operator 'like'"),
        ({"size": {"eq": "many"}}, "size"),
        ({"size": {"contains": "1"}}, "compares text with text"),
        ({"active": {"lt": True}}, "no order"),
        ({"mac": {"gt": "00:00:00:00:00:00"}}, "no order"),
        ({"size": {"in": 5}}, "takes a list"),
        ({"size": {"null": "yes"}}, "true or false"),
        ({"colour": "purple"}, "never 'purple'"),
        ({"lifecycle_state": {"in": ["in_use", "in-use"]}}, "never 'in-use'"),
        ({"secret": {"prefix": "h"}}, "sensitive"),
        ({"price": {"in": ["CNY 1"] * 101}}, "at most 100"),
        (
            {
                "RUNS": {
                    "CALLED_BY": {
                        "CALLED_BY": {"CALLED_BY": {"CALLED_BY": {"CALLED_BY": {"name": "a"}}}}
                    }
                }
            },
            "nested",
        ),
        ({"facts": {"eq": {}}}, "cannot be compared"),
        ({"tags": {"eq": "alpha"}}, "cannot be compared"),
        ({"or": {"size": 5}}, "list of filters"),
        ({"RUNS_OFF": {}}, "RUNS_OFF"),
        ({"PART_OF": {}}, "has no relationship"),
        ({"RUNS`]->() DETACH DELETE n //": {}}, "RUNS`"),
        ("size = 5", "A filter is an object"),
        ([{"size": 5}], "A filter is an object"),
    ],
)
def test_a_filter_that_makes_no_sense_says_so(estate: Estate, where: Any, message: str) -> None:
    with pytest.raises((QueryError, UnknownNameError)) as caught:
        estate.store.find(Query("Device", where))
    assert message in str(caught.value)


def test_a_filter_is_bounded(estate: Estate) -> None:
    deep: dict[str, Any] = {"size": 1}
    for _ in range(20):
        deep = {"not": deep}
    with pytest.raises(QueryError, match="nested deeper"):
        estate.store.find(Query("Device", deep))
    with pytest.raises(QueryError, match="more than 500 parts"):
        estate.store.find(Query("Device", {"or": [{"size": n} for n in range(600)]}))
    many = {"size": {"in": list(range(9_000))}}
    assert estate.names(where=many) == {
        "full",
        "变电站主机",
        "srv",
        "back\\slash `tick` $5 \"q\" 'q' %_",
    }


def test_all_values_of_a_kind_agree_with_the_oracle(estate: Estate) -> None:
    """Each value there is, with each operator that its kind takes, against plain Python."""
    devices = {i: r.attributes for i, r in estate.records.items() if r.type in ("Device", "Server")}
    model = estate.store.model
    for name, attribute in model.record_types["Device"].attributes.items():
        kind = attribute.kind
        if attribute.many or kind.name == "json" or attribute.sensitive:
            continue
        operators = ["eq", "ne"] + (["lt", "lte", "gt", "gte"] if kind.ordered else [])
        if kind.name == "money":
            operators = ["eq", "ne"]
        operators += ["contains", "prefix"] if kind.textual else []
        for value in {a[name] for a in devices.values() if name in a}:
            for operator in operators:
                where = {name: {operator: value}}
                page = estate.store.find(Query("Device", where, first=100))
                expected = {i for i, a in devices.items() if holds(where, a)}
                assert {r.id for r in page.records} == expected, where


# -- types and organisations --------------------------------------------------------------------------


def test_types_with_and_without_subtypes(estate: Estate) -> None:
    assert "srv" in estate.names("Device")
    assert "srv" not in estate.names("Device", subtypes=False)
    assert estate.names("Server") == {"srv"}
    assert estate.names("Item", subtypes=False) == set()
    assert estate.names("Item", as_of=estate.changed) == estate.names("Item")
    assert len(estate.names("Record")) == len(estate.records)
    with pytest.raises(UnknownNameError, match="Devise"):
        estate.store.find(Query("Devise"))


def test_an_organisation_with_all_below_it(estate: Estate) -> None:
    organisations = estate.organisations
    everything = {"hq", "north", "south", "city", "anna", "srv", "app 0", "app 1", "app 2", "box"}
    assert estate.names("Record", organisation=organisations["hq"]) == everything
    assert estate.names("Record", organisation=organisations["north"]) == {"north", "box"}
    assert estate.names("Server", organisation=organisations["south"]) == {"srv"}
    assert estate.names("Server", organisation=organisations["north"]) == set()
    was: dict[str, Any] = {"as_of": estate.related}
    assert estate.names("Server", organisation=organisations["north"], **was) == {"srv"}
    assert estate.names("Server", organisation=organisations["south"], **was) == set()
    assert estate.names("Server", organisation=new_id()) == set()
    with pytest.raises(QueryError, match="organisation"):
        estate.store.find(Query("Server", organisation="north"))


# -- order and pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "name", ["size", "weight", "bought", "seen", "runtime", "name", "price", "id"]
)
def test_sorting_puts_records_without_a_value_last(
    estate: Estate, name: str, descending: bool
) -> None:
    found = estate.store.find(Query("Device", sort=[Sort(name, descending)], first=100)).records
    values = [r.id if name == "id" else r.attributes.get(name) for r in found]
    present = [value for value in values if value is not None]
    assert present == sorted(present, reverse=descending)
    assert values[len(present) :] == [None] * (len(values) - len(present))


@pytest.mark.parametrize("as_of", [None, "before"])
@pytest.mark.parametrize(
    "sort",
    [
        [], [Sort("size")], [Sort("size", True)], [Sort("price")], [Sort("price", True), Sort("size")],
        [Sort("colour"), Sort("size", True)], [Sort("seen")], [Sort("runtime", True)], [Sort("bought"), Sort("name", True)],
    ],
    ids=str,
)  # fmt: skip
def test_pages_walk_through_everything_once(
    estate: Estate, sort: list[Sort], as_of: str | None
) -> None:
    at = estate.related if as_of else None
    whole = estate.store.find(Query("Device", sort=sort, first=100, as_of=at)).records
    walked, cursor = [], None
    while True:
        query = Query("Device", sort=sort, first=2, after=cursor, as_of=at, total=True)
        page = estate.store.find(query)
        assert page.total == len(whole)
        walked += page.records
        cursor = page.cursor
        if cursor is None:
            break
        assert len(page.records) == 2
    assert walked == whole


@pytest.mark.parametrize("size", [2, 3, 5, 9])
def test_ids_settle_what_shares_a_name(store: GraphStore, size: int) -> None:
    root, other = create("Organisation", "root"), create("Organisation", "other")
    names = [*"aabbbb", "\U00010400", "\ue000", "\ue000", "\U00010400", "bb", "b", "c"]
    apps = [
        create("App", name, organisation=(root if n % 4 else other).id)
        for n, name in enumerate(reversed(names))
    ]
    commit(store, root, other, *apps)
    for organisation in (None, root.id):
        expected = sorted(
            (app.attributes["name"], app.id)
            for app in apps
            if organisation in (None, app.attributes["organisation"])
        )
        query = Query("App", organisation=organisation, sort=[Sort("name")], first=size)
        found, after = [], None
        while True:
            page = store.find(replace(query, after=after))
            found += [(record.name, record.id) for record in page.records]
            if (after := page.cursor) is None:
                break
        assert found == expected


def test_cursors_belong_to_their_query(estate: Estate) -> None:
    cursor = estate.store.find(Query("Device", first=2)).cursor
    assert cursor is not None
    for wrong in (
        Query("Server", after=cursor),
        Query("Device", {"size": 5}, after=cursor),
        Query("Device", sort=[Sort("size")], after=cursor),
        Query("Device", after=cursor[:-4]),
        Query("Device", after="' OR 1=1 --"),
        Query("Device", after=""),
    ):
        with pytest.raises(QueryError, match="cursor"):
            estate.store.find(wrong)
    for first in (0, -1, 10_001):
        with pytest.raises(QueryError, match="page of"):
            estate.store.find(Query("Device", first=first))
    for unsortable in ("tags", "facts"):
        with pytest.raises(QueryError, match="cannot be sorted"):
            estate.store.find(Query("Device", sort=[Sort(unsortable)]))
    with pytest.raises(UnknownNameError):
        estate.store.find(Query("Device", sort=[Sort("size`")]))


# -- neighbours ---------------------------------------------------------------------------------------


def test_neighbours_by_type_and_direction(estate: Estate) -> None:
    store, [first, second, third] = estate.store, estate.apps
    full = estate.devices["full"].id

    def near(*ids: str, **how: Any) -> list[tuple[str, str, str, str]]:
        return [
            (store_names[n.of], n.relationship.type, "out" if n.relationship.source == n.of else "in", n.record.name)
            for n in store.neighbours(ids, **how)
        ]  # fmt: skip

    store_names = {id: record.name for id, record in estate.records.items()}
    assert near(full) == [
        ("full", "CONTAINS", "in", "box"),
        *sorted((("full", "RUNS_ON", "in", f"app {i}") for i in (0, 1)), key=lambda row: row[3]),
    ]
    assert near(full, direction="out") == []
    assert near(full, types=["CONTAINS"]) == [("full", "CONTAINS", "in", "box")]
    assert near(full, types=[]) == []
    assert near(second.id, direction="in") == []
    assert {row[3] for row in near(second.id)} == {"full", "app 0"}
    assert len(near(third.id)) == 2, "to itself: once for each direction"
    assert len(near(third.id, direction="out")) == 1
    assert {row[0] for row in near(first.id, third.id, full)} == {"app 0", "app 2", "full"}
    assert near(new_id()) == []
    assert near() == []
    with pytest.raises(UnknownNameError):
        store.neighbours([full], ["RUNS_ON`"])
    [link] = store.neighbours([first.id], ["RUNS_ON"])
    assert (link.relationship.attributes, link.relationship.revision) == (
        {"port": 9},
        estate.changed,
    )


def test_neighbours_as_they_were(estate: Estate) -> None:
    store, first = estate.store, estate.apps[0].id
    then = store.neighbours([first], ["RUNS_ON"], as_of=estate.related)
    assert {(n.record.name, n.record.attributes["size"]) for n in then} == {
        ("full", 5),
        ("other", -3),
    }
    assert {n.relationship.attributes["port"] for n in then} == {1, 2}
    assert store.neighbours([first], as_of=estate.related - 1) == []
    [now] = store.neighbours([first], ["RUNS_ON"], as_of=estate.changed)
    assert now.record.attributes["size"] == 6


# -- counting -----------------------------------------------------------------------------------------


def test_counts_by_any_attributes(estate: Estate) -> None:
    store = estate.store
    colours = store.count_by(Query("Device"), ["colour"])
    assert colours == [Count((None,), 4), Count(("red",), 2), Count(("blue",), 1)]
    assert store.count_by(Query("Item"), ["type"])[0] == Count(("Device",), 6)
    assert store.count_by(Query("Device", {"colour": "red"}), ["bought", "active"]) == [
        Count((date(2020, 2, 29), True), 1),
        Count((None, None), 1),
    ]
    money = {c.values[0] for c in store.count_by(Query("Device"), ["price"])}
    assert KINDS["money"].parse("CNY 1234.50") in money
    assert Count((5,), 2) in store.count_by(Query("Device", as_of=estate.related), ["size"])
    assert Count((5,), 1) in store.count_by(Query("Device"), ["size"])
    south = Query("Record", organisation=estate.organisations["south"])
    assert dict(store.count_by(south, ["type"])) == {
        ("App",): 3, ("Organisation",): 2, ("Person",): 1, ("Server",): 1,
    }  # fmt: skip
    with pytest.raises(QueryError):
        store.count_by(Query("Device"), [])
    with pytest.raises(QueryError):
        store.count_by(Query("Device"), ["tags"])
    with pytest.raises(UnknownNameError):
        store.count_by(Query("Device"), ["colour` AS x"])


# -- statements ---------------------------------------------------------------------------------------


def test_each_reading_is_one_statement(estate: Estate) -> None:
    store: Any = estate.store
    _ = store.model
    ids = [device.id for device in estate.devices.values()]
    readings = (
        lambda: store.get(ids[:1]),
        lambda: store.get(ids, as_of=estate.related),
        lambda: store.find(Query("Device", {"RUNS": {}}, total=True)),
        lambda: store.find(Query("Record", organisation=estate.organisations["hq"], total=True)),
        lambda: store.find(Query("Device", {"size": 5}, as_of=estate.related, total=True)),
        lambda: store.neighbours(ids),
        lambda: store.neighbours(ids, as_of=estate.related),
        lambda: store.count_by(Query("Device"), ["type", "colour"]),
        lambda: store.revisions([1, 2, 3]),
        store.statistics,
    )  # fmt: skip
    for reading in readings:
        before = store.statements
        reading()
        assert store.statements == before + 1
