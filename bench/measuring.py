"""Figures: a value, what it is compared with, the bound it is meant to keep."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from rich.console import Console
from rich.table import Table

Parameter = TypeVar("Parameter")


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes
    ----------
    value, baseline
        In `unit`: of the product, and of what it is compared with.
    ratio
        What the bound speaks of.
    bound
        With `at`: ``("at least", 0.6)``; None where nothing was promised.
    """

    subject: str
    store: str
    size: int
    value: float
    unit: str
    baseline: float | None = None
    against: str = ""
    ratio: float | None = None
    bound: tuple[Literal["at least", "at most"], float] | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the bound is kept; None where there is none."""
        if self.bound is None:
            return None
        measured = self.value if self.ratio is None else self.ratio
        return (
            measured >= self.bound[1] if self.bound[0] == "at least" else measured <= self.bound[1]
        )


@dataclass
class Report:
    """The figures of a run, shown as they come."""

    console: Console
    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        against = (
            "" if figure.baseline is None else f", {figure.against} {_number(figure.baseline)}"
        )
        ratio = "" if figure.ratio is None else f", ratio {figure.ratio:.2f}"
        self.console.print(
            f"{figure.store} {figure.size:,}: {figure.subject}: {_number(figure.value)} {figure.unit}{against}{ratio}",
            highlight=False,
        )

    def show(self) -> None:
        table = Table(box=None, pad_edge=False, expand=False)
        for heading in ("", "store", "records", "measured", "compared with", "ratio", "bound", ""):
            table.add_column(
                heading, justify="right" if heading in ("records", "ratio") else "left"
            )
        for f in self.figures:
            table.add_row(
                f.subject,
                f.store,
                f"{f.size:,}",
                f"{_number(f.value)} {f.unit}",
                "" if f.baseline is None else f"{_number(f.baseline)} ({f.against})",
                "" if f.ratio is None else f"{f.ratio:.2f}",
                "" if f.bound is None else f"{f.bound[0]} {f.bound[1]:g}",
                {True: "kept", False: "[bold red]missed[/]", None: ""}[f.kept],
            )
        self.console.print(table)

    def plain(self) -> list[dict[str, Any]]:
        return [{**asdict(figure), "kept": figure.kept} for figure in self.figures]


def side_by_side(
    ours: Callable[[Parameter], object],
    theirs: Callable[[Parameter], object],
    parameters: Sequence[Parameter],
) -> tuple[float, float]:
    """Median seconds of one call of each, taken in turns so that both meet the same conditions."""
    for parameter in parameters[: max(5, len(parameters) // 5)]:
        ours(parameter)
        theirs(parameter)
    taken: tuple[list[float], list[float]] = ([], [])
    for index, parameter in enumerate(parameters):
        turns = ((ours, taken[0]), (theirs, taken[1]))
        for call, times in turns if index % 2 else turns[::-1]:
            begin = time.perf_counter()
            call(parameter)
            times.append(time.perf_counter() - begin)
    return statistics.median(taken[0]), statistics.median(taken[1])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def peak_memory() -> float:
    """Megabytes that this process has had at most.

    Not what `resource.getrusage` says where the kernel tells: there a process starts with the peak
    of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [x for x in status.read_text().splitlines() if x.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
