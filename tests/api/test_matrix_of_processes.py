"""Incidents, problems and changes by every role, in its organisation and not: one table, as of `test_matrix`.

Who may is decided by permission, and by roles in the organisation of the record. A field that is added fails here
until somebody has said who is told of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from api.access.principals import Grant, Permission, Principal
from api.access.roles import load_roles
from api.graphql import itsm
from api.graphql.fields import ModelField
from api.graphql.mutations import changes, incidents, problems
from api.graphql.schema import build_schema
from cmdb.change_sets import Operation, Relate
from cmdb.store import GraphStore, create_store
from itsm.alerts.formats import FORMATS
from itsm.alerts.intake import Intake
from itsm.alerts.receiving import receive
from itsm.alerts.rules import load_alert_rules
from itsm.changes.desk import Changes
from itsm.incidents import Incidents
from itsm.problems import Problems
from lifecycle.engine import Engine
from tests.support.api_door import Door
from tests.support.building import add, commit, create
from tests.support.observing import shipped_model

ROLES: Final = load_roles()
ORDERING: Final = frozenset(
    n for n, r in ROLES.by_name.items() if Permission.ORDER in r.permissions
)
READING: Final = frozenset(n for n, r in ROLES.by_name.items() if Permission.READ in r.permissions)
WORKING: Final = frozenset({"service_desk", "operator", "engineer"})
"""Who works on incidents and problems: the model says so."""
TOLD: Final = "{ __typename ... on Failure { code message } ... on Ordered { record { id } } }"
NAMED: Final = "{ ... on ConfigurationItem { name } ... on Change { number name } }"
HIT: Final = f"{{ counts {{ effect }} roots {{ record {NAMED} }} services {{ nodes {{ record {NAMED} }} }} byOrganisation {{ name effects {{ effect }} services {{ effect }} }} hidden {{ count }} }}"
RECENT: Final = f"{{ hidden {{ count }} changes {{ revision {{ reason }} touched {{ record {NAMED} changes {{ attribute after }} }} }} }}"
COLLISION: Final = f"{{ why others {NAMED} items {NAMED} }}"


class Ask(NamedTuple):
    """What is asked of a side, and which roles may; ``shows`` is told to those, and to nobody else."""

    query: str
    by: frozenset[str]
    shows: str = ""


QUERIES: Final[dict[str, Ask]] = {
    "recentChanges": Ask(f'recentChanges(of: "<box>") {RECENT}', READING, "box-<name>"),
    "changeCalendar": Ask(
        f'changeCalendar(from: "<from>", to: "<to>") {{ entries {{ nodes {{ record {NAMED} }} }} hidden {{ count }} }}',
        READING, "change-in",
    ),
    "unauthorisedChanges": Ask(f"unauthorisedChanges(since: 1) {{ found {{ nodes {{ record {NAMED} }} }} hidden {{ count }} }}", READING),
    "problemCandidates": Ask("problemCandidates { cis { name } incidents { name } }", READING, "incident-in"),
    "incident": Ask(
        f"""record(id: "<incident>") {{ ... on Incident {{ name attributes impact {HIT} course {{ text {{ en }} }} clocks {{ name roundTheClock agreement {{ name }} calendar {{ name }} }}
            impactNow {{ affected {{ nodes {{ record {NAMED} }} }} hidden {{ count }} }} recentChanges {RECENT}
            knowledge {{ fits {{ record {{ id }} cis {{ name }} }} }} hasAlert {{ nodes {{ name }} }} }} }}""",
        READING, "incident-<name>",
    ),
    "change": Ask(
        f"""record(id: "<change>") {{ ... on Change {{ name attributes heldBack impact {HIT} riskFactors {{ said }}
            difference {{ records {{ name }} hidden {{ count }} }} whatIf {{ window {HIT} afterwards {{ worse {{ nodes {{ record {NAMED} }} }} }} }}
            collisions {COLLISION} nextWindow {{ inTheWay {COLLISION} }} riskNow {{ factors {{ said records {NAMED} }} }}
            verification {{ verdicts {{ name }} }} }} }}""",
        READING, "change-<name>",
    ),
}  # fmt: skip
"""Root fields, and the records whose own fields are asked for."""

MUTATIONS: Final[dict[str, Ask]] = {
    "openIncident": Ask('name: "new", cis: [{id: "<box>"}]', ORDERING),
    "includeInIncident": Ask('incident: "<incident>", cis: [{id: "<other>"}]', WORKING),
    "excludeFromIncident": Ask('incident: "<incident>", cis: ["<other>"]', WORKING),
    "rateIncident": Ask('incident: "<incident>", urgency: high', WORKING),
    "declareMajorIncident": Ask('incident: "<incident>"', WORKING),
    "escalateIncident": Ask('incident: "<incident>", reason: "x"', WORKING),
    "giveIncident": Ask('incident: "<incident>", team: "<team>"', WORKING),
    "relateIncident": Ask('incident: "<incident>", other: "<second>"', WORKING),
    "setIncidentCause": Ask('incident: "<incident>", cause: "<box>"', WORKING),
    "mergeIncidents": Ask('incident: "<incident>", others: ["<second>"]', WORKING),
    "splitIncident": Ask('incident: "<incident>", cis: ["<box>"]', WORKING),
    "attachAlert": Ask('alert: "<alert>", ci: "<box>"', WORKING | {"administrator"}),
    "openProblem": Ask('name: "new", cis: ["<box>"]', ORDERING),
    "addToProblem": Ask('problem: "<problem>", incidents: ["<incident>"]', WORKING),
    "removeFromProblem": Ask('problem: "<problem>", incidents: ["<incident>"]', WORKING),
    "setProblemFix": Ask('problem: "<problem>", change: "<change>"', WORKING),
    "draftRequest": Ask('attributes: {name: "new", organisation: "<organisation>"}', ORDERING),
    "draftChange": Ask('type: "normal", attributes: {organisation: "<organisation>"}, devices: [{id: "<box>"}]', ORDERING),
    "planChange": Ask('change: "<draft>", plainOperations: [{update: {id: "<box>", attributes: {purpose: "x"}}}]', frozenset({"engineer"})),
}  # fmt: skip
"""Mutations: their arguments, and who may, in the organisation. The engineer is who asked for the change."""


class Side(NamedTuple):
    """What there is in one organisation. All names in it end alike."""

    name: str
    organisation: str
    box: str
    other: str
    team: str
    incident: str
    second: str
    problem: str
    change: str
    draft: str
    alert: str


class World(NamedTuple):
    door: Door
    inside: Side
    outside: Side


def side(store: GraphStore, top: str, name: str) -> Side:
    """(service)-[:DEPENDS_ON]->(box), each with an incident, a problem and a change about it."""
    at = add(store, "CityCompany", f"org-{name}")
    own = {"organisation": at, "lifecycle_state": "in_use"}
    box, other, service = (
        create(type_, f"{kind}-{name}", **own)
        for kind, type_ in (("box", "Server"), ("other", "Server"), ("service", "BusinessService"))
    )
    team = create("Team", f"team-{name}", organisation=at)
    people = [
        create("Person", f"{role}-{name}", organisation=at, username=role if name == "in" else f"{role}2")
        for role in ROLES.by_name
    ]  # fmt: skip
    operations: list[Operation] = [Relate(at, "PART_OF", top), box, other, service, team, *people]
    operations += [Relate(service.id, "DEPENDS_ON", box.id)]
    operations += [
        Relate(person.id, "HAS_ROLE", at, {"roles": [role]})
        for person, role in zip(people, ROLES.by_name, strict=True)
    ]
    commit(store, *operations)
    engine, who = Engine(store), "engineer" if name == "in" else "engineer2"
    incident, second = (
        Incidents(engine).open(who, f"incident-{name}", [box.id]).id for _ in range(2)
    )
    problem = Problems(engine).open(who, f"problem-{name}", [second]).id
    Problems(engine).leave(problem, who, [second])
    span = {"starts_at": datetime.now(UTC), "ends_at": datetime.now(UTC) + timedelta(hours=2)}
    said = {"name": f"change-{name}", "implementation_plan": "x", "back_out_plan": "y", **span}
    change, draft = (Changes(engine).new("NormalChange", who, said, [box.id]).id for _ in range(2))
    engine.transition(change, "submit", who)
    rules = load_alert_rules()
    alert = {"status": "firing", "labels": {"alertname": f"alert-{name}"}, "fingerprint": name}
    body = json.dumps({"version": "4", "alerts": [alert]}).encode()
    receive(store, FORMATS["alertmanager"](body, {}, "prom", rules))
    Intake(engine, rules).take_in()
    [kept] = store.holders("fingerprint", [f"prom:{name}"])
    return Side(
        name, at, box.id, other.id, team.id, incident, second, problem, change, draft, kept.id
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    with create_store(f"sqlite:///{folder}/store.db", shipped_model()) as store:
        top = add(store, "ProvinceCompany", "top")
        inside, outside = side(store, top, "in"), side(store, top, "elsewhere")
        grants = {n: (Grant(r.permissions, inside.organisation),) for n, r in ROLES.by_name.items()}
        people = [Principal(n, "", g, frozenset({"administrator"})) for n, g in grants.items()]
        door = Door(store, people, guarded=True)
        yield World(door, inside, outside)
        door.services.snapshot.close()


def names(fields: list[ModelField]) -> set[str]:
    return {str(field.graphql_name) for field in fields}


def test_every_field_is_in_the_table() -> None:
    records = build_schema(shipped_model()).records
    assert names(itsm.query_fields(records)) == QUERIES.keys() - {"incident", "change"}
    made = [f for part in (incidents, problems, changes) for f in part.mutation_fields(records)]
    assert names(made) == MUTATIONS.keys()
    for of, bases in (("incident", ("ServiceProcess", "Incident")), ("change", ("ServiceProcess", "Change"))):  # fmt: skip
        words = set(re.findall(r"\w+", QUERIES[of].query))
        own = [f for base in bases for f in itsm.type_fields(records, base)]
        assert names(own) <= words, of


def filled(text: str, of: Side) -> str:
    now = datetime.now(UTC)
    given = {**of._asdict(), "from": now.isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    for name, value in given.items():
        text = text.replace(f"<{name}>", value)
    return text


@pytest.mark.parametrize("role", sorted(ROLES.by_name))
def test_every_role_is_told_what_it_may_know_and_no_more(world: World, role: str) -> None:
    for of in (world.inside, world.outside):
        for name, ask in QUERIES.items():
            query = {"query": f"{{ {filled(ask.query, of)} }}"}
            answer = world.door.post("/graphql", role, json=query)
            may = role in ask.by and ("<name>" not in ask.shows or of is world.inside)
            assert "-elsewhere" not in answer.text, (name, answer.text)
            if ask.shows:
                shows = ask.shows.replace("<name>", of.name) in answer.text
                assert shows == may, (name, of.name, answer.text)
            codes = {e["extensions"]["code"] for e in answer.json().get("errors", ())}
            assert codes <= {"not_allowed", "not_found"}, answer.text


@pytest.mark.parametrize("role", sorted(ROLES.by_name))
def test_every_role_does_what_it_may_and_no_more(world: World, role: str) -> None:
    for of in (world.inside, world.outside):
        asked = " ".join(f"{name}({ask.query}) {TOLD}" for name, ask in MUTATIONS.items())
        query = {"query": f"mutation {{ {filled(asked, of)} }}"}
        before = world.door.services.store.last_revision().number
        answer = world.door.post("/graphql", role, json=query).json()
        assert "errors" not in answer, answer
        for name, ask in MUTATIONS.items():
            told = answer["data"][name]
            able = told["__typename"] not in ("NotAllowed", "NotFound")
            assert able == (role in ask.by and of is world.inside), (name, of.name, told)
            assert told.get("code") not in ("internal", "invalid_change"), told
            assert "-elsewhere" not in json.dumps(told), told
        if of is world.outside:
            assert world.door.services.store.last_revision().number == before
