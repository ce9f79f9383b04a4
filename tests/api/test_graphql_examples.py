"""The examples of docs/graphql.md are asked of the example estate, and answered as the document says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from api.access.principals import everything
from cmdb.store import GraphStore, create_store
from lifecycle.engine import Engine
from lifecycle.orders import Orders
from tests.support.api_door import Door
from tests.support.examples import ROOT, Example, chapters, fits, load_example_estate, meant
from tests.support.live import live, subscriber
from tests.support.observing import shipped_model

ME = "liming"
CHAPTERS = chapters(ROOT / "docs" / "graphql.md")
QUESTIONS = "Questions other tools ask"
REFUSED = {"code", "problems"}  # what errors have, and no other answer


@pytest.fixture
def estate(url: str) -> Iterator[GraphStore]:
    """The estate, with an order that is approved: the document names it."""
    with create_store(url, shipped_model()) as store:
        load_example_estate(store)
        engine = Engine(store, lambda: datetime(2026, 3, 2, 9, tzinfo=UTC))
        device = meant(store, "<YJ-ESX-02>")
        order = Orders(engine).new("DecommissionOrder", ME, {}, [(device, {})]).id
        engine.transition(order, "submit", ME)
        engine.vote(order, "lixiaomei", "approve")
        yield store


@pytest.mark.parametrize(
    ("url", "chapter"),
    [
        *(("sqlite", chapter) for chapter in CHAPTERS),
        pytest.param("neo4j", QUESTIONS, marks=pytest.mark.neo4j),
    ],
    indirect=["url"],
)
def test_examples_are_answered_as_they_say(chapter: str, estate: GraphStore) -> None:
    door = Door(estate, [everything(ME)], guarded=True)
    for example in CHAPTERS[chapter]:
        with asked(door, meant(estate, example.variables), example) as answer:
            for number, expected in enumerate(example.answers or [None]):
                got = answer()
                if expected is None:
                    refused = [
                        name
                        for name, each in got.items()
                        if isinstance(each, dict) and REFUSED & each.keys()
                    ]
                    assert not refused, f"{example.document}:\n{got}"
                else:
                    where = f"answer {number + 1} of {example.document}"
                    assert fits(meant(estate, expected), got), f"{where}:\n{got}"
    door.services.snapshot.close()


@contextmanager
def asked(door: Door, variables: dict[str, Any], example: Example) -> Iterator[Any]:
    """Gives each answer in turn: to the request, sent again and again; or of the subscription."""
    if not example.document.startswith("subscription"):
        yield partial(door.graphql, example.document, ME, **variables)
        return
    (name,) = re.findall(r"^  (\w+)", example.document, re.MULTILINE)
    with live(door.app) as port, subscriber(port, ME) as client:
        client.begin(example.document, **variables)
        yield lambda: {name: client.next()}


def test_there_are_examples_and_what_is_otherwise_is_found() -> None:
    assert len(CHAPTERS[QUESTIONS]) >= 12
    assert fits({"a": ["x", "…"], "b": "…"}, {"a": ["x", "y"], "b": None})
    for otherwise in ({"a": 1}, {"a": [1]}, {"a": True, "b": 1}, {"a": [], "b": 1}, {}):
        assert not fits({"a": ["x", "…"], "b": 1}, otherwise)
