"""Stock-taking over a server: numbers are read here, and what they mean is found there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from cli import services
from cli.remote.engine import TYPES, RemoteEngine
from cli.remote.store import RemoteStore, plain
from client.client import RECORD
from cmdb.batching import batched
from cmdb.records import Record
from lifecycle.count_reports import Report
from lifecycle.counting import Difference
from lifecycle.items import PAGE
from lifecycle.scanning import Read
from lifecycle.settling import Settling
from lifecycle.stocktake import Fed, Stocktakes

READING: Final = {**TYPES, "numbers": "[ReadNumberInput!]!"}
SETTLING: Final = {**TYPES, "order": "String!"}
COUNTED: Final = "... on Counted { results unknownNumbers }"
SETTLED: Final = f"... on Settled {{ count orders {{ {RECORD} }} }}"
REPORT: Final = f"""unsettled results unknownNumbers count: record {{ {RECORD} }}
    differences {{ result why settled details record {{ {RECORD} }} }}"""


class RemoteStocktakes(Stocktakes):
    """Has the server count."""

    engine: RemoteEngine

    def open(
        self,
        actor: str,
        *,
        organisation: str | None = None,
        place: str | None = None,
        due_on: date | None = None,
        name: str = "",
    ) -> Record:
        given = {"organisation": organisation, "place": place, "dueOn": plain(due_on)}
        return self.engine.made("openStocktake", name=name or None, **given)

    def feed(
        self,
        count: str,
        actor: str,
        reads: Iterable[Read],
        progress: Callable[[int], None] = lambda _: None,
    ) -> Fed:
        fed, seen = Fed(), 0
        for batch in batched(reads, PAGE):
            seen += len(batch)
            self._count(fed, stocktake=count, numbers=[_read(read) for read in batch])
            progress(seen)
        return fed

    def feed_sightings(self, count: str, actor: str, source: str = "") -> Fed:
        return self._count(Fed(), stocktake=count, discovered=True, source=source or None)

    def _count(self, fed: Fed, **given: Any) -> Fed:
        answer = self.engine.do("countStocktake", COUNTED, READING, **given)
        fed.results.update(answer["results"])
        fed.unknown += answer["unknownNumbers"]
        return fed

    def close(self, count: str, actor: str) -> Report:
        answer = self.engine.do("closeStocktake", f"... on Closed {{ {REPORT} }}", stocktake=count)
        return self._report(answer)

    def report(self, count: str) -> Report:
        asked = f"query($of: String!) {{ stocktake(of: $of) {{ {REPORT} }} }}"
        found = self.engine.store.asked(lambda client: client.query(asked, of=count))
        return self._report(found["stocktake"])

    def _report(self, told: Mapping[str, Any]) -> Report:
        read = self.engine.store.read
        differences = [
            Difference(read(d["record"]), d["result"], d["why"], d["details"], d["settled"] or "")
            for d in told["differences"]
        ]
        results = Counter[str](told["results"])
        unknown = told["unknownNumbers"]
        return Report(read(told["count"]), results, differences, unknown, told["unsettled"])


class RemoteSettling(Settling):
    """Has the server settle."""

    engine: RemoteEngine

    def __init__(self, engine: RemoteEngine) -> None:
        super().__init__(engine)
        self.counts = RemoteStocktakes(engine)

    def by_orders(
        self,
        count: str,
        actor: str,
        result: str,
        *,
        devices: Collection[str] | None = None,
        type_: str = "",
        attributes: Mapping[str, Any] = {},
        reason: str = "",
    ) -> list[Record]:
        given = {"result": result, "attributes": plain(attributes), "order": type_ or "usual"}
        answer = self._settle(count, devices, reason=reason, **given)
        return [self.engine.store.read(order) for order in answer["orders"]]

    def by_moving(
        self,
        count: str,
        actor: str,
        *,
        devices: Collection[str] | None = None,
        place: str | None = None,
        reason: str = "",
    ) -> int:
        given = {"result": None if devices is not None else "misplaced", "place": place}
        return int(self._settle(count, devices, move=True, reason=reason, **given)["count"])

    def by_explaining(
        self, count: str, actor: str, reason: str, *, devices: Collection[str] | None = None,
        result: str = "", numbers: Sequence[str] = (),
    ) -> int:  # fmt: skip
        given = {"result": result or None, "numbers": list(numbers) or None}
        return int(self._settle(count, devices, explain=reason, **given)["count"])

    def _settle(self, count: str, devices: Collection[str] | None, **given: Any) -> dict[str, Any]:
        named = None if devices is None else list(devices)
        return self.engine.do(
            "settleStocktake", SETTLED, SETTLING, stocktake=count, devices=named, **given
        )


def _read(read: Read) -> dict[str, Any]:
    return {"number": read.number, **({"place": read.place} if read.place else {})}


@services.settling.register
def _(graph: RemoteStore) -> Settling:
    return RemoteSettling(RemoteEngine(graph))
