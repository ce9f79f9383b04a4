"""What a source reported last, by its own keys: which record each is, and what it said of it.

It lets an unchanged source be passed over, tells what vanished, and finds a record again by the
source's own key. It follows from the provenance of the records (`rebuilt`), so it is kept beside the
revisions (`GraphStore.mark`), and taken away while a run changes things: an interrupted run leaves
none. 40 bytes an entry, in memory too.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cmdb.reconciliation.precedence import provenance_of
from cmdb.store import GraphStore

PREFIX: Final = "catalogue:"
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
        Number of a document's name -> fingerprint of all that makes its observations, of documents
        that gave nothing but observations.
    """

    def __init__(
        self, previous: Entries | None = None, documents: dict[int, int] | None = None
    ) -> None:
        self._previous = np.empty(0, ENTRY) if previous is None else previous
        self._seen = np.zeros(len(self._previous), bool)
        self._chunks: list[Entries] = []
        self._recent: dict[int, tuple[int, int, bytes]] = {}
        self.known_documents = documents or {}
        self.documents: dict[int, int] = {}

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

    def take_over(self, document: int) -> int:
        """All statements of an unchanged document are as they were; gives their number."""
        mine = self._previous["document"] == np.uint64(document)
        self._seen |= mine
        self.documents[document] = self.known_documents[document]
        return int((mine & (self._previous["digest"] != MENTIONED)).sum())

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
        """What vanished is the source's no more."""
        gone = {bytes.fromhex(id.replace("-", "")) for id in ids}
        stays = np.asarray([bytes(i) not in gone for i in self._previous["id"]], bool)
        self._previous, self._seen = self._previous[stays], self._seen[stays]

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

    def to_bytes(self) -> bytes:
        """All entries, this run's before the earlier ones."""
        now = self._flushed()
        earlier = self._previous.copy()
        earlier["document"][~self._seen] = 0  # no longer in the document that brought it
        kept = earlier[~np.isin(earlier["key"], now["key"])]
        entries = np.concatenate([now, kept])
        entries = entries[np.argsort(entries["key"], kind="stable")]
        documents = {**self.known_documents, **self.documents}
        stream = io.BytesIO()
        np.save(stream, entries, allow_pickle=False)
        np.save(stream, np.asarray(list(documents.items()), np.uint64).reshape(-1, 2))
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Catalogue:
        stream = io.BytesIO(content)
        entries = np.load(stream, allow_pickle=False)
        documents = np.load(stream, allow_pickle=False)
        return cls(entries, {int(name): int(print_) for name, print_ in documents})


def load(store: GraphStore, source: str) -> Catalogue | None:
    """The catalogue kept of a source; None where there is none that can be trusted."""
    content = store.marks(PREFIX + source).get(PREFIX + source)
    return Catalogue.from_bytes(content) if content else None


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


def forget_all(store: GraphStore) -> None:
    """Take every catalogue away: identities or claims have changed by other ways than a run."""
    for name in store.marks(PREFIX):
        store.mark(name, None)


def _places(
    entries: Entries, asked: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    places = np.searchsorted(entries["key"], asked)
    places[places == len(entries)] = 0
    return places, entries["key"][places] == asked


def _text(id: bytes) -> str:
    h = id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
