"""What a file is, by its content, and what it may be called."""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import Final

import filetype

from cmdb.errors import CmdbError

HEAD: Final = 8192
"""Bytes at the beginning that tell what a file is."""
ALLOWED: Final = frozenset(
    {"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "image/tiff"}
    | {"image/bmp", "image/heic", "application/msword", "application/vnd.ms-excel"}
    | {
        f"application/vnd.openxmlformats-officedocument.{kind}"
        for kind in (
            "wordprocessingml.document",
            "spreadsheetml.sheet",
            "presentationml.presentation",
        )
    }
)
TEXT: Final = "text/plain"
_NAME_LIMIT: Final = 120


class FileRefusedError(CmdbError):
    """A file is not what may be attached, or what is kept of it is damaged."""

    code = "file_refused"


def content_type(head: bytes, text: bool, name: str) -> str:
    """What a file is, by its content.

    Raises
    ------
    FileRefusedError
        Something else than a document, a picture or text.
    """
    kind = filetype.guess(head)
    found = kind.mime if kind is not None else TEXT if text else "unknown"
    if found in ALLOWED or found == TEXT:
        return str(found)
    raise FileRefusedError(
        f"{safe_name(name)} is of the type {found}.",
        "Attach a PDF, a picture, an office document, or plain text.",
    )


class Text:
    """Whether bytes, chunk by chunk, are text: UTF-8 or GB 18030, without control characters."""

    def __init__(self) -> None:
        self.decoders = {n: codecs.getincrementaldecoder(n)() for n in ("utf-8", "gb18030")}
        self.controls = False

    def add(self, chunk: bytes, final: bool = False) -> None:
        self.controls = self.controls or any(
            byte in chunk for byte in (*range(9), 11, *range(14, 27), *range(28, 32), 127)
        )
        for name, decoder in list(self.decoders.items()):
            try:
                decoder.decode(chunk, final)
            except UnicodeDecodeError:
                del self.decoders[name]

    def ended(self) -> bool:
        self.add(b"", True)
        return bool(self.decoders) and not self.controls


def safe_name(name: str) -> str:
    """What a file was called, fit to be shown and to be a file name anywhere: no path, no controls."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name))[-1]
    plain = "".join("_" if unicodedata.category(c)[0] == "C" or c in '<>:"|?*' else c for c in last)
    plain = plain.strip(" .")
    stem, dot, suffix = plain.rpartition(".")
    if len(plain) > _NAME_LIMIT:
        kept = suffix[:16]
        plain = f"{stem[: _NAME_LIMIT - len(kept) - 1]}.{kept}" if dot else plain[:_NAME_LIMIT]
    return plain or "file"
