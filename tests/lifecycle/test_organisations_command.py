"""Organisations by the command."""

from __future__ import annotations

import io
import json

import pytest

from tests.support.command import Command, Failing
from tests.support.office import Office


def test_organisations_are_reorganised_and_the_past_is_told(
    office: Office, cmdb: Command, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.device("pc", "DesktopComputer", state="in_use")
    office.device("srv", state="in_use")
    before = office.store.last_revision().number
    assert failing("org", "rename", "south", "mine")[0] == 12
    monkeypatch.setenv("CMDB_ACTOR", "pat")
    cmdb("org", "rename", "south", "south-city", "--effective", "2026-07-01")
    answer = cmdb(
        "org", "split", "south-city", "east", "--child", "county", "--records", "Computer",
        "--if", "name=pc", "--effective", "2026-07-01", "--yes", "--json",
    )  # fmt: skip
    split = json.loads(answer)
    assert (split["into"]["name"], split["records"], split["organisations"]) == ("east", 1, 1)
    cmdb("org", "move", "county", "north")
    cmdb("org", "grant", "cora", "operator", "east", "--reason", "new there")
    assert failing("org", "grant", "cora", "king", "east")[0] == 4
    assert failing("org", "revoke", "cora", "director", "east")[0] == 11
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert failing("org", "merge", "south-city", "north")[0] == 2  # nobody says yes
    told = cmdb("org", "merge", "south-city", "north", "--yes", "--effective", "2026-08-01")
    assert told.startswith("7 records, 0 organisations, 3 roles are now of north")
    assert failing("org", "tree", "nowhere")[0] == 3
    assert cmdb("org", "tree", "province", "--all").splitlines() == [
        "province  (ProvinceCompany)",
        "  east  (CityCompany, from 2026-07-01, here since 2026-07-01)",
        "  north  (CityCompany)",
        "    county  (CountyCompany)",
        "  south-city  (CityCompany, until 2026-08-01, -> east, -> north)",
    ]
    [then] = json.loads(cmdb("org", "tree", "province", "--as-of", str(before), "--json"))
    assert [b["name"] for b in then["below"]] == ["north", "south"]
    assert [b["name"] for b in then["below"][1]["below"]] == ["county"]
