"""The command, run in process as people type it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from cli.main import run

Failing = Callable[..., tuple[int, str]]


class Printed(NamedTuple):
    code: int
    out: str
    err: str


class Command:
    """Runs commands.

    Parameters
    ----------
    ending
        What every command line ends with.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str], *ending: str) -> None:
        self._capsys, self._ending = capsys, ending

    def run(self, *words: str) -> Printed:
        """Run one, however it ends; what was printed before is not told."""
        self._capsys.readouterr()
        code = run([*words, *self._ending])
        return Printed(code, *self._capsys.readouterr())

    def __call__(self, *words: str) -> str:
        """Run one that must succeed; gives what it printed."""
        said = self.run(*words)
        assert said.code == 0, said.err + said.out
        return said.out

    def failed(self, *words: str) -> Printed:
        """Run one that must fail, in words for people."""
        said = self.run(*words)
        assert said.code != 0, said.out
        assert "Traceback" not in said.err
        assert "internal" not in said.err
        return said

    def failing(self, *words: str) -> tuple[int, str]:
        """Likewise; gives its exit code and what it said."""
        said = self.failed(*words)
        return said.code, said.err
