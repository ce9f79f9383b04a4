"""What the commands of impact analysis are told alike."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import moment
from cmdb.errors import QueryError
from cmdb.reconciliation.sources import sources
from cmdb.store import GraphStore
from impact.rules import Effect

CIs = Annotated[list[str], typer.Argument(metavar="CI…", help="Ids or names.", show_default=False)]
EffectOption = Annotated[
    str,
    typer.Option("--effect", metavar="EFFECT", help="What is wrong with them: down or degraded."),
]
Depth = Annotated[
    int | None, typer.Option("--depth", min=0, metavar="N", help="Look no further than N steps.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say on standard error how the answer was found.")
]


def given_effect(text: str) -> Effect:
    """The effect that the roots are given."""
    if text not in ("down", "degraded"):
        raise QueryError(f"{text!r} is no effect of an outage.", "It is down or degraded.")
    return Effect[text.upper()]


def revision(graph: GraphStore, text: str) -> int | None:
    """The revision that ``--as-of`` means; None for now."""
    at = moment(graph, text)
    return graph.resolve(at) if at is not None else None


def stale(graph: GraphStore) -> set[str]:
    """Sources that were not seen for too long."""
    return {name for name, source in sources(graph).items() if source.stale()}
