"""Finding an answer: which topology it is worked out in, and what the question names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from api.context import Context
from api.graphql.queries import moment
from cmdb.errors import NotFoundError, QueryError
from cmdb.records import Record
from impact.analysis import Outage
from impact.hypotheses import link_of, suppose
from impact.rules import Effect
from impact.snapshots import FETCHED, partial, standing
from impact.topology import Topology
from impact.views import View

SEARCH = "`search` finds records by name."


class Finding:
    """One question's way to an answer.

    Parameters
    ----------
    as_of
        As it was given.

    Attributes
    ----------
    at
        The revision that was asked for; None for now.
    """

    def __init__(self, context: Context, as_of: object = None) -> None:
        self.store, self._snapshot = context.store, context.services.snapshot
        self.at = self.revision(as_of)

    def revision(self, as_of: object) -> int | None:
        asked = moment(as_of)
        return None if asked is None else self.store.resolve(asked)

    def records(self, ids: Collection[str]) -> dict[str, Record]:
        """The records that a question names. One statement.

        Raises
        ------
        NotFoundError
            One is not there, or not seen.
        """
        if not ids:
            raise QueryError("Of what?", "Name at least one record.")
        found = self.store.get(ids, self.at)
        for id in ids:
            if id not in found:
                raise NotFoundError(f"There is no record {id}.", SEARCH)
        return found

    def topology(
        self, roots: Mapping[str, Effect], at: int | None, depth: int | None
    ) -> tuple[Topology, int, View]:
        """What it takes to say what follows from an outage; the revision, and the moment in it.

        Until the whole topology has been read, small answers are found level by level.
        """
        if depth is not None and depth < 0:
            raise QueryError(f"A depth of {depth}.", "Give 0 or more.")
        if not self._snapshot.ready:
            self._snapshot.prepare()
            revision = self.store.last_revision().number if at is None else at
            found = partial(self.store, roots, as_of=revision, depth=depth, most=FETCHED)
            if found is not None:
                return found, revision, found.live
        topology, view = self.whole(at)
        return topology, topology.revision if at is None else at, view

    def whole(self, at: int | None) -> tuple[Topology, View]:
        found: tuple[Topology, View] = self._snapshot.at(at)
        return found

    def standing(
        self, ids: Sequence[str], at: int | None, depth: int | None = None
    ) -> tuple[Topology, int, View]:
        """What it takes to say what some CIs stand on."""
        if self._snapshot.ready:
            topology, view = self.whole(at)
            return topology, topology.revision if at is None else at, view
        self._snapshot.prepare()
        topology = standing(self.store, ids, as_of=at, depth=depth)
        return topology, topology.revision, topology.live

    def outage(self, roots: Mapping[str, Effect], at: int | None, depth: int | None) -> Outage:
        topology, revision, view = self.topology(roots, at, depth)
        return Outage(topology, roots, at=revision, view=view, depth=depth)

    def supposed(
        self, said: Mapping[str, Any], roots: Mapping[str, Effect], depth: int | None
    ) -> tuple[Outage, Outage, set[str]]:
        """An outage as things are, and as they might be; and the CIs whose links would be otherwise."""
        topology, view = self.whole(self.at)
        if view is not topology.live:
            raise QueryError(
                "What if the past had been otherwise cannot be asked.", "Leave `asOf` out."
            )
        links = [said.get(name) or [] for name in ("removed", "added")]
        out = said.get("takenOut") or []
        ends = {link[end] for some in links for link in some for end in ("source", "target")}
        records = self.records({*roots, *ends, *out})
        removed, added = (
            [
                link_of(
                    topology.rules,
                    link["type"],
                    [(link[end], records[link[end]].type) for end in ("source", "target")],
                    link.get("group") or "",
                )
                for link in some
            ]
            for some in links
        )
        fork, dependents = suppose(topology, removed, added, out)
        at = topology.revision
        before = Outage(topology, roots, at=at, depth=depth)
        return before, Outage(fork, roots, at=at, depth=depth), dependents


def given_effect(given: Mapping[str, Any]) -> Effect:
    """The effect that roots are given."""
    effect = given.get("effect")
    return Effect[str(getattr(effect, "name", effect) or "DOWN").upper()]
