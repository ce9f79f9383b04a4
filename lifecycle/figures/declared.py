"""The figures, as data: what each is called, and the query it is.

Four kinds of query are enough; `lifecycle.figures.evaluators` has one evaluator for each. States are those of
the shipped life of a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

IN_SERVICE: Final = ("in_use", "in_repair")
OUT_OF_SERVICE: Final = ("idle", "in_stock")
GONE: Final = ("scrapped", "donated", "lost", "cancelled")
HELD: Final = ("in_stock", "in_use", "in_repair", "idle", "on_loan")
"""The states of devices that the organisation has and can use."""


@dataclass(frozen=True)
class Counted:
    """Devices counted by attributes; ``type`` may be one."""

    by: tuple[str, ...]
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Aged:
    """Devices by their age in whole years, by the first of these dates that they have.

    Attributes
    ----------
    bands
        The years at which the bands begin.
    """

    dates: tuple[str, ...]
    bands: tuple[int, ...]
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Share:
    """How many percent of some devices fit a further filter."""

    of: Mapping[str, Any]
    where: Mapping[str, Any]


@dataclass(frozen=True)
class Stays:
    """The mean of how long devices stayed in each state, those that still do up to now."""


@dataclass(frozen=True)
class Returns:
    """How many percent of the devices that once left some states for others came back to the first."""

    home: tuple[str, ...]
    away: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    """How many percent of the processes with a deadline ended by it; what is open and past it did not."""

    type: str
    deadline: str
    ends: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    unit
        ``devices``, ``days`` or ``percent``.
    """

    name: str
    en: str
    zh: str
    unit: str
    query: Counted | Aged | Share | Stays | Returns | Kept


FIGURES: Final[tuple[Figure, ...]] = (
    Figure("devices_by_state", "Devices by state", "设备数量（按状态）", "devices", Counted(("lifecycle_state",))),
    Figure("devices_by_type", "Devices by type", "设备数量（按类型）", "devices", Counted(("type",), {"lifecycle_state": {"in": HELD}})),
    Figure("devices_by_organisation", "Devices by organisation", "设备数量（按单位）", "devices", Counted(("organisation",), {"lifecycle_state": {"in": HELD}})),
    Figure("devices_by_age", "Devices by age in years", "设备数量（按年限）", "devices", Aged(("commissioned_on", "purchase_date"), (0, 1, 3, 5, 8), {"lifecycle_state": {"in": HELD}})),
    Figure("time_in_state", "Mean time in each state", "各状态平均时长", "days", Stays()),
    Figure("reuse_rate", "Reuse rate: of the devices that left service, those put to use again", "重新使用率：退出运行的设备中再次投用的比例", "percent", Returns(IN_SERVICE, (*OUT_OF_SERVICE, *GONE, "on_loan"))),
    Figure("idle_rate", "Idle rate: of the devices held, those idle", "闲置率：在册设备中闲置的比例", "percent", Share({"lifecycle_state": {"in": HELD}}, {"lifecycle_state": {"eq": "idle"}})),
    Figure("orders_on_time", "Orders on time: of the orders due, those carried out by then", "工单按期率：到期工单中按期办结的比例", "percent", Kept("LifecycleOrder", "due_on", ("completed", "partly_completed"), ("rejected", "withdrawn"))),
)  # fmt: skip
