"""Files by HTTP: only for those who may, only what is a document, and never shown in a browser."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.access.principals import Permission
from cmdb.store import create_store
from tests.support.api_door import Door, principal
from tests.support.office import Office

PDF = b"%PDF-1.7\n" + b"handed over by the book\n" * 5000
SHA = hashlib.sha256(PDF).hexdigest()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with create_store(f"sqlite:///{tmp_path}/office.db") as store:
        yield Office.make(store)


@pytest.fixture
def door(office: Office) -> Door:
    people = [principal(name, *Permission) for name in ("ann", "bob", "nick", "nobody")]
    return Door(office.store, people, upload_limit=200_000)


@pytest.fixture
def order(office: Office) -> str:
    office.device("srv", state="idle")
    return office.approved("ScrapOrder", "srv")


def attach(
    door: Door, order: str, by: str = "bob", content: bytes = PDF, **said: str
) -> httpx.Response:
    kind = said.pop("content_type", "application/pdf")
    asked = {"order": order, "name": "paper.pdf", **said}
    return door.post(
        "/attachments", by, params=asked, content=content, headers={"content-type": kind}
    )


def test_what_was_attached_comes_back_to_be_kept_not_shown(
    door: Door, office: Office, order: str, tmp_path: Path
) -> None:
    made = attach(
        door, order, device=office.ids["srv"], kind="wipe_certificate", name="移交 单.pdf"
    )
    assert made.status_code == 201, made.text
    said = made.json()
    assert (said["sha256"], said["size"], said["content_type"]) == (
        SHA,
        len(PDF),
        "application/pdf",
    )
    assert said["revision"] == office.store.last_revision().number
    assert office.store.last_revision().actor == "bob"
    for name in (said["id"], SHA, SHA[:12]):
        found = door.get(f"/attachments/{name}", "ann")
        assert found.content == PDF
        assert found.headers["content-type"] == "application/pdf"
        assert found.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in found.headers["content-security-policy"]
        kept = found.headers["content-disposition"]
        assert kept.startswith("attachment; ")
        assert "filename*=UTF-8''%E7%A7%BB%E4%BA%A4%20%E5%8D%95.pdf" in kept
    same = door.get(f"/attachments/{SHA}", "ann", headers={"if-none-match": f'"{SHA}"'})
    assert (same.status_code, same.content) == (304, b"")
    again = attach(door, order, device=office.ids["srv"], kind="wipe_certificate")
    assert again.json()["id"] == said["id"]
    assert (tmp_path / "office.db-files").is_dir()


def test_who_has_no_part_in_it_may_not_attach(door: Door, office: Office, order: str) -> None:
    before = office.store.last_revision().number
    assert attach(door, order, by="").status_code == 401
    assert attach(door, order, by="nick").json()["code"] == "not_allowed"
    assert attach(door, order, by="nobody").status_code == 403
    assert office.store.last_revision().number == before
    assert door.get(f"/attachments/{SHA}").status_code == 401


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/pdf", 422),
        (b"MZ\x90\x00" + bytes(500), "application/pdf", 422),
        (b"\x7fELF" + bytes(500), "application/octet-stream", 422),
        (b"PK\x03\x04" + bytes(500), "application/octet-stream", 422),
        (PDF, "text/html", 415),
        (PDF, "image/svg+xml", 415),
        (b"x" * 200_001, "text/plain", 413),
    ],
)
def test_what_is_no_document_is_refused(
    door: Door, office: Office, order: str, content: bytes, content_type: str, status: int
) -> None:
    before = office.store.last_revision().number
    answer = attach(door, order, content=content, content_type=content_type)
    assert answer.status_code == status, answer.text
    assert office.store.last_revision().number == before


def test_html_comes_back_as_text_nobody_renders(door: Door, order: str) -> None:
    made = attach(door, order, content=b"<script>alert(1)</script>\n", content_type="text/plain")
    assert made.status_code == 201
    found = door.get(f"/attachments/{made.json()['id']}", "ann")
    assert found.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("name", ["../../etc/passwd", 'a"b\r\nX-Evil: 1.pdf', "\u202efdp.exe", ""])
def test_names_stay_names(door: Door, order: str, name: str) -> None:
    made = attach(door, order, name=name)
    assert made.status_code == 201
    found = door.get(f"/attachments/{made.json()['id']}", "ann")
    assert "x-evil" not in found.headers
    assert "/" not in found.headers["content-disposition"].partition("filename*")[0]


def test_damage_and_absence_are_told(door: Door, order: str, tmp_path: Path) -> None:
    attach(door, order)
    place = tmp_path / "office.db-files" / SHA[:2] / SHA[2:]
    place.chmod(0o600)
    place.write_bytes(b"other")
    damaged = door.get(f"/attachments/{SHA}", "ann")
    assert (damaged.status_code, damaged.json()["code"]) == (422, "file_refused")
    for name in ("0" * 64, "%2e%2e%2fetc", "x"):
        assert door.get(f"/attachments/{name}", "ann").status_code == 404
    assert attach(door, "BF-0").status_code == 404
