"""What every importer keeps to, whatever it reads: how it is described, and what it makes of poison."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

import importers.ledger.workbook
import importers.reading
from cli.errors import EXIT_CODES
from cli.main import run
from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Rejection
from cmdb.store import open_store
from importers.contract import Importer, Options
from importers.reading import documents
from importers.registry import importer_type, make, names
from tests.support.observing import written

NAMES = names()
SECONDS = 10.0
"""Most time of a processor that one poisoned source may take; the longest takes a fraction."""


# -- how they are described --------------------------------------------------------------------------------


def test_all_built_in_importers_are_found() -> None:
    assert set(NAMES) >= {
        "ansible", "aws", "compose", "cyclonedx", "dmidecode", "glpi", "jsonl", "kubernetes", "ldap",
        "ledger", "lldp", "lshw", "netbox", "nmap", "service-graph", "snmp", "terraform",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_importer_says_what_it_is(name: str) -> None:
    kind = importer_type(name)
    assert issubclass(kind, Importer)
    assert kind.name == name
    assert kind.title.isprintable()
    assert 10 < len(kind.title) < 120
    assert any("\u4e00" <= character <= "\u9fff" for character in kind.title_zh)
    assert 0 <= kind.precedence <= 99
    assert isinstance(kind.together, bool)
    assert all(suffix == suffix.lower() and "." in suffix for suffix in kind.suffixes)


@pytest.mark.parametrize("name", NAMES)
def test_an_importer_says_what_its_options_are(name: str) -> None:
    options = importer_type(name).options_type
    assert issubclass(options, Options)
    assert options.model_config.get("extra") == "forbid"
    for option, field in options.model_fields.items():
        assert len(field.description or "") > 8, option
        assert field.default is not PydanticUndefined, f"{option}: importers work without options"
    made = make(name, {})
    assert made.options == options()


# -- poison ------------------------------------------------------------------------------------------------


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def billion_laughs_in_yaml() -> bytes:
    lines = ['a0: &a0 ["lol"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(lines).encode()


def billion_laughs_in_xml() -> bytes:
    entities = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "lol">' for n in range(12)
    )
    return f'<?xml version="1.0"?><!DOCTYPE nmaprun [{entities}]><nmaprun>&l11;</nmaprun>'.encode()


def foreign_entity(root: str) -> bytes:
    """XML whose name of a thing is the content of another file."""
    return (
        f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
        f"<{root}><host><hostnames><hostname name='h'>&e;</hostname></hostnames></host>&e;</{root}>"
    ).encode()


@cache
def bomb(name: str) -> bytes:
    """A workbook, one of whose files unpacks to far more than it is."""
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr(name, b"<row>" + b" " * (64 * 2**20))
        return stream.getvalue()


POISON: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a program": ("machine", lambda: Path(sys.executable).resolve().read_bytes()[:200_000]),
    "nothing": ("empty.json", lambda: b""),
    "a byte order mark": ("mark.json", lambda: b"\xef\xbb\xbf"),
    "noise": ("noise.txt", lambda: random.Random(1).randbytes(50_000)),
    "noughts": ("noughts.txt", lambda: bytes(100_000)),
    "a PDF": (
        "report.pdf",
        lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\n",
    ),
    "cut JSON": ("cut.json", lambda: b'{"a": 1'),
    "deep JSON": ("deep.json", lambda: b"[" * 100_000),
    "deep objects": ("objects.json", lambda: b'{"a":' * 100_000),
    "a number in JSON": ("number.json", lambda: b"1e999"),
    "null": ("null.json", lambda: b"null"),
    "YAML that runs a program": (
        "run.yaml",
        lambda: b'services: !!python/object/apply:os.system ["touch /tmp/cmdb-was-here"]\n',
    ),
    "YAML that multiplies": ("laughs.yaml", billion_laughs_in_yaml),
    "deep YAML": ("deep.yaml", lambda: b"[" * 20_000),
    "XML of another file": ("foreign.xml", lambda: foreign_entity("nmaprun")),
    "XML that multiplies": ("laughs.xml", billion_laughs_in_xml),
    "deep XML": ("deep.xml", lambda: b"<a>" * 50_000),
    "gzip cut off": ("cut.json.gz", lambda: packed(b'{"a": 1}' * 10_000)[:-20]),
    "gzip damaged": ("bad.json.gz", lambda: b"\x1f\x8b\x08" + random.Random(2).randbytes(500)),
    "bzip2 damaged": ("bad.json.bz2", lambda: b"BZh9" + random.Random(3).randbytes(500)),
    "xz damaged": ("bad.json.xz", lambda: b"\xfd7zXZ\x00" + random.Random(4).randbytes(500)),
    "a workbook cut off": ("cut.xlsx", lambda: bomb("xl/workbook.xml")[:300]),
}
SUFFIXES = (".json", ".xml", ".yaml", ".csv", ".txt", ".ldif", "")


def verdict(name: str, path: Path) -> list[str]:
    """What an importer says of a source that holds nothing: why it is refused, or what of it is."""
    importer = make(name, {})
    began = time.process_time()
    said: list[str] = []
    try:
        found = documents([str(path)], importer.suffixes)
        for item in importer.observe(found):
            assert isinstance(item, Rejection), f"{item} out of nothing"
            said.append(f"{item.place} {item.reason}")
            if len(said) > 100_000:  # pragma: no cover
                raise AssertionError("it never ends")
    except SourceError as error:
        text = str(error)
        assert path.name.split(".")[0] in text
        assert len(text) < 1_000
        assert "Traceback" not in text
        said.append(text)
    assert time.process_time() - began < SECONDS
    return said


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_its_format_is_refused_in_a_sentence(
    name: str, poison: str, tmp_path: Path
) -> None:
    own_name, content = POISON[poison]
    for file_name in dict.fromkeys((own_name, *(f"poison{suffix}" for suffix in SUFFIXES))):
        path = tmp_path / file_name
        path.write_bytes(content())
        said = "\n".join(verdict(name, path))
        assert said or (name, poison) == ("jsonl", "nothing"), "no lines are no things"
        assert Path("/etc/hostname").read_text().strip() not in said
    assert not Path("/tmp/cmdb-was-here").exists()


@pytest.mark.parametrize("name", NAMES)
def test_what_unpacks_to_more_than_is_allowed_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importers.reading, "SIZE_LIMIT", 2**20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(packed(b'{"a": [' + b"1, " * (2 * 2**20) + b"1]}"))
    assert path.stat().st_size < 2**20
    said = verdict(name, path)
    assert said, "nothing of it may be taken for an empty source"


@pytest.mark.parametrize(
    "inside", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "docProps/x"]
)
def test_a_workbook_that_unpacks_to_more_than_is_allowed_is_refused(
    inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (importers.reading, importers.ledger.workbook):
        monkeypatch.setattr(module, "SIZE_LIMIT", 2**20)
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(bomb(inside))
    assert path.stat().st_size < 2**20
    [said] = verdict("ledger", path)
    assert "bomb.xlsx" in said


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importers.reading, "SIZE_LIMIT", 1000)
    path = tmp_path / "huge.json"
    path.write_bytes(bytes(1001))
    [document] = documents([str(path)])
    for read in (document.fingerprint, document.read, lambda: next(document.chunks(10))):
        with pytest.raises(SourceError, match=r"huge\.json is larger than"):
            read()
    path.write_bytes(bytes(1000))
    assert document.fingerprint() == document.fingerprint()


@pytest.mark.parametrize("name", NAMES)
def test_a_source_that_is_not_there_is_one_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "round").mkdir()
    (tmp_path / "round" / "again").symlink_to(tmp_path / "round")
    for missing in ("missing", "empty", "loop", "round"):
        with pytest.raises(SourceError, match=missing):
            documents([str(tmp_path / missing)], importer_type(name).suffixes)


HUGE = """
import sys, time
from bench.measuring import peak_memory
from cmdb.errors import SourceError
from importers.reading import documents
from importers.registry import make, names
for name in names():
    began = time.process_time()
    try:
        importer = make(name, {})
        items = list(importer.observe(documents([sys.argv[1]])))
    except SourceError as error:
        items = [str(error)]
    peak = round(peak_memory())  # not what getrusage says: it begins with that of this test's process
    print(name, len(items), round(time.process_time() - began, 2), peak, sep="\\t")
"""


@pytest.mark.slow
def test_two_gigabytes_of_nothing_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    path.touch()
    os.truncate(path, 2 * 2**30)
    done = subprocess.run(
        [sys.executable, "-c", HUGE, str(path)], check=True, capture_output=True, text=True
    )
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == NAMES
    for name, said, seconds, peak in lines:
        assert said == "1", name
        assert float(seconds) < SECONDS, name
        assert int(peak) < 700, f"{name} took {peak} MiB"


# -- through the command -----------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new store with the shipped model, named by the environment."""
    url = f"sqlite:///{tmp_path}/cmdb.db"
    monkeypatch.setenv("CMDB_STORE", url)
    monkeypatch.setenv("CMDB_ACTOR", "tester")
    assert run(["init"]) == 0
    return url


REFUSED = [
    ("nmap", "foreign.xml", "XML of another file"),
    ("nmap", "cut.xml", "cut JSON"),
    ("cyclonedx", "laughs.xml", "XML that multiplies"),
    ("compose", "laughs.yaml", "YAML that multiplies"),
    ("compose", "run.yaml", "YAML that runs a program"),
    ("kubernetes", "deep.json", "deep JSON"),
    ("terraform", "state.json.gz", "gzip cut off"),
    ("ledger", "ledger.xlsx", "a workbook cut off"),
    ("snmp", "walk.txt", "a program"),
]


@pytest.mark.parametrize("words", [["--apply"], ["--dry-run"], ["--apply", "--json"]])
@pytest.mark.parametrize(("name", "file", "poison"), REFUSED)
def test_the_command_refuses_a_poisoned_source_in_one_line_and_changes_nothing(
    url: str,
    name: str,
    file: str,
    poison: str,
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / file
    path.write_bytes(POISON[poison][1]())
    with open_store(url) as store:
        before = store.last_revision()
    capsys.readouterr()
    assert run(["import", name, str(path), *words]) == EXIT_CODES["source_invalid"][0] == 10
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("source_invalid: ")
    assert file in line
    with open_store(url) as store:
        assert store.last_revision() == before
        assert store.marks("") == {}


def test_the_command_refuses_a_source_that_is_not_there(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for source in ("missing", "empty"):
        capsys.readouterr()
        assert run(["import", "nmap", str(tmp_path / source), "--apply"]) == 10
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("source_invalid: There is no file")


def test_one_poisoned_file_of_several_does_not_keep_the_others_out(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bills"
    folder.mkdir()
    (folder / "bad.json").write_bytes(POISON["cut JSON"][1]())
    (folder / "good.json").write_text(
        json.dumps(
            {
                "bomFormat": "CycloneDX",
                "specVersion": "1.5",
                "metadata": {"component": {"type": "application", "name": "billing"}},
            }
        )
    )
    capsys.readouterr()
    assert run(["import", "cyclonedx", str(folder), "--apply", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["counts"]["created"], plan["counts"]["rejected"]) == (1, 1)
    [rejected] = [entry for entry in plan["entries"] if entry["action"] == "rejected"]
    assert "bad.json" in rejected["place"] + rejected["why"]


FACTS = '{"ansible_facts": {"ansible_hostname": "x", "ansible_architecture": "x86_64"}}'
COMPLETE = [
    ("ansible", {"a": FACTS, "b": '{"unreachable": true}', "c": None}, ["c"]),
    ("ledger", "Asset number,Type,Memory (GB)\nA,server,much\nB,server,2\n", ["C"]),
    ("ledger", "Asset number,Type\nA,server\n,server\n", []),
    ("jsonl", '{"type": "Server", "key": "A"}\n{"key": "B", "type": 1}\n', ["C"]),
    ("jsonl", '{"type": "Server", "key": "A"}\n{"key": B}\n', []),
]


def source_of(folder: Path, content: Any) -> Path:
    """A source, of one file or several."""
    if isinstance(content, str):
        return written(folder / "x.csv", content)
    shutil.rmtree(folder / "x", ignore_errors=True)
    for file, text in content.items():
        if text is not None:
            written(folder / "x" / file, text)
    return folder / "x"


@pytest.mark.parametrize(("name", "now", "retired"), COMPLETE)
def test_what_a_complete_source_rejects_of_a_known_thing_keeps_nothing_else(
    url: str,
    name: str,
    now: Any,
    retired: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [f'{{"type": "Server", "key": "{key}"}}' for key in "ABC"]
    before = {
        "ansible": dict.fromkeys("abc", FACTS),
        "ledger": "Asset number,Type\n" + "".join(f"{key},server\n" for key in "ABC"),
        "jsonl": "\n".join(lines),
    }
    words = ["--complete", "--apply"]
    assert run(["import", name, str(source_of(tmp_path, before[name])), *words]) == 0
    capsys.readouterr()
    assert run(["import", name, str(source_of(tmp_path, now)), *words, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["counts"]["rejected"] == 1
    assert [e["what"] for e in plan["entries"] if e["action"] == "retired"] == retired
    assert plan["kept"] == (0 if retired else 2)
