"""Moving everything, history included: from store to store, to a dump and back.

All three follow the change feed. A copy is a store whose revisions are the source's, number by
number; so an interrupted copy goes on where it stopped, a later one brings over what is new, and two
stores hold the same exactly when their dumps are the same text.

A dump is JSON Lines (UTF-8, gzip if its name ends in ``.gz``)::

    {"format": "graph-cmdb dump", "version": 2}
    {"revision": 2, "change_set": "…", "at": "…", "actor": "…", "source": "…", "reason": "…", "effective_on": null, "digest": "…"}
    {"model": {…}}                                           the model this revision applied
    {"created": "<id>", "type": "Server", "attributes": {…}}
    {"updated": "<id>", "type": "Server", "attributes": {…}}         as it is from here on
    {"related": ["<id>", "RUNS_ON", "<id>"], "attributes": {…}}      also "altered"
    {"closed": ["<id>", "RUNS_ON", "<id>"]}
    {"end": 2, "sha256": "…"}                                 newest revision; digest of all lines above

Version 1 is the same without digests (`cmdb.store.chain`): what older releases wrote, and what is written
of a store whose digests do not agree. A revision without a digest is one in every copy.

It holds sensitive values in the clear: a dump is written for its owner only.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from cmdb.errors import ChainBrokenError, DumpError, StoreDamagedError, StoreExistsError
from cmdb.records import Record, Relationship
from cmdb.revisions import Changes, Commit, RecordChange, RelationshipChange, Revision
from cmdb.store.base import GraphStore
from cmdb.store.chain import canonical, lines_of, seal
from schema.kinds import parse_datetime, write_datetime
from schema.model import Model, read_document

DUMP_FORMAT: Final = "graph-cmdb dump"
DUMP_VERSION: Final = 2
UNCHAINED: Final = 1
"""The version without digests."""
BATCH_SIZE: Final = 20_000
"""Changed elements, or a tenth as many revisions, that are written in one transaction."""

Progress = Callable[[int], None]
"""Called with the number of the revision reached."""


class Transfer(NamedTuple):
    """What a copy, dump or restore did. ``sha256`` is the digest of the dump of what is there now."""

    revisions: int
    sha256: str


def copy(
    source: GraphStore,
    target: GraphStore,
    progress: Progress = lambda _: None,
    *,
    chained: bool = True,
) -> Transfer:
    """Bring a target up to its source, and verify that both then hold the same.

    The target is empty, or an earlier copy of the same source.

    Parameters
    ----------
    chained
        Whether digests are kept, and so verified. Without them anything can be copied.

    Raises
    ------
    ChainBrokenError
        A digest of the source is not that of what it stands for; what came before is copied.
    StoreExistsError
        The target has a history of its own.
    DumpError
        The two differ in the end.
    """
    done = revisions_in(target)
    upto = source.last_revision().number
    if done:
        last = target.last_revision()
        same = source.revisions([last.number]).get(last.number)
        if same is None or not _are_same(same, last, chained):
            raise StoreExistsError(
                f"{target.url} has a history of its own, which is not that of {source.url}.",
                "Copy into an empty store.",
            )
    feed = source.feed(done, upto)
    for batch in _batched(feed if chained else map(_unchained, feed)):
        target.replicate(batch)
        progress(batch[-1].revision.number)
    target.apply_model(target.model, "copy")
    version = DUMP_VERSION if chained else UNCHAINED
    ours, theirs = digest(source, upto, version), digest(target, version=version)
    if ours != theirs:
        raise DumpError(
            f"{target.url} does not hold what {source.url} holds.",
            "Copy again into an empty store, and report this.",
        )
    return Transfer(upto - done, ours)


def dump(
    store: GraphStore,
    path: Path | None,
    progress: Progress = lambda _: None,
    *,
    chained: bool = True,
) -> Transfer:
    """Write everything to a file (None: standard output), complete or not at all.

    Parameters
    ----------
    chained
        As of `copy`.

    Raises
    ------
    ChainBrokenError
        A digest is not that of what it stands for.
    DumpError
        The file cannot be written.
    """
    upto = store.last_revision().number
    sha256 = hashlib.sha256()
    with _writing(path) as file:
        for number, line in _lines(
            store, upto, DUMP_VERSION if chained else UNCHAINED, verify=chained
        ):
            sha256.update(line.encode())
            file.write(line)
            if number:
                progress(number)
        file.write(json.dumps({"end": upto, "sha256": sha256.hexdigest()}) + "\n")
    return Transfer(upto, sha256.hexdigest())


def restore(path: Path | None, target: GraphStore, progress: Progress = lambda _: None) -> Transfer:
    """Read a dump (None: standard input) into an empty store, or go on where a restore stopped.

    Raises
    ------
    DumpError
        The file is no dump, is damaged or ends too early; what came before is stored.
    ChainBrokenError
        A digest in it is not that of what it stands for; what came before is stored.
    StoreExistsError
        The target has a history of its own; nothing was stored.
    """
    done = revisions_in(target)
    with _reading(path) as file:
        reader = _DumpReader(file, path)
        for batch in _batched(_following(reader, target, done)):
            target.replicate(batch)
            progress(batch[-1].revision.number)
    target.apply_model(target.model, "restore")
    held = digest(target, version=reader.version)
    if held != reader.content:
        raise DumpError(
            f"{target.url} does not hold what the dump holds.", "Restore into an empty store."
        )
    return Transfer(reader.last - done, held)


def _are_same(one: Revision, other: Revision, chained: bool) -> bool:
    return one.change_set == other.change_set and (not chained or one.digest == other.digest)


def _unchained(commit: Commit) -> Commit:
    return commit._replace(revision=commit.revision._replace(digest=None))


def _following(commits: Iterable[Commit], target: GraphStore, done: int) -> Iterator[Commit]:
    """The commits behind those that a target has; refused where it has others."""
    last = target.last_revision() if done else None
    met = not done
    for commit in commits:
        if commit.revision.number > done:
            yield commit
        elif last and commit.revision.number == done:
            met = _are_same(commit.revision, last, True)
            if not met:
                break
    if not met:
        raise StoreExistsError(
            f"{target.url} has a history of its own, which is not that of the dump.",
            "Restore into an empty store.",
        )


def digest(store: GraphStore, upto: int | None = None, version: int = DUMP_VERSION) -> str:
    """SHA-256 of a store's dump: equal for stores that hold the same."""
    sha256 = hashlib.sha256()
    for _, line in _lines(store, store.last_revision().number if upto is None else upto, version):
        sha256.update(line.encode())
    return sha256.hexdigest()


def revisions_in(store: GraphStore) -> int:
    """How many revisions a store has; 0 for one that was made but never filled."""
    return store.statistics().revisions


def _batched(commits: Iterable[Commit]) -> Iterator[list[Commit]]:
    batch: list[Commit] = []
    size = 0
    for commit in commits:
        batch.append(commit)
        size += len(commit.changes.records) + len(commit.changes.relationships) + 10
        if size >= BATCH_SIZE or commit.changes.model:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# -- writing -----------------------------------------------------------------------------------------


def _lines(
    store: GraphStore, upto: int, version: int, *, verify: bool = False
) -> Iterator[tuple[int, str]]:
    """The lines of a dump but the last; the first line of a revision comes with its number."""
    yield 0, _line({"format": DUMP_FORMAT, "version": version})
    model = store.model
    previous: str | None = None
    for revision, changes in store.feed(0, upto):
        if verify and revision.digest:
            lines = lines_of(changes, model.to_json)
            if seal(previous, revision, changes.model, lines).digest != revision.digest:
                raise ChainBrokenError(revision.number, store.url)
        previous = revision.digest
        plain = revision._asdict()
        if version == UNCHAINED or revision.digest is None:
            del plain["digest"]
        plain = {"revision": plain.pop("number"), **plain, "at": write_datetime(revision.at)}
        plain["effective_on"] = revision.effective_on and revision.effective_on.isoformat()
        yield revision.number, _line(plain)
        if changes.model:
            yield 0, _line({"model": json.loads(changes.model)})
        for record in changes.records:
            if record.after is None:
                raise StoreDamagedError(
                    f"{store.url} does not hold what revision {revision.number} made of {record.id}.",
                    "`cmdb check` tells more; restore it from a dump or a backup.",
                )
            what = "created" if record.before is None else "updated"
            attributes = _sorted(model, record.after)
            yield 0, _line({what: record.id, "type": record.after.type, "attributes": attributes})
        for link in changes.relationships:
            if link.after is None:
                yield 0, _line({"closed": link.key})
            else:
                what = "related" if link.before is None else "altered"
                yield 0, _line({what: link.key, "attributes": _sorted(model, link.after)})


def _sorted(model: Model, element: Record | Relationship) -> dict[str, Any]:
    return _all_sorted(model.to_json(element.attributes))


def _all_sorted(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Keys in order, those within JSON values too: stores may keep them in any."""
    return dict(json.loads(canonical(attributes)))


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def refuse_database(path: Path) -> None:
    """A file to be written must not be a folder, nor somebody's store.

    Raises
    ------
    DumpError
    """
    if path.is_dir():
        raise DumpError(f"{path} is a folder.", "Name a file in it.")
    with suppress(OSError), path.open("rb") as there:
        if there.read(16) == b"SQLite format 3\x00":
            raise DumpError(f"{path} is a database.", "Name another file.")


@contextmanager
def _writing(path: Path | None) -> Iterator[IO[str]]:
    if path is None:
        text = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
        try:
            yield text
        finally:
            text.flush()
            text.detach()
        return
    refuse_database(path)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            if path.suffix == ".gz":
                with (
                    gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed,
                    io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as file,
                ):
                    yield file
            else:
                with io.TextIOWrapper(raw, encoding="utf-8", newline="\n") as file:
                    yield file
        unfinished.replace(path)
    except OSError as error:
        raise DumpError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Check the folder and the space left.",
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


# -- reading -----------------------------------------------------------------------------------------


@contextmanager
def _reading(path: Path | None) -> Iterator[Iterable[bytes]]:
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=raw) as file:
                    yield file
            else:
                yield raw
    except (OSError, EOFError, zlib.error) as error:
        raise DumpError(f"{path} cannot be read: {error}.", "Check the file.") from error


class _DumpReader:
    """Commits from the lines of a dump; updates and closings come without their ``before``."""

    def __init__(self, lines: Iterable[bytes], path: Path | None) -> None:
        self._numbered = enumerate(lines, 1)
        self._name = "standard input" if path is None else str(path)
        self._sha256 = hashlib.sha256()
        self._content = hashlib.sha256()
        self._model: Model | None = None
        self.version = DUMP_VERSION
        self.content = ""
        self.last = 0

    def __iter__(self) -> Iterator[Commit]:
        header = self._next()
        if header is None or header.get("format") != DUMP_FORMAT:
            raise DumpError(f"{self._name} is not a dump.", "`cmdb dump` writes one.")
        version = header.get("version")
        if version not in (UNCHAINED, DUMP_VERSION):
            raise DumpError(
                f"{self._name} has version {version}; this release reads up to {DUMP_VERSION}.",
                "Use a newer release.",
            )
        self.version = version
        revision: Revision | None = None
        changes = Changes([], [])
        while (line := self._next()) is not None:
            if "revision" in line or "end" in line:
                if revision is not None:
                    yield Commit(revision, changes)
                if "end" in line:
                    self._finish(line)
                    return
                revision, changes = self._revision(line), Changes([], [])
            elif revision is None:
                raise self._error("comes before the first revision")
            else:
                changes = self._change(line, revision.number, changes)
        raise DumpError(
            f"{self._name} ends too early: it has no end line.",
            "It was cut off; what came before is stored.",
        )

    def _next(self) -> dict[str, Any] | None:
        self._number, raw = next(self._numbered, (0, b""))
        if not raw:
            return None
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            raise self._error("is not JSON") from None
        if not isinstance(line, dict):
            raise self._error("is not an object")
        if "end" not in line:
            self._sha256.update(raw)
            if self.version == UNCHAINED and isinstance(line.get("attributes"), dict):
                # older releases left the keys within JSON values as they were given
                raw = _line({**line, "attributes": _all_sorted(line["attributes"])}).encode()
            self._content.update(raw)
        return line

    def _revision(self, line: dict[str, Any]) -> Revision:
        try:
            effective = line["effective_on"] and date.fromisoformat(line["effective_on"])
            number = line["revision"]
            if number != self.last + 1:
                raise self._error(f"is revision {number} where {self.last + 1} should come")
            self.last = number
            return Revision(
                number,
                line["change_set"],
                parse_datetime(line["at"]),
                line["actor"],
                line["source"],
                line["reason"],
                effective,
                line.get("digest"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._error(f"is no revision ({error})") from None

    def _change(self, line: dict[str, Any], number: int, changes: Changes) -> Changes:
        try:
            if "model" in line:
                document = json.dumps(line["model"], ensure_ascii=False)
                self._model = read_document(document)
                return changes._replace(model=document)
            assert self._model is not None
            attributes = self._model.from_json(line.get("attributes", {}))
            for what in ("created", "updated"):
                if what in line:
                    after = Record(line[what], line["type"], number, attributes)
                    before = None if what == "created" else after
                    changes.records.append(RecordChange(before, after))  # type: ignore[attr-defined]
                    return changes
            for what in ("related", "altered", "closed"):
                if what in line:
                    source, type_, target = line[what]
                    link = Relationship(source, type_, target, number, attributes)
                    change = RelationshipChange(
                        None if what == "related" else link, None if what == "closed" else link
                    )
                    changes.relationships.append(change)  # type: ignore[attr-defined]
                    return changes
        except (KeyError, TypeError, ValueError, AssertionError, AttributeError):
            pass
        raise self._error("is no change this release knows")

    def _finish(self, line: dict[str, Any]) -> None:
        self.content = self._content.hexdigest()
        if line["end"] != self.last or line.get("sha256") != self._sha256.hexdigest():
            raise DumpError(
                f"{self._name} was changed or damaged after it was written.",
                "Use another copy of the dump.",
            )

    def _error(self, what: str) -> DumpError:
        return DumpError(
            f"{self._name}, line {self._number} {what}.",
            "The file is damaged; what came before is stored.",
        )
