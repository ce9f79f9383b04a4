"""Text goes by code points, whether it is sorted, compared or walked through in pages."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from itertools import product

import pytest

from cmdb.queries import Query, Sort
from cmdb.store import GraphStore
from tests.support.building import commit, create

CHARACTERS = ("(", "\n", "（", "𠮷")
"""In UTF-16 the last one begins with less than the one before it."""
TEXTS = sorted("".join(pair) for size in (1, 2) for pair in product(CHARACTERS, repeat=size))
SIGNS = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}


@pytest.fixture
def texts(store: GraphStore) -> GraphStore:
    """Of two attributes, the first of which has an index."""
    commit(store, *(create("Device", text, note=text) for text in reversed(TEXTS)))
    return store


@pytest.mark.parametrize("attribute", ["name", "note"])
def test_comparisons(texts: GraphStore, attribute: str) -> None:
    for text, (sign, holds) in product(TEXTS, SIGNS.items()):
        page = texts.find(Query("Device", {attribute: {sign: text}}, first=100))
        found = {record.attributes[attribute] for record in page.records}
        assert found == {other for other in TEXTS if holds(other, text)}, (text, sign)


@pytest.mark.parametrize("attribute", ["name", "note"])
@pytest.mark.parametrize("descending", [False, True])
def test_pages(texts: GraphStore, attribute: str, descending: bool) -> None:
    def walked() -> Iterator[str]:
        query = Query("Device", sort=[Sort(attribute, descending)], first=1)
        while True:
            page = texts.find(query)
            yield from (record.attributes[attribute] for record in page.records)
            if page.cursor is None:
                return
            query = Query("Device", sort=query.sort, first=1, after=page.cursor)

    assert list(walked()) == sorted(TEXTS, reverse=descending)
