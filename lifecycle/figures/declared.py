"""The figures about devices and orders, as data: what each is called, and the query it is.

A few kinds of query are enough; `lifecycle.figures.evaluators` has one evaluator for each. States are those of
the shipped life of a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lifecycle.ledger import DEVICES

IN_SERVICE: Final = ("in_use", "in_repair")
OUT_OF_SERVICE: Final = ("idle", "in_stock")
GONE: Final = ("scrapped", "donated", "lost", "cancelled")
HELD: Final = ("in_stock", "in_use", "in_repair", "idle", "on_loan")
"""The states of devices that the organisation has and can use."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What each kind of query says.

    Attributes
    ----------
    types
        The types of the records that it is about.
    dated
        The attribute that says when they were: only those since an instant count, where one is asked for.
    per
        Attributes, or ``type``: beside the whole, groups by each of them, one after the other.
    """

    types: tuple[str, ...] = DEVICES
    dated: str | None = None
    per: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counted(Asked):
    """Records counted by attributes together; ``type`` may be one."""

    by: tuple[str, ...]
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Aged(Asked):
    """Records by their age, by the first of these dates, or instants, that they have.

    Attributes
    ----------
    bands
        The years, or days, at which the bands begin.
    unit
        ``years``, whole ones, of dates; or ``days``, of instants.
    """

    dates: tuple[str, ...]
    bands: tuple[int, ...]
    where: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "years"


@dataclass(frozen=True)
class Share(Asked):
    """How many percent of some records fit a further filter."""

    of: Mapping[str, Any]
    where: Mapping[str, Any]


@dataclass(frozen=True)
class Stays(Asked):
    """The mean of how long records stayed in each state, those that still do up to now."""


@dataclass(frozen=True)
class Returns(Asked):
    """How many percent of the records that once left some states for others came back to the first."""

    home: tuple[str, ...]
    away: tuple[str, ...]


@dataclass(frozen=True)
class Kept(Asked):
    """How many percent of the processes with a deadline ended by it; what is open and past it did not."""

    deadline: str
    ends: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    unit
        ``percent``, ``days``, ``hours``, or what is counted: ``devices``, ``incidents``, ``processes``.
    query
        One of the kinds above, or of those that another part adds (`lifecycle.figures.add`).
    """

    name: str
    en: str
    zh: str
    unit: str
    query: Asked


DECLARED: Final[tuple[Figure, ...]] = (
    Figure("devices_by_state", "Devices by state", "设备数量（按状态）", "devices", Counted(("lifecycle_state",))),
    Figure("devices_by_type", "Devices by type", "设备数量（按类型）", "devices", Counted(("type",), {"lifecycle_state": {"in": HELD}})),
    Figure("devices_by_organisation", "Devices by organisation", "设备数量（按单位）", "devices", Counted(("organisation",), {"lifecycle_state": {"in": HELD}})),
    Figure("devices_by_age", "Devices by age in years", "设备数量（按年限）", "devices", Aged(("commissioned_on", "purchase_date"), (0, 1, 3, 5, 8), {"lifecycle_state": {"in": HELD}})),
    Figure("time_in_state", "Mean time in each state", "各状态平均时长", "days", Stays()),
    Figure("reuse_rate", "Reuse rate: of the devices that left service, those put to use again", "重新使用率：退出运行的设备中再次投用的比例", "percent", Returns(IN_SERVICE, (*OUT_OF_SERVICE, *GONE, "on_loan"))),
    Figure("idle_rate", "Idle rate: of the devices held, those idle", "闲置率：在册设备中闲置的比例", "percent", Share({"lifecycle_state": {"in": HELD}}, {"lifecycle_state": {"eq": "idle"}})),
    Figure("orders_on_time", "Orders on time: of the orders due, those carried out by then", "工单按期率：到期工单中按期办结的比例", "percent", Kept("due_on", ("completed", "partly_completed"), ("rejected", "withdrawn"), types=("LifecycleOrder",), per=("type",))),
)  # fmt: skip
