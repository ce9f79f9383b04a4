"""An estate in which half of a change set would show."""

from __future__ import annotations

from typing import Final, Self

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.ids import new_id
from cmdb.queries import Query, Sort
from cmdb.store import GraphStore
from tests.support.building import create

DEVICES: Final = 30


class SharedEstate:
    """At each revision all devices have one size, the app runs on the one of that number, and there
    are as many boxes as the size says.

    Attributes
    ----------
    ids
        Of the devices.
    base
        The revision at which the size was 0; each step is one revision more.
    """

    def __init__(self, store: GraphStore, ids: list[str], app: str) -> None:
        self.store, self.ids, self.app = store, ids, app
        self.base = 2

    @classmethod
    def make(cls, store: GraphStore, devices: int = DEVICES) -> Self:
        """In a new store."""
        made = [create("Device", f"device {i:04d}", size=0) for i in range(devices)]
        app = create("App", "app")
        operations: list[Operation] = [*made, app, Relate(app.id, "RUNS_ON", made[0].id)]
        assert store.commit(ChangeSet(operations, "maker")).revision == 2
        return cls(store, [device.id for device in made], app.id)

    @classmethod
    def of(cls, store: GraphStore) -> Self:
        """The one that is in a store."""
        devices = store.find(Query("Device", sort=[Sort("name")], first=10_000)).records
        [app] = store.find(Query("App")).records
        return cls(store, [device.id for device in devices], app.id)

    def change_set(self, size: int) -> ChangeSet:
        """From one size to the next."""
        count = len(self.ids)
        before, after = self.ids[(size - 1) % count], self.ids[size % count]
        operations: list[Operation] = [Update(id, {"size": size}) for id in self.ids]
        operations.append(Unrelate(self.app, "RUNS_ON", before))
        operations.append(Relate(self.app, "RUNS_ON", after))
        operations.append(Create("Box", {"name": f"box {size}"}, new_id()))
        return ChangeSet(operations, "stepper")

    def step(self, size: int) -> None:
        self.store.commit(self.change_set(size))

    def verified(self) -> int:
        """The size everything agrees on, the feed included."""
        store = self.store
        records = list(store.scan_records())
        [size] = {r.attributes["size"] for r in records if r.type == "Device"}
        assert sum(record.type == "Box" for record in records) == size
        [near] = store.neighbours([self.app])
        assert near.record.id == self.ids[size % len(self.ids)]
        numbers = []
        for revision, changes in store.feed(self.base):
            numbers.append(revision.number)
            assert len(changes.records) == len(self.ids) + 1
            assert len(changes.relationships) == 2
        assert numbers == list(range(self.base + 1, self.base + size + 1))
        assert store.last_revision().number == self.base + size
        return int(size)
