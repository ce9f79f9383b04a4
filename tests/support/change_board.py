"""The service desk with a change manager and advisory boards: what tests of changes act on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Self

from cmdb.change_sets import Operation, Relate
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.changes.desk import Changes
from tests.support.building import commit
from tests.support.service_desk import MONDAY, ServiceDesk

BOARD: Final = (
    ("mia", "south", {"south": ["change_manager"]}),
    ("ada", "south", {"south": ["change_advisor"]}),
    ("abe", "south", {"south": ["change_advisor"]}),
    ("pia", "province", {"province": ["change_advisor"]}),
)
PLANS: Final = {"implementation_plan": "do it", "back_out_plan": "undo it"}
EVENING: Final = MONDAY + timedelta(hours=12)
"""When windows of tests begin, unless they say otherwise."""
SHORT: Final = {"normal": "NormalChange", "standard": "StandardChange", "emergency": "EmergencyChange"}  # fmt: skip


class ChangeBoard(ServiceDesk):
    """``eve`` asks for changes and assesses them, ``mia`` and the boards agree, ``ola`` carries them out."""

    changes: Changes

    @classmethod
    def make(cls, store: GraphStore, *, today: bool = False) -> Self:
        board = super().make(store, today=today)
        operations: list[Operation] = []
        for name, at, roles in BOARD:
            said = {"username": name, "organisation": board.ids[at]}
            operations.append(board.create("Person", name, **said))
            for where, held in roles.items():
                ends = (board.ids[name], "HAS_ROLE", board.ids[where])
                operations.append(Relate(*ends, {"roles": held}))
        commit(store, *operations)
        board.changes = Changes(board.engine)
        return board

    def change(
        self,
        *concerned: str,
        kind: str = "normal",
        begins: datetime = EVENING,
        hours: float = 2,
        by: str = "eve",
        plan: Sequence[Operation] = (),
        **attributes: Any,
    ) -> str:
        """A draft about CIs by short names; gives its id."""
        said = {
            "starts_at": begins,
            "ends_at": begins + timedelta(hours=hours),
            **PLANS,
            **self.meant(attributes),
        }
        items = [self.ids[name] for name in concerned]
        made = self.changes.new(SHORT[kind], by, said, items)
        self.ids[str(made.attributes["number"])] = made.id
        if plan:
            self.changes.plan(made.id, by, plan)
        return made.id

    def go(self, id: str, *names: str, by: str = "eve", **said: Any) -> int:
        """Take a change through transitions; gives the last revision."""
        return [self.engine.transition(id, name, by, **said) for name in names][-1]

    def agreed(self, id: str, voters: Iterable[str] = ("mia", "ada", "pia")) -> None:
        """Vote for it, as far as it is asked for."""
        for person in voters:
            if self.order_state(id) == "in_approval":
                self.engine.vote(id, person, "approve")
        assert self.order_state(id) == "approved"

    def approved(self, id: str, **said: Any) -> str:  # type: ignore[override]
        """A draft that is submitted, assessed and agreed to; gives its id."""
        self.go(id, "submit")
        self.go(id, "assess", **said)
        self.agreed(id)
        return id

    def implementing(self, id: str) -> str:
        """A draft that is approved, and begun when its window begins; gives its id."""
        self.approved(id)
        self.now = self.store.record(id).attributes["starts_at"]
        self.go(id, "begin", by="ola")
        return id

    def at(self, id: str) -> Record:
        return self.store.record(id)
