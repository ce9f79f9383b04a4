"""Others that answer what can be reached from a node of a graph: libraries in memory, and Neo4j.

Each is given the graph in the form that suits it best: nodes by number, an edge from every provider to
its dependent, no more. rustworkx and scipy are installed into a folder of their own, for this alone
and once.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import neo4j
import numpy as np
from neo4j.exceptions import ClientError
from numpy.typing import NDArray

from tests.support.neo4j_library import cache_folder
from tests.support.neo4j_server import Neo4jServer

Search = Callable[[int], int]
"""Gives how many nodes can be reached from one, itself not counted."""
Edges = tuple[NDArray[np.int32], NDArray[np.int32]]
"""Providers, and their dependents."""

WANTED: Final = ("scipy==1.17.1", "rustworkx==0.18.1")
"""numpy is ours, the same for all."""
PATIENCE: Final = 20.0
"""Seconds that a form of a Cypher statement may take."""
BATCH: Final = 20_000
FORMS: Final = {
    "variable length": "MATCH (r:CI {n: $n})-[:AFFECTS*]->(d) RETURN %s(DISTINCT d.n)",
    "quantified path": "MATCH (r:CI {n: $n})-[:AFFECTS]->+(d) RETURN %s(DISTINCT d.n)",
    "APOC": "MATCH (r:CI {n: $n}) CALL apoc.path.subgraphNodes(r, {relationshipFilter: 'AFFECTS>'})"
    " YIELD node WHERE node <> r RETURN %s(node.n)",
}
"""What is found is collected, as the others give it; or only counted in the server."""


def networkx(count: int, edges: Edges) -> Search:
    library = importlib.import_module("networkx")
    graph = library.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(_pairs(edges))
    return lambda root: len(library.descendants(graph, root))


def rustworkx(count: int, edges: Edges) -> Search:
    library = installed("rustworkx")
    graph = library.PyDiGraph(multigraph=False)
    graph.add_nodes_from(range(count))
    graph.add_edges_from_no_data(list(_pairs(edges)))
    return lambda root: len(library.descendants(graph, root))


def scipy(count: int, edges: Edges) -> Search:
    sparse, search = installed("scipy.sparse"), installed("scipy.sparse.csgraph")
    # of the type that the search works with, so that it copies nothing
    matrix = sparse.csr_array((np.ones(len(edges[0])), edges), (count, count))

    def reach(root: int) -> int:
        return len(search.breadth_first_order(matrix, root, return_predecessors=False)) - 1

    return reach


LIBRARIES: Final = {"networkx": networkx, "rustworkx": rustworkx, "scipy": scipy}


def _pairs(edges: Edges) -> Iterator[tuple[int, int]]:
    return zip(edges[0].tolist(), edges[1].tolist(), strict=True)


def installed(module: str) -> Any:
    """A module of the folder that is made the first time."""
    folder = cache_folder().parent / "-".join(WANTED)
    if not folder.exists():
        making = folder.with_name(f"{folder.name}-{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--target", str(making), *WANTED]
        subprocess.run(command, check=True, capture_output=True, text=True)
        making.rename(folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return importlib.import_module(module)


# -- Neo4j ------------------------------------------------------------------------------------------


class Cypher:
    """The graph in a server, and the ways to ask it."""

    def __init__(self, session: neo4j.Session) -> None:
        self._session = session
        known = session.run("SHOW PROCEDURES YIELD name WHERE name = 'apoc.path.subgraphNodes'")
        self.forms = {name: text for name, text in FORMS.items() if name != "APOC"}
        if known.values():
            self.forms = FORMS

    def ask(self, form: str, root: int, how: str = "collect") -> int:
        statement = neo4j.Query(self.forms[form] % how, timeout=PATIENCE)
        found = self._session.run(statement, n=root).single(strict=True)[0]
        return found if how == "count" else len(found)

    def best(self, root: int, how: str) -> tuple[str, Search] | None:
        """The form that answers soonest for a root; None where none does in time."""
        taken = {}
        for form in self.forms:
            try:
                self.ask(form, root, how)  # planned and warm
                begin = time.perf_counter()
                self.ask(form, root, how)
                taken[form] = time.perf_counter() - begin
            except ClientError as error:
                if "TransactionTimedOut" not in str(error.code):
                    raise
        if not taken:
            return None
        found = min(taken, key=taken.__getitem__)
        return found, lambda node: self.ask(found, node, how)


@contextmanager
def cypher(server: Neo4jServer, count: int, edges: Edges) -> Iterator[Cypher]:
    """A server with the graph in it."""
    with ExitStack() as stack:
        stack.enter_context(server)
        driver = stack.enter_context(server.driver())
        session = stack.enter_context(driver.session())
        session.run("CREATE CONSTRAINT FOR (n:CI) REQUIRE n.n IS UNIQUE").consume()
        for start in range(0, count, BATCH):
            rows = list(range(start, min(start + BATCH, count)))
            session.run("UNWIND $rows AS row CREATE (:CI {n: row})", rows=rows).consume()
        statement = (
            "UNWIND $rows AS row MATCH (p:CI {n: row[0]}) MATCH (d:CI {n: row[1]})"
            " CREATE (p)-[:AFFECTS]->(d)"
        )
        pairs = np.stack(edges, axis=1)
        for start in range(0, len(pairs), BATCH):
            session.run(statement, rows=pairs[start : start + BATCH].tolist()).consume()
        session.run("CALL db.awaitIndexes()").consume()
        yield Cypher(session)
