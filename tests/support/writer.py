"""A process that writes to a store until somebody ends it, or its work is done.

    python -m tests.support.writer steps URL             steps of a `SharedEstate`, without end
    python -m tests.support.writer increments URL ID N   N increments of one record's size
    python -m tests.support.writer appends URL NAME N    N appends of three entries each to a journal
    python -m tests.support.writer swaps URL NAME N      N increments of a mark
    python -m tests.support.writer handovers URL ID N    a box handed over to N new organisations
    python -m tests.support.writer fillings URL ID N     N new devices put into a box

It prints ``begin n`` before and ``end n`` after each commit.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from cmdb.change_sets import ChangeSet, Relate, Update
from cmdb.errors import ConflictError
from cmdb.store import GraphStore, open_store
from tests.support.building import commit, create
from tests.support.shared_estate import SharedEstate


def steps(store: GraphStore) -> None:
    estate = SharedEstate.of(store)
    size = estate.verified()
    while True:
        size += 1
        print(f"begin {size}", flush=True)
        estate.step(size)
        print(f"end {size}", flush=True)


def increments(store: GraphStore, id: str, count: int) -> None:
    """Read, add one, write if nobody wrote in between; else again."""
    for number in range(count):
        print(f"begin {number}", flush=True)
        while True:
            record = store.record(id)
            change = Update(id, {"size": record.attributes["size"] + 1}, record.revision)
            try:
                store.commit(ChangeSet([change], f"writer {number}"))
            except ConflictError:
                continue
            break
        print(f"end {number}", flush=True)


def appends(store: GraphStore, name: str, count: int) -> None:
    for number in range(count):
        print(f"begin {number}", flush=True)
        last = store.append(name, [f"{os.getpid()} {number} {i}".encode() for i in range(3)])
        print(f"end {last}", flush=True)


def swaps(store: GraphStore, name: str, count: int) -> None:
    for number in range(count):
        print(f"begin {number}", flush=True)
        while True:
            held = store.marks(name).get(name)
            if store.swap(name, held, str(int(held or 0) + 1).encode()):
                break
        print(f"end {number}", flush=True)


def handovers(store: GraphStore, box: str, count: int) -> None:
    for number in range(count):
        print(f"begin {number}", flush=True)
        founded = create("Organisation", f"o{number}")
        commit(store, founded, Update(box, {"organisation": founded.id}))
        print(f"end {number}", flush=True)


def fillings(store: GraphStore, box: str, count: int) -> None:
    for number in range(count):
        print(f"begin {number}", flush=True)
        device = create("Device", f"d{number}")
        commit(store, device, Relate(box, "CONTAINS", device.id))
        print(f"end {number}", flush=True)


WORKS: Final = {
    "increments": increments,
    "appends": appends,
    "swaps": swaps,
    "handovers": handovers,
    "fillings": fillings,
}

if __name__ == "__main__":
    what, url, *rest = sys.argv[1:]
    with open_store(url) as opened:
        if what == "steps":
            steps(opened)
        else:
            WORKS[what](opened, rest[0], int(rest[1]))
