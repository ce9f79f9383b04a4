"""Observations that come in by the server, by whatever door: planned, or applied, as `cmdb import` does."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from api.access.observing import observing
from api.access.principals import Permission, Principal
from cmdb.errors import CmdbError, SourceError
from cmdb.reconciliation.inference import infer
from cmdb.reconciliation.plans import Lines, both, plain_plan
from cmdb.reconciliation.runs import Run, VanishRefusedError
from cmdb.store import GraphStore
from importers import registry
from importers.reading import Document
from lifecycle.refusals import NotAllowedError

IMPORTER: Final = "jsonl"


class Asked(NamedTuple):
    """What is to be done with the observations."""

    apply: bool
    complete: bool
    vanish_limit: float | None
    first: int


def may_observe(principal: Principal) -> None:
    """Refuse who may not observe everywhere.

    Raises
    ------
    NotAllowedError
    """
    if not principal.permits(Permission.OBSERVE):
        raise NotAllowedError(
            f"{principal.name} has no permission to observe.", "An administrator can give it."
        )
    if principal.roots(Permission.OBSERVE) is not None:
        raise NotAllowedError(
            f"{principal.name} may observe in some organisations only.",
            "Observations are reconciled with the whole graph: it needs the permission everywhere.",
        )


def reconciled(
    store: GraphStore, principal: Principal, source: str, document: Document, asked: Asked
) -> tuple[dict[str, Any], CmdbError | None]:
    """The plan, applied if that was asked for; and the error by which it broke off after something was done.

    Reconciliation is the product's own work on the whole graph, whoever asked for it. The lines of the
    plan are for those who may read everything.

    Raises
    ------
    SourceError, VanishRefusedError, NotAllowedError
        Nothing was done.
    """
    begun, actor = time.monotonic(), principal.name
    store = observing(store, principal) if asked.apply else store
    sees_all = principal.roots(Permission.READ) is None
    lines = Lines(asked.first if sees_all else 0)
    importer = registry.make(IMPORTER, {})
    run = Run(
        store,
        source,
        actor=actor,
        importer=IMPORTER,
        precedence=importer.precedence,
        apply=asked.apply,
        complete=asked.complete,
        vanish_limit=asked.vanish_limit,
        report=lines.add,
    )
    failed: CmdbError | None = None
    try:
        run.run(registry.portions(importer, [document]))
    except (SourceError, VanishRefusedError, NotAllowedError) as error:
        if not run.summary.statements:
            raise
        failed = error
    if asked.apply:
        run.summary.revisions += infer(store, actor=actor, report=both(lines, run.summary))
    plan = plain_plan(store, lines.lines, run.summary, asked.apply, time.monotonic() - begun)
    plan["entries_total"] = lines.total
    return plan, failed
