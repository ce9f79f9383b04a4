"""What orders should come to, written down plainly: no declarations, no engine, no store."""

from __future__ import annotations

from dataclasses import dataclass, field

ROLES = {
    "ann": {("operator", "south")},
    "bob": {("asset_manager", "south")},
    "dora": {("director", "south"), ("operator", "south")},
    "nick": {("asset_manager", "north"), ("operator", "north")},
    "cora": set[tuple[str, str]](),
}
HOME = {"ann": "south", "bob": "south", "dora": "south", "nick": "north", "cora": "county"}
BELOW = {"south": {"south", "county"}, "north": {"north"}, "county": {"county"}}
"""Organisation -> itself and those below it."""

STEPS = {
    "DecommissionOrder": ("decommission",),
    "StockInOrder": ("stock_in",),
    "ScrapOrder": ("scrap",),
    "TransferOrder": ("hand_over", "accept"),
    "LoanOrder": ("lend", "take_back"),
    "ReuseOrder": ("reuse",),
    "RepairOrder": ("send_to_repair", "finish_repair"),
}
UNAPPROVED = {"StockInOrder", "RepairOrder"}
WAYS = {
    "decommission": ({"in_use", "in_repair"}, "idle"),
    "stock_in": ({"idle", "in_use", "in_repair"}, "in_stock"),
    "scrap": ({"idle", "in_stock", "in_repair"}, "scrapped"),
    "lend": ({"in_stock", "idle"}, "on_loan"),
    "take_back": ({"on_loan"}, "in_stock"),
    "reuse": ({"idle", "in_stock"}, "in_use"),
    "send_to_repair": ({"in_use", "idle", "in_stock"}, "in_repair"),
    "finish_repair": ({"in_repair"}, "in_use"),
}
NEEDS_NOBODY = {"decommission", "stock_in", "scrap", "lend"}
NEEDS_WIPING = {"scrap", "lend"}
LEAVES_SERVICE = NEEDS_NOBODY
BY = {
    "scrap": ("asset_manager",),
    "lend": ("asset_manager",),
    "take_back": ("asset_manager",),
    "stock_in": ("operator", "asset_manager"),
    "accept": ("asset_manager",),
    "hand_over": ("asset_manager",),
}
UNDER_WAY = {"in_approval", "approved", "in_progress"}


@dataclass
class Device:
    """``used``: something in service stands on it; ``states``: each it ever had, with who put it there."""

    holds_data: bool
    state: str
    organisation: str = "south"
    custodian: str = "ann"
    used: bool = False
    proofs: set[int] = field(default_factory=set)
    transit: str | None = None
    states: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Order:
    type: str
    by: str
    items: dict[str, list[str]]
    """Device -> steps taken."""
    state: str = "draft"
    dropped: set[str] = field(default_factory=set)
    voted: set[str] = field(default_factory=set)

    @property
    def organisation(self) -> str:
        return HOME[self.by]

    def left(self) -> list[str]:
        """Devices with a step before them."""
        steps = len(STEPS[self.type])
        return [d for d, t in self.items.items() if len(t) < steps and d not in self.dropped]


def holds(person: str, role: str, organisation: str) -> bool:
    return any(r == role and organisation in BELOW[at] for r, at in ROLES[person])


class OrderOracle:
    """Each method says whether it should go through, and then does it."""

    def __init__(self, devices: dict[str, Device]) -> None:
        self.devices, self.orders = devices, list[Order]()

    def submit(self, order: Order, person: str) -> bool:
        if order.state != "draft" or person != order.by or not order.items:
            return False
        for name in order.items:
            device = self.devices[name]
            others = [o for o in self.orders if o is not order and o.state in UNDER_WAY]
            if any(name in o.left() for o in others):
                return False
            if device.organisation not in BELOW[order.organisation]:
                return False
            first = STEPS[order.type][0]
            if first in WAYS and device.state not in WAYS[first][0]:
                return False
        if order.type in UNAPPROVED:
            order.state = "approved"
            return True
        if order.by == "bob" or order.organisation == "north":
            return False  # nobody else is asset manager there
        order.state, order.voted = "in_approval", set()
        return True

    def vote(self, order: Order, person: str, decision: str) -> bool:
        if order.state != "in_approval" or person != "bob":
            return False
        order.state = "approved" if decision == "approve" else "rejected"
        return True

    def simple(self, order: Order, name: str, person: str) -> bool:
        """withdraw, reopen, complete, complete_partly."""
        if name == "withdraw":
            good = order.state in ("draft", "in_approval", "approved", "rejected")
            if not good or person != order.by:
                return False
            order.dropped |= set(order.left())
            order.state = "withdrawn"
            return True
        if name == "reopen":
            if order.state != "rejected" or person != order.by:
                return False
            order.state = "draft"
            return True
        at = order.organisation
        may = (
            person == order.by
            or holds(person, "operator", at)
            or holds(person, "asset_manager", at)
        )
        if order.state != "in_progress" or not may:
            return False
        if name == "complete":
            if order.left():
                return False
            order.state = "completed"
            return True
        steps = len(STEPS[order.type])
        done = [d for d, t in order.items.items() if len(t) == steps]
        if not done or any(order.items[d] for d in order.left()):
            return False
        order.dropped |= set(order.left())
        order.state = "partly_completed"
        return True

    def execute(self, order: Order, person: str) -> set[str]:
        """The devices that should go through the step that is next."""
        left = order.left()
        if order.state not in ("approved", "in_progress") or not left:
            return set()
        number = min(len(order.items[d]) for d in left)
        step = STEPS[order.type][number]
        going = {
            d
            for d in left
            if len(order.items[d]) == number
            and self._may(order, step, person, d)
            and self._goes(order, step, d)
        }
        for name in going:
            self._take(order, step, name, person)
        if going:
            order.state = "in_progress"
        return going

    def _may(self, order: Order, step: str, person: str, device: str) -> bool:
        at = "north" if step == "accept" else order.organisation
        if step == "hand_over" and self.devices[device].custodian == person:
            return True
        return any(holds(person, role, at) for role in BY.get(step, ("operator",)))

    def _goes(self, order: Order, step: str, name: str) -> bool:
        device = self.devices[name]
        if step in WAYS and device.state not in WAYS[step][0]:
            return False
        if step in NEEDS_NOBODY and device.used:
            return False
        number = self.orders.index(order)
        return not (step in NEEDS_WIPING and device.holds_data and number not in device.proofs)

    def _take(self, order: Order, step: str, name: str, person: str) -> None:
        device = self.devices[name]
        order.items[name].append(step)
        if step in WAYS:
            device.state = WAYS[step][1]
            device.states.append((device.state, person))
        if step in LEAVES_SERVICE:
            device.used = False
        if step == "hand_over":
            device.transit = "north"
        if step == "accept":
            device.transit, device.organisation, device.custodian = None, "north", "nick"
