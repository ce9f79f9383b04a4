"""Settling the differences of a count: by orders, by moves, by explanations; and signing it off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from cmdb.change_sets import Operation, Relate, Update
from cmdb.records import Record
from lifecycle import effects
from lifecycle.count_reports import open_items
from lifecycle.counting import MISPLACED, MISSING, unexplained
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.items import CONCERNS, DONE, PAGE, Item, with_links
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError, RequestError
from lifecycle.scanning import folded
from lifecycle.stocktake import Stocktakes
from schema.model import STATE_ATTRIBUTE

USUAL_ORDERS: Final[Mapping[str, str]] = {MISSING: "LossOrder", MISPLACED: "TransferOrder"}
"""The order that settles a result, unless another is named."""
SETTLERS: Final = ("requester", "assignee", "asset_manager")


class Settling:
    """The door to settling."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.counts = engine, Stocktakes(engine)
        self.store = engine.store

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
        """Draft the orders that settle differences: one for each organisation that gives devices away.

        A difference counts as settled once its order was submitted. What is in such an order, or in a
        draft of this count, is left out.

        Parameters
        ----------
        devices
            Only these; all that are open if None.
        attributes
            Of the orders, such as the place and the custodian of a handover.
        """
        made = [self.store.record(id) for id in self.engine.earlier()]
        process = self._settling(count, actor)
        chosen = type_ or USUAL_ORDERS[result]
        organisation = process.attributes.get("organisation")
        groups: defaultdict[str | None, list[str]] = defaultdict(list)
        room = self.engine.room(actor)
        for item in self._open(count, result, devices):
            own = item.record.attributes.get("organisation")
            if _drafted(item, count):
                continue
            within = chosen != "TransferOrder" and room.directory.within(own, organisation)
            groups[organisation if within else own or organisation].append(item.record.id)
        said = {"stocktake": count, **attributes}
        if chosen == "TransferOrder":
            said = {
                "to_organisation": organisation,
                "place": process.attributes.get("place"),
                **said,
            }
        text = reason or str(process.attributes["number"])
        return made + [
            self.counts.orders.new(chosen, actor, {**said, "organisation": giver}, ids, text)
            for giver, ids in groups.items()
        ]

    def by_moving(
        self,
        count: str,
        actor: str,
        *,
        devices: Collection[str] | None = None,
        place: str | None = None,
        reason: str = "",
    ) -> int:
        """Record misplaced devices where they were found; gives how many.

        Parameters
        ----------
        place
            Where they stand now; by default where each was read, else the place of the count.
        """
        process = self._settling(count, actor)
        wanted = [i.record.id for i in self._open(count, MISPLACED, devices) if "place" in _why(i)]
        where = place or process.attributes.get("place")

        def moved(item: Item) -> list[Operation]:
            if _why(item) != ["place"]:
                return []  # belonging to others, or a state, takes an order
            to = place or item.details.get("place") or where
            if to is None:
                raise RequestError(f"Where does {item.record.name} stand?", "Name the place.")
            room = self.engine.own_room()
            case = self.engine.case(item.record, None, room, {"place": to}, {}, links=item.links)
            effects.apply("move", case, room)
            return case.operations()

        return self._settled(count, actor, wanted, "moved", reason, moved)

    def by_explaining(
        self, count: str, actor: str, reason: str, *, devices: Collection[str] | None = None,
        result: str = "", numbers: Sequence[str] = (),
    ) -> int:  # fmt: skip
        """Say why differences are none, or what unknown numbers are; gives how many."""
        if not reason.strip():
            process = self.store.record(count)
            raise RefusedError([Refusal(count, process.name, "required", "it needs a reason")])
        self._settling(count, actor)
        wanted = []
        if devices is not None or result:
            wanted = [i.record.id for i in self._open(count, result, devices)]
        done = self._settled(count, actor, wanted, "explained", reason, lambda _: [])
        return done + (self._explain_numbers(count, actor, numbers, reason) if numbers else 0)

    def _explain_numbers(self, count: str, actor: str, numbers: Sequence[str], reason: str) -> int:
        def work() -> Decision:
            process = self._settling(count, actor)
            unknown = dict(process.attributes.get("unknown_numbers") or {})
            wanted = [folded(number) for number in numbers]
            for number in wanted:
                if number not in unknown:
                    raise RequestError(
                        f"{number} is no unknown number of {process.name}.",
                        f"There are: {', '.join(unexplained(process)) or 'none'}.",
                    )
                unknown[number] = {**unknown[number], "explained": reason}
            text = f"{process.attributes['number']} explained: {reason}"
            return Decision([Update(count, {"unknown_numbers": unknown})], text, result=len(wanted))

        return int(self.engine.decide(actor, work, anew=True)[0].result)

    def sign_off(self, count: str, actor: str, reason: str = "") -> int:
        """Sign a count off; gives the revision.

        Raises
        ------
        RefusedError
            Something is not settled.
        NotAllowedError
        """
        return self.engine.transition(count, "sign_off", actor, reason=reason)

    # -- parts ----------------------------------------------------------------------------------------

    def _settling(self, count: str, actor: str) -> Record:
        process = self.store.record(count)
        room = self.engine.room(actor, process)
        state = process.attributes.get(STATE_ATTRIBUTE)
        if state != "counted":
            why = f"it is {state}: differences are settled when it is counted"
            raise RefusedError([Refusal(count, process.name, "state", why)])
        at = process.attributes.get("organisation")
        if room.directory.may(room.actor, SETTLERS, process, at) is None:
            raise NotAllowedError(
                f"{room.actor.record.name} is no {' or '.join(SETTLERS)} there.",
                "Somebody who is may settle it.",
            )
        return process

    def _open(self, count: str, result: str, devices: Collection[str] | None) -> list[Item]:
        """The unsettled differences of a result among some devices.

        Raises
        ------
        RequestError
            One of the devices named is not among them.
        """
        found = [
            item
            for page in open_items(self.store, count)
            for item in page
            if (not result or item.details.get("result") == result)
            and (devices is None or item.record.id in devices)
        ]
        if devices is not None and (left := {*devices} - {i.record.id for i in found}):
            names = ", ".join(sorted(r.name for r in self.store.get(left).values()))
            raise RequestError(
                f"{names or ', '.join(sorted(left))}: no unsettled {result or 'difference'}.",
                "`cmdb stocktake show` lists what is.",
            )
        return found

    def _settled(
        self, count: str, actor: str, ids: Sequence[str], how: str, reason: str, doing: Any
    ) -> int:
        """Note how items were settled, with what else that takes; some hundreds in one change set."""
        done = 0
        for begin in range(0, len(ids), PAGE):
            part = ids[begin : begin + PAGE]

            def work(part: Sequence[str] = part) -> Decision:
                process = self._settling(count, actor)
                operations: list[Operation] = []
                settled = 0
                for item in with_links(self.store, count, [*self.store.get(part).values()], True):
                    extra = doing(item)
                    if how == "moved" and not extra:
                        continue
                    said = {"how": how, "reason": reason, "by": actor}
                    said["at"] = self.engine.clock().isoformat()
                    now = {
                        **item.said,
                        "outcome": DONE,
                        "details": {**item.details, "settled": said},
                    }
                    operations += [*extra, Relate(count, CONCERNS, item.record.id, now)]
                    settled += 1
                text = f"{process.attributes['number']} {how}"
                return Decision(operations, f"{text}: {reason}" if reason else text, result=settled)

            done += int(self.engine.decide(actor, work, anew=True)[0].result)
        return done


def _why(item: Item) -> list[str]:
    return list(item.details.get("why") or ())


def _drafted(item: Item, count: str) -> bool:
    """Whether a draft of this count has the item already."""
    return any(
        near.record.attributes.get("stocktake") == count
        and near.record.attributes.get(STATE_ATTRIBUTE) == "draft"
        for near in item.links
        if near.relationship.type == CONCERNS
    )
