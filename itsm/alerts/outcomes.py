"""What follows for alerts that have changed: their CI, whether they wait to be correlated, and for their incidents.

An alert that begins to fire is matched to a CI. It *waits* (``opens_at``) until it is correlated, if its severity
opens incidents and none that is open has it. One that flaps does not wait for each flap: it stays with the incident
it has, or had. An incident of which no alert stands any more is quiet, and recovers when that lasts; a flapping
alert stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.ids import new_id
from cmdb.records import Record, same_values
from cmdb.store import GraphStore
from itsm.alerts.folding import Folded, folded_of, settled
from itsm.alerts.matching import Match, Matcher
from itsm.alerts.rules import AlertRules
from schema.model import ORGANISATION_ATTRIBUTE, STATE_ATTRIBUTE, Model

ALERT: Final = "Alert"
RAISED_ON: Final = "RAISED_ON"
REPORTED_IN: Final = "REPORTED_IN"
OPENS_AT: Final = "opens_at"
UNMATCHED: Final = "unmatched_because"
QUIET_FROM: Final = "quiet_from"
BY_HAND: Final = "by hand"
"""How those were identified whose CI a person has named."""


@dataclass
class Change:
    """An alert as it was and as it is to be.

    Attributes
    ----------
    record
        None for a new one.
    matched
        Its CI, where it was looked for.
    """

    record: Record | None
    before: Folded | None
    after: Folded
    id: str = field(default_factory=new_id)
    matched: Match | None = None
    ci: Record | None = None
    incident: Record | None = None

    def __post_init__(self) -> None:
        if self.record is not None:
            self.id = self.record.id

    @classmethod
    def of(cls, record: Record) -> Change:
        """An alert that is yet to be changed."""
        folded = folded_of(record)
        return cls(record, folded, folded)

    @property
    def received(self) -> bool:
        """Whether something was received of it."""
        return self.before is None or self.after.occurrences > self.before.occurrences

    @property
    def by_hand(self) -> bool:
        return self.record is not None and self.record.attributes.get("identified_by") == BY_HAND


class Outcomes:
    """Decides what follows from changes of alerts.

    Parameters
    ----------
    now
        The instant of the decision.
    """

    def __init__(self, store: GraphStore, rules: AlertRules, now: datetime) -> None:
        self.store, self.rules, self.now = store, rules, now
        self.matcher = Matcher(store, rules)

    def operations(self, changes: Sequence[Change], *, again: bool = False) -> list[Operation]:
        """What is to be committed.

        Parameters
        ----------
        again
            Look once more for the CIs of those that have none.

        A fixed number of statements, and one for the incidents that may have become quiet, or no longer are.
        """
        self._read(changes)
        sought = [c for c in changes if self._sought(c, again)]
        matches = self.matcher.match([c.after.labels for c in sought]) if sought else []
        for change, match in zip(sought, matches, strict=True):
            change.matched = match
        made = [operation for change in changes for operation in self._of(change)]
        return [*made, *self._incidents(changes)]

    def _read(self, changes: Iterable[Change]) -> None:
        """The CIs and incidents that alerts have."""
        known = {c.id: c for c in changes if c.record is not None}
        ends = self.store.neighbours(known, [RAISED_ON, REPORTED_IN], "out") if known else ()
        for near in ends:
            if near.relationship.type == RAISED_ON:
                known[near.of].ci = near.record
            else:
                known[near.of].incident = near.record

    def _sought(self, change: Change, again: bool) -> bool:
        if not change.after.firing or "malformed" in change.after.said or change.by_hand:
            return False
        if change.matched is not None:
            return False
        return change.after.anew or again

    # -- one alert ------------------------------------------------------------------------------------

    def _of(self, change: Change) -> list[Operation]:
        made: list[Operation] = []
        said = change.after.attributes()
        found = change.matched
        if found is not None and found.ci is not None:
            said["identified_by"] = found.by
            if change.ci is None or change.ci.id != found.ci.id:
                if change.ci is not None:
                    made.append(Unrelate(change.id, RAISED_ON, change.ci.id))
                made.append(Relate(change.id, RAISED_ON, found.ci.id))
                change.ci = found.ci
        if change.ci is not None:
            said[ORGANISATION_ATTRIBUTE] = change.ci.attributes.get(ORGANISATION_ATTRIBUTE)
        said[UNMATCHED] = self._unmatched(change)
        said[OPENS_AT] = self._opens_at(change)
        return [*self._written(change, said), *made]

    def _unmatched(self, change: Change) -> str | None:
        if change.ci is not None:
            return None
        if "malformed" in change.after.said:
            return "It could not be read."
        if change.matched is not None:
            return change.matched.why[:1_000]
        return change.record.attributes.get(UNMATCHED) if change.record else None

    def _opens_at(self, change: Change) -> datetime | None:
        """Until when it waits; None if it does not."""
        after, record = change.after, change.record
        if not after.firing or change.ci is None or not self.rules.opens(after.severity):
            return None
        waits: datetime | None = record.attributes.get(OPENS_AT) if record else None
        if waits is not None:
            return waits
        incident = change.incident
        if incident is not None:
            if is_open(self.store.model, incident):
                return None
            # It was dealt with: only what begins anew opens another one, and no flap does.
            calm = change.before is not None and change.before.flapping and not after.flapping
            if after.flapping or not (after.anew or calm):
                return None
        seen = after.last_seen if change.received else None
        return (seen or self.now) + self.rules.settle

    def _written(self, change: Change, said: Mapping[str, Any]) -> list[Operation]:
        if change.record is None:
            return [Create(ALERT, {n: v for n, v in said.items() if v is not None}, change.id)]
        kept = change.record.attributes
        new = {n: v for n, v in said.items() if not same_values(kept.get(n), v)}
        return [Update(change.id, new)] if new else []

    # -- their incidents ------------------------------------------------------------------------------

    def _incidents(self, changes: Iterable[Change]) -> list[Operation]:
        """Incidents that are quiet from now on, or no longer are."""
        changed = {c.id: c.after for c in changes}
        touched = {
            c.incident.id: c.incident
            for c in changes
            if c.incident is not None
            and (c.before is None or c.before.standing != c.after.standing)
            and is_open(self.store.model, c.incident)
        }
        standing = dict.fromkeys(touched, False)
        for near in self.store.neighbours(touched, [REPORTED_IN], "in") if touched else ():
            alert = changed.get(near.record.id) or folded_of(near.record)
            standing[near.of] |= alert.standing
        return [
            Update(incident.id, quiet)
            for incident in touched.values()
            if (quiet := self.quiet(incident, standing[incident.id])) is not None
        ]

    def quiet(self, incident: Record, standing: bool) -> dict[str, Any] | None:
        """What becomes of an incident some alert of which stands, or none; None where nothing does."""
        quiet = incident.attributes.get(QUIET_FROM)
        if standing:
            return None if quiet is None else {QUIET_FROM: None}
        if quiet is None and incident.attributes.get("channel") == "alert":
            return {QUIET_FROM: self.now + self.rules.quiet_span}
        return None


def is_open(model: Model, incident: Record) -> bool:
    """Whether an incident is still worked on."""
    machine = model.record_types[incident.type].state_machine
    state = machine.states.get(str(incident.attributes.get(STATE_ATTRIBUTE))) if machine else None
    return state is not None and state.operational


def calmed(change: Change, now: datetime, rules: AlertRules) -> Change:
    """A change by which an alert no longer flaps, if it has kept its state for long enough."""
    return replace(change, after=settled(change.after, now, rules))
