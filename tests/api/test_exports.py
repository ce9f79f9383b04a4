"""Exports: whole, as of any revision, only what one may export; the same on both stores."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.access.principals import Grant, Permission, Principal
from api.rest.asking import narrowed
from cmdb.change_sets import Relate, Update
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.api_door import Door, principal
from tests.support.building import add, commit
from tests.support.office import Office

EXPORTER = principal("eve", Permission.READ, Permission.EXPORT)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with create_store(f"sqlite:///{tmp_path}/office.db") as store:
        yield Office.make(store)


def test_records_are_exported_as_of_any_revision(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.rest.exports.PAGE", 2)
    ids = [add(store, "Server", f"s{n}", size=n, secret="hush") for n in range(5)]
    box = add(store, "Box", "箱")
    before = store.last_revision().number
    commit(store, Update(ids[0], {"name": "renamed"}))
    door = Door(store, [EXPORTER])

    def exported(**asked: str) -> dict[str, str]:
        answer = door.get("/exports/records", "eve", params=asked)
        assert answer.status_code == 200, answer.text
        assert "hush" not in answer.text
        lines = [json.loads(line) for line in answer.text.splitlines()]
        return {line["id"]: line["attributes"]["name"] for line in lines}

    assert exported()[ids[0]] == "renamed"
    assert exported(type="Item").keys() == {*ids, box}
    assert exported(type="Server", as_of=str(before)) == dict(
        zip(ids, ("s0", "s1", "s2", "s3", "s4"), strict=True)
    )
    assert exported(where='{"size": {"gte": 3}}', type="Device").keys() == {*ids[3:]}
    assert exported(type="Server", as_of="1") == {}
    instant = store.last_revision().at.isoformat()
    assert exported(type="Box", as_of=instant) == {box: "箱"}


def test_csv_has_a_row_a_record_and_no_formulas(store: GraphStore) -> None:
    add(store, "Server", "=1+1", tags=["a", "b"], active=True, facts={"k": [1]}, secret="hush")
    answer = Door(store, [EXPORTER]).get(
        "/exports/records", "eve", params={"type": "Server", "format": "csv"}
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.headers["x-revision"] == str(store.last_revision().number)
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert row["name"] == "'=1+1"
    assert json.loads(row["tags"]) == ["a", "b"]
    assert json.loads(row["facts"]) == {"k": [1]}
    assert (row["type"], row["active"]) == ("Server", "true")
    assert "secret" not in row
    chosen = Door(store, [EXPORTER]).get(
        "/exports/records",
        "eve",
        params={"type": "Server", "format": "csv", "columns": "name,secret"},
    )
    assert "hush" not in chosen.text


def test_the_graph_is_exported_with_the_relationships_among_what_is_found(
    store: GraphStore,
) -> None:
    app, server = add(store, "App", "app"), add(store, "Server", "srv")
    commit(store, Relate(app, "RUNS_ON", server))
    door = Door(store, [EXPORTER])
    whole = door.get("/exports/graph", "eve", params={"type": "Item", "format": "json"}).json()
    assert {node["id"] for node in whole["nodes"]} == {app, server}
    assert [(e["source"], e["target"], e["type"]) for e in whole["edges"]] == [
        (app, server, "RUNS_ON")
    ]
    part = door.get("/exports/graph", "eve", params={"type": "App", "format": "json"}).json()
    assert len(part["nodes"]) == 1
    assert part["edges"] == []
    past = {"type": "Item", "format": "json", "as_of": "2"}
    assert len(door.get("/exports/graph", "eve", params=past).json()["nodes"]) == 1
    for form in ("graphml", "gexf", "dot"):
        answer = door.get("/exports/graph", "eve", params={"type": "Item", "format": form})
        assert answer.status_code == 200
        assert app in answer.text


def test_what_would_be_too_much_is_refused_not_cut_off(store: GraphStore) -> None:
    for n in range(3):
        add(store, "Box", f"b{n}")
    door = Door(store, [EXPORTER], export_limit=2, graph_limit=2)
    for path in ("/exports/records?type=Box", "/exports/graph?type=Box"):
        answer = door.get(path, "eve")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "3 records" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"type": "Nothing"}, "unknown_name"),
        ({"where": "{"}, "invalid_query"),
        ({"where": "[]"}, "invalid_query"),
        ({"where": "[" * 5000}, "invalid_query"),
        ({"where": '{"nothing": {"eq": 1}}'}, "unknown_name"),
        ({"columns": "nothing"}, "unknown_name"),
        ({"as_of": "yesterday"}, "invalid_query"),
        ({"as_of": "2026-03-31T08:00"}, "invalid_query"),
        ({"as_of": "99999"}, "invalid_query"),
        ({"as_of": "-1"}, "invalid_query"),
        ({"as_of": "٣"}, "invalid_query"),
        ({"organisation": "x\x00"}, "invalid_query"),
        ({"format": "pdf"}, "invalid_request"),
    ],
)
def test_a_question_that_makes_no_sense_is_told(
    asked: dict[str, str], code: str, tmp_path: Path, model: Model
) -> None:
    with create_store(f"sqlite:///{tmp_path}/store.db", model) as store:
        answer = Door(store, [EXPORTER]).get("/exports/records", "eve", params=asked)
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"] == code
    assert answer.json()["remedy"]


def test_the_ledger_is_what_the_command_writes(office: Office) -> None:
    office.device("srv", state="in_use")
    before = office.store.last_revision().number
    office.device("later", state="in_use")
    door = Door(office.store, [EXPORTER])
    answer = door.get("/exports/ledger", "eve", params={"format": "csv", "as_of": str(before)})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["设备名称"] for row in rows] == ["srv"]
    book = door.get("/exports/ledger", "eve", params={"language": "en", "type": "Server"})
    assert book.content.startswith(b"PK")
    assert book.headers["content-disposition"].startswith('attachment; filename="ledger.xlsx"')
    assert door.get("/exports/ledger?type=Person", "eve").status_code == 400
    few = Door(office.store, [EXPORTER], export_limit=1)
    assert few.get("/exports/ledger", "eve").json()["code"] == "too_large"


def test_figures_are_what_the_command_writes(office: Office) -> None:
    office.device("srv", state="in_use")
    door = Door(office.store, [EXPORTER])
    asked = {"names": "devices_by_state,response_kept", "since": "2026-01-01T00:00:00Z"}
    found = door.get("/exports/figures", "eve", params={**asked, "format": "json"}).json()[
        "figures"
    ]
    assert [(f["figure"], f["value"]) for f in found] == [
        ("devices_by_state", 1),
        ("response_kept", None),
    ]
    answer = door.get(
        "/exports/figures", "eve", params={**asked, "format": "csv", "language": "en"}
    )
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[1:] == [
        ["devices_by_state", "Devices by state", "", "", "1", "devices", "1"],
        ["devices_by_state", "Devices by state", "Lifecycle state", "In use", "1", "devices", "1"],
        ["response_kept", "Of the promised responses, those in time", "", "", "", "%", "0"],
    ]
    assert door.get("/exports/figures", "eve").content.startswith(b"PK")
    for wrong in ("names=luck", "since=soon"):
        assert door.get(f"/exports/figures?{wrong}", "eve").status_code == 400


def test_exporting_needs_its_permission(office: Office) -> None:
    door = Door(office.store, [EXPORTER, principal("rita", Permission.READ)])
    for path in ("/exports/records", "/exports/ledger", "/exports/graph", "/exports/figures"):
        assert door.get(path).status_code == 401
        assert door.get(path).headers["www-authenticate"] == "Bearer"
        answer = door.get(path, "rita")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_an_export_has_what_its_organisation_lets_one_see(office: Office) -> None:
    for name, place in (("here", "south"), ("below", "county"), ("there", "north")):
        office.device(name, organisation=place, state="in_use")
    south = principal("sue", Permission.READ, Permission.EXPORT, organisation=office.ids["south"])
    both = Grant(frozenset({Permission.READ}), None), *south.grants
    door = Door(office.store, [south, Principal("rob", "", both)], guarded=True)
    for name in ("sue", "rob"):
        found = door.get("/exports/records?type=Server", name).text.splitlines()
        names = {json.loads(line)["attributes"]["name"] for line in found}
        assert names == {"here", "below"}
        for path in ("/exports/ledger?format=csv", "/exports/graph?type=Hardware&format=dot"):
            told = door.get(path, name).text
            assert "here" in told
            assert "there" not in told


def test_one_sees_in_an_export_what_one_may_both_read_and_export() -> None:
    tree = {"hq": {"hq", "north", "south"}, "north": {"north"}, "south": {"south"}}

    def below(roots: frozenset[str]) -> frozenset[str]:
        return frozenset().union(*(tree[root] for root in roots))

    def reads(*grants: tuple[Permission, str | None]) -> frozenset[str] | None:
        given = tuple(Grant(frozenset({permission}), place) for permission, place in grants)
        eve = narrowed(Principal("eve", "", given), Permission.EXPORT, below)
        return eve.roots(Permission.READ)

    read, export = Permission.READ, Permission.EXPORT
    assert reads((read, None), (export, None)) is None
    assert reads((read, None), (export, "north")) == frozenset({"north"})
    assert reads((read, "north"), (export, None)) == frozenset({"north"})
    assert reads((read, "north"), (export, "north")) == frozenset({"north"})
    assert reads((read, "north"), (export, "hq")) == frozenset({"north"})
    assert reads((read, "hq"), (export, "north")) == frozenset({"north"})
    assert reads((read, "south"), (export, "north")) == frozenset()
    assert reads((export, None)) == frozenset()
