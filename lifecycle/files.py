"""Where attached files are kept: outside the graph, by the SHA-256 of what is in them.

A file is written beside its place and moved there when it is whole, so what stands under a digest has been
written to its end. Nothing of what people call a file becomes a part of a path.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from cmdb.errors import CmdbError, StoreError
from cmdb.store.opening import embedded_file
from lifecycle.contents import HEAD, FileRefusedError, Text, content_type, safe_name

VARIABLE: Final = "CMDB_FILES"
SIZE_LIMIT: Final = 64 * 2**20
"""Most bytes of one file."""
_CHUNK: Final = 2**20
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_INCOMING: Final = ".incoming-"
_ABANDONED: Final = 86_400
"""Seconds after which nobody is still writing."""


class Stored(NamedTuple):
    """A file that is kept."""

    sha256: str
    size: int
    content_type: str


def folder_of(url: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the files of a store are kept: ``CMDB_FILES``, or beside the file of an embedded store.

    Raises
    ------
    FileRefusedError
        It is neither.
    """
    if given := environment.get(VARIABLE):
        return Path(given)
    if (file := embedded_file(url)) is not None:
        return file.with_name(f"{file.name}-files")
    raise FileRefusedError(
        f"Nothing says where the files of {url} are kept.", f"Set {VARIABLE} to a folder."
    )


class Files:
    """A folder of files by digest: ``ab/cdef…``.

    Parameters
    ----------
    limit
        Most bytes of one file.
    """

    def __init__(self, folder: Path, limit: int = SIZE_LIMIT) -> None:
        self.folder, self.limit = folder, limit

    def add(self, path: Path) -> Stored:
        """Keep the content of a file; content that is there already is not written again.

        Raises
        ------
        FileRefusedError
            It is no plain file, is empty or too large, or of a type that is not kept.
        """
        with self.adding(path) as stored:
            return stored

    @contextmanager
    def adding(self, path: Path, name: str = "") -> Iterator[Stored]:
        """Keep the content of a file for what is committed inside.

        What is refused is told by the name, or that of the path.

        Where that is refused, the file goes again, unless it was there before, or others have added the
        same, or are about to add something. Where nobody knows what became of the commit, it stays.

        Raises
        ------
        FileRefusedError
            As `add`.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _shared(self.folder) as alone:
            with plain_file(path) as source:
                stored, written = self._kept(source, name or path.name)
            try:
                yield stored
            except StoreError:
                raise
            except CmdbError:
                place = self._place(stored.sha256)
                if written is not None and alone() and place.stat().st_mtime_ns == written:
                    place.unlink()
                raise

    def _kept(self, source: BinaryIO, name: str) -> tuple[Stored, int | None]:
        """What is kept, and when it was written; if it was there, it is marked as used anew."""
        self._tidy()
        descriptor, incoming = tempfile.mkstemp(prefix=_INCOMING, dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as target:
                digest, size, kind = self._copied(source, target, name)
                target.flush()
                os.fsync(target.fileno())
            place, stored = self._place(digest), Stored(digest, size, kind)
            if self._whole(place, digest):
                os.utime(place, ns=(time.time_ns(), time.time_ns()))
                return stored, None
            place.parent.mkdir(exist_ok=True, mode=0o700)
            self._own(place.parent)
            Path(incoming).replace(place)
            _sync(place.parent)
            return stored, place.stat().st_mtime_ns
        finally:
            Path(incoming).unlink(missing_ok=True)

    def _copied(self, source: BinaryIO, target: BinaryIO, name: str) -> tuple[str, int, str]:
        digest, size, head = hashlib.sha256(), 0, b""
        text = Text()
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > self.limit:
                raise FileRefusedError(
                    f"{safe_name(name)} is larger than {self.limit} bytes.", "Attach a smaller one."
                )
            head = head or chunk[:HEAD]
            digest.update(chunk)
            text.add(chunk)
            target.write(chunk)
        if not size:
            raise FileRefusedError(f"{safe_name(name)} is empty.", "Attach one with content.")
        return digest.hexdigest(), size, content_type(head, text.ended(), name)

    def read(self, sha256: str) -> bytes:
        """The content of a file; raises as `chunks` does."""
        return b"".join(self.chunks(sha256))

    def chunks(self, sha256: str) -> Iterator[bytes]:
        """The content of a file in pieces, after all of it was checked against its digest.

        Raises
        ------
        FileRefusedError
            It is not there, or is not what it was; before the first piece.
        """
        place = self._place(sha256)
        try:
            stream = self._checked(place, sha256)
        except OSError as error:
            raise FileRefusedError(
                f"The file {sha256} cannot be read: {error.strerror}.", "Check its disk."
            ) from None
        with stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    def _checked(self, place: Path, sha256: str) -> BinaryIO:
        try:
            stream = plain_file(place)
        except FileRefusedError:
            raise FileRefusedError(
                f"The file {sha256} is not in {self.folder}.", f"Does {VARIABLE} name its folder?"
            ) from None
        if _digest(stream) != sha256:
            stream.close()
            raise FileRefusedError(
                f"The file {sha256} is damaged.", "Restore it from a backup, or attach it again."
            )
        stream.seek(0)
        return stream

    def _place(self, sha256: str) -> Path:
        if not _DIGEST.fullmatch(sha256):
            raise FileRefusedError(f"{sha256!r} is no SHA-256.", "It has 64 of 0-9 and a-f.")
        return self.folder / sha256[:2] / sha256[2:]

    def _whole(self, place: Path, digest: str) -> bool:
        """Whether what stands there is a plain file with that content."""
        self._own(place.parent)
        try:
            with plain_file(place) as source:
                return _digest(source) == digest
        except FileRefusedError:
            return False

    def _tidy(self) -> None:
        """Remove what writers that were stopped dead left behind."""
        for left in self.folder.glob(f"{_INCOMING}*"):
            with suppress(OSError):
                if time.time() - left.lstat().st_mtime > _ABANDONED:
                    left.unlink()

    def _own(self, folder: Path) -> None:
        """A folder in this one is a folder, not a way out of it."""
        if folder.is_symlink():
            raise FileRefusedError(f"{folder} is a link.", "Remove it: files would go elsewhere.")


@contextmanager
def _shared(folder: Path) -> Iterator[Callable[[], bool]]:
    """Be one of those who add to a folder. Gives what says whether one is the only one, and keeps others
    out from then on; where the file system knows no locks, nobody ever is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def alone() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield alone
    finally:
        os.close(descriptor)


def _digest(stream: BinaryIO) -> str:
    found = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        found.update(chunk)
    return found.hexdigest()


def plain_file(path: Path) -> BinaryIO:
    """A plain file, opened without following a link and without waiting for a pipe.

    Raises
    ------
    FileRefusedError
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        what = "is a link" if path.is_symlink() else (error.strerror or str(error)).lower()
        raise FileRefusedError(f"{safe_name(path.name)}: {what}.", "Name a plain file.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefusedError(f"{safe_name(path.name)} is no file.", "Name a plain file.")
    return os.fdopen(descriptor, "rb")


def write_out(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file whole or not at all; one that is there stays, unless it is to be replaced.

    Raises
    ------
    FileRefusedError
        There is one, or it cannot be written.
    """
    if (path.is_symlink() or path.exists()) and (not replace or path.is_dir()):
        raise FileRefusedError(f"{path} is there already.", "Name another, or say --yes.")
    try:
        descriptor, incoming = tempfile.mkstemp(prefix=_INCOMING, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as target:
                target.write(content)
            Path(incoming).replace(path)
        finally:
            Path(incoming).unlink(missing_ok=True)
    except OSError as error:
        raise FileRefusedError(
            f"{path} cannot be written: {error.strerror}.", "Name another place."
        ) from None


def _sync(folder: Path) -> None:
    """The names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
