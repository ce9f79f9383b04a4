"""Reconciling sources: the first run against a plain load of what it made, later runs against the first.

A source is imported into an empty store; then again unchanged, once as it is (documents that have
not changed are not read) and once with every statement read and compared; then with one thing in a
hundred changed. What the first run made, without its provenance, is loaded plainly into another empty
store of the same kind: no importer, nothing to identify, no word of who said what.

``python -m bench.reconciling URL FILE`` imports a ledger into a new store and prints the peak memory
of that process, in which nothing else happens.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import hosts, ledger
from bench.measuring import Figure, Report, peak_memory
from cmdb.bulk import load
from cmdb.change_sets import Create, Operation, Relate
from cmdb.reconciliation.observations import Portion
from cmdb.reconciliation.runs import Run, Summary
from cmdb.store import GraphStore, create_store
from importers import registry
from importers.reading import documents
from schema.loading import load_model
from schema.model import PROVENANCE, Model

Fresh = Callable[[], AbstractContextManager[str]]
"""Gives the URL of a place for one new store, which goes when the context ends."""
Write = Callable[[Path, int, int], Path]
"""Writes a source of a size into a folder, one thing in so many changed; gives its path."""

FIRST_BOUND = 0.4
UNCHANGED_BOUND = 5.0
MEMORY_BOUND = 1.5
CHANGED_EVERY = 100
GROWTH = 10


@dataclass(frozen=True)
class Subject:
    """A source to measure with: what figures call it, its importer, how it is written."""

    name: str
    importer: str
    write: Write


LEDGER = Subject(
    "ledger", "ledger", lambda folder, size, every: ledger.write(folder / "台账.csv", size, every)
)
HOSTS = Subject(
    "Ansible facts",
    "ansible",
    lambda folder, size, every: hosts.write(folder / "facts", size, every),
)


@dataclass(frozen=True)
class Measured:
    """Seconds of each run, and of the plain load of what the first one made.

    ``applying`` is the first run with observations that were read and interpreted before, as the plain
    load has its operations.
    """

    operations: int
    first: float
    applying: float
    unchanged: float
    compared: float
    changed: float
    plain: float


# -- runs -----------------------------------------------------------------------------------------


def measure(
    report: Report, store: str, fresh: Fresh, subject: Subject, size: int, rounds: int
) -> None:
    """The figures of one source; of several rounds, the one whose first run is in the middle."""
    measured = sorted(
        (_measured(fresh, subject, size) for _ in range(rounds)), key=lambda m: m.plain / m.first
    )
    middle = measured[(rounds - 1) // 2]
    for what, seconds, bound in (
        ("planning and applying", middle.applying, FIRST_BOUND),
        ("first run, reading included", middle.first, None),
    ):
        report.add(
            Figure(
                f"{subject.name}, {what}", store, size, middle.operations / seconds, "operations/s",
                middle.operations / middle.plain, "plain load of the same", middle.plain / seconds,
                None if bound is None else ("at least", bound),
            )
        )  # fmt: skip
    later = (
        ("unchanged", middle.unchanged, UNCHANGED_BOUND),
        ("unchanged, all of it read", middle.compared, UNCHANGED_BOUND),
        ("one in a hundred changed", middle.changed, None),
    )
    for what, seconds, bound in later:
        report.add(
            Figure(
                f"{subject.name}, {what}", store, size, seconds, "s", middle.first, "first run",
                middle.first / seconds, None if bound is None else ("at least", bound),
            )
        )  # fmt: skip


def _measured(fresh: Fresh, subject: Subject, size: int) -> Measured:
    """Each run once, and the plain load in a place of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source = subject.write(Path(folder), size, 0)
        with fresh() as url, create_store(url, load_model([])) as store:
            first, made = timed_import(store, subject, source)
            _expect(made, "created", size)
            unchanged, same = timed_import(store, subject, source)
            compared, also = timed_import(store, subject, source, compare=True)
            _expect_only(same, "unchanged", size)
            _expect_only(also, "unchanged", size)
            operations = read_back(store)
            source = subject.write(Path(folder), size, CHANGED_EVERY)
            changed, after = timed_import(store, subject, source)
            _expect(after, "updated", size // CHANGED_EVERY)
    with tempfile.TemporaryDirectory() as folder:
        source = subject.write(Path(folder), size, 0)
        ready = [replace(p, items=list(p.items()).__iter__) for p in _portions(subject, source)]
        with fresh() as url, create_store(url, load_model([])) as store:
            run = _run(store, subject)
            applying = timed(lambda: run.run(ready))
    with fresh() as url, create_store(url, load_model([])) as store:
        plain = timed(lambda: load(store, operations, actor="bench"))
    return Measured(len(operations), first, applying, unchanged, compared, changed, plain)


def timed_import(
    store: GraphStore, subject: Subject, source: Path, *, compare: bool = False
) -> tuple[float, Summary]:
    """One run of a source, as ``cmdb import --apply`` does it.

    Parameters
    ----------
    compare
        Read every document, even one that has not changed.
    """
    begin = time.perf_counter()
    portions = _portions(subject, source)
    if compare:
        portions = (replace(portion, fingerprint=None) for portion in portions)
    summary = _run(store, subject).run(portions)
    return time.perf_counter() - begin, summary


def _portions(subject: Subject, source: Path) -> Iterator[Portion]:
    importer = registry.make(subject.importer, {})
    return registry.portions(importer, documents([str(source)], importer.suffixes))


def _run(store: GraphStore, subject: Subject) -> Run:
    precedence = registry.importer_type(subject.importer).precedence
    return Run(
        store,
        subject.importer,
        actor="bench",
        importer=subject.importer,
        precedence=precedence,
        apply=True,
    )


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _expect(summary: Summary, action: str, least: int) -> None:
    """A run that does not do what is measured is no measurement."""
    if summary.counts.get(action, 0) < least or summary.counts.get("rejected"):
        raise RuntimeError(f"{least} {action} were expected: {summary.counts}")


def _expect_only(summary: Summary, action: str, count: int) -> None:
    if summary.changes or summary.counts.get(action, 0) != count:
        raise RuntimeError(f"{count} {action} and no change were expected: {summary.counts}")


# -- what a run made, as plain operations -----------------------------------------------------------


def read_back(store: GraphStore) -> list[Operation]:
    """A store's records, each behind those it refers to, and its relationships, each right behind the
    later of its ends: as somebody would write them who knows them all. No provenance."""
    around: defaultdict[str, list[Relate]] = defaultdict(list)
    for link in store.scan_relationships():
        relate = Relate(link.source, link.type, link.target, _plain(link.attributes))
        around[link.source].append(relate)
        around[link.target].append(relate)
    operations: list[Operation] = []
    there: set[str] = set()
    for create in _creations(store):
        operations.append(create)
        there.add(create.id)
        operations += (r for r in around[create.id] if r.source in there and r.target in there)
    return operations


def _creations(store: GraphStore) -> Iterator[Create]:
    records = {r.id: Create(r.type, _plain(r.attributes), r.id) for r in store.scan_records()}
    given: set[str] = set()
    for id_ in records:
        yield from _behind_references(id_, records, given, store.model)


def _behind_references(
    id_: str, records: Mapping[str, Create], given: set[str], model: Model
) -> Iterator[Create]:
    if id_ in given:
        return
    given.add(id_)
    create = records[id_]
    for reference in model.record_types[create.type].references:
        named = create.attributes.get(reference.name)
        if named is not None:
            yield from _behind_references(named, records, given, model)
    yield create


def _plain(attributes: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in attributes.items() if name != PROVENANCE}


# -- memory -----------------------------------------------------------------------------------------


def memory(report: Report, store: str, fresh: Fresh, size: int) -> None:
    """Peak memory of a process that imports a ledger, against one that imports a tenth of it."""
    small, large = (_peak(fresh, rows) for rows in (size // GROWTH, size))
    report.add(
        Figure(
            "ledger, peak memory of the first run", store, size, large, "MB", small, f"{size // GROWTH:,} rows",
            large / small, ("at most", MEMORY_BOUND),
        )
    )  # fmt: skip


def _peak(fresh: Fresh, rows: int) -> float:
    with tempfile.TemporaryDirectory() as folder, fresh() as url:
        source = LEDGER.write(Path(folder), rows, 0)
        command = [sys.executable, "-m", "bench.reconciling", url, str(source)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["peak_mb"])


def main() -> None:
    url, source = sys.argv[1:]
    with create_store(url, load_model([])) as store:
        timed_import(store, LEDGER, Path(source))
    sys.stdout.write(json.dumps({"peak_mb": round(peak_memory())}))


if __name__ == "__main__":
    main()
