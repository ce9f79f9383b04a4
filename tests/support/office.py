"""A small province company with people in roles, a rack, and devices: what lifecycle tests act on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from cmdb.change_sets import Create, Operation, Relate
from cmdb.ids import new_id
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.engine import Engine
from lifecycle.items import items
from lifecycle.orders import Orders
from tests.support.building import commit

TREE = (
    ("hq", "Headquarters", None),
    ("province", "ProvinceCompany", "hq"),
    ("north", "CityCompany", "province"),
    ("south", "CityCompany", "province"),
    ("county", "CountyCompany", "south"),
)
PEOPLE: tuple[tuple[str, str, dict[str, list[str]]], ...] = (
    ("ann", "south", {"south": ["operator"]}),
    ("bob", "south", {"south": ["asset_manager"]}),
    ("dora", "south", {"south": ["director", "operator"]}),
    ("nick", "north", {"north": ["asset_manager", "operator"]}),
    ("pat", "province", {"province": ["director", "administrator"]}),
    ("cora", "county", {}),
)


@dataclass
class Office:
    """Ids by short names, a clock that tests move, and short ways to do what takes many words.

    Attributes
    ----------
    ids
        Of organisations, people, places, devices.
    now
        What the clock says.
    """

    store: GraphStore
    ids: dict[str, str] = field(default_factory=dict)
    now: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __post_init__(self) -> None:
        self.engine = Engine(self.store, lambda: self.now)
        self.orders = Orders(self.engine)

    @classmethod
    def make(cls, store: GraphStore) -> Self:
        office = cls(store)
        operations: list[Operation] = []
        for name, type_, above in TREE:
            operations.append(office.create(type_, name))
            if above:
                operations.append(Relate(office.ids[name], "PART_OF", office.ids[above]))
        for name, organisation, roles in PEOPLE:
            said = {"username": name, "organisation": office.ids[organisation]}
            operations.append(office.create("Person", name, **said))
            for at, held in roles.items():
                operations.append(
                    Relate(office.ids[name], "HAS_ROLE", office.ids[at], {"roles": held})
                )
        south = {"organisation": office.ids["south"]}
        operations.append(office.create("Room", "room", **south, lifecycle_state="in_use"))
        operations.append(office.create("Room", "store", **south, lifecycle_state="in_use"))
        operations.append(
            office.create("Rack", "rack", **south, rack_units=10, lifecycle_state="in_use")
        )
        operations.append(Relate(office.ids["room"], "CONTAINS", office.ids["rack"]))
        operations.append(office.create("MaintenanceContract", "care", lifecycle_state="in_force"))
        commit(store, *operations)
        return office

    def create(self, type_: str, name: str, **attributes: Any) -> Create:
        self.ids[name] = new_id()
        return Create(type_, {"name": name, **attributes}, self.ids[name])

    def device(
        self,
        name: str,
        type_: str = "Server",
        state: str = "in_stock",
        organisation: str = "south",
        **attributes: Any,
    ) -> str:
        """A device with a serial number and a custodian; gives its id."""
        said = {
            "serial_number": f"SN-{name}",
            "organisation": self.ids[organisation],
            "custodian": self.ids["ann"],
            "lifecycle_state": state,
            **attributes,
        }
        commit(self.store, self.create(type_, name, **said))
        return self.ids[name]

    def relate(self, source: str, type_: str, target: str, **attributes: Any) -> None:
        commit(self.store, Relate(self.ids[source], type_, self.ids[target], attributes))

    def record(self, name: str) -> Record:
        return self.store.record(self.ids[name])

    def state(self, name: str) -> str:
        return str(self.record(name).attributes["lifecycle_state"])

    def pass_days(self, days: float) -> None:
        self.now += timedelta(days=days)

    @property
    def today(self) -> date:
        return self.now.date()

    # -- orders -----------------------------------------------------------------------------------

    def order(
        self,
        type_: str,
        *devices: str,
        by: str = "ann",
        details: Mapping[str, Mapping[str, Any]] = {},
        **attributes: Any,
    ) -> str:
        """A draft; gives its id. Values that are short names are meant as ids."""
        wanted = [(self.ids[d], self.meant(details.get(d, {}))) for d in devices]
        return self.orders.new(type_, by, self.meant(attributes), wanted).id

    def meant(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {n: self.ids.get(v, v) if isinstance(v, str) else v for n, v in attributes.items()}

    def approved(
        self, type_: str, *devices: str, votes: Iterable[str] = ("bob",), **said: Any
    ) -> str:
        """An order that is submitted and approved; gives its id."""
        order = self.order(type_, *devices, **said)
        self.engine.transition(order, "submit", said.get("by", "ann"))
        for person in votes:
            self.engine.vote(order, person, "approve")
        return order

    def outcomes(self, order: str) -> dict[str, str]:
        return {i.record.name: i.outcome for page in items(self.store, order) for i in page}

    def order_state(self, order: str) -> str:
        return str(self.store.record(order).attributes["lifecycle_state"])
