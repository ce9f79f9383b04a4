"""One outage against another: who fares worse, who better, and which redundancy groups have another margin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.graphql.fields import make_type, model_field
from api.graphql.impact.telling import Slice, Teller, Told, ToldGroup, asked
from api.graphql.impact.types import PAGED, Types
from impact.differences import Difference


class Compared(NamedTuple):
    """Two outages compared, of what is seen."""

    difference: Difference
    teller: Teller


def difference_type(types: Types) -> type:
    """One outage against another."""
    return types.once("ImpactDifference", lambda: _difference_type(types))


def _difference_type(types: Types) -> type:
    page = types.connection("ImpactChange", types.change)
    group = make_type(
        "RedundancyChange",
        [
            model_field("before", types.group | None, "Null: untouched.", read=lambda t: t[0]),
            model_field("after", types.group | None, "Null: untouched.", read=lambda t: t[1]),
        ],
        description="A redundancy group that has another margin.",
    )
    lists = {
        "worse": ("They fare worse.", lambda d: d.worse),
        "better": ("They fare better.", lambda d: d.better),
        "onlyThen": (
            "Affected there, not here.",
            lambda d: [c for c in d.better if c.after == "none"],
        ),
        "onlyNow": (
            "Affected here, not there.",
            lambda d: [c for c in d.worse if c.before == "none"],
        ),
    }
    return make_type(
        "ImpactDifference",
        [
            *(
                model_field(name, page, text, arguments=PAGED, resolve=asked(_changes(chosen)))
                for name, (text, chosen) in lists.items()
            ),
            model_field(
                "groups",
                types.connection("RedundancyChange", group),
                arguments=PAGED,
                resolve=asked(_groups),
            ),
        ],
        description="This outage against the one it is compared with.",
    )


def _changes(chosen: Callable[[Difference], list[Any]]) -> Any:
    def told(of: Compared, given: Mapping[str, Any]) -> Slice[Told]:
        changes, teller = chosen(of.difference), of.teller
        seen = teller.seen(change.id for change in changes)
        page = teller.page([change for change in changes if change.id in seen], given)
        views = teller.views({change.id for change in page.items})
        return page.of([Told(change, views.get(change.id)) for change in page.items])

    return told


def _groups(of: Compared, given: Mapping[str, Any]) -> Slice[Any]:
    changes, teller = of.difference.groups, of.teller
    seen = teller.seen(change.group.dependent for change in changes)
    page = teller.page([c for c in changes if c.group.dependent in seen], given)
    views = teller.views({change.group.dependent for change in page.items})
    return page.of(
        [tuple(g and ToldGroup(g, views.get(g.dependent)) for g in change) for change in page.items]
    )
