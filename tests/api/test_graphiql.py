"""GraphiQL: a page for browsers only, whose every part comes from the server itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from api.graphiql import STATIC
from cmdb.store import create_store
from schema.model import Model
from tests.support.api_door import Door

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Door]:
    with create_store(f"sqlite:///{tmp_path_factory.mktemp('door')}/store.db", model) as store:
        yield Door(store)


class References(HTMLParser):
    """What a page loads, and the scripts that stand in it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        source = said.get("src") if tag == "script" else said.get("href")
        self.inline += tag == "script" and not source
        self.inline += any(name.startswith("on") for name in said)
        if source and not source.startswith("data:"):
            self.found.append(source)


def test_all_that_the_page_loads_is_there(door: Door) -> None:
    page = door.get("/graphql", headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"].split("; ")
    references = References()
    references.feed(page.text)
    assert len(references.found) == 6
    assert references.inline == 0
    for source in references.found:
        assert source.startswith("/static/")
        answer = door.get(source)
        assert answer.status_code == 200
        assert len(answer.content) > 50
        kind = "text/css" if source.endswith(".css") else "text/javascript"
        assert answer.headers["content-type"].startswith(kind)
        again = door.get(source, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304


def test_its_styles_load_nothing_else(door: Door) -> None:
    for file in (STATIC / "graphiql").glob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert not re.findall(r"url\(\s*['\"]?(?!data:)[^)]{1,80}", text)
        assert "@import" not in text


def test_what_is_vendored_says_its_licence_and_how_to_renew_it() -> None:
    folder = STATIC / "graphiql"
    told = (folder / "README.md").read_text(encoding="utf-8")
    for name in ("graphiql", "react", "react-dom"):
        assert "MIT" in (folder / f"{name}.LICENSE").read_text(encoding="utf-8")
        assert f"{name}.LICENSE" in told
    react = (folder / "react.production.min.js").read_text(encoding="utf-8")
    assert re.search(r"\| react \| (\S+) ", told)[1] in react  # type: ignore[index]


def test_only_those_who_ask_for_html_get_the_page(door: Door) -> None:
    for accept in ("application/json", "*/*", ""):
        assert "<html" not in door.get("/graphql", headers={"accept": accept}).text
    assert "<html" not in door.post("/graphql", headers=HTML).text


def test_it_can_be_switched_off(door: Door) -> None:
    off = Door(door.services.store, graphiql=False)
    answer = off.get("/graphql", headers=HTML)
    assert answer.status_code >= 400
    assert "<html" not in answer.text
    assert off.get("/static/graphiql/boot.js").status_code == 404


def test_a_folder_and_what_is_beside_it_are_not_served(door: Door) -> None:
    for path in (
        "/static/",
        "/static/graphiql",
        "/static/../app.py",
        "/static/graphiql/../../app.py",
    ):
        assert door.get(path).status_code in (404, 405)
