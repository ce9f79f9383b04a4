"""The command, as people use it: run in process, its output and exit codes looked at."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

from cli.errors import EXIT_CODES, exit_code
from cli.main import run
from cmdb import errors
from cmdb.reconciliation.runs import VanishRefusedError
from cmdb.store import open_store
from tests.support.command import Command, Failing

ESTATE = sorted((Path(__file__).parent.parent / "examples" / "estate").glob("*.yaml"))


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new store with the shipped model, named by the environment."""
    url = f"sqlite:///{tmp_path}/cmdb.db"
    monkeypatch.setenv("CMDB_STORE", url)
    monkeypatch.setenv("CMDB_ACTOR", "tester")
    monkeypatch.delenv("CMDB_MODEL", raising=False)
    assert run(["init"]) == 0
    return url


@pytest.fixture
def cmdb(url: str, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def failing(cmdb: Command) -> Failing:
    return cmdb.failing


def created(cmdb: Command, *words: str) -> str:
    return str(json.loads(cmdb("create", *words, "--json"))["id"])


def test_the_example_estate_loads_and_reads_back(cmdb: Command) -> None:
    for file in ESTATE:
        cmdb("apply", str(file))
    page = json.loads(cmdb("find", "Server", "POWERED_BY.name^=R02", "--json"))
    assert [r["attributes"]["name"] for r in page["records"]] == ["YJ-ESX-02", "YJ-ESX-03"]
    assert page["total"] == 2
    assert "Sound" in cmdb("check")
    counts = json.loads(
        cmdb("find", "Hardware", "--organisation", "南湖供电公司", "--count-by", "type", "--json")
    )
    assert counts == [{"type": "DesktopComputer", "count": 1}, {"type": "Printer", "count": 1}]
    assert [
        r["attributes"]["name"] for r in json.loads(cmdb("search", "营销", "--json"))["records"]
    ] == ["营销数据库", "电力营销系统"]
    past = json.loads(cmdb("show", "营销数据库", "--as-of", "5", "--json"))
    assert past["attributes"]["version"] == "8.1"
    assert {x["type"] for x in past["relationships"]} == {"DEPENDS_ON", "RUNS_ON"}


def test_a_record_is_created_changed_related_and_remembered(cmdb: Command) -> None:
    server = created(
        cmdb, "Server", "name=esx-01", "serial_number=SN1", "tags=a,b", "purchase_price=CNY 5.50"
    )
    created(cmdb, "Rack", "name=R01")
    assert "Related" in cmdb("relate", "R01", "CONTAINS", "esx-01", "rack_position=10")
    assert "Nothing to change" in cmdb(
        "relate", "esx-01", "CONTAINED_IN", "R01", "rack_position=10"
    )
    cmdb("set", "esx-01", "lifecycle_state=in_stock", "serial_number=", "--reason", "CHG-7")
    cmdb("relate", "R01", "CONTAINS", "esx-01", "--remove")
    record = json.loads(cmdb("show", server, "--json"))
    assert record["attributes"] == {
        "name": "esx-01", "tags": ["a", "b"], "purchase_price": "CNY 5.50", "lifecycle_state": "in_stock",
    }  # fmt: skip
    assert record["relationships"] == []
    entries = json.loads(cmdb("history", "esx-01", "--json"))
    assert [entry["number"] for entry in entries] == [6, 5, 4, 2]
    assert entries[1]["reason"] == "CHG-7"
    assert entries[1]["actor"] == "tester"
    shown = cmdb("history", "esx-01", "--first", "2")
    assert "serial_number: SN1 -> –" in shown
    assert "--before 5" in shown
    assert "in_stock (库存)" in cmdb("diff", "2")


def test_conditions_of_every_sign(cmdb: Command) -> None:
    created(cmdb, "Server", "name=web-01", "cpu_count=8", "serial_number=A1", "tags=x,y")
    created(cmdb, "Server", "name=web-02", "cpu_count=16")
    created(cmdb, "Server", "name=db-01", "cpu_count=32")

    def found(*conditions: str) -> list[str]:
        page = json.loads(cmdb("find", "Server", *conditions, "--json"))
        return [record["attributes"]["name"] for record in page["records"]]

    assert found("name~b-0") == ["db-01", "web-01", "web-02"]
    assert found("name^=web", "cpu_count>8") == ["web-02"]
    assert found("cpu_count<=8") == ["web-01"]
    assert found("name!=web-01", "cpu_count<32") == ["web-02"]
    assert found("serial_number=") == ["db-01", "web-02"]
    assert found("serial_number!=") == ["web-01"]
    assert found("tags=y") == ["web-01"]
    assert found("--where", '{"or": [{"name": "db-01"}, {"cpu_count": {"lt": 9}}]}') == [
        "db-01",
        "web-01",
    ]
    assert found("--sort", "-cpu_count") == ["db-01", "web-02", "web-01"]


def test_pages_walk_everything_once(cmdb: Command) -> None:
    for number in range(5):
        created(cmdb, "Site", f"name=s{number}")
    names: list[str] = []
    after: list[str] = []
    while True:
        page = json.loads(cmdb("find", "Site", "--first", "2", *after, "--json"))
        names += [record["attributes"]["name"] for record in page["records"]]
        if page["cursor"] is None:
            break
        after = ["--after", page["cursor"]]
    assert names == ["s0", "s1", "s2", "s3", "s4"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["find", "Serverr"], "unknown_name"),
        (["find", "Server", "colour=red"], "unknown_name"),
        (["find", "Server", "nonsense"], "invalid_query"),
        (["find", "Server", "cpu_count>many"], "invalid_query"),
        (["find", "Server", "--where", "{"], "invalid_query"),
        (["find", "Server", "--after", "x"], "invalid_query"),
        (["find", "Server", "--as-of", "yesterday"], "invalid_query"),
        (["search", "  "], "invalid_query"),
        (["show", "nobody"], "not_found"),
        (["create", "Server"], "invalid_change"),
        (["create", "Hardware", "name=x"], "invalid_change"),
        (["create", "Server", "name=x", "cpu_count=-1"], "invalid_change"),
        (["create", "Server", "name=x", "novalue"], "invalid_query"),
        (["apply", "missing.yaml"], "invalid_change"),
        (["init"], "store_exists"),
        (["status", "--store", "sqlite:///nowhere/at/all.db"], "store_not_found"),
        (["status", "--store", "mysql://host"], "store_url"),
        (["restore", "missing.jsonl"], "dump_invalid"),
        (["export", "--format", "png"], "invalid_query"),
        (["schema", "export", "--format", "png"], "invalid_query"),
        (["schema", "show", "Servr"], "unknown_name"),
        (["frobnicate"], "usage"),
        (["find"], "usage"),
    ],
)  # fmt: skip
def test_errors_are_one_line_with_code_and_remedy(
    words: list[str], code: str, failing: Failing
) -> None:
    number, text = failing(*words)
    family = "store_error" if code.startswith("store_") else code
    assert number == EXIT_CODES[family][0]
    assert text.startswith(f"{code}: ")
    assert text.count("\n") == 1


def test_a_conflict_names_who_changed_what(cmdb: Command, failing: Failing) -> None:
    created(cmdb, "Server", "name=esx-01")
    cmdb("set", "esx-01", "cpu_count=4", "--actor", "anna")
    number, text = failing("set", "esx-01", "cpu_count=8", "--expected", "2")
    assert number == EXIT_CODES["conflict"][0]
    assert "anna changed cpu_count in revision 3" in text


def test_every_error_has_an_exit_code() -> None:
    def below(kind: type[errors.CmdbError]) -> list[type[errors.CmdbError]]:
        return [kind, *(k for child in kind.__subclasses__() for k in below(child))]

    for kind in below(errors.CmdbError):
        assert kind.code.startswith("store_") or kind is errors.CmdbError or kind.code in EXIT_CODES
    assert exit_code(errors.StoreBusyError("x")) == EXIT_CODES["store_error"][0]


def test_sensitive_values_are_hidden_unless_revealed(cmdb: Command) -> None:
    created(cmdb, "Licence", "name=L1", "licence_key=TOPSECRET")
    cmdb("set", "L1", "licence_key=OTHERSECRET")
    for words in (
        ["show", "L1"], ["show", "L1", "--json"], ["find", "Licence", "--columns", "licence_key"],
        ["find", "Licence", "--json"], ["history", "L1"], ["history", "L1", "--json"], ["diff", "2"],
        ["diff", "2", "--json"], ["search", "L1", "--json"], ["export", "--format", "json"],
    ):  # fmt: skip
        assert "SECRET" not in cmdb(*words), words
    assert "OTHERSECRET" in cmdb("show", "L1", "--reveal")
    assert json.loads(cmdb("search", "SECRET", "--json"))["total"] == 0


def test_change_set_file_is_all_or_nothing(cmdb: Command, failing: Failing, tmp_path: Path) -> None:
    file = tmp_path / "change.yaml"
    file.write_text(
        "operations:\n"
        "  - {create: Rack, as: r, attributes: {name: R1}}\n"
        "  - {create: Server, as: s, attributes: {name: S1, cpu_count: many}}\n"
        "  - {relate: [r, CONTAINS, s]}\n"
    )
    number, text = failing("apply", str(file))
    assert number == EXIT_CODES["invalid_change"][0]
    assert "'many' is not an integer" in text
    assert json.loads(cmdb("status", "--json"))["records"] == 0
    file.write_text("operations:\n  - {creat: Rack}\n")
    assert "operations.0.creat" in failing("apply", str(file))[1]
    file.write_text("operations:\n  - {update: nobody, attributes: {description: x}}\n")
    assert "No record is named 'nobody'" in failing("apply", str(file))[1]


def test_an_operators_model_extends_the_store(
    cmdb: Command,
    failing: Failing,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    created(cmdb, "Server", "name=esx-01")
    folder = tmp_path / "model"
    folder.mkdir()
    file = folder / "own.yaml"
    file.write_text(
        "record_types:\n"
        "  Drone: {parent: Hardware, label: {en: Drone, zh: 无人机}}\n"
        "  Server:\n"
        "    extend: true\n"
        "    attributes:\n"
        "      bmc_ip: {kind: ip_address, label: {en: BMC address, zh: 带外地址}}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("CMDB_MODEL", str(folder))
    lines = cmdb("schema", "diff").splitlines()
    assert lines == ["+ record type Drone", "+ record type Server: attribute bmc_ip"]
    assert "Applied" in cmdb("schema", "apply")
    assert "already" in cmdb("schema", "apply")
    cmdb("create", "Drone", "name=d1")
    cmdb("set", "esx-01", "bmc_ip=10.0.0.9")
    file.write_text("record_types: {}\n")
    number, text = failing("schema", "apply")
    assert number == EXIT_CODES["model_change_refused"][0]
    assert "Drone would be removed, and 1 of it are stored" in text
    refused = cmdb("schema", "diff")
    assert "bmc_ip of Server would be removed" in refused
    file.write_text("record_types:\n  Drone:\n    parent: Hardwear\n")
    number, text = failing("schema", "check")
    assert number == EXIT_CODES["model_invalid"][0]
    assert f"{file}:3: the parent Hardwear of Drone is not declared" in text


@pytest.mark.parametrize("format_", ["graphml", "gexf", "dot", "json"])
def test_exports_are_read_by_networkx(cmdb: Command, format_: str, tmp_path: Path) -> None:
    import networkx as nx

    for file in ESTATE:
        cmdb("apply", str(file))
    cmdb("set", "YJ-ESX-01", 'description=quote " backslash \\ bell \x07')
    out = tmp_path / f"graph.{format_}"
    cmdb("export", "--format", format_, "--out", str(out))
    expected = json.loads(cmdb("status", "--json"))
    if format_ == "dot":
        text = out.read_text(encoding="utf-8")
        assert text.count(" -> ") == expected["relationships"]
        assert text.count("[label=") == expected["relationships"] + expected["records"]
        return
    readers: dict[str, Callable[[], Any]] = {
        "graphml": lambda: nx.read_graphml(out, force_multigraph=True),
        "gexf": lambda: nx.read_gexf(out),
        "json": lambda: nx.node_link_graph(json.loads(out.read_text("utf-8")), edges="edges"),
    }
    graph = readers[format_]()
    assert graph.number_of_nodes() == expected["records"]
    assert graph.number_of_edges() == expected["relationships"]


def test_copy_dump_and_restore_hold_the_same(cmdb: Command, url: str, tmp_path: Path) -> None:
    for file in ESTATE:
        cmdb("apply", str(file))
    first = json.loads(cmdb("copy", url, f"sqlite:///{tmp_path}/copy.db", "--json"))
    dumped = json.loads(cmdb("dump", str(tmp_path / "d.jsonl.gz"), "--json"))
    restored = json.loads(
        cmdb(
            "restore",
            str(tmp_path / "d.jsonl.gz"),
            "--store",
            f"sqlite:///{tmp_path}/r.db",
            "--json",
        )
    )
    assert first["sha256"] == dumped["sha256"] == restored["sha256"]
    again = json.loads(cmdb("copy", url, f"sqlite:///{tmp_path}/copy.db", "--json"))
    assert again["revisions"] == 0


def test_the_program_runs_and_explains_itself(url: str) -> None:
    program = Path(sys.executable).parent / "cmdb"
    for words in ([], ["--help"], ["find", "--help"], ["schema", "--help"]):
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        assert "Usage: cmdb" in done.stdout
        assert done.stderr == ""
    missing = subprocess.run([program, "show", "x"], capture_output=True, text=True, check=False)
    assert missing.returncode == EXIT_CODES["not_found"][0]
    assert missing.stderr.startswith("not_found: ")


def test_check_finds_damage(
    cmdb: Command, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import sqlite3

    created(cmdb, "Server", "name=esx-01")
    cmdb("set", "esx-01", "cpu_count=4")
    connection = sqlite3.connect(tmp_path / "cmdb.db")
    connection.execute("UPDATE records SET attributes = json_set(attributes, '$.cpu_count', -5)")
    connection.execute("DELETE FROM revisions WHERE number = 2")
    connection.execute("INSERT INTO relationships VALUES (1, 'CONTAINS', 99, 3, '{}')")
    connection.commit()
    connection.close()
    assert run(["check", "--json"]) == 1
    codes = {finding["code"] for finding in json.loads(capsys.readouterr().out)}
    assert codes >= {"invalid_record", "feed_gap", "dangling_end"}


def test_json_is_the_same_as_what_the_store_holds(cmdb: Command, url: str) -> None:
    id = created(cmdb, "Server", "name=esx-01", "last_boot=2026-01-01T08:00:00+08:00")
    with open_store(url) as store:
        assert store.record(id).attributes["last_boot"].isoformat() == "2026-01-01T00:00:00+00:00"
    shown = json.loads(cmdb("show", id, "--json"))
    assert shown["attributes"]["last_boot"] == "2026-01-01T00:00:00.000000Z"
    assert "2026-01-01 00:00:00 UTC" in cmdb("show", id)
    cmdb("set", id, "last_boot=2026-01-02 00:00:00 UTC")  # as it is printed
    assert "2026-01-02 00:00:00 UTC" in cmdb("show", id)


def test_problems_are_told_by_operation_and_name(failing: Failing, tmp_path: Path) -> None:
    file = tmp_path / "changes.yaml"
    file.write_text(
        "operations:\n"
        "  - {create: Server, as: s, attributes: {name: s1}}\n"
        "  - {create: Server, attributes: {name: s2, cpu_count: abc}}\n"
        "  - {create: Server, attributes: {description: nameless}}\n",
        encoding="utf-8",
    )
    code, said = failing("apply", str(file))
    lines = said.splitlines()
    assert code == 4
    assert lines[0].startswith("invalid_change: Operation 2: cpu_count of Server s2: 'abc' is not")
    assert lines[1].startswith("invalid_change: Operation 3: Server of operation 3 needs name")
    assert lines[2] == "invalid_change: Nothing was stored; correct it and try again."
    twice = file.read_text(encoding="utf-8").replace(
        "{create: Server, attr", "{create: Server, as: s, attr"
    )
    file.write_text(twice, encoding="utf-8")
    assert "'s' is the name of several operations" in failing("apply", str(file))[1]


def test_an_answer_is_never_silently_that_to_another_question(
    cmdb: Command, failing: Failing
) -> None:
    cmdb("create", "Person", "name=李明")
    cmdb("create", "Server", "name=srv", "custodian=李明")
    assert "1 of 1" in cmdb("find", "Server", "custodian=李明")
    assert "李明" in cmdb("find", "Server", "--columns", "name,custodian")
    at = cmdb("history", "srv").splitlines()[0].split("  ")[1]
    assert "1 of 1" in cmdb("find", "Server", "--as-of", at.replace(" UTC", ".999999 UTC"))
    for words in (
        ("find", "Server", "lifecycle_state=在运"),
        ("find", "Server", "--columns", "foo"),
        ("find", "Server", "--organisation", "李明"),
        ("find", "Server", "--as-of", "99"),
        ("find", "Server", "--as-of", "20260331"),
        ("find", "Server", "--as-of", "0001-01-01"),
        ("find", "Server", "--as-of", "9999-12-31T23:59:59-12:00"),
        ("find", "Server", "--where", "[" * 3_000),
        ("find", "Switch", "--count-by", "snmp_community"),
        ("diff", "99"),
    ):
        code, _ = failing(*words)
        assert code == EXIT_CODES["invalid_query"][0], words


def test_a_store_is_not_overwritten_by_an_export(cmdb: Command, failing: Failing, url: str) -> None:
    path = url.removeprefix("sqlite:///")
    for words in (("export", "--out", path), ("dump", path)):
        code, _ = failing(*words)
        assert code == EXIT_CODES["dump_invalid"][0]
    assert "sqlite" in cmdb("status")


def test_control_characters_reach_neither_the_terminal_nor_a_file(
    cmdb: Command, tmp_path: Path
) -> None:
    cmdb("create", "Server", "name=a\x01b", "description=\x1b[31mRED")
    assert "\x1b[31m" not in cmdb("show", "a\x01b")
    for name in ("graphml", "gexf"):
        cmdb("export", "--format", name, "--out", str(tmp_path / name))
        ElementTree.parse(tmp_path / name)


def as_process(*words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from cli.main import main; main()", *words]
    return subprocess.run(command, check=False, capture_output=True, **more)


def test_a_dump_to_standard_output_is_utf_8_wherever_it_runs(
    cmdb: Command, url: str, tmp_path: Path
) -> None:
    cmdb("create", "Server", "name=变电站主机 é")
    dumped = as_process("dump", "-", env={**os.environ, "PYTHONIOENCODING": "gb18030"})
    assert dumped.returncode == 0
    (tmp_path / "d.jsonl").write_bytes(dumped.stdout)
    cmdb("restore", str(tmp_path / "d.jsonl"), "--store", f"sqlite:///{tmp_path}/again.db")
    shown = as_process("show", "变电站主机 é", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert shown.returncode == 0


def test_a_reader_who_leaves_is_no_finding(cmdb: Command, url: str) -> None:
    for number in range(60):
        cmdb("create", "Server", f"name=srv {number}")
    command = [sys.executable, "-c", "from cli.main import main; main()", "find", "Record"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_the_change_set_of_the_documentation_applies(cmdb: Command, tmp_path: Path) -> None:
    for file in ESTATE:
        cmdb("apply", str(file))
    text = (ESTATE[0].parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    [example] = [part for part in text.split("```") if part.startswith("yaml\nreason:")]
    file = tmp_path / "example.yaml"
    file.write_text(example.removeprefix("yaml\n"), encoding="utf-8")
    assert "Applied 4 operations" in cmdb("apply", str(file))


def test_waiting_for_another_writer_can_be_interrupted(cmdb: Command, url: str) -> None:
    path = url.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    command = [sys.executable, "-c", "from cli.main import main; main()"]
    with subprocess.Popen(
        [*command, "create", "Server", "name=a"], stderr=subprocess.PIPE, text=True
    ) as process:
        while path not in {file.path for file in psutil.Process(process.pid).open_files()}:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == EXIT_CODES["interrupted"][0]
    assert said.startswith("interrupted: ")
    other.close()


def told(path: Path, *observations: dict[str, Any]) -> str:
    """A file of observations."""
    path.write_text("\n".join(map(json.dumps, observations)), encoding="utf-8")
    return str(path)


def test_what_an_import_did_before_it_was_refused_is_shown_and_inferred_from(
    cmdb: Command, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = [{"type": "Server", "key": str(number)} for number in range(10)]
    cmdb("import", "jsonl", told(tmp_path / "a", *servers), "--apply")
    file = told(
        tmp_path / "b",
        {"type": "Subnet", "key": "net", "attributes": {"name": "net", "network": "10.0.0.0/8"}},
        {"type": "IPAddress", "key": "ip", "attributes": {"ip_address": "10.0.0.1"}},
    )
    words = ["import", "jsonl", file, "--complete", "--source", "jsonl"]
    assert run([*words, "--dry-run"]) == exit_code(VanishRefusedError(""))
    assert "This is the plan" in capsys.readouterr().out
    assert run([*words, "--apply"]) == exit_code(VanishRefusedError(""))
    captured = capsys.readouterr()
    assert "2 created, 1 related" in captured.out
    assert "10.0.0.1 IN_NETWORK net" in captured.out
    assert "Committed as revision 3 to 4." in captured.out
    [line] = captured.err.splitlines()
    assert line.startswith("vanish_refused: 10 records")


def test_a_source_that_breaks_late_leaves_what_it_said_and_says_so(
    cmdb: Command, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = [{"type": "Server", "key": f"{number:0200}"} for number in range(12_000)]
    whole = gzip.compress(Path(told(tmp_path / "a", *servers)).read_bytes(), mtime=0)
    file = tmp_path / "big.json.gz"
    file.write_bytes(whole[: len(whole) * 9 // 10])
    code = run(["import", "jsonl", str(file), "--apply", "--json"])
    assert code == EXIT_CODES["source_invalid"][0]
    captured = capsys.readouterr()
    plan = json.loads(captured.out)
    taken = plan["counts"]["created"]
    assert taken == 5_000
    assert plan["counts"]["rejected"] == 1
    [line] = captured.err.splitlines()
    assert f"The {taken:,} things it told of before that count." in line
    assert "Nothing was changed" not in line
    file.write_bytes(whole)
    again = json.loads(cmdb("import", "jsonl", str(file), "--apply", "--json"))
    assert (again["counts"]["unchanged"], again["counts"]["created"]) == (taken, 7_000)


def test_a_complete_import_says_what_it_kept(cmdb: Command, tmp_path: Path) -> None:
    servers = [{"type": "Server", "key": str(number)} for number in range(3)]
    cmdb("import", "jsonl", told(tmp_path / "a", *servers), "--apply")
    file = Path(told(tmp_path / "b", servers[0]))
    file.write_text(file.read_text() + "\n{not JSON}")
    said = cmdb("import", "jsonl", str(file), "--source", "jsonl", "--complete", "--apply")
    assert "2 that it did not report were not retired" in said
    assert "retired," not in said


def test_why_as_of_counts_the_precedence_of_then(cmdb: Command, url: str, tmp_path: Path) -> None:
    for source, memory in (("low", 1), ("high", 2)):
        attributes = {"name": "s", "serial_number": "SN1", "memory_mib": memory}
        file = told(tmp_path / source, {"type": "Server", "key": "s", "attributes": attributes})
        cmdb("import", "jsonl", file, "--source", source, "--apply")
    with open_store(url) as store:
        then = store.last_revision().number
    cmdb("sources", "set", "high", "--precedence", "7")
    for as_of, winner, precedence in ((["--as-of", str(then)], "high", 50), ([], "low", 7)):
        [why] = json.loads(cmdb("why", "s", "memory_mib", *as_of, "--json"))["attributes"]
        assert why["winner"] == winner
        assert {c["source"]: c["precedence"] for c in why["claims"]}["high"] == precedence
