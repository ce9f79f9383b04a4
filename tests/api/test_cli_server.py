"""The command against a server: it prints what it prints against the store, as far as the token may see."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import Client, ServerError, UnreachableError
from cmdb.change_sets import ChangeSet, Create, Operation, Relate
from cmdb.ids import new_id
from cmdb.store import create_store
from tests.support.api_process import served
from tests.support.observing import shipped_model

ROOT = str(Path(__file__).parents[2])


class Both:
    """The same command against the server and against its store."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        self.folder, self.url, self.token = folder, url, token

    def run(self, *words: str, remote: bool = True) -> subprocess.CompletedProcess[str]:
        where = self.url if remote else f"sqlite:///{self.folder}/cmdb.db"
        return subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", *words, "--store", where],
            env={"PYTHONPATH": ROOT, "CMDB_TOKEN": self.token, "COLUMNS": "200", "PATH": ""},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def same(self, *words: str) -> str:
        """What both print, which is the same."""
        ours, theirs = self.run(*words), self.run(*words, remote=False)
        assert ours.returncode == theirs.returncode == 0, ours.stderr + theirs.stderr
        assert ours.stdout == theirs.stdout
        return ours.stdout


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("served")
    with create_store(f"sqlite:///{folder}/cmdb.db", shipped_model()) as store:
        organisation, server, app = new_id(), new_id(), new_id()
        operations: list[Operation] = [
            Create("ProvinceCompany", {"name": "省公司"}, organisation),
            Create("Server", {"name": "s1", "cpu_count": 8, "organisation": organisation}, server),
            Create("Application", {"name": "scada"}, app),
            Relate(app, "RUNS_ON", server),
        ]
        store.commit(ChangeSet(operations, "li", "manual", "first"))
    made = Both(folder, f"sqlite:///{folder}/cmdb.db", "")
    for words in (
        ("account", "create", "tool", "--kind", "tool"),
        ("account", "roles", "tool", "--give", "administrator"),
    ):
        done = made.run(*words, remote=False)
        assert done.returncode == 0, done.stderr
    scopes = [word for scope in ("read", "write", "observe") for word in ("--scope", scope)]
    created = made.run("token", "create", "tool", "tests", *scopes, "--json", remote=False)
    assert created.returncode == 0, created.stderr
    token = json.loads(created.stdout)["secret"]
    with served(folder, "--store", f"sqlite:///{folder}/cmdb.db") as server_process:
        yield Both(folder, server_process.url, token)


def test_reading_prints_the_same(both: Both) -> None:
    assert "s1" in both.same("find", "Server", "cpu_count>=8", "organisation=省公司")
    assert "scada" in both.same("show", "s1")
    assert "first" in both.same("history", "s1")
    both.same("show", "s1", "--json")
    both.same("search", "scad")
    both.same("find", "Server", "--count-by", "type,cpu_count")
    both.same("diff", "1", "2")
    both.same("find", "Server", "--as-of", "1", "--json")


def test_writing_goes_through_the_server_in_the_name_of_the_token(both: Both) -> None:
    made = both.run("create", "Server", "name=s2", "cpu_count=4", "organisation=省公司", "--json")
    assert made.returncode == 0, made.stderr
    assert both.run("set", "s2", "cpu_count=16").returncode == 0
    assert both.run("relate", "scada", "RUNS_ON", "s2").returncode == 0
    assert "16" in both.same("show", "s2")
    history = json.loads(both.run("history", "s2", "--json").stdout)
    assert {entry["actor"] for entry in history} == {"tool"}
    refused = both.run("create", "Server", "name=s3", "cpu_count=-1")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "invalid_change" in refused.stderr
    conflict = both.run("set", "s2", "cpu_count=2", "--expected", "2")
    assert conflict.returncode == 5
    assert "tool changed" in conflict.stderr


def test_observations_are_read_here_and_reconciled_there(both: Both, tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    file.write_text(
        '{"type": "Server", "key": "k1", "attributes": {"name": "seen-1"}}\n{"broken": 1}\n'
    )
    dry = both.run("import", "jsonl", str(file), "--source", "scan")
    assert dry.returncode == 0, dry.stderr
    assert "seen-1" in dry.stdout
    assert "1 rejected" in dry.stdout
    assert both.run("show", "seen-1").returncode == 3
    applied = both.run("import", "jsonl", str(file), "--source", "scan", "--apply", "--json")
    assert json.loads(applied.stdout)["counts"]["created"] >= 1
    assert "scan" in both.same("show", "seen-1")


def test_what_a_server_cannot_do_is_said(both: Both) -> None:
    checked = both.run("check")
    assert checked.returncode == 2
    assert "not_over_server" in checked.stderr
    nobody = Both(both.folder, both.url, "cmdb_wrong").run("find", "Server")
    assert nobody.returncode == 12
    assert "unauthenticated" in nobody.stderr
    gone = Both(both.folder, "http://127.0.0.1:9", both.token).run("find", "Server")
    assert gone.returncode == 8
    assert both.token not in gone.stderr + nobody.stderr


def test_the_client_is_typed_and_safe_to_repeat(both: Both) -> None:
    with Client(both.url, both.token) as client:
        assert both.token not in repr(client)
        names = [record.name for record in client.records("Server", order=["name"])]
        assert names == sorted(names)
        operations = [{"create": {"type": "Server", "attributes": {"name": "once"}}}]
        first, again = (client.apply(operations, key="the-same") for _ in range(2))
        assert first.revision == again.revision
        assert (first.committed, again.committed) == (True, False)
        with pytest.raises(ServerError) as caught:
            client.apply([{"update": {"id": "nothing", "attributes": {}}}])
        assert caught.value.code in ("invalid_change", "not_found")
    with Client("http://127.0.0.1:9") as nobody, pytest.raises(UnreachableError):
        nobody.find()
