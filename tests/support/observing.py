"""What an importer makes of documents, checked against the shipped model and easy to count."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cmdb.reconciliation.observations import Observation, Ref, Rejection
from cmdb.reconciliation.statements import Claim, Reader, Statement, Subject
from importers.reading import documents
from importers.registry import importer_type, make
from schema.loading import load_model
from schema.model import Model

Ends = tuple[Subject | Ref, Subject | Ref]


@cache
def shipped_model() -> Model:
    return load_model([])


def shared_data(name: str) -> Path:
    """A folder of the shared sample inputs; the test is skipped where they are absent."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("CMDB_SHARED_DATA", default)) / name
    if not folder.is_dir():
        pytest.skip(
            f"The sample inputs {name} are not there; CMDB_SHARED_DATA says where they are."
        )
    return folder


def written(path: Path, content: Any) -> Path:
    """A file of a text, or of the JSON of anything else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


class Observed:
    """Everything an importer said of some sources.

    Attributes
    ----------
    observations
        The statements, as the importer yielded them.
    statements
        The same, checked against the model and laid flat: nothing of them may have been rejected.
    rejections
        What the importer itself rejected.
    unfit
        What the model rejected of what it yielded (a part, a mention), or of whole statements.
    """

    def __init__(self, name: str, *sources: Path | str, **options: Any) -> None:
        items = list(_items(name, sources, options))
        again = list(_items(name, sources, options))
        assert items == again, "an importer says the same of the same source"
        self.observations = [item for item in items if isinstance(item, Observation)]
        self.rejections = [item for item in items if isinstance(item, Rejection)]
        self.statements: list[Statement] = []
        self.unfit: list[Rejection] = []
        reader = Reader(shipped_model())
        for observation in self.observations:
            try:
                statement = reader.statement(observation)
            except ValueError as error:
                self.unfit.append(Rejection(observation.place, str(error)))
                continue
            self.statements.append(statement)
            self.unfit += statement.rejections
        keys = Counter(observation.key for observation in self.observations)
        self.repeated = {key: count for key, count in keys.items() if count > 1}

    def sound(self) -> Observed:
        """Itself, nothing rejected and no key twice."""
        assert self.unfit == []
        assert self.rejections == []
        assert self.repeated == {}
        return self

    def subjects(self, type_: str, role: str | None = None) -> list[Subject]:
        """All subjects of a type, subtypes included, each key once; parts each time."""
        allowed = shipped_model().record_types[type_].concrete
        found, seen = [], set()
        for statement in self.statements:
            for subject in statement.subjects:
                if subject.type not in allowed or (role and subject.role != role):
                    continue
                known = (subject.type, subject.key)
                if subject.key and known in seen:
                    continue
                seen.add(known)
                found.append(subject)
        return found

    def claims(self, type_: str) -> list[Claim]:
        """All relationships of a type that were claimed, as often as they were."""
        return [c for s in self.statements for c in s.claims if c.type == type_]

    def statement(self, key: str) -> Statement:
        [found] = [s for s in self.statements if s.key == key]
        return found

    def values(self, key: str) -> dict[str, Any]:
        """What is said of the thing that a statement is about."""
        return self.statement(key).subjects[0].attributes

    def ends(self, type_: str) -> list[tuple[str, str]]:
        """The keys at both ends of all relationships of a type, sorted."""
        return sorted((claim.source.key, claim.target.key) for claim in self.claims(type_))

    def texts(self) -> Iterator[str]:
        """Every text in it: nothing secret may be among them."""
        for statement in self.statements:
            for subject in statement.subjects:
                yield from map(str, subject.attributes.values())
                yield subject.key
            for claim in statement.claims:
                yield from map(str, claim.attributes.values())
        for rejection in (*self.rejections, *self.unfit):
            yield rejection.reason


def _items(name: str, sources: tuple[Path | str, ...], options: dict[str, Any]) -> Iterator[Any]:
    importer = make(name, options)
    found = documents([str(source) for source in sources], importer_type(name).suffixes)
    if importer_type(name).together:
        yield from importer.observe(found)
    else:
        for document in found:
            yield from importer.observe([document])
