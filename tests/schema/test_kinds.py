"""Attribute kinds: one canonical value for what people and tools write, and back from JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdb.ids import new_id
from schema.kinds import KINDS, Money
from tests.support.values import INSTANTS

CANONICAL = [
    ("integer", "42", 42),
    ("integer", 42.0, 42),
    ("number", "1e3", 1000.0),
    ("number", -0.0, 0.0),
    ("boolean", "是", True),
    ("boolean", "No", False),
    ("date", " 2026-03-31 ", date(2026, 3, 31)),
    ("datetime", "2026-03-31T08:00:00+08:00", datetime.fromisoformat("2026-03-31T00:00:00Z")),
    ("duration", "P1DT2H", timedelta(hours=26)),
    ("duration", "-PT0.5S", timedelta(seconds=-0.5)),
    ("duration", 90, timedelta(seconds=90)),
    ("ip_address", "2001:0DB8:0:0::1", "2001:db8::1"),
    ("ip_network", "10.0.0.0/255.0.0.0", "10.0.0.0/8"),
    ("mac", "001A.2B3C.4D5E", "00:1a:2b:3c:4d:5e"),
    ("mac", "00-1a-2B-3c-4D-5e", "00:1a:2b:3c:4d:5e"),
    ("money", "CNY 1234.50", Money("CNY", Decimal("1234.50"))),
    ("json", {"b": [1, None], "a": "ü"}, {"b": [1, None], "a": "ü"}),
]


@pytest.mark.parametrize(("kind", "given_", "expected"), CANONICAL)
def test_what_is_given_becomes_canonical(kind: str, given_: Any, expected: Any) -> None:
    parsed = KINDS[kind].parse(given_)
    assert parsed == expected
    assert type(parsed) is type(expected)


WRONG = [
    ("string", 5), ("string", "x" * 1001), ("string", "a\x00b"), ("string", "\udc00"), ("string", None),
    ("integer", "1.5"), ("integer", 1.5), ("integer", True), ("integer", 2**63), ("integer", "٣x"),
    ("number", "nan"), ("number", float("inf")), ("number", True), ("number", "1,5"),
    ("boolean", 1), ("boolean", "maybe"), ("date", "31.03.2026"), ("date", "2026-02-30"), ("date", datetime(2026, 1, 1, tzinfo=UTC)),
    ("datetime", "2026-03-31T08:00:00"), ("datetime", "now"), ("datetime", "0001-01-01T00:00:00+14:00"),
    ("duration", "P"), ("duration", "1 day"), ("duration", "P40000D"), ("duration", True), ("duration", "PT"),
    ("ip_address", "10.0.0.256"), ("ip_address", "10.0.0"), ("ip_network", "10.0.0.1/8"), ("mac", "00:1a:2b:3c:4d"),
    ("mac", "localhost"), ("url", "no url"), ("url", "http://a b"), ("email", "a@b"), ("email", "@b.cn"),
    ("money", "12"), ("money", "¥12"), ("money", "CNY 1.2345"), ("json", {1, 2}), ("json", float("nan")),
    ("json", {"a": "\x00"}), ("reference", "web-01"), ("reference", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), WRONG, ids=[f"{k}-{v!r:.20}" for k, v in WRONG])
def test_what_does_not_fit_is_refused_with_a_sentence(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        KINDS[kind].parse(value)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "date": st.dates(),
    "datetime": INSTANTS,
    "duration": st.timedeltas(timedelta(days=-36_500), timedelta(days=36_500)),
    "money": st.builds(
        Money, st.just("CNY"), st.decimals(-(10**11), 10**11, places=2, allow_nan=False)
    ),
    "string": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50),
}


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_json_and_back_is_the_same_and_sorts_the_same(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    first, second = (kind.parse(data.draw(VALUES[name])) for _ in range(2))
    written = [json.loads(json.dumps(kind.to_json(value))) for value in (first, second)]
    assert [kind.from_json(value) for value in written] == [first, second]
    assert kind.parse(first) == first
    if name != "money":
        assert (written[0] < written[1]) == (first < second)


@given(st.text(max_size=30) | st.integers() | st.floats() | st.none() | st.lists(st.integers()))
def test_no_input_breaks_a_parser(value: Any) -> None:
    for kind in KINDS.values():
        try:
            parsed = kind.parse(value)
        except ValueError:
            continue
        assert kind.parse(parsed) == parsed


def test_ids_are_unique_and_ascend() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert ids == sorted(ids)
    assert all(KINDS["reference"].parse(id) == id for id in ids)
