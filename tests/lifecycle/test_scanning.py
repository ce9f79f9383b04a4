"""Numbers as scanners and people write them."""

from __future__ import annotations

import pytest

from lifecycle.scanning import LONGEST, Read, folded
from lifecycle.stocktake import Stocktakes
from tests.support.office import Office


@pytest.mark.parametrize(
    ("read", "same"),
    [
        (" sn-1 ", "SN-1"),
        ("ＳＮ－１", "SN-1"),
        ("sn\x00-\x1b1\n", "SN-1"),
        ("\ufeffSN-1\u200b", "SN-1"),
        ("s\ud800n-1", "SN-1"),
        ("\t", ""),
        ("x" * 5_000, "X" * LONGEST),
    ],
)
def test_numbers_are_compared_without_what_does_not_matter(read: str, same: str) -> None:
    assert folded(read) == same


def test_whatever_is_scanned_is_counted_or_unknown(office: Office) -> None:
    counts = Stocktakes(office.engine)
    office.device("Mixed", state="in_use", serial_number="sN-MiXeD 1")
    for name in ("one", "two"):
        office.device(name, state="in_use", serial_number="TWIN", vendor=name)
    office.device("here", state="in_use", serial_number="PAIR", vendor="x")
    office.device("there", state="in_use", serial_number="PAIR", vendor="y", organisation="north")
    count = counts.open("ann").id
    reads = ["SN-mixed 1", "x" * 5_000, "%_'\"\\", "a " * 50, "\x00", "TWIN", "PAIR", "\ud800Z"]
    fed = counts.feed(count, "ann", map(Read, reads))
    assert fed.results == {"found": 2, "unknown": 5}
    unknown = counts.report(count).unknown
    assert unknown["TWIN"]["several"] is True  # two devices have it, so it is nobody's
    assert {*unknown} == {"X" * LONGEST, "%_'\"\\", "A " * 49 + "A", "TWIN", "Z"}
    assert {d.record.name for d in counts.report(count).differences} == {"one", "two"}
