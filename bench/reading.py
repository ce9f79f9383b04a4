"""Reading, against the same statements by hand on the same data; and the past, against the store's size."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Protocol

from bench.estate import SERVER_MODELS
from bench.measuring import Figure, Report, side_by_side
from cmdb.change_sets import ChangeSet, Update
from cmdb.queries import Query, Sort
from cmdb.store import GraphStore

BOUND = 2.0


class Reader(Protocol):
    """What `bench.bare` offers for each store."""

    def get(self, id: str) -> object: ...
    def find(self, vendor: str) -> object: ...
    def find_by_serial(self, serial: str) -> object: ...
    def neighbours(self, id: str) -> object: ...


def read(report: Report, name: str, store: GraphStore, size: int, by_hand: Reader) -> None:
    """get, find and neighbours side by side with the hand-written statements."""
    chance = random.Random(7)
    servers = store.find(Query("Server", first=2_000)).records
    ids = [record.id for record in servers]
    serials = [record.attributes["serial_number"] for record in servers]
    vendors = [vendor for vendor, _ in SERVER_MODELS]

    def page(vendor: str) -> object:
        return store.find(Query("Server", {"vendor": vendor}, sort=[Sort("name")]))

    def by_serial(serial: str) -> object:
        return store.find(Query("Hardware", {"serial_number": serial}))

    for subject, bound, ours, theirs, parameters in (
        ("get by id", BOUND, lambda id: store.get([id]), by_hand.get, _drawn(chance, ids, 400)),
        ("find a page", BOUND, page, by_hand.find, _drawn(chance, vendors, 40)),
        ("find by serial number", None, by_serial, by_hand.find_by_serial, _drawn(chance, serials, 400)),
        ("neighbours", BOUND, lambda id: store.neighbours([id]), by_hand.neighbours, _drawn(chance, ids, 400)),
    ):  # fmt: skip
        _compare(report, name, store, size, subject, bound, ours, theirs, parameters)


def _drawn(chance: random.Random, values: Sequence[str], count: int) -> list[str]:
    return [chance.choice(values) for _ in range(count)]


def _compare(
    report: Report,
    name: str,
    store: Any,
    size: int,
    subject: str,
    bound: float | None,
    ours: Callable[[str], object],
    theirs: Callable[[str], object],
    parameters: list[str],
) -> None:
    ours(parameters[0])
    before = store.statements
    ours(parameters[0])
    count = store.statements - before
    mine, hand = side_by_side(ours, theirs, parameters)
    report.add(
        Figure(
            f"{subject} ({count} statement{'s' if count > 1 else ''})", name, size, mine * 1e3, "ms", hand * 1e3,
            "by hand", mine / hand, None if bound is None else ("at most", bound),
        )
    )  # fmt: skip


def past(report: Report, name: str, small: GraphStore, large: GraphStore, size: int) -> None:
    """A record with twenty changes as of the middle of them: in a small store and in this one."""
    taken = []
    for store in (small, large):
        [record] = store.find(Query("Server", first=1)).records
        revisions = [
            store.commit(ChangeSet([Update(record.id, {"cpu_count": n})], "bench")).revision
            for n in range(3, 23)
        ]
        taken.append((store, record.id, revisions[10]))
    (first, first_id, first_at), (second, second_id, second_at) = taken
    ours, theirs = side_by_side(
        lambda _: second.get([second_id], second_at),
        lambda _: first.get([first_id], first_at),
        range(300),
    )
    report.add(
        Figure(
            "get as of a revision", name, size, ours * 1e3, "ms", theirs * 1e3, "a store of 1,000",
            ours / theirs, ("at most", BOUND),
        )
    )  # fmt: skip


def others(report: Report, name: str, store: GraphStore, size: int) -> None:
    """What has no counterpart by hand: figures to know, without a bound."""
    organisation = store.find(Query("ProvinceCompany", first=1)).records[0].id
    vendor = SERVER_MODELS[0][0]
    for subject, reading in (
        ("find with total over everything", lambda: store.find(Query(total=True))),
        ("find below a province, with total", lambda: store.find(Query("Server", organisation=organisation, total=True))),
        ("find by a related record", lambda: store.find(Query("VirtualMachine", {"RUNS_ON": {"vendor": vendor}}))),
        ("count by type", lambda: store.count_by(Query(), ["type"])),
        ("search, part of a serial number", lambda: store.search("SV0F3")),
        ("search, two Chinese characters", lambda: store.search("营销")),
        ("scan 10,000 records", lambda: list(islice(store.scan_records(), 10_000))),
    ):  # fmt: skip
        reading()
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            reading()
            times.append(time.perf_counter() - begin)
        report.add(Figure(subject, name, size, statistics.median(times) * 1e3, "ms"))
