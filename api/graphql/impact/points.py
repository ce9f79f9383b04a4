"""`singlePointsOfFailure` and `rootCause`: what could take services down, and what could be behind alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.impact.finding import Finding, given_effect
from api.graphql.impact.telling import Slice, Teller, asked
from api.graphql.impact.types import EFFECT, PAGED, Types
from api.graphql.queries import AS_OF
from api.graphql.scalars import Int64
from cmdb.errors import QueryError
from impact.root_cause import Cause, root_causes
from impact.single_points import Pairs, services, single_points
from impact.single_points import pairs as pairs_of
from impact.topology import Topology


class Row(NamedTuple):
    """A CI, or several, and what is told of them: records that are seen, and how many there are in all."""

    views: Sequence[Any]
    others: Mapping[str, Sequence[Any]]
    counts: Mapping[str, int]

    @property
    def view(self) -> Any:
        return self.views[0] if self.views else None


class Nodes:
    """Nodes of a topology, told by records; those that are not seen are left out."""

    def __init__(self, teller: Teller, topology: Topology) -> None:
        self.teller, self.topology = teller, topology

    def seen(self, nodes: Sequence[int]) -> set[int]:
        ids = {node: self.topology.id(node) for node in nodes}
        seen = self.teller.seen(ids.values())
        return {node for node, id in ids.items() if id in seen}

    def hidden(self, nodes: Sequence[int]) -> list[tuple[str | None, int]]:
        return self.teller.hidden(self.topology.id(node) for node in nodes)

    def rows(self, said: Sequence[tuple[Sequence[int], Mapping[str, Sequence[int]]]]) -> list[Row]:
        """One statement for all."""
        nodes = {n for own, others in said for some in (own, *others.values()) for n in some}
        id = self.topology.id
        views = self.teller.views({id(node) for node in nodes})

        def of(some: Sequence[int]) -> list[Any]:
            return [views[id(node)] for node in some if id(node) in views]

        return [
            Row(
                of(own),
                {name: of(some) for name, some in others.items()},
                {name: len(some) for name, some in others.items()},
            )
            for own, others in said
        ]


class Points:
    """Single points of failure, told."""

    def __init__(self, nodes: Nodes, watched: Sequence[int], view: Any, pairs: bool) -> None:
        self.nodes, self.watched = nodes, watched
        self._found = single_points(nodes.topology, watched, view)
        self._pairs: list[tuple[int, Pairs]] = (
            [(node, pairs_of(nodes.topology, node, view)) for node in watched] if pairs else []
        )

    def found(self, given: Mapping[str, Any]) -> Slice[Row]:
        seen = self.nodes.seen([point.node for point in self._found])
        page = self.nodes.teller.page([p for p in self._found if p.node in seen], given)
        return page.of(self.nodes.rows([([p.node], {"services": p.services}) for p in page.items]))

    def hidden(self) -> list[tuple[str | None, int]]:
        return self.nodes.hidden([point.node for point in self._found])

    def pairs(self, given: Mapping[str, Any]) -> Slice[Row]:
        found = [(pair, node) for node, tried in self._pairs for pair in tried.pairs]
        seen = self.nodes.seen([node for pair, _ in found for node in pair])
        page = self.nodes.teller.page([p for p in found if seen.issuperset(p[0])], given)
        return page.of(self.nodes.rows([(p, {"service": [node]}) for p, node in page.items]))

    @property
    def tried(self) -> int:
        return sum(tried.tried for _, tried in self._pairs)

    @property
    def complete(self) -> bool:
        return all(tried.complete for _, tried in self._pairs)


async def _points(_: Any, info: Any, **given: Any) -> Points:
    context: Context = info.context

    def work() -> Points:
        finding, ids = Finding(context, given.get("asOf")), given.get("of")
        pairs = bool(given.get("pairs"))
        if ids is None:
            if pairs:
                raise QueryError("Pairs are found for services that are named.", "Name them: `of`.")
            topology, view = finding.whole(finding.at)
            revision = topology.revision if finding.at is None else finding.at
            watched = services(topology)
        else:
            named = list(finding.records(dict.fromkeys(ids)))
            topology, revision, view = finding.standing(named, finding.at)
            watched = [node for node in topology.find(named) if node is not None]
        nodes = Nodes(Teller(context, finding.at, revision), topology)
        if ids is None:
            watched = sorted(nodes.seen(watched))
        return Points(nodes, watched, view, pairs)

    return await context.call(work)


class Causes:
    """Candidate causes, told."""

    def __init__(self, nodes: Nodes, found: Sequence[Cause], complete: bool, tried: int) -> None:
        self.nodes, self._found, self.complete, self.tried = nodes, found, complete, tried

    def causes(self) -> list[tuple[Row, Cause]]:
        seen = self.nodes.seen([cause.node for cause in self._found])
        shown = [cause for cause in self._found if cause.node in seen]
        said = [
            (
                [c.node],
                {
                    "explained": c.explained,
                    "unexplained": c.unexplained,
                    "contradicted": c.contradicted,
                },
            )
            for c in shown
        ]
        return list(zip(self.nodes.rows(said), shown, strict=True))

    def hidden(self) -> list[tuple[str | None, int]]:
        return self.nodes.hidden([cause.node for cause in self._found])


async def _causes(_: Any, info: Any, **given: Any) -> Causes:
    context: Context = info.context

    def work() -> Causes:
        finding, first = Finding(context, given.get("asOf")), given["first"]
        if not 1 <= first <= 100:
            raise QueryError(f"{first} candidates.", "Ask for 1 to 100.")
        alarms, good = given["alarms"], given.get("good") or []
        finding.records({*alarms, *good} if alarms else [])
        topology, view = finding.whole(finding.at)
        revision = topology.revision if finding.at is None else finding.at
        places, healthy = (
            [node for node in topology.find(dict.fromkeys(ids)) if node is not None]
            for ids in (alarms, good)
        )
        effect = given_effect(given)
        found = root_causes(topology, places, healthy, view=view, effect=effect, first=first)
        nodes = Nodes(Teller(context, finding.at, revision), topology)
        return Causes(nodes, found.causes, found.complete, found.tried)

    return await context.call(work)


def fields(types: Types) -> list[ModelField]:
    ids = argument("of", list[strawberry.ID] | None, "Services; all that you see, if left out.")
    return [
        model_field(
            "singlePointsOfFailure",
            _points_type(types),
            "CIs that take services down alone, and pairs that do so only together.",
            arguments=[ids, argument("pairs", bool, default=False), AS_OF],
            resolve=_points,
            cost=2_000,
        ),
        model_field(
            "rootCause",
            _causes_type(types),
            "Which single CI's failure would explain a set of alarms best.",
            arguments=[
                argument("alarms", list[strawberry.ID]),
                argument("good", list[strawberry.ID] | None, "CIs that are known to be well."),
                EFFECT,
                argument("first", int, default=10),
                AS_OF,
            ],
            resolve=_causes,
            cost=500,
        ),
    ]


def _sureness(types: Types) -> list[ModelField]:
    return [
        model_field("revision", Int64, read=lambda told: told.nodes.teller.revision),
        model_field("complete", bool, read=lambda told: told.complete),
        model_field(
            "hidden",
            list[types.hidden],  # type: ignore[name-defined]
            "CIs that would be named here and that you may not see, by organisation.",
            resolve=asked(lambda told, _: told.hidden()),
        ),
    ]


def _points_type(types: Types) -> type:
    record = types.record
    point = make_type(
        "SinglePoint",
        [
            types.about(),
            model_field("serviceCount", int, read=lambda row: row.counts["services"]),
            model_field("services", list[record], read=lambda row: row.others["services"]),  # type: ignore[valid-type]
        ],
        description="A CI, and the services that it takes down when it alone fails.",
    )
    pair = make_type(
        "PointPair",
        [
            model_field("records", list[record], read=lambda row: row.views),  # type: ignore[valid-type]
            model_field(
                "service",
                record | None,
                read=lambda row: row.others["service"][0] if row.others["service"] else None,
            ),
        ],
        description="Two CIs that take a service down together, neither of them alone.",
    )
    return make_type(
        "SinglePoints",
        [
            *_sureness(types),
            model_field("serviceCount", int, read=lambda told: len(told.watched)),
            model_field("tried", int, "Pairs worked out.", read=lambda told: told.tried),
            model_field(
                "found",
                types.connection("SinglePoint", point),
                "Those that take down most first.",
                arguments=PAGED,
                resolve=asked(Points.found),
            ),
            model_field(
                "pairs",
                types.connection("PointPair", pair),
                "Where they were asked for.",
                arguments=PAGED,
                resolve=asked(Points.pairs),
            ),
        ],
    )


def _causes_type(types: Types) -> type:
    record = types.record

    def listed(name: str, text: str) -> ModelField:
        return model_field(name, list[record], text, read=lambda pair: pair[0].others[name])  # type: ignore[valid-type]

    cause = make_type(
        "CauseCandidate",
        [
            model_field("record", record | None, read=lambda pair: pair[0].view),
            listed("explained", "Alarms that its impact predicts."),
            listed("unexplained", "Alarms that it does not predict."),
            listed("contradicted", "CIs known to be well that it would have impaired."),
            model_field(
                "silent",
                int,
                "How many others it impairs that gave no alarm.",
                read=lambda pair: pair[1].silent,
            ),
        ],
    )
    return make_type(
        "RootCauses",
        [
            *_sureness(types),
            model_field("tried", int, "Candidates worked out.", read=lambda told: told.tried),
            model_field(
                "causes",
                list[cause],  # type: ignore[valid-type]
                "The best first.",
                resolve=asked(lambda told, _: told.causes()),
            ),
        ],
    )
