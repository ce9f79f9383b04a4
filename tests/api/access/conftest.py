"""The stores under test, with the small model and what permissions are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.access.guarded import GuardedStore
from api.access.organisations import Organisations
from api.access.principals import Grant, Principal
from api.access.roles import load_roles
from cmdb.store import GraphStore
from schema.loading import load_model
from schema.model import Model
from tests import support
from tests.conformance.conftest import kept_file, kept_neo4j

__all__ = ["kept_file", "kept_neo4j"]

SUPPORT = Path(support.__file__).parent
ROLES = load_roles()


@pytest.fixture(scope="session")
def model() -> Model:
    return load_model([SUPPORT / "small_model", SUPPORT / "access_model"], shipped=False)


def guard(store: GraphStore, organisation: str | None, *roles: str) -> GuardedStore:
    """A store as somebody with some roles in an organisation sees it."""
    grants = (Grant(ROLES.permissions(roles), organisation),)
    principal = Principal("zhang", "", grants, frozenset(roles))
    return GuardedStore(store, principal, Organisations(store, lambda: 0.0), ROLES)
