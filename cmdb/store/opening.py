"""The composition root: where a store URL becomes a store. Nothing else knows which one is in use."""

from __future__ import annotations

from pathlib import Path

from cmdb.errors import StoreURLError
from cmdb.store.base import GraphStore
from schema.loading import load_model
from schema.model import Model

DEFAULT_URL = "sqlite:///cmdb.db"
NEO4J_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")


def open_store(url: str = DEFAULT_URL) -> GraphStore:
    """Open the store at a URL.

    Parameters
    ----------
    url
        ``sqlite:///relative/path``, ``sqlite:////absolute/path``, or
        ``neo4j://[user[:password]@]host[:port][/database]`` (also ``bolt``, ``+s``, ``+ssc``).
        A password may come from ``CMDB_NEO4J_PASSWORD`` or the file ``CMDB_NEO4J_PASSWORD_FILE``
        names instead.

    Raises
    ------
    StoreURLError, StoreNotFoundError, StoreVersionError, StoreUnavailableError, StoreAccessError
    """
    return _store(url, create=False)


def create_store(
    url: str = DEFAULT_URL, model: Model | None = None, actor: str = "cmdb"
) -> GraphStore:
    """Make a store at a URL and apply a model: the shipped one and ``CMDB_MODEL``, unless given.

    Raises
    ------
    StoreExistsError
        There is one already.
    """
    chosen = model or load_model()
    store = create_empty_store(url)
    store.initialise(chosen, actor)
    return store


def create_empty_store(url: str) -> GraphStore:
    """Make a store without a model, for the revisions of another one (`GraphStore.replicate`)."""
    return _store(url, create=True)


def embedded_file(url: str) -> Path | None:
    """The file of an embedded store; None where a server keeps it."""
    scheme, separator, rest = url.partition("://")
    embedded = scheme == "sqlite" and separator and rest.startswith("/") and len(rest) > 1
    return Path(rest[1:]) if embedded else None


def _store(url: str, *, create: bool) -> GraphStore:
    scheme, separator, _ = url.partition("://")
    if (file := embedded_file(url)) is not None:
        from cmdb.store.sqlite.store import SqliteStore

        return SqliteStore(file, create=create)
    if scheme in NEO4J_SCHEMES and separator:
        from cmdb.store.neo4j.store import open_neo4j

        return open_neo4j(url, create=create)
    schemes = ", ".join(("sqlite", *NEO4J_SCHEMES))
    raise StoreURLError(
        f"{scheme + '://…' if separator else url!r} is no store URL.",
        f"Write sqlite:///cmdb.db or neo4j://user@host/database ({schemes}).",
    )
