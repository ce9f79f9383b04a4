"""Load an estate twice with cartography, in a process of its own that has cartography on its path.

Standard input says where the server is and how large the estate; standard output gets how many seconds
each time took, and what the graph has then. The nodes of a type are loaded together, types in the order
of the estate, with the relationships to what is there already as the data model of their type declares.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import field, make_dataclass
from importlib import import_module
from typing import Any, NamedTuple

import neo4j

from bench.estate import operations
from bench.observing import Thing, things
from cmdb.change_sets import Relate


class Kind(NamedTuple):
    """A relationship as a type's data model declares it: its type, the other end's, which way."""

    type: str
    far: str
    inward: bool

    @property
    def key(self) -> str:
        """The field of a row that has the ids of the other ends."""
        return f"{self.type}__{self.far}__{'in' if self.inward else 'out'}".lower()


Rows = list[dict[str, Any]]


class Loading(NamedTuple):
    """The rows of a type, and what cartography must know of them."""

    schema: Any
    rows: Rows


def loadings(told: list[Thing]) -> list[Loading]:
    """The loads that make an estate, in their order."""
    types = {thing.create.id: thing.create.type for thing in told}
    order = {name: number for number, name in enumerate(dict.fromkeys(types.values()))}
    rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in order}
    for create, _ in told:
        rows[create.type][create.id] = {"id": create.id, **create.attributes}
    kinds: defaultdict[str, dict[Kind, set[str]]] = defaultdict(dict)
    for thing in told:
        for relate in thing.relates:
            near, kind = _near(relate, types, order)
            row = rows[types[near]][near]
            row.setdefault(kind.key, []).append(
                relate.target if near == relate.source else relate.source
            )
            named = kinds[types[near]].setdefault(kind, set())
            for name, value in relate.attributes.items():
                field_ = f"{kind.key}__{name}"
                if row.setdefault(field_, value) != value:
                    raise ValueError(f"{near} has two values of {field_}")
                named.add(name)
    return [_loading(name, list(rows[name].values()), kinds[name]) for name in order]


def _near(relate: Relate, types: Mapping[str, str], order: Mapping[str, int]) -> tuple[str, Kind]:
    """The end whose type is loaded later, or the source; the relationship as it sees it."""
    source, target = types[relate.source], types[relate.target]
    if order[source] >= order[target]:
        return relate.source, Kind(relate.type, target, False)
    return relate.target, Kind(relate.type, source, True)


def _loading(name: str, rows: Rows, kinds: Mapping[Kind, set[str]]) -> Loading:
    """A single other end is a value, several are a list, and cartography is told which."""
    several = {k for k in kinds if any(len(row.get(k.key, ())) > 1 for row in rows)}
    for kind in kinds.keys() - several:
        for row in rows:
            if kind.key in row:
                [row[kind.key]] = row[kind.key]
    links = [_relationship(kind, kind in several, named) for kind, named in kinds.items()]
    own = {kind.key for kind in kinds}
    own |= {f"{kind.key}__{name}" for kind, named in kinds.items() for name in named}
    names = dict.fromkeys(n for row in rows for n in row if n not in own)
    return Loading(_node(name, names, links), rows)


# -- cartography's data model, made for the types there are -------------------------------------------


def _reference(*arguments: Any, **options: Any) -> Any:
    return import_module("cartography.models.core.common").PropertyRef(*arguments, **options)


def _properties(base: Any, names: Mapping[str, str]) -> Any:
    """Property -> field of the row, and when it was last seen."""
    fields = [(n, Any, field(default=_reference(from_))) for n, from_ in names.items()]
    tag = _reference("lastupdated", set_in_kwargs=True)
    fields.append(("lastupdated", Any, field(default=tag)))
    return make_dataclass(base.__name__, fields, bases=(base,), frozen=True)()


def _relationship(kind: Kind, several: bool, attributes: set[str]) -> Any:
    core = import_module("cartography.models.core.relationships")
    matcher = core.make_target_node_matcher({"id": _reference(kind.key, one_to_many=several)})
    names = {name: f"{kind.key}__{name}" for name in sorted(attributes)}
    values = {
        "target_node_label": kind.far,
        "target_node_matcher": matcher,
        "direction": core.LinkDirection.INWARD if kind.inward else core.LinkDirection.OUTWARD,
        "rel_label": kind.type,
        "properties": _properties(core.CartographyRelProperties, names),
    }
    return _schema(core.CartographyRelSchema, values)


def _node(label: str, names: Mapping[str, Any], links: list[Any]) -> Any:
    core = import_module("cartography.models.core.nodes")
    relationships = import_module("cartography.models.core.relationships")
    values = {
        "label": label,
        "properties": _properties(core.CartographyNodeProperties, {n: n for n in names}),
        "other_relationships": relationships.OtherRelationships(links) if links else None,
    }
    return _schema(core.CartographyNodeSchema, values)


def _schema(base: Any, values: Mapping[str, Any]) -> Any:
    """An instance of a schema class: a data class whose fields are the values."""
    fields = [(name, Any, field(default=value)) for name, value in values.items()]
    place = {"__module__": base.__module__}  # cartography complains of schemas from elsewhere
    return make_dataclass(base.__name__, fields, bases=(base,), namespace=place, frozen=True)()


# -- loading ----------------------------------------------------------------------------------------


def load(session: neo4j.Session, made: list[Loading], tag: int) -> float:
    """Seconds that one sync takes."""
    loader = import_module("cartography.client.core.tx")
    begin = time.perf_counter()
    for schema, rows in made:
        loader.load(session, schema, rows, lastupdated=tag)
    return time.perf_counter() - begin


def main() -> None:
    given = json.load(sys.stdin)
    made = loadings(things(operations(given["size"])))
    with (
        neo4j.GraphDatabase.driver(given["uri"], auth=(given["user"], given["password"])) as driver,
        driver.session() as session,
    ):
        seconds = [load(session, made, tag) for tag in (1, 2)]
        nodes = session.run("MATCH (n) RETURN count(n) AS n").single(strict=True)["n"]
        links = session.run("MATCH ()-[r]->() RETURN count(r) AS n").single(strict=True)["n"]
    json.dump({"seconds": seconds, "nodes": nodes, "relationships": links}, sys.stdout)


if __name__ == "__main__":
    main()
