"""Attachments: kept by digest, whole or not at all, whatever a file is called or is."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cmdb.errors import InvalidChangeError, StoreUnavailableError
from cmdb.integrity import check
from lifecycle.attachments import Attachments
from lifecycle.contents import FileRefusedError, safe_name
from lifecycle.files import Files, folder_of
from lifecycle.refusals import NotAllowedError, RefusedError
from tests.support.command import Command, Failing
from tests.support.office import Office

PDF = b"%PDF-1.7\n" + b"wiped by the book\n" * 50
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
SHA = hashlib.sha256(PDF).hexdigest()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "files", limit=100_000)


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pdf"
    path.write_bytes(PDF)
    return path


def kept(files: Files) -> list[str]:
    """What stands in the folder, as relative paths."""
    return sorted(
        str(p.relative_to(files.folder)) for p in files.folder.rglob("*") if not p.is_dir()
    )


def test_a_wipe_certificate_lets_a_device_be_scrapped(
    office: Office, files: Files, pdf: Path
) -> None:
    for name in ("srv", "other", "stranger"):
        office.device(name, state="idle")
    order = office.approved("ScrapOrder", "srv", "other")
    assert {r.code for r in office.orders.execute(order, "bob").refusals} == {"data_wiped"}
    door, srv = Attachments(office.engine, files), office.ids["srv"]
    with pytest.raises(RefusedError, match="does not concern stranger"):
        door.attach(order, "bob", pdf, devices=[office.ids["stranger"]], kind="wipe_certificate")
    with pytest.raises(NotAllowedError):
        door.attach(order, "nick", pdf)
    assert not files.folder.exists()
    attached = door.attach(order, "bob", pdf, devices=[srv], kind="wipe_certificate")
    said = attached.evidence.attributes
    assert (said["sha256"], said["file_size"], said["content_type"]) == (
        SHA, len(PDF), "application/pdf",
    )  # fmt: skip
    [commit] = office.store.history(attached.evidence.id)
    assert len(commit.changes.relationships) == 2  # of the order and of the device, at once
    assert (commit.revision.number, commit.revision.actor) == (attached.revision, "bob")
    carried = office.orders.execute(order, "bob")
    assert (carried.done, carried.refused) == (1, 1)
    assert (office.state("srv"), office.state("other")) == ("scrapped", "idle")

    again = door.attach(order, "bob", pdf, devices=[srv], kind="wipe_certificate")
    assert (again.evidence.id, again.revision) == (
        attached.evidence.id,
        office.store.last_revision().number,
    )
    more = door.attach(order, "bob", pdf, devices=[office.ids["other"]], kind="wipe_certificate")
    assert more.evidence.id == attached.evidence.id
    assert door.attach(order, "bob", pdf, kind="signature").evidence.id != attached.evidence.id
    assert office.orders.execute(order, "bob").done == 1
    assert kept(files) == [f"{SHA[:2]}/{SHA[2:]}"]
    assert [r.name for r in door.of(srv)] == ["certificate.pdf"]
    assert door.read(door.find(SHA[:12])) == PDF
    assert list(check(office.store)) == []


def test_a_file_whose_commit_is_refused_goes_again_unless_others_use_it(
    office: Office, files: Files, pdf: Path
) -> None:
    office.device("srv", state="idle")
    order, door = office.order("ScrapOrder", "srv"), Attachments(office.engine, files)
    with pytest.raises(InvalidChangeError):
        door.attach(order, "bob", pdf, kind="nonsense")
    assert kept(files) == []
    picture = pdf.with_name("picture.png")
    picture.write_bytes(PNG)
    # Somebody else is adding, who knows what.
    with files.adding(picture), pytest.raises(InvalidChangeError):
        door.attach(order, "bob", pdf, kind="nonsense")
    assert f"{SHA[:2]}/{SHA[2:]}" in kept(files)
    (files.folder / SHA[:2] / SHA[2:]).unlink()
    # Somebody else attaches the same, while this one is refused.
    with suppress(NotAllowedError), files.adding(pdf):
        attached = door.attach(order, "bob", pdf)
        raise NotAllowedError("It may not be.", "Ask.")
    assert door.read(attached.evidence) == PDF
    with pytest.raises(InvalidChangeError):
        door.attach(order, "bob", pdf, kind="nonsense")
    assert door.read(attached.evidence) == PDF


def test_a_file_stays_where_nobody_knows_what_became_of_the_commit(files: Files, pdf: Path) -> None:
    with pytest.raises(StoreUnavailableError), files.adding(pdf):
        raise StoreUnavailableError("The server is away.", "Try again.")
    assert files.read(SHA) == PDF


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(60), "of the type application/x-executable"),
        (b"MZ\x90\x00" + bytes(60), "of the type"),
        (b"\x00\x01\x02 no text", "of the type unknown"),
        (b"\xff\xfe\xfd\xfc" * 9, "of the type unknown"),
        (PDF + bytes(100_000), "larger than 100000 bytes"),
    ],
)
def test_what_is_no_document_is_refused_and_leaves_nothing(
    files: Files, tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(content)
    with pytest.raises(FileRefusedError, match=why):
        files.add(path)
    assert kept(files) == []


@pytest.mark.parametrize(
    ("content", "type_"),
    [
        (PNG, "image/png"),
        ("数据已清除\n".encode(), "text/plain"),
        ("数据已清除\n".encode("gb18030"), "text/plain"),
    ],
)
def test_the_content_says_what_it_is(
    files: Files, tmp_path: Path, content: bytes, type_: str
) -> None:
    path = tmp_path / "x.exe"
    path.write_bytes(content)
    assert files.add(path).content_type == type_


def test_links_and_pipes_are_not_followed(files: Files, pdf: Path, tmp_path: Path) -> None:
    link, pipe, outside = tmp_path / "link.pdf", tmp_path / "pipe", tmp_path / "outside"
    link.symlink_to(pdf)
    os.mkfifo(pipe)
    for path, why in (
        (link, "is a link"),
        (pipe, "is no file"),
        (tmp_path, "is no file|directory"),
        (tmp_path / "none", "no such file"),
    ):
        with pytest.raises(FileRefusedError, match=why):
            files.add(path)
    outside.mkdir()
    files.folder.mkdir(exist_ok=True)
    (files.folder / SHA[:2]).symlink_to(outside)
    with pytest.raises(FileRefusedError, match="is a link"):
        files.add(pdf)
    assert list(outside.iterdir()) == []
    (files.folder / SHA[:2]).unlink()
    secret = tmp_path / "secret"
    secret.write_text("untouched", encoding="utf-8")
    (files.folder / SHA[:2]).mkdir()
    (files.folder / SHA[:2] / SHA[2:]).symlink_to(secret)
    with pytest.raises(FileRefusedError, match="is not in"):
        files.read(SHA)
    files.add(pdf)  # takes the place of the link, not of what it points to
    assert secret.read_text(encoding="utf-8") == "untouched"
    assert files.read(SHA) == PDF


def test_a_write_that_is_interrupted_leaves_nothing_half(
    files: Files, pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lifecycle.files.os.fsync", stop)
        with pytest.raises(KeyboardInterrupt):
            files.add(pdf)
    assert kept(files) == []
    left = files.folder / ".incoming-left"
    left.write_bytes(b"half")
    files.add(pdf)
    assert left.exists()  # somebody may still be writing it
    os.utime(left, (0, 0))
    files.add(pdf)
    assert kept(files) == [f"{SHA[:2]}/{SHA[2:]}"]


def test_damage_is_noticed_and_mended_by_attaching_again(files: Files, pdf: Path) -> None:
    files.add(pdf)
    place = files.folder / SHA[:2] / SHA[2:]
    place.write_bytes(b"something else")
    with pytest.raises(FileRefusedError, match="is damaged"):
        files.read(SHA)
    files.add(pdf)
    assert files.read(SHA) == PDF
    with pytest.raises(FileRefusedError, match="no SHA-256"):
        files.read("../../etc/passwd")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("照片 1.jpg", "照片 1.jpg"),
        ("a\x1b[2Jb\n.pdf", "a_[2Jb_.pdf"),
        ("gpj\u202efdp.exe", "gpj_fdp.exe"),
        ("..", "file"),
        ("", "file"),
        ("n" * 300 + ".pdf", "n" * 116 + ".pdf"),
    ],
)
def test_names_are_made_harmless(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_where_files_are_kept(tmp_path: Path) -> None:
    beside = folder_of(f"sqlite:///{tmp_path}/cmdb.db", {})
    assert beside == tmp_path / "cmdb.db-files"
    assert folder_of("neo4j://db/cmdb", {"CMDB_FILES": "/srv/files"}) == Path("/srv/files")
    with pytest.raises(FileRefusedError, match="Set CMDB_FILES"):
        folder_of("neo4j://db/cmdb", {})


def test_files_are_attached_and_read_back_by_the_command(
    office: Office, cmdb: Command, failing: Failing, pdf: Path, tmp_path: Path
) -> None:
    office.device("srv", state="idle")
    order = office.order("ScrapOrder", "srv")
    number = office.store.record(order).attributes["number"]
    made: dict[str, Any] = json.loads(
        cmdb(
            "attach",
            number,
            str(pdf),
            "--device",
            "srv",
            "--kind",
            "wipe_certificate",
            "--name",
            "../evil\x07.pdf",
            "--json",
        )
    )
    assert made["attributes"]["file_name"] == "evil_.pdf"
    assert (tmp_path / "office.db-files" / SHA[:2] / SHA[2:]).read_bytes() == PDF
    out = tmp_path / "out"
    out.mkdir()
    assert "whole" in cmdb("attachment", SHA, "--out", str(out))
    assert (out / "evil_.pdf").read_bytes() == PDF
    (out / "evil_.pdf").write_bytes(b"mine")
    assert failing("attachment", made["id"], "--out", str(out))[0] == 4
    assert (out / "evil_.pdf").read_bytes() == b"mine"
    cmdb("attachment", made["id"], "--out", str(out), "--yes")
    assert (out / "evil_.pdf").read_bytes() == PDF
    assert failing("attachment", "0" * 64)[0] == 3
    assert failing("attach", number, str(tmp_path))[0] == 4
    assert failing("attach", number, str(pdf), "--kind", "nonsense")[0] == 4
    (tmp_path / "office.db-files" / SHA[:2] / SHA[2:]).unlink()
    assert "is not in" in failing("attachment", SHA)[1]
