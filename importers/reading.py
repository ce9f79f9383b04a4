"""Reading sources: files, folders and standard input as documents, whatever they are compressed with.

Everything here is bounded: a document of more than `SIZE_LIMIT` bytes, unpacked, is refused, and so
is text nested deeper than any real source. A document that is not what an importer expects gives a
`SourceError` that names it.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, cast
from xml.etree.ElementTree import Element

import orjson
import yaml

from cmdb.errors import SourceError

SIZE_LIMIT: Final = 512 * 2**20
"""Most bytes of one document, unpacked."""
DEPTH_LIMIT: Final = 200
NODE_LIMIT: Final = 5_000_000
STDIN: Final = "-"

_PACKED: Final[dict[bytes, Callable[[Any], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_SUFFIXES: Final = (".gz", ".bz2", ".xz")


class _Unpacked:
    """A decompressing stream that closes the file under it."""

    def __init__(self, raw: IO[bytes], stream: IO[bytes]) -> None:
        self._raw, self._stream = raw, stream
        self.read = stream.read

    def __enter__(self) -> _Unpacked:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._raw.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Document:
    """One document of a source.

    Attributes
    ----------
    place
        What people call it: the path as they gave it, or ``standard input``.
    name
        Its path below the folder that was given (with ``/``), or its file name, without the suffix
        of a compression: the same wherever the folder stands.
    """

    def __init__(self, place: str, name: str, path: Path | None, content: bytes = b"") -> None:
        self.place, self.name = place, name
        self._path, self._content = path, content

    @property
    def stem(self) -> str:
        """The file name without folders and its last suffix."""
        return Path(self.name).stem

    def open(self) -> IO[bytes]:
        """The bytes, unpacked, from the start. What they unpack to is not bounded: `chunks` is."""
        raw = self._stored()
        head = raw.read(6)
        raw.seek(0)
        for magic, unpack in _PACKED.items():
            if head.startswith(magic):
                return cast("IO[bytes]", _Unpacked(raw, unpack(raw)))
        return raw

    def _stored(self) -> IO[bytes]:
        """The bytes as they are stored, unless there are more than `SIZE_LIMIT`."""
        raw: IO[bytes] = io.BytesIO(self._content)
        size = len(self._content)
        if self._path is not None:
            try:
                raw = self._path.open("rb")
            except OSError as error:
                raise self.error(f"cannot be read: {error.strerror}") from None
            size = os.fstat(raw.fileno()).st_size
        if size > SIZE_LIMIT:
            raw.close()
            raise self._too_large()
        return raw

    def _too_large(self) -> SourceError:
        return self.error(f"is larger than {SIZE_LIMIT // 2**20} MiB")

    def chunks(self, size: int = 2**20) -> Iterator[bytes]:
        """The bytes, unpacked, in pieces.

        Raises
        ------
        SourceError
            They are cut off or damaged, or more than `SIZE_LIMIT`.
        """
        total = 0
        with self.open() as stream:
            while True:
                try:
                    chunk = stream.read(size)
                except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
                    raise self.error(f"is cut off or damaged ({error})") from None
                if not chunk:
                    return
                total += len(chunk)
                if total > SIZE_LIMIT:
                    raise self._too_large()
                yield chunk

    def read(self) -> bytes:
        """All bytes, unpacked; raises as `chunks` does."""
        return b"".join(self.chunks())

    def text(self) -> str:
        """All of it as UTF-8, a byte order mark left out."""
        try:
            return self.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.error(f"is not UTF-8 text (byte {error.start})") from None

    def fingerprint(self) -> bytes:
        """Hash of the bytes as they are stored, 16 bytes; raises `SourceError` if they are too many."""
        digest = hashlib.blake2b(digest_size=16)
        with self._stored() as stream:
            try:
                while chunk := stream.read(2**20):
                    digest.update(chunk)
            except OSError as error:
                raise self.error(f"cannot be read: {error.strerror}") from None
        return digest.digest()

    def error(self, what: str, remedy: str = "") -> SourceError:
        """A `SourceError` about this document: ``what`` continues "FILE …"."""
        return SourceError(
            f"{self.place} {what}.",
            remedy or "Nothing was changed; give the file as its tool writes it.",
        )

    def json(self) -> Any:
        """Its JSON; a byte order mark is left out.

        Raises
        ------
        SourceError
            It is no JSON, is cut off, or is nested absurdly.
        """
        content = self.read().removeprefix(b"\xef\xbb\xbf")
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            if any(word in str(error).lower() for word in ("recursion", "depth")):
                raise self.error("is nested too deep") from None
            problem = error
        try:  # what orjson refuses and others write: NaN, numbers of more than 64 bits
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self.error(
                f"is not JSON (line {problem.lineno}, column {problem.colno}: {problem.msg.split(':')[0]})"
            ) from None

    def xml(self) -> Element:
        """The root of its XML, without external or expanding entities; raises `SourceError`."""
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import ParseError, XMLParser

        parser = XMLParser(forbid_dtd=False, forbid_entities=True, forbid_external=True)
        try:
            for chunk in self.chunks():
                parser.feed(chunk)
            root = parser.close()
        except DefusedXmlException as error:
            raise self.error(
                f"declares entities, which no inventory needs ({type(error).__name__})"
            ) from None
        except ParseError as error:
            line, column = error.position
            raise self.error(f"is not XML, or is cut off (line {line}, column {column})") from None
        _check_depth(self, root)
        return root

    def yaml(self) -> list[Any]:
        """Its YAML documents, plain values only, aliases not multiplied; raises `SourceError`."""
        text = self.text()
        try:
            _check_yaml(self, text)
            return list(yaml.load_all(text, Loader=_PlainLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = f"line {mark.line + 1}: " if mark else ""
            raise self.error(f"is not YAML of plain values ({line}{error.problem})") from None
        except (yaml.YAMLError, RecursionError, ValueError):
            raise self.error("is not YAML of plain values") from None


_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_Base):  # type: ignore[misc, valid-type]
    """The safe loader; text that looks like a date stays text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge2"))
    ]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def _check_yaml(document: Document, text: str) -> None:
    """Refuse absurd nesting and aliases that multiply, before anything is built."""
    depth = nodes = 0
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            nodes += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            nodes += 1
            open_.append((event.anchor, nodes))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = nodes - before + 1
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
        if depth > DEPTH_LIMIT:
            raise document.error("is nested too deep")
        if nodes > NODE_LIMIT:
            raise document.error("grows beyond measure through its aliases")


def _check_depth(document: Document, root: Element) -> None:
    level: Iterable[Element] = [root]
    for _ in range(DEPTH_LIMIT):
        level = [child for element in level for child in element]
        if not level:
            return
    raise document.error("is nested too deep")


def documents(sources: Sequence[str], suffixes: Sequence[str] = ()) -> list[Document]:
    """The documents of files, folders (all files below, in order of their names) and ``-``.

    Parameters
    ----------
    suffixes
        In folders, only files with one of these (``.json``; a compression's suffix may follow).
        Hidden files are left out.

    Raises
    ------
    SourceError
        A source is not there, or is empty.
    """
    found: list[Document] = []
    for source in sources:
        if source == STDIN:
            content = sys.stdin.buffer.read(SIZE_LIMIT + 1)
            found.append(Document("standard input", "stdin", None, content))
            continue
        path = Path(source)
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if _wanted(p, path, suffixes)]
            if not inside:
                raise SourceError(f"There is no file to read in {source}.", "Name another folder.")
            found += [Document(str(p), _name(p.relative_to(path)), p) for p in inside]
        elif (
            path.exists() and not path.is_file()
        ):  # a pipe: it can be read once, from its beginning
            with path.open("rb") as stream:
                found.append(Document(source, path.name, None, stream.read(SIZE_LIMIT + 1)))
        elif path.exists():
            found.append(Document(source, _name(Path(path.name)), path))
        else:
            raise SourceError(f"There is no file or folder {source}.", "Check the path.")
    return found


def _wanted(path: Path, below: Path, suffixes: Sequence[str]) -> bool:
    parts = path.relative_to(below).parts
    if not path.is_file() or any(part.startswith(".") for part in parts):
        return False
    return not suffixes or _name(Path(path.name)).lower().endswith(tuple(suffixes))


def _name(path: Path) -> str:
    name = path.as_posix()
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name
