"""The figures about incidents and changes, as data. States and clocks are those of the shipped processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.figures.declared import Aged, Asked, Counted, Figure, Returns, Share
from schema.model import STATE_ATTRIBUTE

INCIDENT: Final = ("Incident",)
DROPPED: Final = ("cancelled", "merged")
"""What was no incident, or is counted with another."""
OPEN: Final = ("new", "in_progress", "pending")
ENDED: Final = ("resolved", "closed")
WAITING: Final = (
    *OPEN, "open", "known_error", "assessment", "in_approval", "approved", "implementing", "in_review",
    "being_fulfilled",
)  # fmt: skip
"""States in which an incident, a problem, a change or a request waits for somebody."""
REAL: Final[Mapping[str, Any]] = {"not": {STATE_ATTRIBUTE: {"in": list(DROPPED)}}}
PER: Final = ("priority", "service", "organisation", "type")


@dataclass(frozen=True, kw_only=True)
class OfIncidents(Asked):
    """What figures about incidents may be grouped by, beside attributes.

    ``service``: the services that were degraded or down, as kept with the incident; ``ci`` and ``type``: the CIs
    that count most in it (its causes, where they are known), and their types. An incident may be in several
    groups, so that they add up to more than the whole.
    """

    types: tuple[str, ...] = INCIDENT
    dated: str | None = "occurred_at"
    dropped: tuple[str, ...] = DROPPED


@dataclass(frozen=True, kw_only=True)
class Lasted(OfIncidents):
    """The mean time, in hours, that passed until a clock of the process had stopped.

    Attributes
    ----------
    clock
        By its name in the state machine.
    working
        Only the time in which the clock ran, by the calendar of the incident's service level agreement, or
        else of its organisation; otherwise all that passed since it was opened.
    """

    clock: str
    working: bool = False


@dataclass(frozen=True, kw_only=True)
class Promised(OfIncidents):
    """How many percent of the promises of a clock were kept; what runs and is not due yet does not count."""

    clock: str


@dataclass(frozen=True, kw_only=True)
class Concerned(OfIncidents):
    """How many incidents there were; of each kind of group those with the most."""

    most: int = 20


FIGURES: Final[tuple[Figure, ...]] = (
    Figure("time_to_acknowledge", "Mean time to acknowledge an incident", "事件平均响应时长", "hours", Lasted(clock="response", per=PER)),
    Figure("working_time_to_acknowledge", "Mean working time to acknowledge an incident", "事件平均响应工作时长", "hours", Lasted(clock="response", working=True, per=PER)),
    Figure("time_to_restore", "Mean time to restore service", "平均恢复时长", "hours", Lasted(clock="resolution", per=PER)),
    Figure("working_time_to_restore", "Mean working time to restore service, without pauses", "平均恢复工作时长（不含挂起）", "hours", Lasted(clock="resolution", working=True, per=PER)),
    Figure("response_kept", "Of the promised responses, those in time", "响应及时率", "percent", Promised(clock="response", per=("priority", "organisation"))),
    Figure("resolution_kept", "Of the promised resolutions, those in time", "解决及时率", "percent", Promised(clock="resolution", per=("priority", "organisation"))),
    Figure("incidents_by_ci", "Incidents by CI, the most", "事件最多的配置项", "incidents", Concerned(per=("ci",))),
    Figure("incidents_by_type", "Incidents by type of CI", "事件数量（按配置项类型）", "incidents", Concerned(per=("type",))),
    Figure("incidents_by_change", "Of the incidents, those caused by a change", "由变更引起的事件比例", "percent", Share(REAL, {"CAUSED_BY": {}}, types=INCIDENT, dated="occurred_at", per=("priority", "organisation"))),
    Figure("incidents_reopened", "Of the incidents once resolved, those reopened", "事件重新打开率", "percent", Returns(OPEN, ENDED, types=INCIDENT, dated="occurred_at", per=("priority", "organisation"))),
    Figure("change_success", "Of the changes carried out, those successful", "变更成功率", "percent", Share({"result": {"null": False}}, {"result": {"eq": "successful"}}, types=("Change",), dated="ended_at", per=("type", "risk", "organisation"))),
    Figure("backlog", "Open incidents, problems, changes and requests", "未完结的事件、问题、变更与请求", "processes", Counted(("type", STATE_ATTRIBUTE), {STATE_ATTRIBUTE: {"in": list(WAITING)}}, types=("ServiceProcess",))),
    Figure("incident_backlog_by_age", "Open incidents by age in days", "未解决事件（按天数）", "incidents", Aged(("occurred_at",), (0, 1, 3, 7, 30), {STATE_ATTRIBUTE: {"in": list(OPEN)}}, "days", types=INCIDENT)),
)  # fmt: skip
