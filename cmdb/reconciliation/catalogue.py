"""What a source reported last, by its own keys: which record each is, and what it said of it.

It lets an unchanged source be passed over, tells what vanished, and finds a record again by the
source's own key. It follows from the provenance of the records (`rebuilt`), so it is kept beside the
revisions (`GraphStore.mark`), and taken away while a run changes things: an interrupted run leaves
none. 40 bytes an entry, in memory too.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cmdb.reconciliation.precedence import provenance_of
from cmdb.store import GraphStore

PREFIX: Final = "catalogue:"
DISTURBING: Final = ("merge", "undo")
"""Sources of revisions that may change which record a key means."""
REVISIONS_LOOKED_AT: Final = 20_000
SPOILT: Final = 1
"""The digest of a statement that is to be looked at again."""
MENTIONED: Final = 0
"""The digest of what was only mentioned: it neither changes nor vanishes by itself."""

ENTRY: Final = np.dtype([("key", "<u8"), ("digest", "<u8"), ("document", "<u8"), ("id", "V16")])
FLUSH: Final = 20_000

Entries = NDArray[np.void]


def number_of(content: bytes) -> int:
    """64 bits that stand for some bytes; never 0."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") or 1


@lru_cache(maxsize=16_384)
def key_number(key: str) -> int:
    """`number_of` a key; a key is asked for several times in a row."""
    return number_of(key.encode())


class Catalogue:
    """The entries of one source: the previous run's, and this run's as it goes.

    Parameters
    ----------
    previous
        Sorted by key.
    documents
        Number of a document's name -> fingerprint of all that makes its observations, and how many
        statements it gave; of documents that gave nothing else.
    """

    def __init__(
        self,
        previous: Entries | None = None,
        documents: dict[int, tuple[int, int]] | None = None,
    ) -> None:
        self._previous = np.empty(0, ENTRY) if previous is None else previous
        self._seen = np.zeros(len(self._previous), bool)
        self._chunks: list[Entries] = []
        self._recent: dict[int, tuple[int, int, bytes]] = {}
        self.known_documents = documents or {}
        self.documents: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._previous)

    # -- asking -----------------------------------------------------------------------------------

    def unchanged(
        self, keys: Sequence[int], digests: Sequence[int], documents: Sequence[int]
    ) -> list[bool]:
        """Which statements are as they were; they are taken over into this run."""
        if not len(self._previous) or not keys:
            return [False] * len(keys)
        asked = np.asarray(keys, np.uint64)
        places, there = _places(self._previous, asked)
        same = there & (self._previous["digest"][places] == np.asarray(digests, np.uint64))
        self._seen[places[same]] = True
        self._previous["document"][places[same]] = np.asarray(documents, np.uint64)[same]
        return [bool(s) for s in same]

    def take_over(self, document: int, fingerprint: int) -> int | None:
        """All statements of an unchanged document are as they were; gives their number.

        None where that is not so: the document is another, or some of its statements have since come
        from elsewhere, vanished or been spoilt.
        """
        known = self.known_documents.get(document)
        if known is None or known[0] != fingerprint:
            return None
        mine = self._previous["document"] == np.uint64(document)
        mine &= self._previous["digest"] != MENTIONED
        if int(mine.sum()) != known[1]:
            return None
        self._seen |= mine
        self.documents[document] = known
        return known[1]

    def read(self, document: int, fingerprint: int) -> None:
        """A document was read whole in this run, and gave nothing but statements."""
        now = self._flushed()
        count = int(((now["document"] == np.uint64(document)) & (now["digest"] != MENTIONED)).sum())
        mine = self._previous["document"] == np.uint64(document)
        mine &= self._seen & ~np.isin(self._previous["key"], now["key"])
        self.documents[document] = (fingerprint, count + int(mine.sum()))

    def still_there(self, key: str) -> None:
        """The source speaks of something, if unusably: it has not vanished."""
        if len(self._previous):
            [place], [there] = _places(self._previous, np.asarray([key_number(key)], np.uint64))
            if there and not self._seen[place] and self._previous["digest"][place] != MENTIONED:
                self._seen[place] = True
                self._previous["digest"][place] = SPOILT

    def find(self, keys: Sequence[str]) -> list[str | None]:
        """Ids of the records that the source means by some keys, in this run or the one before."""
        numbers = [key_number(key) for key in keys]
        found: list[str | None] = [None] * len(keys)
        if not numbers:
            return found
        asked = np.asarray(numbers, np.uint64)
        for chunk in (self._previous, *self._chunks):
            if len(chunk):
                places, there = _places(chunk, asked)
                for index in np.flatnonzero(there):
                    found[index] = _text(bytes(chunk["id"][places[index]]))
        for position, number in enumerate(numbers):
            if number in self._recent:
                found[position] = _text(self._recent[number][2])
        return found

    def said(self, keys: Sequence[str]) -> list[int]:
        """The digests of what this run has stated already under some keys; `MENTIONED` where nothing."""
        numbers = [key_number(key) for key in keys]
        if not numbers:
            return []
        asked = np.asarray(numbers, np.uint64)
        result = np.zeros(len(keys), np.uint64)
        if len(self._previous):
            places, there = _places(self._previous, asked)
            there &= self._seen[places]
            result[there] = self._previous["digest"][places[there]]
        for chunk in self._chunks:
            places, there = _places(chunk, asked)
            result[there] = np.maximum(result[there], chunk["digest"][places[there]])
        return [
            self._recent.get(number, (MENTIONED,))[0] or int(known)
            for known, number in zip(result, numbers, strict=True)
        ]

    def vanished(self) -> list[str]:
        """Ids of what the run before stated and this one did not."""
        now = self._flushed()
        gone = ~self._seen & (self._previous["digest"] != MENTIONED)
        gone &= ~np.isin(self._previous["key"], now["key"])
        if not gone.any():
            return []
        stays = {bytes(i) for i in (*now["id"], *self._previous["id"][self._seen])}
        return [_text(i) for i in map(bytes, self._previous["id"][gone]) if i not in stays]

    # -- telling ----------------------------------------------------------------------------------

    def put(self, key: str, digest: int, document: int, id: str) -> None:
        """This run has found that the source means a record by a key."""
        number = key_number(key)
        if digest == MENTIONED and self._recent.get(number, (MENTIONED,))[0] != MENTIONED:
            return
        self._recent[number] = (digest, document, bytes.fromhex(id.replace("-", "")))
        if len(self._recent) >= FLUSH:
            self._flush()

    def forget(self, ids: Iterable[str]) -> None:
        """What vanished is known by its key still, but nothing is known of what was said of it."""
        gone = {bytes.fromhex(id.replace("-", "")) for id in ids}
        which = np.asarray([bytes(i) in gone for i in self._previous["id"]], bool)
        self._previous["digest"][which] = MENTIONED

    def _flush(self) -> None:
        if self._recent:
            rows = [(k, d, n, i) for k, (d, n, i) in self._recent.items()]
            self._chunks.append(np.sort(np.asarray(rows, ENTRY), order="key"))
            self._recent = {}

    def _flushed(self) -> Entries:
        self._flush()
        if len(self._chunks) > 1:
            merged = np.concatenate(self._chunks)
            merged = merged[np.argsort(merged["key"], kind="stable")]
            last = np.append(merged["key"][1:] != merged["key"][:-1], True)
            self._chunks = [merged[last]]
        return self._chunks[0] if self._chunks else np.empty(0, ENTRY)

    # -- keeping ----------------------------------------------------------------------------------

    def to_bytes(self, revision: int) -> bytes:
        """All entries, this run's before the earlier ones, as true at a revision."""
        now = self._flushed()
        earlier = self._previous.copy()
        earlier["document"][~self._seen] = 0  # no longer in the document that brought it
        kept = earlier[~np.isin(earlier["key"], now["key"])]
        entries = np.concatenate([now, kept])
        entries = entries[np.argsort(entries["key"], kind="stable")]
        documents = {**self.known_documents, **self.documents}
        rows = [(name, print_, count) for name, (print_, count) in documents.items()]
        stream = io.BytesIO()
        np.save(stream, np.asarray([revision], np.uint64))
        np.save(stream, entries, allow_pickle=False)
        np.save(stream, np.asarray(rows, np.uint64).reshape(-1, 3))
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> tuple[Catalogue, int]:
        """The catalogue, and the revision at which it was true."""
        stream = io.BytesIO(content)
        [revision] = np.load(stream, allow_pickle=False)
        entries = np.load(stream, allow_pickle=False)
        rows = np.load(stream, allow_pickle=False)
        documents = {int(name): (int(print_), int(count)) for name, print_, count in rows}
        return cls(entries, documents), int(revision)


def load(store: GraphStore, source: str) -> Catalogue | None:
    """The catalogue kept of a source; None where there is none that can be trusted."""
    content = store.marks(PREFIX + source).get(PREFIX + source)
    if not content:
        return None
    catalogue, revision = Catalogue.from_bytes(content)
    return None if disturbed(store, source, revision) else catalogue


def disturbed(
    store: GraphStore, source: str, after: int, own: Collection[int] = frozenset()
) -> bool:
    """Whether something since a revision has changed what a source's keys mean, or what it said.

    Another run of the source (on a copy, too), withdrawing it, merging, deciding, undoing.

    Parameters
    ----------
    own
        Revisions of the run that asks.
    """
    newest = store.last_revision().number
    if newest < after or newest - after > REVISIONS_LOOKED_AT:
        return True
    since = store.revisions(range(after + 1, newest + 1)) if newest > after else {}
    return any(
        revision.source in DISTURBING or (revision.source == source and number not in own)
        for number, revision in since.items()
    )


def rebuilt(store: GraphStore, source: str) -> Catalogue:
    """The catalogue that follows from the records: keys and ids, nothing known of what was said.

    Reads every record once.
    """
    rows = []
    for record in store.scan_records():
        claim = provenance_of(record.attributes).get(source)
        if claim and claim.get("key"):
            for key in (claim["key"], *claim.get("also", ())):
                number = key_number(key)
                gone = claim.get("mention") or claim.get("vanished")
                digest = MENTIONED if gone else number
                rows.append((number, digest, 0, bytes.fromhex(record.id.replace("-", ""))))
    return Catalogue(np.sort(np.asarray(rows, ENTRY), order="key"))


def _places(
    entries: Entries, asked: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    places = np.searchsorted(entries["key"], asked)
    places[places == len(entries)] = 0
    return places, entries["key"][places] == asked


def _text(id: bytes) -> str:
    h = id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
