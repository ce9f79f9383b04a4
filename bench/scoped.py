"""What permission costs: questions of somebody whose scope is 3,000 organisations, against the same without bounds.

The estate of the other figures, each of its records moved to one of the organisations below its cell's,
with interfaces in its servers, which name no organisation and are seen with what they are part of, and
a tenth that belongs to somebody else and is not seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from api.access.guarded import GuardedStore
from api.access.organisations import Organisations
from api.access.principals import Grant, Permission, Principal
from api.access.roles import load_roles
from bench.estate import CELL, LEVELS, operations
from bench.measuring import Figure, Report, side_by_side
from cmdb.bulk import load
from cmdb.change_sets import Create, Operation, Relate
from cmdb.ids import new_id
from cmdb.queries import Query, Sort
from cmdb.steps import Step
from cmdb.store import GraphStore, create_store
from schema.loading import load_model

ORGANISATIONS: Final = 3_000
"""About so many: as many for each cell."""
INTERFACES: Final = 3
"""In each server."""
ESTATE: Final = 0.6
"""Of all records; the others are interfaces, organisations, and somebody else's."""
HIDDEN: Final = 6
"""Somebody else has one record for so many."""
PAGE_BOUND: Final = 1.3
TOTAL_BOUND: Final = 2.0

Ask = Callable[[GraphStore], object]


def measure(
    report: Report, name: str, fresh: Callable[[], AbstractContextManager[str]], size: int
) -> None:
    """The figures of one store.

    Parameters
    ----------
    fresh
        Gives the URL of an empty store.
    """
    with fresh() as url, create_store(url, load_model([])) as store:
        estate = round(size * ESTATE)
        cells = round(estate / CELL)
        load(store, spread(operations(estate), ORGANISATIONS // cells), actor="bench")
        load(store, spread(operations(estate // HIDDEN, seed=2), 0), actor="bench")
        [root] = store.find(Query(LEVELS[0], {"code": {"prefix": "ORG"}})).records
        compare(report, name, store, root.id, size)


def compare(report: Report, name: str, store: GraphStore, root: str, size: int) -> None:
    """Each question side by side."""
    grant = Grant(frozenset({Permission.READ}), root)
    principal, roles = Principal("reader", "", (grant,), frozenset({"reader"})), load_roles()
    organisations = Organisations(store)
    if (reach := len(organisations.below([root]))) < ORGANISATIONS * 0.9:
        raise RuntimeError(f"{reach} organisations are within reach, not {ORGANISATIONS}")

    def guarded(ask: Ask) -> object:
        return ask(GuardedStore(store, principal, organisations, roles))

    for subject, bound, turns, ask in questions(store):
        ours, theirs = side_by_side(guarded, lambda q: q(store), [ask] * turns)
        report.add(
            Figure(
                f"within {reach:,} organisations: {subject}", name, size, ours * 1e3, "ms",
                theirs * 1e3, "without bounds", ours / theirs, ("at most", bound),
            )
        )  # fmt: skip


def questions(store: GraphStore) -> Iterator[tuple[str, float, int, Ask]]:
    """(what it is, its bound, how often it is asked, the question)."""
    servers = [record.id for record in store.find(Query("Server", first=100)).records]
    serial = store.record(servers[50]).attributes["serial_number"]
    related = {"RUNS_ON": {"vendor": "Huawei"}}
    steps = [Step("RUNS"), Step("HAS_COMPONENT")]
    for subject, turns, query in (
        ("a page of servers", 60, Query("Server")),
        ("a page of everything", 60, Query()),
        ("a page of parts", 60, Query("NetworkInterface")),
        ("1,000 servers", 20, Query("Server", first=1_000)),
        ("a page in order", 20, Query("DesktopComputer", sort=[Sort("name")])),
        ("a page by serial number", 60, Query("Hardware", {"serial_number": serial})),
        ("a page by state", 40, Query("Server", {"lifecycle_state": "in_stock"})),
        ("a page by a related record", 40, Query("VirtualMachine", related)),
    ):
        yield subject, PAGE_BOUND, turns, lambda s, q=query: s.find(q)  # type: ignore[misc]
    yield "two steps from 100 servers", PAGE_BOUND, 20, lambda s: s.connections(servers, steps)
    yield "a search", PAGE_BOUND, 20, lambda s: s.search("SV0F3")
    for subject, query in (
        ("total of servers", Query("Server", total=True)),
        ("total of computers", Query("Computer", total=True)),
        ("total of parts", Query("NetworkInterface", total=True)),
        ("total of everything", Query(total=True)),
        ("total by vendor", Query("Server", {"vendor": "Huawei"}, total=True)),
    ):
        yield subject, TOTAL_BOUND, 20, lambda s, q=query: s.find(q)  # type: ignore[misc]
    yield "counts by type", TOTAL_BOUND, 10, lambda s: s.count_by(Query(), ["type"])
    yield (
        "counts by state",
        TOTAL_BOUND,
        10,
        lambda s: s.count_by(Query("Server"), ["lifecycle_state"]),
    )


def spread(made: Iterator[Operation], organisations: int, seed: int = 3) -> Iterator[Operation]:
    """An estate whose cells have organisations below them, so many in all, to which what is in them
    belongs; without any, one that is somebody else's."""
    chance, members = random.Random(seed), list[str]()
    for operation in made:
        if not isinstance(operation, Create):
            yield operation
        elif operation.type in LEVELS:
            code = str(operation.attributes["code"])
            code = code if organisations else f"OTHER-{code}"
            yield Create(operation.type, {**operation.attributes, "code": code}, operation.id)
            members = [str(operation.id)]
            for number in range(organisations and organisations - 1):
                below = Create(
                    LEVELS[-1], {"name": f"{code}-{number}", "code": f"{code}-{number}"}, new_id()
                )
                members.append(str(below.id))
                yield from (below, Relate(below.id, "PART_OF", operation.id))
        else:
            organisation = chance.choice(members)
            yield Create(
                operation.type, {**operation.attributes, "organisation": organisation}, operation.id
            )
            if operation.type == "Server":
                for number in range(INTERFACES):
                    part = Create("NetworkInterface", {"name": f"eth{number}"}, new_id())
                    yield from (part, Relate(operation.id, "HAS_COMPONENT", part.id))
