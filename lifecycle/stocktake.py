"""Stock-taking: counting what is there, in as many parts as it takes, until every difference is settled.

Counting is idempotent: what was read before is passed over. `lifecycle.settling` settles the differences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from cmdb.batching import batched
from cmdb.change_sets import Create, Operation, Relate, Update
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.cases import Room
from lifecycle.count_reports import Report, report
from lifecycle.counting import (
    FOUND,
    MISPLACED,
    MISSING,
    Scope,
)
from lifecycle.deciding import Decision
from lifecycle.drafting import Drafting
from lifecycle.engine import Engine
from lifecycle.items import CONCERNS, DONE, OPEN, PAGE, with_links
from lifecycle.orders import Orders
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError, RequestError
from lifecycle.scanning import Read, chosen, cleaned, folded, known, misplacement, same_reading
from lifecycle.sightings import Sightings
from schema.model import STATE_ATTRIBUTE

STOCKTAKE: Final = "Stocktake"
PREFIX: Final = "PD"
COUNTERS: Final = ("requester", "assignee", "operator", "asset_manager")
"""Who may count."""


@dataclass
class Fed:
    """What feeding a count came to: how many numbers of each result; those read before are ``again``."""

    results: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    revision: int = 0


class Stocktakes:
    """The door to stock-taking."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.orders = engine, Orders(engine)

    @property
    def store(self) -> GraphStore:
        return self.engine.store

    def find(self, text: str) -> Record:
        """A count by number or id.

        Raises
        ------
        NotFoundError, RequestError
        """
        found = Drafting(self.engine).find(text)
        if found.type != STOCKTAKE:
            raise RequestError(f"{found.name} is a {found.type}.", "Name a stock-taking.")
        return found

    def open(
        self,
        actor: str,
        *,
        organisation: str | None = None,
        place: str | None = None,
        due_on: date | None = None,
        name: str = "",
    ) -> Record:
        """Open a count of an organisation and those below it, or of a place; gives it with its number.

        Parameters
        ----------
        organisation
            Of a place, by default the place's own; else the actor's.
        """
        id = self.engine.next_id()

        def work() -> Decision:
            room = self.engine.room(actor)
            own = self.store.record(place).attributes.get("organisation") if place else None
            at = organisation or own or room.actor.record.attributes.get("organisation")
            if not any(room.directory.holds(room.actor, role, at) for role in COUNTERS[2:]):
                raise NotAllowedError(
                    f"{room.actor.record.name} is no {' or '.join(COUNTERS[2:])} there.",
                    "Somebody who is may open a count.",
                )
            number = self.orders.number(PREFIX)
            label = self.store.model.record_types[STOCKTAKE].label.zh
            said = {
                "name": name or f"{label} {number}",
                "number": number,
                "organisation": at,
                "place": place,
                "due_on": due_on,
                "requested_by": room.actor.id,
                "opened_revision": self.store.last_revision().number,
            }
            said = {n: v for n, v in said.items() if v is not None}
            return Decision([Create(STOCKTAKE, said, id)], f"{number} opened")

        self.engine.decide(actor, work)
        return self.store.record(id)

    # -- counting -------------------------------------------------------------------------------------

    def feed(
        self,
        count: str,
        actor: str,
        reads: Iterable[Read],
        progress: Callable[[int], None] = lambda _: None,
    ) -> Fed:
        """Take down numbers that were read off devices, some hundreds at a time.

        Raises
        ------
        RefusedError
            The count is not open.
        NotAllowedError
        """
        fed, seen = Fed(), 0
        for batch in batched(reads, PAGE):
            seen += len(batch)

            def work(batch: list[Read] = batch) -> Decision:
                process, room = self._counting(count, actor)
                return self._read(process, room, batch)

            decision, revision = self.engine.decide(actor, work, anew=True)
            results, unknown = decision.result
            fed.results.update(results)
            fed.unknown += unknown
            fed.revision = revision
            progress(seen)
        return fed

    def _read(self, process: Record, room: Room, batch: Sequence[Read]) -> Decision:
        scope = Scope(self.store, process, room.directory)
        last = {folded(r.number): r for r in batch if folded(r.number)}
        devices = known(self.store, last)
        records = {r.id: r for found in devices.values() for r in found}
        have = {
            i.record.id: i for i in with_links(self.store, process.id, [*records.values()], False)
        }
        unknown = dict(process.attributes.get("unknown_numbers") or {})
        results: Counter[str] = Counter()
        strange: list[str] = []
        made: dict[str, Operation] = {}
        for number, read in last.items():
            record = chosen(devices.get(number, ()), scope)
            if record is None:
                results["unknown"] += 1
                strange.append(cleaned(read.number))
                unknown.setdefault(
                    number, self._said(room, several=len(devices.get(number, ())) > 1)
                )
                continue
            unknown.pop(number, None)
            why = misplacement(record, read.place, scope)
            details: dict[str, Any] = {"result": MISPLACED if why else FOUND, "read": number}
            details |= {n: v for n, v in (("why", why), ("place", read.place)) if v}
            item = have.get(record.id)
            if record.id in made or (item and same_reading(item.details, details)):
                results["again"] += 1
            else:
                results[details["result"]] += 1
                made[record.id] = _item(process.id, record.id, details | self._said(room))
        operations = [*made.values()]
        if unknown != (process.attributes.get("unknown_numbers") or {}):
            operations.append(Update(process.id, {"unknown_numbers": unknown or None}))
        number = process.attributes["number"]
        return Decision(operations, f"{number} {len(last)} read", result=(results, strange))

    def feed_sightings(self, count: str, actor: str, source: str = "") -> Fed:
        """Count as found what sources have reported since the count was opened.

        Where a source saw a device says nothing of its place: only what is expected is looked at.

        Parameters
        ----------
        source
            Only what this one reported; any automatic one if empty.
        """
        process, room = self._counting(count, actor)
        opened = process.attributes["opened_revision"]
        since = self.store.revisions([opened])[opened].at
        sightings, fed = Sightings(self.store), Fed()
        for page in Scope(self.store, process, room.directory).expected():
            by: dict[str, str] = {}
            for id, own in sightings.of([r.id for r in page]).items() if page else ():
                names = [s for s, at in own.items() if at > since and source in ("", s)]
                by |= {id: f"source {min(names)}"} if names else {}
            self._all(count, actor, page, FOUND, by, fed)
        return fed

    def close(self, count: str, actor: str) -> Report:
        """End the counting: what was expected and not found is missing. Goes on where it was stopped."""
        if self.engine.earlier():
            return self.report(count)
        process, room = self._counting(count, actor)
        fed = Fed()
        for page in Scope(self.store, process, room.directory).expected():
            self._all(count, actor, page, MISSING, {r.id: "" for r in page}, fed)

        def work() -> Decision:
            process, room = self._counting(count, actor)
            case = self.engine.case(process, self.engine.way(process, "count"), room, {}, {})
            self.engine.settle([case], room, system=True)
            self.engine.stop(case.refusals)
            operations = [*case.operations(), *self.engine.entered(case, room)]
            return Decision(operations, f"{process.attributes['number']} counted")

        self.engine.decide(actor, work)
        return self.report(count)

    def _all(
        self,
        count: str,
        actor: str,
        page: Sequence[Record],
        result: str,
        by: Mapping[str, str],
        fed: Fed,
    ) -> None:
        """Take down one result for those of a page that have none, or none but missing."""

        def work() -> Decision:
            process, room = self._counting(count, actor)
            have = with_links(self.store, count, [r for r in page if r.id in by], False)
            done = {
                i.record.id for i in have if i.details.get("result") in (result, FOUND, MISPLACED)
            }
            new = [id for id in by if id not in done]
            operations = [
                _item(count, id, {"result": result, **self._said(room, read=by[id] or None)})
                for id in new
            ]
            text = f"{process.attributes['number']} {len(new)} {result}"
            return Decision(operations, text, result=len(new))

        if by:
            decision, fed.revision = self.engine.decide(actor, work, anew=True)
            fed.results += Counter({result: decision.result, "again": len(by) - decision.result})

    def _counting(self, count: str, actor: str) -> tuple[Record, Room]:
        """A count that is open, for somebody who may count.

        Raises
        ------
        RefusedError, NotAllowedError
        """
        process = self.store.record(count)
        room = self.engine.room(actor, process)
        state = process.attributes.get(STATE_ATTRIBUTE)
        if state != "open":
            why = f"it is {state}, no longer open; `cmdb stocktake reopen` counts on"
            raise RefusedError([Refusal(count, process.name, "state", why)])
        at = process.attributes.get("organisation")
        if room.directory.may(room.actor, COUNTERS, process, at) is None:
            raise NotAllowedError(
                f"{room.actor.record.name} is no {' or '.join(COUNTERS)} there.",
                "Somebody who is may count.",
            )
        return process, room

    def report(self, count: str) -> Report:
        """How a count stands (`count_reports.report`)."""
        return report(self.store, count, self.engine.own_room().directory)

    def _said(self, room: Room, **more: Any) -> dict[str, Any]:
        """Who and when, and what else there is to say."""
        said = {"by": room.actor.id, "at": self.engine.clock().isoformat()}
        return said | {name: value for name, value in more.items() if value}


def _item(count: str, device: str, details: Mapping[str, Any]) -> Relate:
    outcome = DONE if details["result"] == FOUND else OPEN
    return Relate(count, CONCERNS, device, {"outcome": outcome, "details": dict(details)})
