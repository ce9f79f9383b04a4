"""The service desk on an embedded store, for the command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdb.store import create_store
from tests.support.command import Command, Failing
from tests.support.observing import shipped_model
from tests.support.service_desk import ServiceDesk


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
    return Command(capsys)


@pytest.fixture
def failing(cmdb: Command) -> Failing:
    return cmdb.failing
