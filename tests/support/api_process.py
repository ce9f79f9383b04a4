"""`cmdb serve` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0


class Served:
    """A running server; `url` is what it printed."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self.log = process, log
        self.said: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("Serving on "):
                break
        else:
            raise AssertionError(f"It ended: {log.read_text()}")
        self.url = self.said[-1].removeprefix("Serving on ")
        self.port = int(self.url.rpartition(":")[2])

    def stop(self) -> int:
        """Tell it to stop; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def served(
    folder: Path, *words: str, environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """A server in a folder, on a free port; ended in any case."""
    log = folder / "log"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CMDB_")}
    program = [sys.executable, "-m", "cli.main", "serve", "--port", "0", *words]
    root = str(Path(__file__).parents[2])
    with log.open("w") as errors:
        process = subprocess.Popen(
            [program[0], "-c", "from cli.main import main; main()", *program[3:]],
            cwd=folder,
            env={**kept, "PYTHONPATH": root, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            yield Served(process, log)
        finally:
            if process.poll() is None:
                process.kill()
