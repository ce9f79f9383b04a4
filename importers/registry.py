"""Finding importers: the entry points of the group ``cmdb.importers``, ours and other packages'."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cmdb.reconciliation.observations import Portion, SourceError
from importers.contract import Importer
from importers.reading import Document
from schema.errors import CmdbError, UnknownNameError

GROUP: Final = "cmdb.importers"


class ImporterError(CmdbError):
    """An importer cannot be used as asked."""

    code = "importer"


def names() -> list[str]:
    """Of all importers there are, sorted."""
    return sorted(_found())


def importer_type(name: str) -> type[Importer[Any]]:
    """The class of an importer.

    Raises
    ------
    UnknownNameError
        There is none of that name.
    ImporterError
        Its package is broken.
    """
    found = _found()
    if name not in found:
        raise UnknownNameError(f"There is no importer {name!r}.", "`cmdb importers` lists them.")
    try:
        loaded = found[name].load()
    except Exception as error:
        raise ImporterError(
            f"The importer {name} of {_package(found[name])} cannot be loaded ({type(error).__name__}: {error}).",
            "Update or remove that package.",
        ) from None
    if not (isinstance(loaded, type) and issubclass(loaded, Importer)):
        raise ImporterError(
            f"{found[name].value} of {_package(found[name])} is not an importer.",
            "Its entry point must name a subclass of importers.contract.Importer.",
        )
    return loaded


def make(name: str, options: Mapping[str, Any]) -> Importer[Any]:
    """An importer with options, as text or values.

    Raises
    ------
    UnknownNameError, ImporterError
        Also for options it does not have.
    """
    kind = importer_type(name)
    try:
        return kind(kind.options_type.model_validate(dict(options)))
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(map(str, first["loc"])) or "its options"
        raise ImporterError(
            f"Option {option} of {name}: {first['msg']}.", "`cmdb importers` lists the options."
        ) from None


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module


def portions(importer: Importer[Any], documents: Sequence[Document]) -> Iterator[Portion]:
    """What an importer says of documents, in parts that can be passed over when nothing changed."""
    own = _own_fingerprint(importer)
    if importer.together:
        yield _portion(importer, own, importer.name, documents)
        return
    names: Counter[str] = Counter()
    for document in documents:
        names[document.name] += 1
        again = f" ({names[document.name]})" if names[document.name] > 1 else ""
        yield _portion(importer, own, f"{document.name}{again}", [document])


def _own_fingerprint(importer: Importer[Any]) -> bytes:
    """Of what documents are interpreted by: the importer's release, its options, the files they name."""
    point = _found().get(importer.name)
    release = point.dist.version if point is not None and point.dist else ""
    digest = hashlib.blake2b(f"{importer.name} {release} {importer.options!r}".encode())
    for path in importer.also_reads():
        digest.update(Document(path, path, Path(path)).fingerprint())
    return digest.digest()


def _portion(
    importer: Importer[Any], own: bytes, name: str, documents: Sequence[Document]
) -> Portion:
    digest = hashlib.blake2b(own)
    try:
        for document in documents:
            digest.update(document.name.encode())
            digest.update(document.fingerprint())
    except SourceError:  # interpreting it will say why
        return Portion(name, None, lambda: importer.observe(documents))
    return Portion(name, digest.digest(), lambda: importer.observe(documents))
