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
    organisations: Collection[str | None],
    tree: Tree,
    roles: Roles,
) -> NotAllowedError:
    """The refusal of what needs a permission in some organisations; without any, anywhere.

    None among them stands for records that name no organisation, which are everybody's.
    """
    names = [tree.name(id) for id in sorted(filter(None, organisations))]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    where = f" in {', '.join(names[:SHOWN])}{more}" if names else ""
    able = " or ".join(roles.allowing(permission)[:SHOWN]) or "that has it"
    verb = permission.value.replace("_", " ")
    remedy = f"The role {able} gives it; an administrator{where} can give you that role."
    if not names and None in organisations:
        where = " what names no organisation, which is everybody's"
        remedy = f"Name its organisation, or ask somebody who may {verb} at the top."
    return NotAllowedError(f"{principal.name} has no permission to {verb}{where}.", remedy)
