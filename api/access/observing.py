"""What observations may not change: who is above whom, and by which name somebody is known.

Reconciliation writes to the whole graph, whoever may `observe`. The tree of organisations and user names
decide who may do what, and take `administer` everywhere. Accounts, tokens and roles no source may tell of
at all (`cmdb.reconciliation.statements`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from api.access.principals import Permission, Principal
from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.commits import Plan
from cmdb.revisions import CommitResult
from cmdb.store import GraphStore
from lifecycle.refusals import NotAllowedError
from schema.model import ORGANISATION, ORGANISATION_TREE


def observing(store: GraphStore, principal: Principal) -> GraphStore:
    """The store as observations of somebody change it: what takes `administer` is refused, with all that
    would be committed together with it."""
    if principal.permits(Permission.ADMINISTER) and principal.roots(Permission.ADMINISTER) is None:
        return store
    return cast("GraphStore", _Observed(store, principal.name))


class _Observed:
    """A store that commits no change of who may do what."""

    def __init__(self, store: GraphStore, name: str) -> None:
        self._store, self._name = store, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, change_set: ChangeSet, prepared: Plan | None = None) -> CommitResult:
        """As of every store.

        Raises
        ------
        NotAllowedError
        """
        for what in (self._tree(change_set.operations), self._names(change_set.operations)):
            if what:
                raise NotAllowedError(
                    f"{self._name} has no permission to administer: these observations would change {what}.",
                    "Leave that out, or ask an administrator to make the change.",
                )
        return self._store.commit(change_set, prepared)

    def _tree(self, operations: Sequence[Operation]) -> str:
        """Which organisation would come to stand elsewhere. Two statements at most."""
        links = [
            o
            for o in operations
            if isinstance(o, Relate | Unrelate) and o.type == ORGANISATION_TREE
        ]
        if not links:
            return ""
        types = {o.id: o.type for o in operations if isinstance(o, Create)}
        stored = self._store.get({o.source for o in links} - types.keys())
        types |= {record.id: record.type for record in stored.values()}
        organisation = self._store.model.record_types.get(ORGANISATION)
        kinds = organisation.concrete if organisation else frozenset()
        links = [link for link in links if types.get(link.source) in kinds]
        sources = [link.source for link in links if link.source in stored]
        near = self._store.neighbours(sources, [ORGANISATION_TREE], "out") if sources else []
        held = {(n.of, n.record.id) for n in near}
        for link in links:
            if isinstance(link, Unrelate) == ((link.source, link.target) in held):
                name = stored[link.source].name if link.source in stored else link.source
                return f"what {name} is part of"
        return ""

    def _names(self, operations: Sequence[Operation]) -> str:
        """By which attribute somebody would come to be known otherwise. One statement at most."""
        identifying = self._store.model.identifying
        updates = [
            o
            for o in operations
            if isinstance(o, Update) and identifying.intersection(o.attributes)
        ]
        stored = self._store.get({o.id for o in updates}) if updates else {}
        for operation in operations:
            if not isinstance(operation, Create | Update):
                continue
            held = stored[operation.id].attributes if operation.id in stored else {}
            for name in identifying.intersection(operation.attributes):
                if operation.attributes[name] != held.get(name):
                    return f"the {name} of somebody"
        return ""
