"""The graph for other programs: GraphML, GEXF, DOT and node-link JSON, through networkx."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import networkx as nx

from cmdb.queries import AsOf, Query
from cmdb.store.base import GraphStore
from schema.model import Model

if TYPE_CHECKING:
    Graph: TypeAlias = nx.MultiDiGraph[str]
else:
    Graph = nx.MultiDiGraph

FORMATS: Final = ("graphml", "gexf", "dot", "json")


def graph_of(store: GraphStore, query: Query | None = None, as_of: AsOf = None) -> Graph:
    """Records as nodes (by id), relationships as edges (keyed by type), attributes on both.

    Parameters
    ----------
    query
        Only the records it finds (all pages), and the relationships among them.

    Sensitive values are left out. Holds the whole graph in memory.
    """
    at = store.resolve(as_of)
    at = store.last_revision().number if at is None else at
    graph: Graph = nx.MultiDiGraph()
    records = store.scan_records(at) if query is None else _all(store, query, at)
    for record in records:
        attributes = _visible(store.model, record.attributes)
        graph.add_node(record.id, type=record.type, revision=record.revision, **attributes)
    for link in store.scan_relationships(at):
        if link.source in graph and link.target in graph:
            attributes = _visible(store.model, link.attributes)
            graph.add_edge(link.source, link.target, key=link.type, type=link.type, **attributes)
    return graph


def _all(store: GraphStore, query: Query, at: int) -> Any:
    from dataclasses import replace

    cursor: str | None = None
    while True:
        page = store.find(replace(query, as_of=at, after=cursor, first=10_000))
        yield from page.records
        cursor = page.cursor
        if cursor is None:
            return


def _visible(model: Model, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in model.to_json(attributes).items() if k not in model.sensitive}


def write_graph(graph: Graph, format_: str) -> bytes:
    """A graph as a file of that format. Lists and objects become JSON text where a format has none."""
    if format_ == "json":
        return (
            json.dumps(nx.node_link_data(graph, edges="edges"), ensure_ascii=False, indent=1) + "\n"
        ).encode()
    if format_ == "dot":
        return "\n".join(_dot(graph)).encode() + b"\n"
    flat = _flat(graph)
    buffer = io.BytesIO()
    (nx.write_graphml if format_ == "graphml" else nx.write_gexf)(flat, buffer)
    return buffer.getvalue()


def _flat(graph: Graph) -> Graph:
    """A copy whose values are scalars, and that tells nodes by ``label`` (the name)."""
    flat: Graph = nx.MultiDiGraph()
    for id, attributes in graph.nodes(data=True):
        flat.add_node(id, label=_xml(str(attributes.get("name", id))), **_scalars(attributes))
    for source, target, key, attributes in graph.edges(keys=True, data=True):
        flat.add_edge(source, target, key=key, **_scalars(attributes))
    return flat


def _scalars(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _xml(
            value
            if isinstance(value, str | int | float | bool)
            else json.dumps(value, ensure_ascii=False)
        )
        for name, value in attributes.items()
    }


def _xml(value: Any) -> Any:
    """Text without the control characters that XML cannot hold."""
    if isinstance(value, str):
        return "".join(c for c in value if (c >= " " and c not in "\ufffe\uffff") or c in "\t\n\r")
    return value


def _dot(graph: Graph) -> list[str]:
    lines = ["digraph cmdb {", "  rankdir=BT;", "  node [shape=box];"]
    for id, attributes in graph.nodes(data=True):
        label = f"{attributes.get('name', id)}\\n{attributes['type']}"
        lines.append(f"  {_quoted(id)} [label={_quoted(label)}];")
    for source, target, key in graph.edges(keys=True):
        lines.append(f"  {_quoted(source)} -> {_quoted(target)} [label={_quoted(key)}];")
    return [*lines, "}"]


def _quoted(text: str) -> str:
    kept = text.replace("\\n", "\n").replace("\\", "\\\\").replace('"', '\\"')
    return '"' + kept.replace("\n", "\\n") + '"'
