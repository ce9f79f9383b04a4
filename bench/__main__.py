"""``python -m bench``: measure, show a table, and say which bounds are kept."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import (
    alerts,
    api,
    bare,
    cartography,
    impact,
    loading,
    opening,
    orders,
    reaching,
    reading,
    reconciling,
    scoped,
)
from bench.estate import operations
from bench.measuring import Report
from cmdb.bulk import load
from cmdb.store import create_store, open_store
from schema.loading import load_model
from tests.support.neo4j_local import LocalNeo4j
from tests.support.neo4j_server import Neo4jServer

SMALL = 1_000
HOSTS: Final = 10
"""So many records of the size for each host."""
RECONCILING: Final = ("ledger", "ansible", "ledger-memory", "cartography")
PARTS: Final = ("estate", *RECONCILING, "impact", "orders", "alerts", "api", "scoped")
"""What is measured: an estate loaded and read; sources reconciled; what outages do; orders; alerts; the server;
what permission costs."""
SOAKED: Final = ("estate", "impact")
"""What is measured for long, unless it is said what."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--size", type=int, action="append", help="records (default 100000); may be repeated"
    )
    parser.add_argument(
        "--store", choices=("sqlite", "neo4j"), action="append", help="default: both"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help="loads of each kind, the median counts (default 3, or 1 from 500000 on)",
    )
    parser.add_argument(
        "--only",
        choices=(*PARTS, "reconciling"),
        action="append",
        help="a part; may be repeated (default: all, with --soak "
        + " and ".join(SOAKED)
        + "); reconciling is "
        + ", ".join(RECONCILING)
        + f"; impact goes beyond {impact.LARGEST:,} records too, there in memory alone",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a bound is missed")
    parser.add_argument("--soak", action="store_true", help="as --size 1000000 --strict")
    given = parser.parse_args()
    parts = _parts(given.only or (SOAKED if given.soak else PARTS))
    sizes = given.size or ([1_000_000] if given.soak else [100_000])
    report = Report(Console(stderr=True, width=140 if not sys.stderr.isatty() else None))
    for size in sizes:
        rounds = given.rounds or (3 if size < 500_000 else 1)
        for name in given.store or ("sqlite", "neo4j"):
            if "estate" in parts:
                {"sqlite": on_sqlite, "neo4j": on_neo4j}[name](report, size, rounds)
            reconcile(report, name, size, rounds, parts)
            if "orders" in parts and size == sizes[0]:
                orders.measure(report, name, FRESH[name])
            if "alerts" in parts and size == sizes[0]:
                alerts.measure(report, name, FRESH[name], size)
            if "impact" in parts and size <= impact.LARGEST:
                impact.measure(report, name, FRESH[name], size, rounds)
            if "scoped" in parts and size == sizes[0]:
                scoped.measure(report, name, FRESH[name], size)
            if "api" in parts and name == "neo4j":
                api.measure(report, FRESH[name], size)
        if "impact" in parts:
            servers = server if "neo4j" in (given.store or ("neo4j",)) else None
            reaching.measure(report, servers, size)
    if given.soak and "impact" in parts:
        reaching.measure(report, None, reaching.EXTREME)
    if given.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        json.dump({**machine, "figures": report.plain()}, sys.stdout, indent=2, ensure_ascii=False)
    else:
        report.show()
    if (given.strict or given.soak) and any(figure.kept is False for figure in report.figures):
        sys.exit(1)


def _parts(chosen: Sequence[str]) -> set[str]:
    return {*chosen} | ({*RECONCILING} if "reconciling" in chosen else set())


def reconcile(report: Report, name: str, size: int, rounds: int, parts: set[str]) -> None:
    fresh = FRESH[name]
    if "ledger" in parts:
        reconciling.measure(report, name, fresh, reconciling.LEDGER, size, rounds)
    if "ansible" in parts:
        hosts = max(size // HOSTS, reconciling.CHANGED_EVERY)
        reconciling.measure(report, name, fresh, reconciling.HOSTS, hosts, rounds)
    if "ledger-memory" in parts:
        reconciling.memory(report, name, fresh, size)
    if "cartography" in parts and name == "neo4j":
        cartography.compare(report, server, size, rounds)


@contextmanager
def _file() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/store.db"


@contextmanager
def _started() -> Iterator[str]:
    with server() as running:
        yield running.url


FRESH: Final = {"sqlite": _file, "neo4j": _started}


def server(*, apoc: bool = False) -> Neo4jServer:
    return LocalNeo4j(heap="3g", page_cache="3g", apoc=apoc)


def on_sqlite(report: Report, size: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        loading.memory(report, "sqlite", f"sqlite:///{place}/memory.db", size)
        path = loading.load_sqlite(report, place, size, rounds)
        urls = (f"sqlite:///{place}/small.db", f"sqlite:///{path}")
        small = stack.enter_context(create_store(urls[0], load_model([])))
        load(small, operations(SMALL), actor="bench")
        large = stack.enter_context(open_store(urls[1]))
        by_hand = bare.SqliteReader(path)
        stack.callback(by_hand.close)
        reading.read(report, "sqlite", large, size, by_hand)
        reading.others(report, "sqlite", large, size)
        reading.past(report, "sqlite", small, large, size)
        opening.show(report, "sqlite", small, large, size, urls)


def on_neo4j(report: Report, size: int, rounds: int) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(server())
        loading.memory(report, "neo4j", first.url, size)
        first.stop()
        running = loading.load_neo4j(report, server, size, rounds)
        stack.callback(running.stop)
        little = stack.enter_context(server())
        small = stack.enter_context(create_store(little.url, load_model([])))
        load(small, operations(SMALL), actor="bench")
        large = stack.enter_context(open_store(running.url))
        by_hand = bare.Neo4jReader(running.driver())
        stack.callback(by_hand.close)
        reading.read(report, "neo4j", large, size, by_hand)
        reading.others(report, "neo4j", large, size)
        reading.past(report, "neo4j", small, large, size)
        opening.show(report, "neo4j", small, large, size, (little.url, running.url))


if __name__ == "__main__":
    main()
