"""A service desk with monitoring: what tests of alerts act on.

(web0 … web5)-[:UPLINKED_TO]->(sw1)-[:UPLINKED_TO]->(core), (app0 … app2)-[:RUNS_ON]->(web0 … web2), (lone) by itself;
(dual0 … dual2)-[:UPLINKED_TO]->(left | right: one is enough).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from cmdb.change_sets import Operation, Relate
from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.alerts.formats import FORMATS
from itsm.alerts.received import Entry
from itsm.alerts.receiving import receive
from itsm.alerts.rules import AlertRules, laid_over, load_alert_rules, made
from itsm.desk import Desk
from tests.support.building import commit
from tests.support.service_desk import IN_USE, ServiceDesk

SETTLE = 0.1
"""Minutes after which an alert opens an incident of its own."""


class Monitoring(ServiceDesk):
    """Alerts go by the same clock as everything else."""

    rules: AlertRules
    desk: Desk

    @classmethod
    def make(cls, store: GraphStore, *, today: bool = False) -> Self:
        lab = super().make(store, today=today)
        south = {"organisation": lab.ids["south"], **IN_USE}
        switches = ("core", "sw1", "left", "right")
        operations: list[Operation] = [
            lab.create("Switch", name, hostname=name, **south) for name in switches
        ]
        servers = [*(f"web{n}" for n in range(6)), *(f"dual{n}" for n in range(3)), "lone"]
        for n, name in enumerate(servers):
            said = {
                "hostname": name,
                "management_ip": f"10.20.0.{n + 1}",
                "serial_number": f"SN-{name}",
            }
            operations.append(lab.create("Server", name, **said, **south))
        operations += [lab.create("Application", f"app{n}", **south) for n in range(3)]
        ends = [("sw1", "UPLINKED_TO", "core")]
        ends += [(f"web{n}", "UPLINKED_TO", "sw1") for n in range(6)]
        ends += [(f"dual{n}", "UPLINKED_TO", s) for n in range(3) for s in ("left", "right")]
        ends += [(f"app{n}", "RUNS_ON", f"web{n}") for n in range(3)]
        operations += [Relate(lab.ids[s], t, lab.ids[o]) for s, t, o in ends]
        commit(store, *operations)
        lab.set_rules()
        return lab

    def set_rules(self, **said: Any) -> None:
        """Rules, with some that are otherwise; and a desk that goes by them."""
        shipped = load_alert_rules().model_dump(mode="json")
        self.rules = made(laid_over(shipped, said))
        self.desk = self.new_desk()

    def new_desk(self) -> Desk:
        """A desk of its own, as another process has one; its jobs are all due with every turn."""
        clock: Callable[[], datetime] = lambda: self.now  # noqa: E731
        times = iter(range(0, 10**9, 1_000))
        return Desk(self.store, self.rules, clock=clock, monotonic=lambda: float(next(times)))

    # -- what is sent -----------------------------------------------------------------------------------

    def alert(
        self,
        host: str,
        labels: Mapping[str, str] = {},
        *,
        firing: bool = True,
        since: float = 0,
        until: float = 0,
    ) -> dict[str, Any]:
        """An alert of Alertmanager; minutes are counted from now."""
        said = {"alertname": "Down", "instance": f"{host}:9100", "severity": "critical", **labels}
        return {
            "status": "firing" if firing else "resolved",
            "labels": said,
            "annotations": {"summary": f"{host} is down"},
            "startsAt": (self.now + timedelta(minutes=since)).isoformat(),
            "endsAt": "0001-01-01T00:00:00Z" if firing else (self.now + timedelta(minutes=until)).isoformat(),
            "fingerprint": f"{host}/{said['alertname']}",
        }  # fmt: skip

    def entries(self, *alerts: Any) -> list[Entry]:
        body = json.dumps({"version": "4", "alerts": alerts}).encode()
        return FORMATS["alertmanager"](body, {}, "prom", self.rules)

    def send(self, *alerts: Any) -> int:
        return receive(self.store, self.entries(*alerts))

    def fire(self, *hosts: str, **labels: str) -> None:
        """Alerts that begin now are received, and dealt with."""
        self.send(*(self.alert(host, labels) for host in hosts))
        self.turn()

    def clear(self, *hosts: str, since: float = -1_000) -> None:
        """Alerts end now: those that fire."""
        known = self.alerts()
        ended = []
        for host in hosts:
            alert = self.alert(host, firing=False)
            began = known[f"{host}/Down"].attributes["began_at"]
            ended.append({**alert, "startsAt": began.isoformat()})
        self.send(*ended)
        self.turn()

    def turn(self) -> None:
        """All jobs of the desk, once; none may fail."""
        self.desk.turn()
        assert self.desk.condition().failing == {}

    def later(self, minutes: float) -> None:
        """Time passes, and the desk goes on."""
        self.now += timedelta(minutes=minutes)
        self.turn()

    # -- what became of it ------------------------------------------------------------------------------

    def alerts(self) -> dict[str, Record]:
        """All alerts by what their source calls them."""
        found = self.store.find(Query("Alert", first=10_000)).records
        return {r.attributes["fingerprint"].removeprefix("prom:"): r for r in found}

    def about(self) -> dict[str, str]:
        """Which CI each alert is about, by short names."""
        alerts = {record.id: key for key, record in self.alerts().items()}
        near = self.store.neighbours(alerts, ["RAISED_ON"], "out") if alerts else []
        return {alerts[n.of]: self.named(n.record.id) for n in near}

    def shown(self, *states: str) -> list[tuple[list[str], list[str]]]:
        """Open incidents, or those in some states: their causes, and the alerts in them, by short names."""
        wanted = states or ("new", "in_progress", "pending")
        where = {"lifecycle_state": {"in": list(wanted)}}
        found = []
        for record in self.records("Incident", where):
            causes = [self.named(id) for id in record.attributes["impact"]["roots"]]
            near = self.store.neighbours([record.id], ["REPORTED_IN"], "in")
            keys = (n.record.attributes["fingerprint"].removeprefix("prom:") for n in near)
            found.append((sorted(causes), sorted(k.removesuffix("/Down") for k in keys)))
        return sorted(found)

    def records(self, type_: str, where: Any = None) -> Sequence[Record]:
        return self.store.find(Query(type_, where, first=10_000)).records

    def incident(self) -> Record:
        """The one incident there is."""
        [record] = self.records("Incident")
        return record
