"""In whose name somebody acts in processes: the person whose account they came by, and no one else."""

from __future__ import annotations

from api.access.principals import Principal
from lifecycle.people import Directory
from lifecycle.refusals import NotAllowedError


def acting(principal: Principal, directory: Directory) -> str:
    """The name by which processes know the person who asks. Two statements.

    User names stand on records of people, which others may change: what counts is whose account it is.

    Raises
    ------
    NotAllowedError
        It is the account of no person, or processes would take somebody else for them.
    """
    if principal.account and not principal.person:
        raise NotAllowedError(
            f"{principal.name} is the account of no person, and answers for nothing in processes.",
            "Sign in as a person.",
        )
    found = directory.actor(principal.name)
    if principal.account and found.id != principal.person:
        raise NotAllowedError(
            f"{principal.name} is the user name of somebody else's record.",
            "An administrator corrects the user names.",
        )
    return principal.name
