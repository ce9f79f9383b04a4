"""The service desk on an embedded store, for the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.main import run
from cmdb.store import create_store
from tests.support.observing import shipped_model
from tests.support.service_desk import ServiceDesk

Command = Callable[..., str]
Failing = Callable[..., tuple[int, str]]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceDesk]:
    """A service desk today; the command acts on it as eve, unless it says otherwise."""
    url = f"sqlite:///{tmp_path}/desk.db"
    monkeypatch.setenv("CMDB_STORE", url)
    monkeypatch.setenv("CMDB_ACTOR", "eve")
    monkeypatch.delenv("CMDB_MODEL", raising=False)
    with create_store(url, shipped_model()) as store:
        yield ServiceDesk.make(store, today=True)


@pytest.fixture
def cmdb(desk: ServiceDesk, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command that must succeed; gives what it printed."""

    def command(*words: str) -> str:
        capsys.readouterr()
        code = run(list(words))
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return command


@pytest.fixture
def failing(desk: ServiceDesk, capsys: pytest.CaptureFixture[str]) -> Failing:
    """Run a command that must fail; gives its exit code and what it said."""

    def command(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(list(words))
        error = capsys.readouterr().err
        assert code != 0
        assert "Traceback" not in error
        assert "internal" not in error
        return code, error

    return command
