"""What changes hold back is applied once or not at all: when several confirm, others commit in between, and
processes are killed; against a plain account of who wrote what."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cmdb.change_sets import ChangeSet, Operation, Relate, Unrelate, Update
from cmdb.errors import ConflictError
from cmdb.integrity import check
from cmdb.store import GraphStore, create_store
from lifecycle.engine import Engine
from lifecycle.refusals import OutdatedError, RefusedError
from tests.conformance.test_against_oracle import bounded
from tests.support.building import commit
from tests.support.change_board import EVENING, ChangeBoard
from tests.support.neo4j_server import Neo4jServer
from tests.support.observing import shipped_model

BOXES = ("box", "web1", "web2")
VALUES = st.sampled_from(["lab", "spare", "archive", None])
Place = tuple[str, str]
"""A box and an attribute; or a box and ``db``: whether the database runs on it."""
PLACES = st.tuples(st.sampled_from(BOXES), st.sampled_from(["purpose", "description", "db"]))
PLANS = st.dictionaries(PLACES, VALUES, min_size=1, max_size=4)
HOOKS = st.sampled_from(["nothing", "foreign", "another", "killed before", "killed after"])


class KilledError(Exception):
    """The process that was about to say that it is done is no more."""


class Interrupted:
    """A store with something that happens just before, or just after, a commit."""

    def __init__(self, store: GraphStore, before: Any = None, after: Any = None) -> None:
        self._store, self._before, self._after = store, before, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, change_set: ChangeSet) -> Any:
        before, self._before = self._before, None
        if before is not None:
            before()
        result = self._store.commit(change_set)
        if self._after is not None:
            self._after()
        return result


@dataclass
class Held:
    """A change that is being implemented: what it holds back, and what there was when it was planned."""

    id: str
    plan: dict[Place, Any]
    base: dict[Place, Any]
    done: bool = False


class ChangesAgainstOracle(RuleBasedStateMachine):
    board: ChangeBoard

    def new_store(self) -> GraphStore:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.board = ChangeBoard.make(self.new_store())
        commit(self.board.store, Unrelate(self.board.ids["db"], "RUNS_ON", self.board.ids["box"]))
        self.values: dict[Place, Any] = {}
        self.held: list[Held] = []

    def teardown(self) -> None:
        if hasattr(self, "board"):
            assert list(check(self.board.store)) == []
            self.board.store.close()

    # -- plainly ------------------------------------------------------------------------------------

    def operations(self, plan: dict[Place, Any]) -> list[Operation]:
        ids, made = self.board.ids, list[Operation]()
        for (box, what), value in plan.items():
            key = (ids["db"], "RUNS_ON", ids[box])
            if what != "db":
                made.append(Update(ids[box], {what: value}))
            elif value is not None:
                made.append(Relate(*key))
            else:
                made.append(Unrelate(*key))
        return made

    def possible(self, plan: dict[Place, Any]) -> dict[Place, Any]:
        """Without closing what is not there; of relationships it is only said whether they are."""
        return {
            place: ("there" if value else None) if place[1] == "db" else value
            for place, value in plan.items()
            if place[1] != "db" or value is not None or self.values.get(place)
        }

    def fits(self, held: Held) -> bool:
        """Nobody has changed what it replaces, but to what it plans."""
        return all(
            self.values.get(place) in (held.base.get(place), value)
            for place, value in held.plan.items()
        )

    # -- what people do -----------------------------------------------------------------------------

    @rule(plan=PLANS)
    def plan(self, plan: dict[Place, Any]) -> None:
        plan = self.possible(plan)
        if not plan or len([held for held in self.held if not held.done]) > 3:
            return
        board = self.board
        board.now = EVENING
        id = board.change(
            "shop", kind="emergency", window_effect="none", plan=self.operations(plan)
        )
        board.go(id, "submit")
        board.go(id, "assess", by="mia", overrides={"no_collision": "they know"})
        board.agreed(id, ["mia"])
        board.go(id, "begin", by="ola")
        self.held.append(Held(id, plan, {place: self.values.get(place) for place in plan}))

    @rule(change=PLANS)
    def write(self, change: dict[Place, Any]) -> None:
        """Somebody else writes."""
        self.foreign(self.possible(change))

    def foreign(self, change: dict[Place, Any]) -> None:
        if change:
            commit(self.board.store, *self.operations(change), actor="bob")
            self.values |= change

    @precondition(lambda self: bool(getattr(self, "held", ())))
    @rule(number=st.integers(0, 3), hook=HOOKS, change=PLANS)
    def confirm(self, number: int, hook: str, change: dict[Place, Any]) -> None:
        held = self.held[-1 - number % len(self.held)]
        board, happened = self.board, list[bool]()

        def foreign() -> None:
            self.foreign(self.possible(change))

        def another() -> None:
            happened.append(self.tried(held, board.engine))

        def killed() -> None:
            raise KilledError

        before: Callable[[], None] | None = {"foreign": foreign, "another": another, "killed before": killed}.get(hook)  # fmt: skip
        store: Any = Interrupted(board.store, before, killed if hook == "killed after" else None)
        engine = Engine(store, lambda: board.now)
        ready = not held.done and self.fits(held)
        if hook.startswith("killed") and ready:
            with pytest.raises(KilledError):
                engine.transition(held.id, "confirm", "ola")
            if hook == "killed after":
                self.applied(held)
        elif hook == "another" and ready:
            assert not self.tried(held, engine, expected=False)
            assert happened == [True]
        else:
            self.tried(held, engine)

    def tried(self, held: Held, engine: Engine, expected: bool | None = None) -> bool:
        """It goes through where it should, and is refused, or a conflict, where it should not."""
        was_done = held.done
        refused: RefusedError | ConflictError | None = None
        try:
            engine.transition(held.id, "confirm", "ola")
        except (RefusedError, ConflictError) as error:
            refused = error
        if refused is None:
            assert not was_done
            assert self.fits(held)
            self.applied(held)
        elif isinstance(refused, RefusedError):
            assert was_done
            assert {refusal.code for refusal in refused.refusals} == {"state"}
        elif isinstance(refused, OutdatedError):
            assert not was_done
            assert not self.fits(held)
            otherwise = {r.detail["moved"]["name"] for r in refused.refusals}
            assert otherwise <= {*BOXES, *(f"db RUNS_ON {box}" for box in BOXES)}
            assert all(r.since[0].actor in ("bob", "ola") for r in refused.refusals)
        else:
            assert expected is False, "somebody else has confirmed it in between"
        event("applied" if refused is None else type(refused).__name__)
        return refused is None

    def applied(self, held: Held) -> None:
        held.done = True
        self.values |= held.plan

    # -- what must hold -------------------------------------------------------------------------------

    @invariant()
    def the_graph_is_as_it_should_be(self) -> None:
        if not hasattr(self, "held"):
            return
        ids, store = self.board.ids, self.board.store
        boxes = store.get([ids[box] for box in BOXES])
        near = store.neighbours([ids["db"]], ["RUNS_ON"], "out")
        there = {n.record.id for n in near}
        for box in BOXES:
            for what in ("purpose", "description"):
                expected = self.values.get((box, what))
                assert boxes[ids[box]].attributes.get(what) == expected
            assert (ids[box] in there) == bool(self.values.get((box, "db")))

    @invariant()
    def each_is_applied_once_or_not_at_all(self) -> None:
        for held in getattr(self, "held", ()):
            spans = self.board.store.spans([held.id], "lifecycle_state")[held.id]
            confirmed = [span.since for span in spans if span.value == "in_review"]
            assert len(confirmed) == held.done
            applied = confirmed[0] if confirmed else None
            assert self.board.at(held.id).attributes.get("implemented_revision") == applied


def test_sqlite_applies_once_or_not_at_all(tmp_path: Path) -> None:
    numbers = itertools.count()

    class Machine(ChangesAgainstOracle):
        def new_store(self) -> GraphStore:
            return create_store(f"sqlite:///{tmp_path}/{next(numbers)}.db", shipped_model())

    run_state_machine_as_test(Machine, settings=bounded(20, 20))


@pytest.mark.neo4j
def test_neo4j_applies_once_or_not_at_all(neo4j_store_url: str, neo4j_server: Neo4jServer) -> None:
    class Machine(ChangesAgainstOracle):
        def new_store(self) -> GraphStore:
            neo4j_server.empty()
            return create_store(neo4j_store_url, shipped_model())

    run_state_machine_as_test(Machine, settings=bounded(1, 20))
