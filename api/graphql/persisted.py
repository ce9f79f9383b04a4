"""Persisted operations: named by the SHA-256 of their text, as Apollo's clients do; or all that are served.

A client sends ``extensions.persistedQuery.sha256Hash`` without the text; told ``PersistedQueryNotFound``, it
sends both once. Where a folder of ``.graphql`` files is set, only what stands there is served.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from api.graphql.bodies import RequestError
from api.graphql.documents import CHARACTERS, Documents
from api.settings import SettingsError
from schema.errors import CmdbError

KEPT: Final = 1_000_000
"""Characters of operations that a process remembers for its clients."""


class UnknownOperationError(CmdbError):
    """No text of that hash is known here."""

    code = "persisted_query_not_found"


class Persisted:
    """Texts of operations by their hashes, those used last."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._size = 0

    def text(self, query: str | None, extensions: Mapping[str, Any]) -> str | None:
        """The text of a request that may name it by its hash, and remember it if it has both.

        Raises
        ------
        RequestError, UnknownOperationError
        """
        named = extensions.get("persistedQuery")
        if named is None:
            return query
        if not isinstance(named, dict) or named.get("version") != 1:
            raise RequestError("There is only version 1 of persisted queries.", "Send version 1.")
        wanted = str(named.get("sha256Hash")).lower()
        if not query:
            return self._known(wanted)
        if hash_of(query) != wanted:
            raise RequestError("The hash is not that of the query.", "Send its SHA-256, in hex.")
        self._remember(wanted, query)
        return query

    def _known(self, wanted: str) -> str:
        if wanted not in self._texts:
            raise UnknownOperationError("PersistedQueryNotFound", "Send the text with its hash.")
        self._texts.move_to_end(wanted)
        return self._texts[wanted]

    def _remember(self, name: str, text: str) -> None:
        if name in self._texts or len(text) > CHARACTERS:
            return
        self._texts[name] = text
        self._size += len(text)
        while self._size > KEPT:
            self._size -= len(self._texts.popitem(last=False)[1])


class Served(Persisted):
    """The operations of a folder, and no others."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        for path in sorted(folder.rglob("*.graphql")):
            text = path.read_text(encoding="utf-8")
            for one in (text, text.strip()):
                self._texts[hash_of(one)] = one

    def has(self, query: str) -> bool:
        """Whether the folder has an operation."""
        return hash_of(query) in self._texts or hash_of(query.strip()) in self._texts

    def check(self, documents: Documents) -> None:
        """Whether all can be run.

        Raises
        ------
        SettingsError
        """
        problems = [
            f"persisted_queries: {error.message} ({text[:60]!r})"
            for text in dict.fromkeys(text.strip() for text in self._texts.values())
            for error in documents.read(text).errors
        ]
        if problems:
            raise SettingsError(problems)

    def _remember(self, name: str, text: str) -> None:
        """Nothing is added to the folder."""


def hash_of(text: str) -> str:
    """The name of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
