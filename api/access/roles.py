"""Roles as data: what each may do, and how much it may ask for at once.

The shipped ``roles.yaml`` stands beside this module; an operator's file (setting `roles_file`) may
replace it. Who has a role, and where, is in the graph: ``(person or account)-[:HAS_ROLE {roles}]->
(organisation)``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from api.access.principals import Grant, Permission
from cmdb.errors import CmdbError
from cmdb.records import Record
from lifecycle.people import HAS_ROLE, ROLE_NAMES, Directory
from schema.basics import Declaration, Label, SnakeName
from schema.errors import Mistake
from schema.files import read_declaration

SHIPPED: Final = Path(__file__).parent / "roles.yaml"

PERSON: Final = "person"
"""The attribute of an account that names the person whose roles it has too."""


EVERYWHERE: Final = "roles_everywhere"
"""The attribute of an account that names roles which no organisation bounds."""


class Limits(NamedTuple):
    """How much one query may ask for."""

    depth: int
    cost: int
    page: int
    seconds: float
    aliases: int


STANDARD: Final = Limits(depth=12, cost=300_000, page=1_000, seconds=15, aliases=30)
"""Of a role that says nothing else, and of somebody without any."""

Count = Annotated[int, Field(ge=1, le=10_000_000)]


class LimitsDeclaration(Declaration):
    """Limits of a role."""

    depth: Annotated[int, Field(ge=1, le=50)] = STANDARD.depth
    cost: Count = STANDARD.cost
    page: Annotated[int, Field(ge=1, le=10_000)] = STANDARD.page
    seconds: Annotated[float, Field(gt=0, le=3600)] = STANDARD.seconds
    aliases: Count = STANDARD.aliases


class RoleDeclaration(Declaration):
    """One role of a roles file."""

    label: Label
    permissions: list[Permission]
    limits: LimitsDeclaration = LimitsDeclaration()


class RolesDeclaration(Declaration):
    """A roles file."""

    roles: dict[SnakeName, RoleDeclaration]


class RolesError(CmdbError):
    """A roles file is wrong. Carries every mistake found, each with file, line and remedy."""

    code = "roles_invalid"

    def __init__(self, mistakes: list[Mistake]) -> None:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        super().__init__(f"The roles cannot be used: {mistakes[0]}{more}")
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Role:
    """What a role allows."""

    name: str
    label: Label
    permissions: frozenset[Permission]
    limits: Limits


class Roles:
    """All roles, by name. A role that the file does not name allows nothing."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self.by_name = {role.name: role for role in roles}

    def permissions(self, names: Iterable[str]) -> frozenset[Permission]:
        """What these roles allow together."""
        known = (self.by_name[name] for name in names if name in self.by_name)
        return frozenset(p for role in known for p in role.permissions)

    def limits(self, names: Iterable[str]) -> Limits:
        """The widest of each of their limits."""
        known = [self.by_name[name].limits for name in names if name in self.by_name]
        return Limits(*map(max, zip(*known, strict=True))) if known else STANDARD

    def allowing(self, permission: Permission) -> list[str]:
        """Names of the roles that allow something, those that allow least first."""
        able = [role for role in self.by_name.values() if permission in role.permissions]
        return [role.name for role in sorted(able, key=lambda r: len(r.permissions))]


def load_roles(file: Path | None = None) -> Roles:
    """The shipped roles, or those of an operator's file instead.

    Raises
    ------
    RolesError
    """
    mistakes: list[Mistake] = []
    remedy = f"A role has a label (en, zh), limits, and permissions: {', '.join(Permission)}."
    read = read_declaration(RolesDeclaration, file or SHIPPED, mistakes, remedy)
    if mistakes or read is None:
        raise RolesError(mistakes)
    return Roles(
        Role(
            name,
            declared.label,
            frozenset(declared.permissions),
            Limits(*(getattr(declared.limits, field) for field in Limits._fields)),
        )
        for name, declared in read[0].roles.items()
    )


def grants_of(
    directory: Directory, account: Record, roles: Roles
) -> tuple[tuple[Grant, ...], frozenset[str]]:
    """What an account may do and where, and the names of its roles: its own and its person's.

    One statement.
    """
    person = account.attributes.get(PERSON)
    holders = [account.id, *([person] if isinstance(person, str) else [])]
    held: defaultdict[str, set[str]] = defaultdict(set)
    for near in directory.store.neighbours(holders, [HAS_ROLE], "out"):
        held[near.record.id] |= set(near.relationship.attributes.get(ROLE_NAMES, ()))
    grants = [Grant(roles.permissions(names), at) for at, names in sorted(held.items())]
    everywhere = frozenset(account.attributes.get(EVERYWHERE, ()))
    grants.append(Grant(roles.permissions(everywhere), None))
    given = tuple(grant for grant in grants if grant.permissions)
    return given, everywhere.union(*held.values())
