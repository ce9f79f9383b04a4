"""Short ways to write change sets in tests."""

from __future__ import annotations

from typing import Any

from cmdb.change_sets import ChangeSet, Create, Operation
from cmdb.ids import new_id
from cmdb.store import GraphStore


def commit(store: GraphStore, *operations: Operation, actor: str = "tester") -> int:
    """Commit operations; gives the revision."""
    return store.commit(ChangeSet(operations, actor)).revision


def create(type_: str, name: str, **attributes: Any) -> Create:
    return Create(type_, {"name": name, **attributes}, new_id())


def add(store: GraphStore, type_: str, name: str, **attributes: Any) -> str:
    """Create one record; gives its id."""
    operation = create(type_, name, **attributes)
    commit(store, operation)
    return operation.id
