"""The worked example of docs/lifecycle.md: an operator's own guard, and an approval stage more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cmdb.change_sets import Relate
from cmdb.errors import CmdbError
from cmdb.store import create_store
from lifecycle.engine import Engine
from lifecycle.refusals import RefusedError
from schema.loading import load_model
from tests.support.building import commit
from tests.support.office import Office

LIFECYCLE = Path(__file__).parent.parent / "docs" / "lifecycle.md"


def example() -> str:
    [found] = re.findall(r"```yaml\n(.*?)```", LIFECYCLE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def test_the_example_adds_a_guard_and_a_stage(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "ours.yaml").write_text(example(), encoding="utf-8")
    model = load_model([folder])
    with create_store(f"sqlite:///{tmp_path}/cmdb.db", model) as store:
        office = Office.make(store)
        commit(
            store,
            office.create("Person", "audrey", username="audrey"),
            Relate(office.ids["audrey"], "HAS_ROLE", office.ids["south"], {"roles": ["auditor"]}),
        )
        for name, price in (("esx", "CNY 30000"), ("cheap", "CNY 500")):
            office.device(name, state="idle", holds_data=False, purchase_price=price)
        office.relate("esx", "COVERED_BY", "care")

        small = office.approved("ScrapOrder", "cheap")
        assert office.order_state(small) == "approved"
        order = office.approved("ScrapOrder", "esx")
        assert office.order_state(order) == "in_approval"
        office.engine.vote(order, "audrey", "approve")
        assert office.order_state(order) == "approved"

        [refusal] = office.orders.execute(order, "bob").refusals
        assert (refusal.code, refusal.override) == ("no_running_contract", "director")
        assert refusal.message == "No maintenance contract in force covers it."
        office.engine.transition(office.ids["care"], "withdraw", "bob")
        assert office.orders.execute(order, "bob").done == 1
        assert office.state("esx") == "scrapped"


def test_a_filter_that_does_not_fit_the_model_is_told_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    text = example().replace("lifecycle_state: {eq", "colour: {eq")
    (folder / "ours.yaml").write_text(text, encoding="utf-8")
    with (
        create_store(f"sqlite:///{tmp_path}/cmdb.db", load_model([folder])) as store,
        pytest.raises(CmdbError, match="the filter of the guard no_running_contract"),
    ):
        Engine(store)


def test_a_stage_of_ones_own_needs_somebody_to_ask(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "ours.yaml").write_text(example(), encoding="utf-8")
    with create_store(f"sqlite:///{tmp_path}/cmdb.db", load_model([folder])) as store:
        office = Office.make(store)
        office.device("esx", state="idle", holds_data=False, purchase_price="CNY 30000")
        order = office.order("ScrapOrder", "esx")
        with pytest.raises(RefusedError, match="nobody else is auditor"):
            office.engine.transition(order, "submit", "ann")
