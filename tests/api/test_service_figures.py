"""Figures about incidents by GraphQL: of what one sees, counted by calendars that one does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from api.access.principals import Permission
from cmdb.change_sets import Update
from cmdb.store import create_store
from tests.support.api_door import Door, principal
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.service_desk import WEEK, ServiceDesk

FIGURES = """query($names: [String!], $since: DateTime, $asOf: AsOf) {
    figures(names: $names, since: $since, asOf: $asOf) { name unit value count groups { key value count } } }"""


def test_figures_are_of_what_one_sees_and_right(tmp_path: Path) -> None:
    with create_store(f"sqlite:///{tmp_path}/store.db", shipped_model()) as store:
        desk = ServiceDesk.make(store)
        hours = {"working_hours": WEEK, "organisation": desk.ids["province"]}
        commit(store, desk.create("ServiceCalendar", "office hours", **hours))
        commit(store, Update(desk.ids["province"], {"calendar": desk.ids["office hours"]}))
        commit(store, Update(desk.ids["portal"], {"organisation": desk.ids["north"]}))
        begun = desk.now - timedelta(minutes=1)
        mine, _ = desk.opened("box"), desk.opened("box", organisation="north")
        desk.now += timedelta(days=1)  # 17:00 on Monday, to 17:00 on Tuesday
        desk.engine.transition(mine, "acknowledge", "eve")
        one = principal("rita", Permission.READ, organisation=desk.ids["south"])
        door = Door(store, [one, principal("amy", Permission.READ)], guarded=True)

        def ask(by: str, name: str, **more: Any) -> dict[str, Any]:
            found: list[dict[str, Any]] = door.graphql(FIGURES, by, names=[name], **more)["figures"]
            return found[0]

        for by in ("rita", "amy"):
            assert ask(by, "working_time_to_acknowledge")["value"] == 7
            assert ask(by, "time_to_acknowledge")["value"] == 24
        keys = {
            by: [g["key"] for g in ask(by, "time_to_acknowledge")["groups"]]
            for by in ("rita", "amy")
        }
        assert {"service": None} in keys["rita"]
        assert {"service": desk.ids["portal"]} in keys["amy"]
        assert {"service": desk.ids["portal"]} not in keys["rita"]
        # Who is hit sees an incident of others.
        assert [ask(by, "incidents_by_type")["count"] for by in ("rita", "amy")] == [2, 2]
        since = (begun + timedelta(days=2)).isoformat()
        assert ask("amy", "incidents_by_type", since=begun.isoformat())["count"] == 2
        assert ask("amy", "incidents_by_type", since=since)["count"] == 0
        [refused] = door.graphql_errors(FIGURES, "amy", names=["response_kept"], since="soon")
        assert refused["extensions"]["code"] == "invalid_query"
        before = store.revisions([store.last_revision().number - 1])
        assert ask("amy", "time_to_acknowledge", asOf=str(min(before)))["value"] is None
