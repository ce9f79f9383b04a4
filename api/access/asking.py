"""The store for what the product does because somebody asked for it, while they may.

The permission is asked for before the work is begun, and once more inside of each write transaction, by the
rules of `api.access.writing`: of what the transaction reads and of what it is about to write. So nothing that
others change in between, a handover or a merge, is outrun.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from cmdb.change_sets import ChangeSet
from cmdb.commits import Plan, WriteTransaction
from cmdb.revisions import CommitResult, Revision
from cmdb.store import GraphStore

Ask = Callable[[WriteTransaction, Plan], None]
"""Refuses a plan inside of its transaction."""


def asking(store: GraphStore, ask: Ask) -> GraphStore:
    """A store that asks before it writes; it reads as it always does."""
    return cast("GraphStore", _Asking(store, ask))


class _Asking:
    def __init__(self, store: GraphStore, ask: Ask) -> None:
        self._store, self._ask = store, ask

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, change_set: ChangeSet, prepared: Plan | None = None) -> CommitResult:
        """As of every store, if that is not refused."""
        return GraphStore.commit(cast("GraphStore", self), change_set, prepared)

    def _writing(self, work: Callable[[WriteTransaction], CommitResult]) -> CommitResult:
        def asked(transaction: WriteTransaction) -> CommitResult:
            return work(cast("WriteTransaction", _Asked(transaction, self._ask)))

        return self._store._writing(asked)


class _Asked:
    def __init__(self, transaction: WriteTransaction, ask: Ask) -> None:
        self._transaction, self._ask = transaction, ask

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def write(self, revision: Revision, plan: Plan) -> None:
        self._ask(self._transaction, plan)
        self._transaction.write(revision, plan)
