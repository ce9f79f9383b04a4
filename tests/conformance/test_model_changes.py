"""Changing the model of a store in use: additions online, what data forbids refused with a count."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmdb.change_sets import Relate, Update
from cmdb.errors import InvalidChangeError, ModelChangeRefusedError
from cmdb.integrity import check
from cmdb.model_changes import plan_model_change
from cmdb.queries import Query
from cmdb.store import GraphStore, open_store
from schema.loading import load_model
from schema.model import Model
from tests.conftest import SMALL_MODEL
from tests.support.building import add, commit, create


class Models:
    """The small model with changes to its text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *changes: tuple[str, str], more: str = "") -> Model:
        text = (SMALL_MODEL / "model.yaml").read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file = self.folder / "changed" / "model.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        extra = self.folder / "changed" / "more.yaml"
        extra.write_text(more or "record_types: {}", encoding="utf-8")
        return load_model([file.parent], shipped=False)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


def refused(store: GraphStore, model: Model) -> str:
    before = store.statistics()
    fingerprint = store.model.fingerprint
    with pytest.raises(ModelChangeRefusedError) as caught:
        store.apply_model(model, "admin")
    assert store.statistics() == before
    assert store.model.fingerprint == fingerprint
    return str(caught.value)


def test_additions_apply_online_and_are_recorded(
    store: GraphStore, url: str, models: Models
) -> None:
    old = add(store, "Device", "old")
    with open_store(url) as other:
        assert "Robot" not in other.model.record_types
        changed = models(
            ("  Box: {parent: Item, label: {en: Box, zh: 箱}}",
             "  Box: {parent: Item, label: {en: Box, zh: 箱}, attributes: {depth: {kind: integer, indexed: true, label: {en: Depth, zh: 深}}}}"),
            more="record_types:\n  Robot: {parent: Device, label: {en: Robot, zh: 机器人}, attributes:"
            " {arms: {kind: integer, default: 2, label: {en: Arms, zh: 臂}}, code_name: {kind: string, unique: true, label: {en: Code, zh: 号}}}}\n"
            "relationship_types:\n  HOLDS: {source: [Robot], target: [Device], inverse: HELD_BY,"
            " label: {en: holds, zh: 持}, inverse_label: {en: is held by, zh: 被持}}\n",
        )  # fmt: skip
        planned = plan_model_change(store, changed)
        assert planned.refusals == []
        assert planned.lines == [
            "+ record type Box: attribute depth",
            "+ record type Robot",
            "+ relationship type HOLDS",
        ]
        result = store.apply_model(changed, "admin", "robots")
        assert (result.revision, result.committed) == (3, True)
        entry = next(store.feed(2))
        assert (entry.revision.actor, entry.revision.source, entry.revision.reason) == (
            "admin", "schema", "robots",
        )  # fmt: skip
        assert entry.changes.model is not None
        robot = add(other, "Robot", "r2", code_name="R2", lifecycle_state="planned")
        commit(other, Relate(robot, "HOLDS", old))
        assert store.record(robot).attributes["arms"] == 2
        add(store, "Box", "b", depth=3)
        assert other.find(Query("Box", {"depth": 3}, total=True)).total == 1
        with pytest.raises(InvalidChangeError, match="R2"):
            commit(store, create("Robot", "again", code_name="R2"))
        assert store.search("R2").records[0].id == robot
    assert not store.apply_model(changed, "admin").committed
    assert list(check(store)) == []


def test_what_stored_records_forbid_is_refused_with_count_and_first(
    store: GraphStore, models: Models
) -> None:
    full = add(store, "Device", "full", size=500, serial_number="S", colour="red", tags=["a"])
    bare = add(store, "Device", "bare", size=900, serial_number="S")
    app = add(store, "App", "app")
    other_app = add(store, "App", "other")
    commit(
        store, Relate(app, "RUNS_ON", full), Relate(app, "RUNS_ON", bare),
        Relate(app, "CALLS", other_app), Relate(other_app, "CALLS", app),
    )  # fmt: skip
    cases = [
        (("maximum: 1000000", "maximum: 400"), "Device with an invalid size: 2"),
        (("colour: {kind: enum,", "colour: {kind: enum, required: true,"), f"colour: 1, the first is {bare}"),
        (("序列号}, indexed: true}", "序列号}, unique: true}"), "with the same serial_number as another: 1"),
        (("values: {red: {en: Red, zh: 红}, blue", "values: {blue"), f"Device with an invalid colour: 1, the first is {full}"),
        (("tags: {kind: string, many: true", "tags: {kind: string"), "tags of Device would be string"),
        (("size: {kind: integer, minimum: -100, maximum: 1000000", "size: {kind: string"), "size of Device would be string instead of integer"),
        (("  App: {parent: Item", "  App: {parent: Item, abstract: true"), "App would become abstract, and 2 of it"),
        (("  App: {parent: Item", "  App: {parent: Record"), "App would move to another parent, and 2 of it"),
        (("    source: [App]\n    target: [Device]\n", "    source: [App]\n    target: [Device]\n    targets_per_source: one\n"), "more than one RUNS_ON at a source: 1"),
        (("    source: [App]\n    target: [Device]\n", "    source: [App]\n    target: [Server]\n"), "RUNS_ON between App and Device: 2"),
        (("    inverse: CALLED_BY\n", "    inverse: CALLED_BY\n    acyclic: true\n"), "a cycle of CALLS: 1"),
        (("      colour: {kind: enum, label: {en: Colour, zh: 颜色}, values: {red: {en: Red, zh: 红}, blue: {en: Blue, zh: 蓝}}}\n", ""), "colour of Device would be removed"),
    ]  # fmt: skip
    for change, message in cases:
        assert message in refused(store, models(change))
    store.apply_model(models(("maximum: 1000000", "maximum: 900")), "admin")
    with pytest.raises(InvalidChangeError):
        commit(store, Update(full, {"size": 901}))


def test_what_history_uses_may_not_go(store: GraphStore, models: Models) -> None:
    id = add(store, "Device", "d", asset="ZC-1")
    commit(store, Update(id, {"asset": None}))
    gone = '      asset: {kind: string, pattern: "ZC-[0-9]+", label: {en: Asset, zh: 资产}}\n'
    assert "asset of Device would be removed" in refused(store, models((gone, "")))
    assert store.record(id, 2).attributes["asset"] == "ZC-1"


def test_what_nobody_uses_may_go(store: GraphStore, models: Models) -> None:
    add(store, "Device", "d")
    gone = '      asset: {kind: string, pattern: "ZC-[0-9]+", label: {en: Asset, zh: 资产}}\n'
    changed = models((gone, ""), ("    unique:\n      - [row, column]\n", ""))
    assert store.apply_model(changed, "admin").committed
    with pytest.raises(InvalidChangeError, match="asset"):
        commit(store, create("Device", "e", asset="ZC-1"))
    commit(store, create("Device", "e", row=1, column=1), create("Device", "f", row=1, column=1))
    assert list(check(store)) == []


def test_an_attribute_indexed_later_finds_what_was_there_before(
    store: GraphStore, url: str, models: Models
) -> None:
    """By every opening of the store, and as soon as the model is there."""
    old = add(store, "Device", "old", asset="ZC-7", note="before")
    with open_store(url) as other:
        assert other.find(Query("Device", {"asset": "ZC-7"})).records
        pattern = 'asset: {kind: string, pattern: "ZC-[0-9]+"'
        store.apply_model(models((pattern, f"{pattern}, indexed: true")), "admin")
        new = add(other, "Device", "new", asset="ZC-7")
        for opened in (store, other):
            found = opened.find(Query("Device", {"asset": "ZC-7"})).records
            assert {record.id for record in found} == {old, new}
        again = models()
        store.apply_model(again, "admin")
        assert len(other.find(Query("Device", {"asset": "ZC-7"})).records) == 2
    assert list(check(store)) == []


def test_states_references_and_new_requirements_are_checked_too(
    store: GraphStore, models: Models
) -> None:
    person = add(store, "Person", "p")
    id = add(store, "Device", "d", keeper=person, lifecycle_state="scrapped")
    scrapped = "      scrapped: {label: {en: Scrapped, zh: 报废}, terminal: true}\n"
    scrap = (
        "      scrap: {label: {en: Scrap, zh: 报废}, source: [planned, in_use], target: scrapped}"
    )
    keeper = "keeper: {kind: reference, to: Person"
    tier = "tier: {kind: string, required: true, default: one, label: {en: Tier, zh: 层}}"
    cases = [
        (((scrapped, ""), (scrap, "")), "invalid lifecycle_state: 1"),
        (((keeper, "keeper: {kind: reference, to: Organisation"),), "keeper that is no Organisation: 1"),
        ((("      row: {kind: integer", f"      {tier}\n      row: {{kind: integer"),), "without the required tier: 1"),
    ]  # fmt: skip
    for changes, message in cases:
        assert message in refused(store, models(*changes))
    commit(store, Update(id, {"keeper": None}))
    assert store.apply_model(models(*cases[1][0]), "admin").committed


def test_labels_and_optional_attributes_change_at_any_time(
    store: GraphStore, models: Models
) -> None:
    add(store, "Device", "d", size=5)
    changed = models(("{en: Size, zh: 大小}", "{en: Magnitude, zh: 尺寸}"))
    assert plan_model_change(store, changed).refusals == []
    assert store.apply_model(changed, "admin").committed
