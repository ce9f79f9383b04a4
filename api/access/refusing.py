"""How a permission that is missing is told: which one, where, and who could help."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from api.access.organisations import Tree
from api.access.principals import Permission, Principal
from api.access.roles import Roles
from lifecycle.refusals import NotAllowedError

SHOWN: Final = 3


def not_allowed(
    principal: Principal,
    permission: Permission,
    organisations: Collection[str],
    tree: Tree,
    roles: Roles,
) -> NotAllowedError:
    """The refusal of what needs a permission in some organisations; without any, anywhere."""
    names = [tree.name(id) for id in sorted(organisations)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    where = f" in {', '.join(names[:SHOWN])}{more}" if names else ""
    able = " or ".join(roles.allowing(permission)[:SHOWN]) or "an administrator's"
    return NotAllowedError(
        f"{principal.name} has no permission to {permission.value.replace('_', ' ')}{where}.",
        f"The role {able} gives it; an administrator{where} can give that role (`HAS_ROLE`).",
    )
