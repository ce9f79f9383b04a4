"""Organisations through time on every store: roles, renames, moves, mergers, splits; the past stays."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Update
from cmdb.errors import InvalidChangeError
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import create_store
from lifecycle.organisations import Branch, Organisations, tree
from lifecycle.refusals import NotAllowedError, RefusedError
from lifecycle.reorganisation import Reorganisation
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.office import Office

JULY = date(2026, 7, 1)


@pytest.fixture
def office(url: str) -> Any:
    with create_store(url, shipped_model()) as store:
        yield Office.make(store)
        assert list(check(store)) == []


def outline(branches: list[Branch]) -> Any:
    """The names as nested objects."""
    return {b.record.name: outline(b.below) for b in branches}


def owners(office: Office, *names: str, as_of: int | None = None) -> list[str]:
    """The names of the organisations that records belong to."""
    found = []
    for name in names:
        own = office.store.record(office.ids[name], as_of).attributes["organisation"]
        found.append(office.store.record(own, as_of).name)
    return found


def test_a_merger_moves_what_there_is_and_the_past_shows_it_as_it_was(office: Office) -> None:
    for n in range(5):
        office.device(f"d{n}", "DesktopComputer", state="in_use", organisation="south")
    done = office.order("TransferOrder", "d0", to_organisation="north")
    office.engine.transition(done, "withdraw", "ann")
    running = office.order(
        "TransferOrder", "d0", by="nick", organisation="north", to_organisation="south"
    )
    hit = {"hit_organisations": [office.ids["north"], office.ids["south"], office.ids["county"]]}
    problem = office.create("Problem", "slow", organisation=office.ids["north"], **hit)
    office.store.commit(ChangeSet([problem], "tester", process=True))
    before = office.store.last_revision().number
    merging = Reorganisation(office.engine, size=2)
    for actor, into in (("bob", "north"), ("dora", "north")):
        with pytest.raises(NotAllowedError, match="no administrator"):
            merging.merge(actor, office.ids["south"], office.ids[into])
    with pytest.raises(RefusedError, match="is the same, or below it"):
        merging.merge("pat", office.ids["south"], office.ids["county"])
    assert office.store.last_revision().number == before

    stopped = [0]

    def stop(records: int) -> None:
        stopped.append(records)
        if records >= 4:
            raise KeyboardInterrupt

    south, north = office.ids["south"], office.ids["north"]
    with pytest.raises(KeyboardInterrupt):
        merging.merge("pat", south, north, effective_on=JULY, progress=stop)
    assert office.state("south") == "active"
    moved = merging.merge("pat", south, north, effective_on=JULY, reason="reform")
    assert moved.into.name == "north"
    left = office.store.find(Query("Record", {"organisation": {"eq": south}})).records
    assert [r.id for r in left] == [done]  # what ended stays of whom it was
    assert owners(office, "d0", "d4", "room", "bob") == ["north"] * 4
    assert office.store.record(running).attributes["to_organisation"] == north
    assert office.record("slow").attributes["hit_organisations"] == [north, office.ids["county"]]
    assert office.state("south") == "inactive"
    assert office.record("south").attributes["dissolved_on"] == JULY
    [near] = office.store.neighbours([south], ["SUCCEEDED_BY"])
    assert near.record.id == north
    closed = office.store.history(south)[0].revision
    assert (closed.effective_on, closed.actor) == (JULY, "pat")
    assert closed.reason == "south merged into north: reform"
    roles = {
        n.record.name: n.relationship.attributes["roles"]
        for n in office.store.neighbours([north], ["HAS_ROLE"], "in")
    }
    assert roles["bob"] == ["asset_manager"]
    assert sorted(roles["nick"]) == ["asset_manager", "operator"]
    assert outline(tree(office.store)) == {"hq": {"province": {"north": {"county": {}}}}}
    assert outline(tree(office.store, as_of=before)) == {
        "hq": {"province": {"north": {}, "south": {"county": {}}}}
    }
    assert owners(office, "d0", "d4", as_of=before) == ["south", "south"]
    whole = tree(office.store, office.ids["province"], dissolved=True)[0]
    gone = next(b for b in whole.below if b.record.id == south)
    assert [r.name for r in gone.successors] == ["north"]
    with pytest.raises(RefusedError, match="it is dissolved"):
        merging.merge("pat", south, north)


def test_a_split_takes_along_what_is_named_and_goes_on(office: Office) -> None:
    for name, type_ in (("pc", "DesktopComputer"), ("srv", "Server"), ("ups", "UPS")):
        office.device(name, type_, state="in_use")
    splitting = Reorganisation(office.engine, size=1)
    split = splitting.split(
        "pat", office.ids["south"], "east", children=[office.ids["county"]],
        records=Query("Computer"), effective_on=JULY, reason="grown",
    )  # fmt: skip
    assert (split.into.type, split.children, split.records) == ("CityCompany", 1, 2)
    assert split.into.attributes["established_on"] == JULY
    assert owners(office, "pc", "srv", "ups") == ["east", "east", "south"]
    branches = tree(office.store, office.ids["province"])
    assert outline(branches) == {"province": {"east": {"county": {}}, "north": {}, "south": {}}}
    assert branches[0].below[0].since == JULY
    again = splitting.split("pat", office.ids["south"], "east", records=Query("UPS"))
    assert (again.into.id, again.records) == (split.into.id, 1)


def test_names_and_places_in_the_tree_change_and_are_found_as_they_were(office: Office) -> None:
    organisations, south = Organisations(office.engine), office.ids["south"]
    before = office.store.last_revision().number
    organisations.rename("pat", south, "south-2026", effective_on=JULY)
    assert office.record("south").attributes["former_names"] == ["south"]
    by_name = Query("Organisation", {"name": {"eq": "south"}})
    assert office.store.find(by_name).records == []
    [then] = office.store.find(Query("Organisation", by_name.where, as_of=before)).records
    assert then.id == south
    assert [r.id for r in office.store.search("south", Query("Organisation")).records] == [south]
    assert office.store.history(south)[0].revision.effective_on == JULY
    organisations.move("pat", office.ids["county"], office.ids["north"], effective_on=JULY)
    assert outline(tree(office.store, office.ids["north"])) == {"north": {"county": {}}}
    with pytest.raises(RefusedError, match="south-2026 is below it"):
        organisations.move("pat", office.ids["province"], south)
    with pytest.raises(NotAllowedError):
        organisations.rename("bob", south, "mine")


def test_roles_are_granted_and_revoked_by_administrators(office: Office) -> None:
    organisations, south = Organisations(office.engine), office.ids["south"]
    organisations.grant("pat", "cora", ["operator"], south)
    organisations.grant("pat", "cora", ["auditor"], south, "helps out")
    with pytest.raises(NotAllowedError):
        organisations.grant("bob", "bob", ["director"], south)
    with pytest.raises(InvalidChangeError):
        organisations.grant("pat", "cora", ["king"], south)

    def roles() -> list[Any]:
        near = office.store.neighbours([office.ids["cora"]], ["HAS_ROLE"])
        return [sorted(n.relationship.attributes["roles"]) for n in near]

    assert roles() == [["auditor", "operator"]]
    organisations.revoke("pat", "cora", ["auditor"], south)
    assert roles() == [["operator"]]
    with pytest.raises(RefusedError, match="is no auditor there"):
        organisations.revoke("pat", "cora", ["auditor"], south)
    commit(office.store, Update(office.ids["cora"], {"lifecycle_state": "inactive"}))
    organisations.revoke("pat", "cora", ["operator"], south)
    assert roles() == []
    organisations.revoke("pat", "pat", ["administrator"], office.ids["province"])
    organisations.grant("bob", "pat", ["administrator"], office.ids["hq"])  # the first one
    with pytest.raises(NotAllowedError):
        organisations.grant("bob", "bob", ["administrator"], office.ids["hq"])
