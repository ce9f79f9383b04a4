"""The server, asked by GraphQL over HTTP on the loopback: ``cmdb serve`` over Neo4j, with a token.

A page of records with two levels below it, against the same question by hand, and against
`@neo4j/graphql` over the same graph, whose answer must be the same, all three of them by the labels that the
store's indexes are on; an outage, against the engine alone;
and many clients at once with both questions.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import neo4j
import psutil

from bench import graphql_rival
from bench.crowd import crowd
from bench.estate import CRITICALITIES, operations
from bench.measuring import Figure, Report, side_by_side
from bench.opening import COMMAND
from bench.reaching import power_feeds
from cmdb.bulk import load
from cmdb.store import GraphStore, create_store
from cmdb.store.neo4j.connections import parse_url
from impact.analysis import Outage
from impact.rules import Effect
from impact.snapshots import Snapshot
from schema.loading import load_model
from tests.support.api_process import Served, served

BY_HAND_BOUND: Final = 3.0
RIVAL_BOUND: Final = 1.0
ENGINE_BOUND: Final = 2.0
MEMORY_BOUND: Final = 1.3
FAIRNESS_BOUND: Final = 10.0
PAGE: Final = 100
PAGES: Final = f"GraphQL, {PAGE} records and two levels below them"
AFFECTED: Final = 3_000
CALLS: Final = 100
CLIENTS: Final = 200
WARMING: Final = 20.0
"""Seconds before anything is measured: as long as servers at work compile what they run, Neo4j's and Node's
machines most of all, and memory grows because it is the first time."""
SECONDS: Final = 30.0

QUESTION: Final = """
query Page($criticality: CriticalityValue!) {
  applications(first: 100, where: {criticality: {eq: $criticality}}, orderBy: [{name: ASC}]) {
    nodes {
      id name criticality applicationCode version
      runsOn(first: 10) {
        nodes {
          ... on VirtualMachine {
            id name hostname cpuCount memoryMib
            runsOn(first: 10) { nodes { ... on Server { id name vendor model serialNumber } } }
          }
        }
      }
    }
  }
}
"""
RIVAL_QUESTION: Final = """
query Page($criticality: String!) {
  applications(limit: 100, where: {criticality: {eq: $criticality}}, sort: [{name: ASC}]) {
    id name criticality applicationCode: application_code version
    runsOn {
      id name hostname cpuCount: cpu_count memoryMib: memory_mib
      runsOn { id name vendor model serialNumber: serial_number }
    }
  }
}
"""
BY_HAND: Final = """
MATCH (a:Record:Application {criticality: $criticality}) WITH a ORDER BY a.name LIMIT 100
RETURN a {.id, .name, .criticality, applicationCode: a.application_code, .version,
  runsOn: [(a)-[:RUNS_ON]->(v:VirtualMachine) | v {.id, .name, .hostname, cpuCount: v.cpu_count,
    memoryMib: v.memory_mib, runsOn: [(v)-[:RUNS_ON]->(s:Server) |
      s {.id, .name, .vendor, .model, serialNumber: s.serial_number}]}]} AS answer
"""
IMPACT: Final = """
query Impact($of: [ID!]!) {
  impact(of: $of, effect: DOWN) {
    complete
    affected(first: 100) { totalCount nodes { effect distance record { id name type } } }
  }
}
"""

Ask = Callable[[str], Any]


def measure(report: Report, fresh: Callable[[], Any], size: int) -> None:
    """The figures over one Neo4j, made anew."""
    with fresh() as url, create_store(url, load_model([])) as store:
        load(store, operations(size), actor="bench")
        over(report, url, store, size)


def over(report: Report, url: str, store: GraphStore, size: int) -> None:
    """Likewise, over a store that has its data."""
    token = _token(url)
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), environment={"CMDB_STORE": url}) as server,
    ):
        place = f"{server.url}/graphql"
        bodies = [_body(QUESTION, criticality=each) for each in CRITICALITIES]
        with Door(place, token) as door:
            _pages(report, url, door, bodies, size)
        _rival(report, url, partial(Door, place, token), bodies, size)
        outage = _impact(report, store, partial(Door, place, token), size)
        _crowd(report, server, token, [bodies[0], outage], size)


class Door:
    """One connection to a server that speaks GraphQL."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._headers = {"content-type": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port)

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, body: str) -> bytes:
        """The answer, as it comes."""
        self._connection.request("POST", self._path, body.encode(), self._headers)
        return self._connection.getresponse().read()

    def data(self, body: str) -> Any:
        """The data of an answer; there must be no error."""
        answer = json.loads(self.ask(body))
        if answer.get("errors"):
            raise RuntimeError(f"no answer: {answer['errors']}")
        return answer["data"]


def _body(query: str, **variables: Any) -> str:
    return json.dumps({"query": query, "variables": variables})


def _token(url: str) -> str:
    """A token of a tool that may read everything."""
    _command(url, "account", "create", "bench", "--kind", "tool")
    _command(url, "account", "roles", "bench", "--give", "engineer")
    made = _command(url, "token", "create", "bench", "bench", "--scope", "read", "--json")
    secret: str = json.loads(made)["secret"]
    return secret


def _command(url: str, *words: str) -> bytes:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        check=True, stdout=subprocess.PIPE, env={**os.environ, "CMDB_STORE": url},
    ).stdout  # fmt: skip


# -- a page with two levels below it ----------------------------------------------------------------


def _pages(report: Report, url: str, door: Door, bodies: Sequence[str], size: int) -> None:
    asked = dict(zip(bodies, CRITICALITIES, strict=True))
    drawn = _drawn(bodies)
    with _by_hand(url) as by_hand:
        for body, criticality in asked.items():
            nodes = door.data(body)["applications"]["nodes"]
            _same(by_hand(criticality), [_plain(node) for node in nodes], "by hand")
        ours, theirs = _warm_side_by_side(
            door.ask, lambda body: json.dumps(by_hand(asked[body]), ensure_ascii=False), drawn
        )
    _add(report, PAGES, size, ours, theirs, "Cypher by hand", ("at most", BY_HAND_BOUND))


def _rival(
    report: Report, url: str, doors: Callable[[], Door], bodies: Sequence[str], size: int
) -> None:
    """The same, each on a connection that is new: the server closes those that rest."""
    address = parse_url(url)
    try:
        with (
            graphql_rival.served(address.uri, address.user, address.password) as place,
            Door(place) as other,
            doors() as door,
        ):
            pairs = zip(bodies, CRITICALITIES, strict=True)
            rivals = {body: _body(RIVAL_QUESTION, criticality=each) for body, each in pairs}
            for body, rival in rivals.items():
                found = [_plain(node) for node in door.data(body)["applications"]["nodes"]]
                _same(other.data(rival)["applications"], found, "@neo4j/graphql")
            drawn = _drawn(bodies)
            ours, theirs = _warm_side_by_side(door.ask, lambda body: other.ask(rivals[body]), drawn)
        _add(report, PAGES, size, ours, theirs, "@neo4j/graphql", ("at most", RIVAL_BOUND))
    except graphql_rival.RivalUnavailableError as error:
        report.console.print(f"no comparison with @neo4j/graphql: {error}", markup=False)


def _warm_side_by_side(
    ours: Callable[[Any], object], theirs: Callable[[Any], object], parameters: Sequence[Any]
) -> tuple[float, float]:
    """As `side_by_side`, of what has done it for a while."""
    end = time.monotonic() + WARMING
    while time.monotonic() < end:
        for parameter in parameters[: len(CRITICALITIES)]:
            ours(parameter)
            theirs(parameter)
    return side_by_side(ours, theirs, parameters)


def _drawn(bodies: Sequence[str]) -> list[str]:
    return [bodies[number % len(bodies)] for number in range(CALLS)]


@contextmanager
def _by_hand(url: str) -> Iterator[Ask]:
    address = parse_url(url)
    with neo4j.GraphDatabase.driver(address.uri, auth=(address.user, address.password)) as driver:

        def ask(criticality: str) -> list[Any]:
            with driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
                return session.execute_read(
                    lambda t: [row["answer"] for row in t.run(BY_HAND, criticality=criticality)]
                )

        yield ask


def _plain(node: dict[str, Any]) -> dict[str, Any]:
    """A record with lists where the answer has connections."""
    below = node.get("runsOn")
    return node if below is None else {**node, "runsOn": [_plain(n) for n in below["nodes"]]}


def _same(theirs: list[Any], ours: list[Any], who: str) -> None:
    if _sorted(theirs) != _sorted(ours) or len(ours) != PAGE:
        raise RuntimeError(f"not the same answer {who}")


def _sorted(nodes: list[Any]) -> list[Any]:
    """Records by id, at all levels: those of a lower one have no order."""
    below = [{**n, "runsOn": _sorted(n["runsOn"])} if "runsOn" in n else n for n in nodes]
    return sorted(below, key=lambda node: str(node["id"]))


def _add(
    report: Report, subject: str, size: int, ours: float, theirs: float, against: str, bound: Any
) -> None:
    report.add(
        Figure(
            subject, "neo4j", size, ours * 1e3, "ms", theirs * 1e3, against, ours / theirs, bound
        )
    )


# -- an outage --------------------------------------------------------------------------------------


def _impact(report: Report, store: GraphStore, doors: Callable[[], Door], size: int) -> str:
    """Gives the question, for others to ask."""
    snapshot = Snapshot(store)
    topology = snapshot.now()
    roots = [topology.id(feed) for feed in power_feeds(topology, min(AFFECTED, size // 10))]
    body = _body(IMPACT, of=roots)

    def engine(_: object) -> int:
        now = snapshot.now()
        found = Outage(now, dict.fromkeys(roots, Effect.DOWN), at=now.revision).affected
        store.get([one.id for one in found[:PAGE]])
        return len(found)

    count = engine(None)
    with doors() as door:
        told = door.data(body)["impact"]["affected"]
        if told["totalCount"] != count or len(told["nodes"]) != PAGE:
            raise RuntimeError(f"not the same answer by the engine: {told['totalCount']}, {count}")
        ours, theirs = _warm_side_by_side(lambda _: door.ask(body), engine, range(CALLS))
    subject = f"GraphQL, impact on {count:,}, the first {PAGE}"
    against = "the engine and a page of records"
    _add(report, subject, size, ours, theirs, against, ("at most", ENGINE_BOUND))
    return body


# -- many clients -----------------------------------------------------------------------------------


def _crowd(report: Report, server: Served, token: str, bodies: Sequence[str], size: int) -> None:
    place, process = f"{server.url}/graphql", psutil.Process(server.process.pid)
    crowd(place, token, bodies, CLIENTS, WARMING)
    warm = process.memory_info().rss
    met = crowd(place, token, bodies, CLIENTS, SECONDS)
    after = process.memory_info().rss
    name = f"GraphQL, {CLIENTS} clients"
    median, slow = met.p50 * 1e3, met.p99 * 1e3
    figure = partial(Figure, store="neo4j", size=size)
    report.add(figure(f"{name}, answers", value=met.answers / SECONDS, unit="/s"))
    report.add(figure(f"{name}, errors", value=met.errors, unit="", bound=("at most", 0)))
    report.add(
        figure(
            f"{name}, slowest of a hundred", value=slow, unit="ms", baseline=median,
            against="median", ratio=slow / median, bound=("at most", FAIRNESS_BOUND),
        )
    )  # fmt: skip
    report.add(
        figure(
            f"{name}, memory", value=after / 2**20, unit="MiB", baseline=warm / 2**20,
            against="after warming up", ratio=after / warm, bound=("at most", MEMORY_BOUND),
        )
    )  # fmt: skip
