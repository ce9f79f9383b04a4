"""Who asks: a person or a tool, what they may do, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple


class Permission(StrEnum):
    """What a role may allow. Reading and writing are bounded by the organisations of a grant."""

    READ = "read"
    READ_SENSITIVE = "read_sensitive"
    WRITE = "write"
    ORDER = "order"
    APPROVE = "approve"
    OBSERVE = "observe"
    EXPORT = "export"
    SUBSCRIBE = "subscribe"
    MODEL = "model"
    AUDIT = "audit"
    ADMINISTER = "administer"


class Grant(NamedTuple):
    """Some permissions in an organisation and all below it; without one, everywhere."""

    permissions: frozenset[Permission]
    organisation: str | None


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes
    ----------
    name
        The actor of what they commit: a user name.
    account
        Id of their `Account` record; empty for the product itself.
    grants
        What they may do, and where. A token's scopes have been taken into account.
    roles
        Names of their roles: limits on queries go by them.
    address
        Where the request came from.
    by
        How they signed in.
    person
        Id of the `Person` whose account it is: who acts in processes.
    """

    name: str
    account: str
    grants: tuple[Grant, ...]
    roles: frozenset[str] = frozenset()
    address: str = ""
    by: Literal["session", "token", "local"] = "local"
    person: str = ""

    def permits(self, permission: Permission) -> bool:
        """Whether they have a permission anywhere."""
        return any(permission in grant.permissions for grant in self.grants)

    def roots(self, permission: Permission) -> frozenset[str] | None:
        """The organisations in which, and below which, they have a permission; None: everywhere."""
        roots = {g.organisation for g in self.grants if permission in g.permissions}
        return None if None in roots else frozenset(r for r in roots if r is not None)


def everything(name: str) -> Principal:
    """One who may do everything everywhere: the product's own command, a first administrator."""
    return Principal(name, "", (Grant(frozenset(Permission), None),), frozenset({"administrator"}))
