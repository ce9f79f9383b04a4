"""One server for each module of tests, over the example estate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cmdb.store import create_store
from tests.support.api_process import served
from tests.support.observing import shipped_model
from tests.support.remote_command import Commands, prepared


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("served")
    with create_store(f"sqlite:///{folder}/cmdb.db", shipped_model()) as store:
        tokens = prepared(store)
    with served(folder, "--store", f"sqlite:///{folder}/cmdb.db") as process:
        yield Commands(folder, process.url, tokens)


@pytest.fixture
def cmdb(
    server: Commands, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Commands:
    server.capsys, server.monkeypatch = capsys, monkeypatch
    return server
