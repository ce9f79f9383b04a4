"""``cmdb show`` of one record, as a whole process: it must not take longer in a large store."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.measuring import Figure, Report, side_by_side
from cmdb.queries import Query
from cmdb.store import GraphStore

COMMAND = "import sys; from cli.main import main; sys.argv[0] = 'cmdb'; main()"


def show(
    report: Report,
    name: str,
    small: GraphStore,
    large: GraphStore,
    size: int,
    urls: tuple[str, str],
) -> None:
    """Both stores by URL, with credentials."""
    ids = [store.find(Query("Server", first=1)).records[0].id for store in (small, large)]

    def run(which: int) -> None:
        subprocess.run(
            [sys.executable, "-c", COMMAND, "show", ids[which]],
            check=True, capture_output=True, env={**os.environ, "CMDB_STORE": urls[which]},
        )  # fmt: skip

    ours, theirs = side_by_side(lambda _: run(1), lambda _: run(0), range(15))
    report.add(
        Figure(
            "cmdb show, the whole process", name, size, ours * 1e3, "ms", theirs * 1e3, "a store of 1,000",
            ours / theirs, ("at most", 1.2),
        )
    )  # fmt: skip
