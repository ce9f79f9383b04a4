"""One order over many devices: how long a device takes, and that memory does not grow with their number.

``python -m bench.orders URL ORDER`` carries an order out and prints what it took: in a process of its own,
so that nothing else counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from bench.measuring import Figure, Report, peak_memory
from cmdb.change_sets import ChangeSet, Create
from cmdb.ids import new_id
from cmdb.store import create_store, open_store
from lifecycle.engine import Engine
from lifecycle.orders import Orders
from schema.loading import load_model
from tests.support.office import Office

DEVICES: Final = 10_000
FEW: Final = 1_000
MEMORY_BOUND: Final = 1.5
"""Most that the peak may grow from `FEW` to `DEVICES` devices."""
BATCH: Final = 1_000


def measure(report: Report, store: str, fresh: Callable[[], AbstractContextManager[str]]) -> None:
    """Decommissioning many devices in one order, against few."""
    few, many = (_carried(fresh, count) for count in (FEW, DEVICES))
    report.add(
        Figure(
            "an order carried out, peak memory", store, DEVICES, many["mb"], "MB", few["mb"],
            f"{FEW:,} devices", many["mb"] / few["mb"], ("at most", MEMORY_BOUND),
        )
    )  # fmt: skip
    each, before = many["seconds"] / DEVICES, few["seconds"] / FEW
    report.add(
        Figure(
            "an order carried out, each device", store, DEVICES, each * 1e3, "ms", before * 1e3,
            f"{FEW:,} devices", each / before,
        )
    )  # fmt: skip


def _carried(fresh: Callable[[], AbstractContextManager[str]], count: int) -> dict[str, float]:
    with fresh() as url:
        with create_store(url, load_model([])) as store:
            order = _approved(Office.make(store), count)
        command = [sys.executable, "-m", "bench.orders", url, order]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures: dict[str, float] = json.loads(done.stdout)
        assert figures["done"] == count
        return figures


def _approved(office: Office, count: int) -> str:
    """An approved order over so many monitors in use; gives its id."""
    said = {"organisation": office.ids["south"], "lifecycle_state": "in_use"}
    ids = [new_id() for _ in range(count)]
    for begin in range(0, count, BATCH):
        operations = [
            Create("Monitor", {"name": f"m-{begin + n}", "serial_number": id, **said}, id)
            for n, id in enumerate(ids[begin : begin + BATCH])
        ]
        office.store.commit(ChangeSet(operations, "bench"))
    order = office.orders.new("DecommissionOrder", "ann").id
    for begin in range(0, count, BATCH):
        office.orders.add(order, "ann", ids[begin : begin + BATCH])
    office.engine.transition(order, "submit", "ann")
    office.engine.vote(order, "bob", "approve")
    return order


def main() -> None:
    url, order = sys.argv[1:]
    with open_store(url) as store:
        begin = time.perf_counter()
        done = Orders(Engine(store)).execute(order, "ann").done
        seconds = time.perf_counter() - begin
    figures = {"done": done, "seconds": seconds, "mb": round(peak_memory())}
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
