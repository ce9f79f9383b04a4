"""Incidents and alerts over a server: what people do with them, and one with all that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from cli import services
from cli.remote.answers import ENTRY, entry
from cli.remote.engine import TYPES, RemoteEngine
from cli.remote.hits import COUNTS, summary_of
from cli.remote.processes import OWN, Remote
from cli.remote.questions import about
from cli.remote.store import RemoteStore, plain
from cmdb.records import Record
from impact.rules import Effect
from itsm.alerts.rules import AlertRules
from itsm.calendars import Calendar
from itsm.clocks import Promise, Reading
from itsm.incidents import Incidents
from itsm.opening import Items
from itsm.overview import Overview, laid_out
from lifecycle.items import items_of
from schema.kinds import parse_datetime

WITH_DETAILS: Final = {**TYPES, "cis": "[IncidentItemInput!]!"}
"""The arguments of mutations that say what has happened to CIs."""


class RemoteIncidents(Remote, Incidents):
    """Has the server do what people do with incidents."""

    kind, command = Incidents.kind, Incidents.command

    def open(
        self,
        actor: str,
        name: str,
        items: Items | Iterable[str],
        attributes: Mapping[str, Any] = {},
        *,
        roots: Mapping[str, Effect] | None = None,
        channel: str = "",
    ) -> Record:
        concerned = items if isinstance(items, Mapping) else {id: {} for id in items}
        given = {"name": name, "cis": _items(concerned), "attributes": plain(attributes)}
        return self.engine.made("openIncident", WITH_DETAILS, **given)

    def include(
        self, incident: str, actor: str, items: Items, roots: Mapping[str, Effect] | None = None
    ) -> int:
        given = {"incident": incident, "cis": _items(items)}
        return self.engine.revision("includeInIncident", types=WITH_DETAILS, **given)

    def exclude(self, incident: str, actor: str, cis: Sequence[str], reason: str = "") -> int:
        return self._done("excludeFromIncident", incident, reason, cis=list(cis))

    def rate(self, incident: str, actor: str, urgency: str, reason: str = "") -> int:
        return self._done("rateIncident", incident, reason, urgency=urgency)

    def declare(self, incident: str, actor: str, major: bool, reason: str = "") -> int:
        return self._done("declareMajorIncident", incident, reason, major=major)

    def escalate(self, incident: str, actor: str, reason: str) -> int:
        return self._done("escalateIncident", incident, reason)

    def give(self, incident: str, actor: str, team: str, reason: str = "") -> int:
        return self._done("giveIncident", incident, reason, team=team)

    def relate(self, incident: str, actor: str, other: str, how: str = "", reason: str = "") -> int:
        return self._done("relateIncident", incident, reason, other=other, how=how or None)

    def cause(self, incident: str, actor: str, other: str, reason: str = "") -> int:
        return self._done("setIncidentCause", incident, reason, cause=other)

    def _done(self, mutation: str, incident: str, reason: str, **given: Any) -> int:
        return self.engine.revision(mutation, incident=incident, reason=reason, **given)


OWN[Incidents] = RemoteIncidents


def _items(items: Items) -> list[dict[str, Any]]:
    """CIs with what is said of them, as the mutations take them."""
    return [{"id": id, **{n: v.upper() for n, v in said.items()}} for id, said in items.items()]


@services.merge.register
def _(
    incidents: RemoteIncidents, into: str, others: Sequence[str], actor: str, reason: str = ""
) -> int:
    given = {"incident": into, "others": list(others), "reason": reason}
    return incidents.engine.revision("mergeIncidents", **given)


@services.split.register
def _(
    incidents: RemoteIncidents,
    incident: str,
    cis: Sequence[str],
    actor: str,
    name: str,
    reason: str,
) -> Record:
    given: dict[str, Any] = {"incident": incident, "cis": list(cis), "name": name or None}
    return incidents.engine.made("splitIncident", reason=reason, **given)


@services.attach_alert.register
def _(graph: RemoteStore, alert: str, ci: str, actor: str, rules: AlertRules) -> int:
    return RemoteEngine(graph).revision("attachAlert", alert=alert, ci=ci)


# -- one of them, with all that belongs to it -------------------------------------------------------------

CLOCKS: Final = "clocks { name status elapsed promised due breached roundTheClock agreement { id } calendar { id name } }"
OF_INCIDENT: Final = "... on Incident"


@services.overview_of.register
def _(graph: RemoteStore, incident: Record) -> Overview:
    questions = about(graph, incident.id)
    told = questions.ask(f"{OF_INCIDENT} {{ {CLOCKS} course {{ {ENTRY} }} impact {{ {COUNTS} }} }}")
    clocks = {clock["name"]: _reading(clock) for clock in told["clocks"]}
    kept = summary_of(told["impact"], questions, OF_INCIDENT)
    items = items_of(graph, [incident.id])[incident.id]
    course = [entry(each) for each in told["course"]]
    return laid_out(graph, incident, items, clocks, kept, course)


def _reading(told: Mapping[str, Any]) -> Reading:
    """What a clock shows."""
    promise = None
    if told["promised"] is not None:
        hours = told["calendar"]
        known = Calendar(hours["id"], hours["name"]) if hours else Calendar(name="(hidden)")
        calendar = Calendar() if told["roundTheClock"] else known
        agreement = told["agreement"] and told["agreement"]["id"]
        promise = Promise(timedelta(seconds=told["promised"]), calendar, agreement)
    return Reading(
        told["status"].lower(),
        timedelta(seconds=told["elapsed"]),
        promise,
        parse_datetime(told["due"]) if told["due"] else None,
        told["breached"],
    )
