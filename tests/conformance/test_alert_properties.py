"""Random alerts, in random batches, with kills at the worst moments: each is counted once, none is lost, and what
becomes of them is what a plain reckoning says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cmdb.errors import StoreUnavailableError
from cmdb.integrity import check
from cmdb.store import create_store
from itsm.alerts.receiving import JOURNAL
from tests.support.alerting import Monitoring
from tests.support.observing import shipped_model

HOSTS = (
    "web0",
    "web1",
    "web2",
    "web3",
    "sw1",
    "core",
    "dual0",
    "dual1",
    "left",
    "right",
    "lone",
    "strange",
)
"""The last one is no CI."""
EXAMPLES = {"sqlite": max(20, settings().max_examples // 10), "neo4j": 6}
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Without shrinking: each try of that is a run of many commits."""
FAILING = ("commit", "after commit", "trim", "correlation")


class Said(NamedTuple):
    """Something that is received: of an episode that began so many minutes before, and ended."""

    host: str
    firing: bool
    began: int
    severity: str = "critical"


class Passes(NamedTuple):
    minutes: int


class Killed(NamedTuple):
    """The process dies in the next turn, at some point, and another one goes on."""

    where: str


SAID = st.builds(
    Said,
    st.sampled_from(HOSTS),
    st.sampled_from([True, True, False]),
    st.integers(0, 4),
    st.sampled_from(["critical", "critical", "critical", "warning"]),
)
STEPS = st.lists(
    st.lists(SAID | st.just(None), min_size=1, max_size=6)
    | st.builds(Passes, st.sampled_from([0, 1, 3, 20]))
    | st.builds(Killed, st.sampled_from(FAILING)),
    max_size=12,
)
"""What is received together (None could not be read), time that passes, and kills."""


@dataclass
class Reckoning:
    """What is known of one alert, in plain lines."""

    count: int = 0
    latest: tuple[datetime, bool] | None = None
    severity: str = ""

    def hear(self, began: datetime, cleared: bool, severity: str) -> None:
        self.count += 1
        if self.latest is None or (began, cleared) >= self.latest:
            self.latest, self.severity = (began, cleared), severity

    @property
    def firing(self) -> bool:
        return self.latest is not None and not self.latest[1]


@dataclass
class Run:
    """One example, on a lab that others have used before."""

    lab: Monitoring
    number: int
    known: dict[str, Reckoning] = field(default_factory=dict)
    unread: int = 0

    def key(self, host: str) -> str:
        return f"{self.number}/{host}"

    def receive(self, batch: list[Said | None]) -> None:
        sent: list[Any] = []
        for said in batch:
            if said is None:
                sent.append(f"nonsense {self.number}")
                self.unread += 1
                continue
            alert = self.lab.alert(
                said.host, {"severity": said.severity}, firing=said.firing, since=-said.began
            )
            sent.append({**alert, "fingerprint": self.key(said.host)})
            began = self.lab.now - timedelta(minutes=said.began)
            known = self.known.setdefault(said.host, Reckoning())
            known.hear(began, not said.firing, said.severity)
        self.lab.send(*sent)

    def killed(self, where: str) -> None:
        """A turn that ends in the middle; then another process goes on."""
        lab, store = self.lab, self.lab.store
        usual, count = store.commit, [0]

        def dies(*_: Any, **__: Any) -> Any:
            raise StoreUnavailableError("It was killed.", "")

        def commits(change_set: Any, prepared: Any = None) -> Any:
            count[0] += 1
            if where == "commit" or (where == "correlation" and "correlated" in change_set.reason):
                dies()
            result = usual(change_set, prepared)
            if where == "after commit":
                dies()
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "commit", commits)
            if where == "trim":
                patch.setattr(store, "trim", dies)
            lab.desk.turn()
        lab.desk = lab.new_desk()

    def verify(self) -> None:
        lab = self.lab
        found = lab.alerts()
        mine = {k: a for k, a in found.items() if k.startswith(f"{self.number}/")}
        assert mine.keys() == {self.key(host) for host in self.known}
        for host, known in self.known.items():
            said = mine[self.key(host)].attributes
            assert said["occurrences"] == known.count
            assert (said["lifecycle_state"] == "firing") == known.firing
            assert (said["severity"], said["began_at"]) == (
                known.severity,
                known.latest and known.latest[0],
            )
            assert host == "strange" or "unmatched_because" not in said
            assert not (host == "strange" and known.firing) or "unmatched_because" in said
        self._incidents(mine)

    def _incidents(self, mine: dict[str, Any]) -> None:
        """Each that fires, is known and bad enough, is in one open incident; incidents are quiet where none stands."""
        lab, store = self.lab, self.lab.store
        by_id = {alert.id: key for key, alert in mine.items()}
        in_open: dict[str, str] = {}
        roots = {}
        for record in lab.records("Incident", {"lifecycle_state": {"in": ["new", "in_progress"]}}):
            near = store.neighbours([record.id], ["REPORTED_IN"], "in")
            standing = [n.record.attributes for n in near]
            standing = [
                a for a in standing if a["lifecycle_state"] == "firing" or a.get("flapping")
            ]
            assert near, "an incident of alerts has one"
            assert ("quiet_from" in record.attributes) == (not standing)
            for n in near:
                assert n.record.id not in in_open
                in_open[n.record.id] = record.id
            roots[record.id] = {lab.named(id) for id in record.attributes["impact"]["roots"]}
        for host, known in self.known.items():
            alert = mine[self.key(host)]
            expected = known.firing and known.severity == "critical" and host != "strange"
            if expected and not alert.attributes.get("flapping"):
                assert alert.id in in_open, (host, by_id)
        # what hangs below another one's cause is not an incident beside it
        below = {"web0": "sw1", "web1": "sw1", "web2": "sw1", "web3": "sw1", "sw1": "core"}
        causes = [cause for own in roots.values() for cause in own]
        assert len(causes) == len({*causes})
        for id, own in roots.items():
            for cause in own:
                above = below.get(cause)
                if above is not None and len(own) == 1 and above in {*causes} - own:
                    assert self._too_long_ago(id, above, roots), (cause, above)

    def _too_long_ago(self, id: str, above: str, roots: dict[str, set[str]]) -> bool:
        """Whether an incident had begun before the window that the rules have for being merged, when that
        cause was found."""
        store, rules = self.lab.store, self.lab.rules
        (other,) = (one for one, own in roots.items() if above in own)
        place = self.lab.ids[above]
        found = min(
            commit.revision.at
            for commit in store.history(other, 1_000)
            for change in commit.changes.records
            if change.after and place in change.after.attributes.get("impact", {}).get("roots", {})
        )
        began: datetime = store.get([id])[id].attributes["occurred_at"]
        return began < found - rules.window


@pytest.fixture(scope="module")
def lab(module_url: str) -> Iterator[Monitoring]:
    with create_store(module_url, shipped_model()) as store:
        made = Monitoring.make(store)
        yield made
        assert list(check(store)) == []


numbers = iter(range(10**6))


def unread(lab: Monitoring) -> int:
    """How many could not be read, so far."""
    found = (alert.attributes for alert in lab.alerts().values())
    return sum(said["occurrences"] for said in found if "malformed" in said["labels_said"])


def test_whatever_is_received_and_whoever_is_killed(lab: Monitoring) -> None:
    most = EXAMPLES["sqlite" if lab.store.url.startswith("sqlite") else "neo4j"]

    @settings(max_examples=most, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
    @given(STEPS)
    def examples(steps: list[Any]) -> None:
        one_example(lab, steps)

    examples()


def one_example(lab: Monitoring, steps: list[Any]) -> None:
    run, before = Run(lab, next(numbers)), unread(lab)
    for step in steps:
        if isinstance(step, Passes):
            lab.later(step.minutes)
        elif isinstance(step, Killed):
            run.killed(step.where)
        else:
            run.receive(step)
    lab.turn()
    lab.later(1)  # what stands alone has waited long enough
    assert lab.desk.condition().backlog == 0
    assert lab.store.journal(JOURNAL) == []
    run.verify()
    # all is over, and all that was opened recovers
    run.receive([Said(host, False, 0) for host, known in run.known.items() if known.firing])
    lab.later(40)
    lab.later(40)
    lab.later(1)
    assert lab.records("Incident", {"lifecycle_state": {"in": ["new", "in_progress"]}}) == []
    assert unread(lab) == before + run.unread
