"""Looking at one change: as the product has it, and with the topology as it is at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.access.principals import Permission
from api.context import Context
from api.graphql.itsm.moments import now_only, whole
from api.graphql.itsm.telling import telling_rules
from api.graphql.lifecycle.acting import product
from api.graphql.views import View
from cmdb.records import Record
from itsm.changes.desk import Changes
from itsm.changes.whatif import Seen
from lifecycle.engine import Engine


class Looking(NamedTuple):
    """A change as the product has it, and what it takes to look at it."""

    context: Context
    view: View
    changes: Changes
    record: Record

    @property
    def seen(self) -> Seen | None:
        """The topology, where the server has it at hand."""
        snapshot = self.context.services.snapshot
        if snapshot.ready:
            found: Seen = snapshot.at()
            return found
        snapshot.prepare()
        return None


def looking(work: Callable[[Looking, Mapping[str, Any]], Any], what: str = "") -> Any:
    """The resolver of a field of changes.

    Parameters
    ----------
    what
        What can only be said as things are.
    """

    async def resolve(view: View, info: Any, **given: Any) -> Any:
        context: Context = info.context

        def done() -> Any:
            if what:
                now_only(view, what)
            store = product(context, Permission.READ)
            record = whole(context, [view])[view]
            with telling_rules(context):
                return work(
                    Looking(context, view, Changes(Engine(store, store.clock)), record), given
                )

        return await context.call(done)

    return resolve
