"""The examples of a document: GraphQL, its variables, and what it answers.

After a block of GraphQL may come blocks of JSON. One that has nothing but ``data`` is an answer: another
one, after it, is that of the same request sent again, or the next message of a subscription. Any other
has variables; further ones are for the same document asked once more. ``<NAME>`` stands for the id of the record of that name, or of the newest record
of that type; in answers, ``…`` is anything, and at the end of a list any number more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cmdb.change_set_files import read_change_set
from cmdb.queries import Query
from cmdb.store import GraphStore

ROOT: Final = Path(__file__).parents[2]
ANYTHING: Final = "…"
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass
class Example:
    """One request.

    Attributes
    ----------
    answers
        None: whatever comes, if it is no error.
    """

    document: str
    variables: dict[str, Any] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)


def chapters(path: Path) -> dict[str, list[Example]]:
    """The examples of each chapter of a document that has any."""
    _, *parts = re.split(r"^## (.*)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titled = zip(parts[::2], parts[1::2], strict=True)
    return {title: found for title, text in titled if (found := list(_examples(text)))}


def _examples(text: str) -> Iterator[Example]:
    current: Example | None = None
    for language, content in _BLOCK.findall(text):
        if language == "graphql":
            if current is not None:
                yield current
            current = Example(content)
        elif language == "json" and current is not None:
            value = json.loads(content)
            if set(value) == {"data"}:
                current.answers.append(value["data"])
            else:
                if current.variables:
                    yield current
                current = Example(current.document, value)
        elif current is not None:
            yield current
            current = None
    if current is not None:
        yield current


def load_example_estate(store: GraphStore) -> None:
    """Commit the files of ``examples/estate``, each a revision."""
    for path in sorted((ROOT / "examples" / "estate").glob("*.yaml")):
        store.commit(read_change_set(path, store, "demo"))


def meant(store: GraphStore, value: Any) -> Any:
    """A value with ids for what stands in angle brackets."""
    if isinstance(value, dict):
        return {name: meant(store, each) for name, each in value.items()}
    if isinstance(value, list):
        return [meant(store, each) for each in value]
    if isinstance(value, str) and (match := re.fullmatch(r"<(.+)>", value)):
        return _id(store, match[1])
    return value


def _id(store: GraphStore, name: str) -> str:
    if name in store.model.record_types:
        return max(record.id for record in store.find(Query(name, first=1000)).records)
    (record,) = store.find(Query(where={"name": {"eq": name}})).records
    return record.id


def fits(expected: Any, got: Any) -> bool:
    """Whether an answer is as expected."""
    if expected == ANYTHING:
        return True
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(fits(v, got[n]) for n, v in expected.items())
    if isinstance(expected, list) and isinstance(got, list):
        if expected[-1:] == [ANYTHING]:
            expected = expected[:-1]
            got = got[: len(expected)]
        return len(expected) == len(got) and all(map(fits, expected, got))
    return bool(expected == got) and type(expected) is type(got)
