"""The office with services, teams, calendars and people on call: what tests of incidents act on.

(portal)-[:DELIVERED_BY]->(shop)-[:RUNS_ON]->(web1 | web2: one is enough), (shop)-[:DEPENDS_ON]->(db)-[:RUNS_ON]->(box)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from cmdb.change_sets import Relate
from cmdb.records import Record
from cmdb.store import GraphStore
from impact.rules import Effect
from itsm.incidents import Incidents
from itsm.opening import opened
from lifecycle.deciding import Decision
from lifecycle.items import items
from tests.support.building import commit
from tests.support.office import Office

WEEK = {day: ["08:30-12:00", "14:00-17:30"] for day in ("mon", "tue", "wed", "thu", "fri")}
PEOPLE = (
    ("sam", "province", {"province": ["service_desk"]}),
    ("eve", "south", {"south": ["engineer"]}),
    ("ola", "south", {"south": ["operator"]}),
)
TEAMS = ("desk", "desktop", "servers")
IN_USE = {"lifecycle_state": "in_use"}


MONDAY: Final = datetime(2050, 3, 7, 9, tzinfo=UTC)
"""17:00 in Shanghai, on a day that has not come: the store was made before it."""


class ServiceDesk(Office):
    """Its revisions have the instants of its own clock; or of the real one, if it is `made` today."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.incidents = Incidents(self.engine)

    @classmethod
    def make(cls, store: GraphStore, *, today: bool = False) -> Self:
        desk = super().make(store)
        desk.now = MONDAY - timedelta(hours=1)
        if not today:
            store.clock = lambda: desk.now
        south = {"organisation": desk.ids["south"]}
        operations: list[Any] = []
        for name, at, roles in PEOPLE:
            said = {"username": name, "organisation": desk.ids[at]}
            operations.append(desk.create("Person", name, **said))
            for where, held in roles.items():
                ends = (desk.ids[name], "HAS_ROLE", desk.ids[where])
                operations.append(Relate(*ends, {"roles": held}))
        operations += [desk.create("Team", name, **south) for name in TEAMS]
        for name, type_ in (
            ("web1", "VirtualMachine"), ("web2", "VirtualMachine"), ("box", "Server"), ("db", "DatabaseInstance"),
            ("shop", "Application"), ("portal", "BusinessService"),
        ):  # fmt: skip
            operations.append(desk.create(type_, name, **south, **IN_USE))
        operations += [
            Relate(desk.ids[source], type_, desk.ids[target], said)
            for source, type_, target, said in (
                ("portal", "DELIVERED_BY", "shop", {}),
                ("shop", "RUNS_ON", "web1", {"group": "web"}),
                ("shop", "RUNS_ON", "web2", {"group": "web"}),
                ("shop", "DEPENDS_ON", "db", {}),
                ("db", "RUNS_ON", "box", {}),
            )
        ]
        commit(store, *operations)
        desk.now = datetime.now(UTC) if today else MONDAY
        return desk

    def opened(
        self,
        *concerned: str,
        details: Mapping[str, Mapping[str, Any]] = {},
        roots: Mapping[str, Effect] | None = None,
        by: str = "sam",
        name: str = "trouble",
        **attributes: Any,
    ) -> str:
        """An incident about CIs by short names; gives its id."""
        engine, id = self.engine, self.engine.next_id()
        said = {self.ids[name]: dict(details.get(name, {})) for name in concerned}
        given = None if roots is None else {self.ids[name]: e for name, e in roots.items()}

        def work() -> Decision:
            room = engine.room(by)
            made = opened(
                engine, room, id, name=name, items=said, roots=given, attributes=self.meant(attributes),
            )  # fmt: skip
            return Decision(made, "opened")

        engine.decide(by, work)
        return id

    def named(self, value: Any) -> Any:
        """Ids as short names."""
        names = {id: name for name, id in self.ids.items()}
        if isinstance(value, list):
            return sorted(names.get(v, v) for v in value)
        return names.get(value, value)

    def told(self, id: str, *attributes: str) -> list[Any]:
        """Attributes of a record, ids as short names."""
        record: Record = self.store.record(id)
        return [self.named(record.attributes.get(name)) for name in attributes]

    def concerned(self, id: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """What a process concerns: short name -> outcome and details."""
        found = (item for page in items(self.store, id) for item in page)
        return {self.named(i.record.id): (i.outcome, i.details) for i in found}
