"""The office on an embedded store, for the library and for the command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdb.store import create_store
from tests.support.command import Command, Failing
from tests.support.observing import shipped_model
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A new office; the command acts on it as ann, unless it says otherwise."""
    url = f"sqlite:///{tmp_path}/office.db"
    monkeypatch.setenv("CMDB_STORE", url)
    monkeypatch.setenv("CMDB_ACTOR", "ann")
    monkeypatch.delenv("CMDB_MODEL", raising=False)
    monkeypatch.delenv("CMDB_FILES", raising=False)
    with create_store(url, shipped_model()) as store:
        yield Office.make(store)


@pytest.fixture
def cmdb(office: Office, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def failing(cmdb: Command) -> Failing:
    return cmdb.failing
