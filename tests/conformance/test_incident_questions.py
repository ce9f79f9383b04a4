"""What one asks when something fails, on every store: what changed here and below, and what is known already."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from cmdb.change_sets import ChangeSet, Relate, Unrelate, Update
from cmdb.store import create_store
from itsm import recent as module
from itsm.knowledge import known, words
from itsm.recent import Recent, recent
from lifecycle.refusals import RequestError
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.service_desk import ServiceDesk

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(url: str) -> Iterator[ServiceDesk]:
    with create_store(url, shipped_model()) as store:
        yield ServiceDesk.make(store)


def told(desk: ServiceDesk, found: Recent) -> list[tuple[str, str, int]]:
    """Of each change the CI it touched first, what it did to it, and how far away that is."""
    return [
        (desk.named(c.touched[0].id), c.touched[0].kind, c.touched[0].distance)
        for c in found.changes
    ]


def test_what_changed_here_and_below(desk: ServiceDesk) -> None:
    store, ids = desk.store, desk.ids
    desk.now += 48 * HOUR
    commit(store, Update(ids["shop"], {"purpose": "long ago"}))
    desk.now += 48 * HOUR
    begun = desk.now
    commit(store, Update(ids["box"], {"os_name": "before the time in question"}))
    desk.now += HOUR
    order = desk.approved("RepairOrder", "box", votes=())
    desk.orders.execute(order, "ann", inputs={"reason": "fan"})
    desk.now += HOUR
    commit(store, Unrelate(ids["shop"], "DEPENDS_ON", ids["db"]))
    commit(store, Relate(ids["shop"], "RUNS_ON", ids["box"]), desk.create("Server", "elsewhere"))
    desk.now += HOUR
    commit(store, Update(ids["web1"], {"cpu_count": 8}))
    store.commit(ChangeSet([Update(ids["web1"], {"provenance": {}})], "x", "y", managed=True))
    incident = desk.opened("portal")
    desk.now += HOUR
    commit(store, Update(ids["web2"], {"cpu_count": 2}))
    until = desk.now - HOUR / 2

    found = recent(store, ids["portal"], until, until - begun)
    assert not found.truncated
    assert found.looked_at == 6
    # The box is there, by way of db, though nothing stands on it any more; what an order did comes first.
    assert told(desk, found) == [
        ("box", "state", 3),
        ("shop", "relationship", 1),
        ("shop", "relationship", 1),
        ("web1", "attribute", 2),
    ]
    repaired = found.changes[0]
    assert repaired.process is not None
    assert (repaired.process.id, repaired.revision.reason) == (order, "WX-2050-000001 send_to_repair: fan")  # fmt: skip
    assert repaired.touched[0].changed["lifecycle_state"] == ("in_use", "in_repair")
    assert {n: round(p) for n, p in repaired.points.items()} == {"near": 10, "late": 9, "state": 15, "process": 20}  # fmt: skip
    plain = found.plain({ids["box"]: "box"})
    assert plain["complete"]
    assert plain["changes"][0]["process"]["number"] == "WX-2050-000001"
    closed = {"DEPENDS_ON": {"before": ids["db"], "after": None}}
    assert closed in [c["touched"][0]["changed"] for c in plain["changes"]]
    assert told(desk, recent(store, ids["web1"], until, 4 * HOUR)) == [("web1", "attribute", 0)]
    assert desk.told(incident, "lifecycle_state") == ["new"]


def test_what_is_cut_is_said(desk: ServiceDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    store, ids = desk.store, desk.ids
    for number in range(5):
        commit(store, Update(ids["web1"], {"cpu_count": number}))
    at = desk.now + HOUR
    assert recent(store, ids["shop"], at, first=2).truncated == "the first 2 of 6 changes"
    near = recent(store, ids["portal"], at, depth=1)
    assert told(desk, near) == [("portal", "created", 0)]
    monkeypatch.setattr(module, "REVISIONS", 3)
    assert "the latest 3 revisions" in recent(store, ids["web1"], at).truncated
    monkeypatch.setattr(module, "MOST", 2)
    assert "the 2 nearest of 6 CIs" in recent(store, ids["portal"], at).truncated
    with pytest.raises(RequestError):
        recent(store, ids["portal"], at, -HOUR)


def test_what_is_known_already(desk: ServiceDesk) -> None:
    store, ids = desk.store, desk.ids
    south = {"organisation": ids["south"]}
    force = {"lifecycle_state": "in_force"}
    commit(
        store,
        desk.create("Problem", "一号服务器风扇故障", symptoms="风扇转速过低，温度告警", **south),
        desk.create("Problem", "memory of servers leaks", symptoms="slow after weeks", **south),
        desk.create("Problem", "nobody knows yet", symptoms="风扇"),
        desk.create("Server", "other box", lifecycle_state="in_use"),
        desk.create("KnowledgeArticle", "Replacing fans", applies_to=["Computer"], remedy="open it", **force),
        desk.create("KnowledgeArticle", "风扇清洁", symptoms="风扇有异响，温度告警", **force),
        desk.create("KnowledgeArticle", "draft on fans", applies_to=["Server"]),
        desk.create("KnowledgeArticle", "switches", applies_to=["Switch"], **force),
    )  # fmt: skip
    concerns = [
        Relate(ids["一号服务器风扇故障"], "CONCERNS", ids["box"]),
        Relate(ids["memory of servers leaks"], "CONCERNS", ids["other box"]),
    ]
    store.commit(ChangeSet(concerns, "x", "y", process=True))
    known_causes = {"root_cause": "dust", "workaround": "restart"}
    for name in ("一号服务器风扇故障", "memory of servers leaks"):
        desk.engine.transition(ids[name], "diagnose", "eve", inputs=known_causes)
    id = desk.opened("box", description="服务器温度告警，风扇声音大")
    found = known(store, store.record(id))
    assert [desk.named(fit.record.id) for fit in found.fits] == [
        "一号服务器风扇故障",
        "memory of servers leaks",
        "风扇清洁",
        "Replacing fans",
    ]
    best, leak, cleaning, fans = found.fits
    assert [desk.named(ci) for ci in best.cis] == ["box"]
    assert best.type == "Server"
    assert {"风扇", "温度", "告警"} <= set(best.words)
    assert (leak.cis, leak.type, leak.points["type"]) == ((), "Server", 25)
    assert set(cleaning.points) == {"words"}
    assert (fans.type, fans.points) == ("Computer", {"type": 12.5})
    assert found.plain()["fits"][0]["words"][0] in best.words


def test_words_of_both_languages() -> None:
    assert words("CPU of web-01 is at 100%: 温度过高!") == {
        "cpu", "of", "web-01", "is", "at", "100", "温度", "度过", "过高",
    }  # fmt: skip
    assert words("高") == {"高"}
