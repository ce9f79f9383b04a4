"""A process that confirms changes, one after another, as it is told on standard input, until somebody ends it.

    python -m tests.support.confirmer URL

Each line is the id of a change, and an instant that the clock shows; it prints ``begin`` before and ``end`` after.
"""

from __future__ import annotations

import sys
from datetime import datetime

from cmdb.store import open_store
from lifecycle.engine import Engine

if __name__ == "__main__":
    with open_store(sys.argv[1]) as store:
        print("ready", flush=True)
        for line in sys.stdin:
            id, said = line.split()
            now = datetime.fromisoformat(said)
            engine = Engine(store, lambda now=now: now)  # type: ignore[misc]
            print("begin", flush=True)
            engine.transition(id, "confirm", "ola")
            print("end", flush=True)
