"""Roles files: what the shipped one says, and how a wrong one is told of."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from api.access.principals import Permission
from api.access.roles import STANDARD, Roles, RolesError, grants_of, load_roles
from cmdb.change_sets import Relate
from cmdb.store import GraphStore
from lifecycle.people import HAS_ROLE, ROLE_NAMES, Directory
from schema.loading import load_model
from tests.support.building import add, commit

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def table(roles: Roles) -> str:
    rows = ["| role | 角色 | may |", "| --- | --- | --- |"]
    for role in roles.by_name.values():
        able = ", ".join(p.value.replace("_", " ") for p in Permission if p in role.permissions)
        rows.append(f"| `{role.name}` | {role.label.zh} | {able} |")
    return "\n".join(rows)


def test_the_table_in_the_manual_is_what_the_file_says() -> None:
    expected = table(load_roles())
    assert expected in OPERATIONS.read_text(encoding="utf-8"), expected


def test_every_role_that_people_may_hold_has_a_meaning() -> None:
    held = load_model([]).relationship_type(HAS_ROLE).attributes[ROLE_NAMES].values
    assert {*held} == load_roles().by_name.keys()


def test_of_several_roles_the_widest_limit_holds() -> None:
    roles = load_roles()
    assert roles.limits([]) == roles.limits(["nobody knows"]) == STANDARD
    both = roles.limits(["discovery_source", "auditor"])
    assert (both.depth, both.cost, both.page) == (16, 500_000, 1000)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("roles:\n  a:\n    label: {en: A, zh: 甲}\n    permissions: [reed]\n", 4, "read, read_sens"),
        ("roles:\n  a:\n    permissions: [read]\n", 2, "label"),
        ("roles:\n  a:\n    label: {en: A, zh: 甲}\n    permissions: []\n    limits: {depth: 0}\n", 5, "depth"),
        ("roles: [\n", 2, "YAML"),
        ("roles:\n  a: {}\n  a: {}\n", 3, "twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_and_remedy(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    file = tmp_path / "roles.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RolesError) as refused:
        load_roles(file)
    assert any(f"roles.yaml:{line}" in str(m) and said in str(m) for m in refused.value.mistakes)


def test_an_operators_file_stands_instead(tmp_path: Path) -> None:
    file = tmp_path / "roles.yaml"
    file.write_text("roles:\n  guest:\n    label: {en: Guest, zh: 访客}\n    permissions: [read]\n")
    roles = load_roles(file)
    assert roles.permissions(["guest"]) == {Permission.READ}
    assert not roles.permissions(["engineer"])


def test_grants_are_of_the_account_and_of_its_person(store: GraphStore) -> None:
    one, other = add(store, "Organisation", "A"), add(store, "Organisation", "B")
    person = add(store, "Person", "zhang")
    account = add(store, "Account", "zhang", person=person, roles_everywhere=["auditor"])
    commit(
        store,
        Relate(person, "HAS_ROLE", one, {"roles": ["engineer", "reader"]}),
        Relate(account, "HAS_ROLE", other, {"roles": ["reader"]}),
    )
    roles, directory = load_roles(), Directory(store, date(2026, 1, 1))
    grants, names = grants_of(directory, store.record(account), roles)
    assert {g.organisation: g.permissions for g in grants} == {
        one: roles.permissions(["engineer"]),
        other: roles.permissions(["reader"]),
        None: roles.permissions(["auditor"]),
    }
    assert names == {"engineer", "reader", "auditor"}
