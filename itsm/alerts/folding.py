"""Folding: what is received of one alert again and again is one alert.

An alert goes through *episodes*: it begins, and it is cleared. What is received speaks of one of them, by when
that began: of an earlier one than is known it is late, of the same one it is a repeat, or its end. So neither the
order in which it comes nor how often decides what the alert is; each is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cmdb.records import Record
from itsm.alerts.received import Malformed, Received
from itsm.alerts.rules import AlertRules
from schema.model import STATE_ATTRIBUTE

FIRING, CLEARED = "firing", "cleared"
AHEAD: Final = timedelta(minutes=5)
"""So far clocks may be ahead of ours; what is said to be farther in the future began when it was received."""
SAMPLES: Final = 20
"""So many of the latest that could not be read are kept with their alert; the others are in its history."""


@dataclass(frozen=True)
class Folded:
    """An alert as it is, or will be.

    Attributes
    ----------
    began
        When its latest episode began.
    changes
        When its state changed last, in order, as many as decide on flapping.
    anew
        Whether it has begun anew since it was read; not kept.
    """

    fingerprint: str
    source: str
    name: str = ""
    severity: str = ""
    state: str = CLEARED
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    began: datetime | None = None
    cleared_at: datetime | None = None
    occurrences: int = 0
    changes: tuple[datetime, ...] = ()
    flapping: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)
    anew: bool = False

    @property
    def firing(self) -> bool:
        return self.state == FIRING

    @property
    def standing(self) -> bool:
        """Whether what it reports is not known to be over: it fires, or comes and goes."""
        return self.firing or self.flapping

    @property
    def labels(self) -> dict[str, str]:
        """What the source says, by names in lower case."""
        return {name.lower(): value for name, value in self.said.get("labels", {}).items()}

    def attributes(self) -> dict[str, Any]:
        """As its record has them."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "alert_source": self.source,
            "severity": self.severity,
            STATE_ATTRIBUTE: self.state,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "began_at": self.began,
            "cleared_at": self.cleared_at,
            "occurrences": self.occurrences,
            "changes_of_state": [*self.changes] or None,
            "flapping": self.flapping or None,
            "labels_said": dict(self.said),
        }


def folded_of(record: Record) -> Folded:
    """What a record keeps of an alert."""
    said = record.attributes
    return Folded(
        said["fingerprint"],
        str(said.get("alert_source", "")),
        record.name,
        str(said.get("severity", "")),
        str(said[STATE_ATTRIBUTE]),
        said.get("first_seen"),
        said.get("last_seen"),
        said.get("began_at"),
        said.get("cleared_at"),
        said.get("occurrences", 0),
        tuple(said.get("changes_of_state") or ()),
        bool(said.get("flapping")),
        said.get("labels_said") or {},
    )


def fold(
    alert: Folded | None, entry: Received | Malformed, at: datetime, rules: AlertRules
) -> Folded:
    """An alert with one more that was received.

    Parameters
    ----------
    alert
        As it is; None for one that was not known.
    at
        When it was received.
    """
    alert = alert or Folded(entry.fingerprint, entry.source)
    seen = max(at, alert.last_seen or at)
    alert = replace(settled(alert, at, rules), occurrences=alert.occurrences + 1, last_seen=seen)
    if isinstance(entry, Malformed):
        return _malformed(alert, entry, at, rules)
    began, ended = _instants(entry, at)
    first = min(began, alert.first_seen or began)
    alert = replace(alert, first_seen=first)
    known = (alert.began or began - AHEAD, not alert.firing)
    if (began, not entry.firing) < known:
        return alert
    now = FIRING if entry.firing else CLEARED
    changes: list[datetime] = []
    if not alert.firing and began != alert.began and (entry.firing or entry.began):
        changes.append(began)  # also where only the end of an episode came, or came first
    if now == CLEARED and (alert.firing or changes):
        changes.append(ended)
    again = not alert.firing or (entry.began is not None and began != alert.began)
    alert = replace(
        alert,
        anew=entry.firing and (alert.anew or again),
        name=entry.name,
        severity=rules.severity_of({n.lower(): v for n, v in entry.labels.items()}),
        state=now,
        began=began,
        cleared_at=None if entry.firing else ended,
        said={"labels": dict(entry.labels)},
    )
    return _flapping(alert, changes, at, rules)


def settled(alert: Folded, now: datetime, rules: AlertRules) -> Folded:
    """The alert, no longer flapping if it has kept its state for long enough."""
    quiet = alert.flapping and now - alert.changes[-1] > rules.flap_span
    return replace(alert, flapping=False, changes=()) if quiet else alert


def _flapping(
    alert: Folded, changes: Iterable[datetime], at: datetime, rules: AlertRules
) -> Folded:
    latest = sorted([*alert.changes, *changes])[-rules.flapping.changes :]
    often = len(latest) == rules.flapping.changes and latest[-1] - latest[0] <= rules.flap_span
    return replace(alert, changes=tuple(latest), flapping=alert.flapping or often)


def _instants(entry: Received, at: datetime) -> tuple[datetime, datetime]:
    """When the episode it speaks of began, and when it ended."""
    began = entry.began if entry.began and entry.began <= at + AHEAD else None
    spoken = entry.at if entry.at and entry.at <= at + AHEAD else at
    return began or spoken, max(spoken, began or spoken)


def _malformed(alert: Folded, entry: Malformed, at: datetime, rules: AlertRules) -> Folded:
    samples = [*alert.said.get("received", ()), entry.raw][-SAMPLES:]
    return replace(
        alert,
        name=f"{entry.source}: {entry.reason}",
        severity=rules.severity.unknown,
        state=FIRING,
        first_seen=alert.first_seen or at,
        began=alert.began or at,
        said={"malformed": entry.reason, "received": samples},
    )
