"""Collisions and free windows over random small estates, against what the words say, worked out the long way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.ids import new_id
from cmdb.store import GraphStore, create_store
from impact.rules import Rules
from itsm.changes.collisions import FREEZE, IN_IMPACT, SAME_ITEM, TOGETHER, collisions
from itsm.changes.planned import kept
from itsm.changes.schedule import next_free
from itsm.changes.whatif import what_if
from lifecycle.people import Directory
from tests.support.impact_reference import (
    DEGRADED,
    DOWN,
    Ci,
    Estate,
    Link,
    Redundancy,
    Rule,
    propagate,
)
from tests.support.neo4j_server import Neo4jServer
from tests.support.observing import shipped_model

EFFECTS = ("none", "at_risk", "degraded", "down")
TYPES = {"s": "Server", "v": "VirtualMachine", "a": "Application", "b": "BusinessService"}
CIS = ("s0", "s1", "s2", "v0", "v1", "v2", "a0", "a1", "b0", "b1")
WAYS = [
    *(("RUNS_ON", v, s) for v in ("v0", "v1", "v2") for s in ("s0", "s1", "s2")),
    *(("RUNS_ON", a, v) for a in ("a0", "a1") for v in ("v0", "v1", "v2")),
    *(("DELIVERED_BY", b, a) for b in ("b0", "b1") for a in ("a0", "a1")),
    ("CALLS", "a0", "a1"),
    ("CALLS", "a1", "a0"),
]
"""(dependent)-[:TYPE]->(provider)."""
NUMBERS = itertools.count()
HOUR = timedelta(hours=1)
AHEAD = 2
"""Days that free windows are looked for."""


class Plain(NamedTuple):
    """A change: hours at which it begins and ends, the CIs it takes out, and to what."""

    begins: int
    length: int
    items: frozenset[str]
    effect: str
    state: str = "approved"

    @property
    def ends(self) -> int:
        return self.begins + self.length

    @property
    def roots(self) -> dict[str, int]:
        return dict.fromkeys(self.items, EFFECTS.index(self.effect))


CHANGES = st.builds(
    Plain,
    st.integers(0, 4),
    st.integers(2, 6),
    st.frozensets(st.sampled_from((*CIS[:6], *CIS)), min_size=1, max_size=2),
    st.sampled_from(("down",) * 5 + EFFECTS),
    st.sampled_from(
        ["assessment", "in_approval", "approved", "implementing"] * 3 + ["draft", "closed"]
    ),
)
LINKS = st.dictionaries(
    st.sampled_from(WAYS), st.sampled_from(["g", "g", "g", "h", ""]), min_size=9
)
FREEZES = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4), st.booleans()), max_size=2)


@dataclass
class World:
    """An estate with changes in a store, and the same in plain words."""

    store: GraphStore
    links: Mapping[tuple[str, str, str], str]
    needed: Mapping[str, str]
    changes: Sequence[Plain]
    frozen: Sequence[tuple[int, int, bool]]
    ids: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    _known: dict[frozenset[Plain], dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = next(NUMBERS)
        self.zero = datetime(2051, 1, 1, tzinfo=UTC) + timedelta(days=100 * number)
        home, elsewhere = (self._new("CityCompany", f"{name}{number}") for name in ("home", "far"))
        operations: list[Operation] = [home, elsewhere]
        for name in CIS:
            ci: dict[str, Any] = {"lifecycle_state": "in_use", "organisation": home.id}
            if name in self.needed:
                ci["redundancy"] = {"RUNS_ON": {"needed": self.needed[name], "group_by": "group"}}
            operations.append(self._new(TYPES[name[0]], name, **ci))
        for (type_, one, other), group in self.links.items():
            ends = (self.ids[one], type_, self.ids[other])
            operations.append(Relate(*ends, {"group": group} if group and type_ != "CALLS" else {}))
        for begins, length, here in self.frozen:
            span = {"starts_at": self.at(begins), "ends_at": self.at(begins + length)}
            at = home.id if here else elsewhere.id
            operations.append(self._new("FreezePeriod", "freeze", **span, organisation=at))
        for place, change in enumerate(self.changes):
            said = {
                "number": f"BG-{number:04}-{place:06}",
                "organisation": home.id,
                "starts_at": self.at(change.begins),
                "ends_at": self.at(change.ends),
                "window_effect": change.effect,
                "lifecycle_state": change.state,
            }
            made = self._new("NormalChange", f"change {place}", **said)
            self.made.append(made.id)
            operations.append(made)
            operations += [
                Relate(made.id, "CONCERNS", self.ids[ci], {"outcome": "open"})
                for ci in sorted(change.items)
            ]
        self.store.commit(ChangeSet(operations, "tester", process=True))
        self.names = {id: name for name, id in self.ids.items()}

    def _new(self, type_: str, name: str, **said: Any) -> Create:
        made = Create(type_, {"name": name, **said}, new_id())
        self.ids[name] = made.id
        return made

    def at(self, hour: int) -> datetime:
        return self.zero + hour * HOUR

    def hour(self, at: datetime) -> int:
        return round((at - self.zero) / HOUR)

    # -- the long way -----------------------------------------------------------------------------

    @cached_property
    def estate(self) -> Estate:
        found = Estate(reference_rules(self.store), {})
        for name in CIS:
            needs = {"RUNS_ON": Redundancy(self.needed[name], True)} if name in self.needed else {}
            found.cis[name] = Ci(TYPES[name[0]], True, needs)
        for (type_, one, other), group in self.links.items():
            found.links[Link(type_, other, one)] = "" if type_ == "CALLS" else group
        return found

    def effects(self, *changes: Plain) -> dict[str, int]:
        """What several changes do at once."""
        key = frozenset(changes)
        if key in self._known:
            return self._known[key]
        roots: dict[str, int] = {}
        for change in changes:
            for ci, effect in change.roots.items():
                roots[ci] = max(effect, roots.get(ci, 0))
        return self._known.setdefault(key, propagate(self.estate, roots).effects)

    def broken(self, mine: Plain, *others: Plain) -> set[str]:
        """What is degraded or down, and fares worse than without the others, and than without this one."""
        together, one = self.effects(mine, *others), self.effects(mine)
        rest = self.effects(*others)
        if not any(mine.roots.values()) or not all(any(o.roots.values()) for o in others):
            return set()
        return {
            ci
            for ci, effect in together.items()
            if effect >= DEGRADED and effect > max(one.get(ci, 0), rest.get(ci, 0))
        }

    def there(self, begins: float, ends: float) -> list[Plain]:
        """The other changes in the way at some time of a span."""
        return [
            other
            for other in self.changes[1:]
            if other.state not in ("draft", "closed")
            and other.begins < ends
            and begins < other.ends
        ]

    def expected(self, begins: int) -> dict[str, set[Any]]:
        """What is in the way of the first change, if it began then."""
        mine = self.changes[0]
        ends = begins + mine.length
        found: dict[str, set[Any]] = {SAME_ITEM: set(), IN_IMPACT: set(), TOGETHER: set(), FREEZE: set()}  # fmt: skip
        for other in self.there(begins, ends):
            place = self.changes.index(other)
            found[SAME_ITEM] |= {(place, ci) for ci in mine.items & other.items}
            for one, another in ((mine, other), (other, mine)):
                hit = self.effects(one)
                inside = another.items - one.items
                found[IN_IMPACT] |= {(place, ci) for ci in inside if hit.get(ci, 0) >= DEGRADED}
            found[TOGETHER] |= self.broken(mine, other)
        for hour in range(begins, ends):  # windows begin and end on the hour
            several = self.there(hour + 0.25, hour + 0.75)
            if len(several) > 1:
                found[TOGETHER] |= self.broken(mine, *several)
        for first, length, here in self.frozen:
            if here and first < ends and begins < first + length:
                found[FREEZE].add(first)
        return found


def reference_rules(store: GraphStore) -> dict[str, Rule]:
    return {
        name: Rule(
            rule.soft,
            Redundancy(rule.redundancy.needed, rule.redundancy.labelled)
            if rule.redundancy
            else None,
        )
        for name, rule in Rules(store.model).rules.items()
    }


def agree(store: GraphStore, world: World) -> None:
    change = store.record(world.made[0])
    directory = Directory(store, world.zero.date())
    now = world.at(-1)
    mine = world.changes[0]
    found: dict[str, set[Any]] = {SAME_ITEM: set(), IN_IMPACT: set(), TOGETHER: set(), FREEZE: set()}  # fmt: skip
    places = {id: place for place, id in enumerate(world.made)}
    for collision in collisions(store, change, now, directory):
        ids = [item.id for item in collision.items]
        if collision.kind == FREEZE:
            found[FREEZE].add(world.hour(collision.others[0].attributes["starts_at"]))
        elif collision.kind == TOGETHER:
            found[TOGETHER] |= {world.names[id] for id in ids}
        else:
            [other] = collision.others
            found[collision.kind] |= {(places[other.id], world.names[id]) for id in ids}
        assert collision.why
        assert world.at(mine.begins) <= collision.begins < collision.ends <= world.at(mine.ends)
    assert found == world.expected(mine.begins)
    for kind, about in found.items():
        if about:
            event(kind)
    free = next_free(store, change, now, directory, AHEAD)
    hours = range(mine.begins, mine.begins + AHEAD * 24 + 1)
    first = next((hour for hour in hours if not any(world.expected(hour).values())), None)
    event("moved" if first != mine.begins else "stays")
    assert (None if free.begins is None else world.hour(free.begins)) == first


def foretold(world: World, plan: Plan) -> None:
    """What would fare otherwise after a change is what does, once it is in the estate."""
    store, mine = world.store, world.changes[0]
    after = world.estate.copy()
    operations: list[Operation] = []
    new = Create("Server", {"name": "s9", "lifecycle_state": "in_use"}, new_id())
    world.ids["s9"], after.cis["s9"] = new.id, Ci("Server")
    world.names[new.id] = "s9"
    operations.append(new)
    for (type_, one, other), group in plan.links.items():
        ends, link = (world.ids[one], type_, world.ids[other]), Link(type_, other, one)
        if group is None and link in after.links:
            operations.append(Unrelate(*ends))
            del after.links[link]
        elif group is not None:
            operations.append(Relate(*ends, {"group": group} if group else {}))
            after.links[link] = group
    for name in plan.suspended:
        operations.append(Update(world.ids[name], {"lifecycle_state": "suspended"}))
        after.cis[name] = after.cis[name]._replace(operational=False)
    for name, needed in plan.needed.items():
        said = {"RUNS_ON": {"needed": needed, "group_by": "group"}}
        operations.append(Update(world.ids[name], {"redundancy": said}))
        after.cis[name] = after.cis[name]._replace(needs={"RUNS_ON": Redundancy(needed, True)})
    held = {"planned": kept(store, operations), "planned_revision": store.last_revision().number}
    store.commit(ChangeSet([Update(world.made[0], held)], "tester", process=True))
    found = what_if(store, store.record(world.made[0]), [world.ids[ci] for ci in mine.items])
    sides = [propagate(e, dict.fromkeys(mine.items, DOWN)) for e in (world.estate, after)]
    was, is_ = (side.effects for side in sides)
    expected = {
        ci: (EFFECTS[was.get(ci, 0)], EFFECTS[is_.get(ci, 0)])
        for ci in was | is_
        if was.get(ci, 0) != is_.get(ci, 0)
    }
    assert found.afterwards is not None
    told = [*found.afterwards.worse, *found.afterwards.better]
    assert {world.names[c.id]: (c.before, c.after) for c in told} == expected
    window = propagate(world.estate, mine.roots).effects
    assert found.window.counts() == {
        EFFECTS[n]: counted for n in (3, 2, 1) if (counted := [*window.values()].count(n))
    }
    margins = [{group: state.margin for group, state in side.groups.items()} for side in sides]
    touched = {one for _, one, _ in plan.links} | set(plan.needed)
    otherwise = {
        tuple(group)
        for group in margins[0].keys() | margins[1].keys()
        if group.dependent in touched and margins[0].get(group) != margins[1].get(group)
    }
    listed = {
        (world.names[c.group.dependent], c.group.type, c.group.label)
        for c in found.afterwards.groups
    }
    assert otherwise <= listed
    event("otherwise" if expected else "as before")


class Plan(NamedTuple):
    """What a change plans: links with their groups, or None where they are closed; what it suspends."""

    links: dict[tuple[str, str, str], str | None]
    suspended: frozenset[str]
    needed: dict[str, str]


PLANS = st.builds(
    Plan,
    st.dictionaries(
        st.sampled_from(
            [w for w in WAYS if w[0] != "CALLS"] + [("RUNS_ON", v, "s9") for v in ("v0", "v1")]
        ),
        st.sampled_from([None, None, "g", "h", ""]),
        min_size=1,
        max_size=5,
    ),
    st.frozensets(st.sampled_from(("a0", "a1")), max_size=1),
    st.dictionaries(st.sampled_from(("v0", "a0")), st.sampled_from(["1", "2", "all"]), max_size=1),
)
WORLDS = st.tuples(
    LINKS,
    st.dictionaries(st.sampled_from(("v0", "a0", "a1")), st.sampled_from(["2", "50%", "all"])),
    st.lists(CHANGES, min_size=3, max_size=5, unique=True),
    FREEZES,
)


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@pytest.fixture(scope="module")
def estates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphStore]:
    path = tmp_path_factory.mktemp("estates") / "store.db"
    with create_store(f"sqlite:///{path}", shipped_model()) as store:
        yield store


@bounded(50)
@given(WORLDS)
def test_collisions_are_what_they_should_be(estates: GraphStore, drawn: Any) -> None:
    agree(estates, World(estates, *drawn))


@bounded(60)
@given(WORLDS, PLANS)
def test_what_if_is_what_comes_of_it(estates: GraphStore, drawn: Any, plan: Plan) -> None:
    foretold(World(estates, *drawn), plan)


@pytest.mark.neo4j
def test_collisions_are_what_they_should_be_on_neo4j(neo4j_server: Neo4jServer) -> None:
    neo4j_server.empty()
    with create_store(neo4j_server.url, shipped_model()) as store:

        @bounded(5)
        @given(WORLDS)
        def collide(drawn: Any) -> None:
            agree(store, World(store, *drawn))

        @bounded(5)
        @given(WORLDS, PLANS)
        def suppose(drawn: Any, plan: Plan) -> None:
            foretold(World(store, *drawn), plan)

        collide()
        suppose()
