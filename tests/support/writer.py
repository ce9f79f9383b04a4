"""A process that writes to a store until somebody ends it, or its work is done.

    python -m tests.support.writer steps URL             steps of a `SharedEstate`, without end
    python -m tests.support.writer increments URL ID N   N increments of one record's size

It prints ``begin n`` before and ``end n`` after each commit.
"""

from __future__ import annotations

import sys

from cmdb.change_sets import ChangeSet, Update
from cmdb.errors import ConflictError
from cmdb.store import GraphStore, open_store
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


if __name__ == "__main__":
    what, url, *rest = sys.argv[1:]
    with open_store(url) as opened:
        if what == "steps":
            steps(opened)
        else:
            increments(opened, rest[0], int(rest[1]))
