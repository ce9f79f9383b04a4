"""The tree of organisations, in memory: who may see what is asked of it at every step.

It is read with few statements and then follows the change feed, so that a request costs none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from cmdb.queries import PAGE_LIMIT, Query
from cmdb.records import Record, Relationship
from cmdb.revisions import Commit
from cmdb.store import GraphStore
from schema.model import ORGANISATION, ORGANISATION_TREE

FOLLOWED: Final = (ORGANISATION, ORGANISATION_TREE)
REFRESH_SECONDS: Final = 1.0


class Tree:
    """The organisations as of one revision. It never changes; what was worked out is kept with it."""

    def __init__(self, revision: int, names: Mapping[str, str], parents: Mapping[str, str]) -> None:
        self.revision, self.names, self.parents = revision, names, parents
        self._children: dict[str, list[str]] = {}
        for child, parent in parents.items():
            self._children.setdefault(parent, []).append(child)
        self._below: dict[frozenset[str], frozenset[str]] = {}

    def __contains__(self, id: object) -> bool:
        return id in self.names

    def name(self, id: str) -> str:
        """An organisation's name; its id where there is none of that id."""
        return self.names.get(id, id)

    def below(self, roots: Iterable[str]) -> frozenset[str]:
        """Ids of these organisations and all below them."""
        asked = frozenset(roots)
        if asked not in self._below:
            found, frontier = set(asked), list(asked)
            while frontier:
                new = [c for c in self._children.get(frontier.pop(), ()) if c not in found]
                found.update(new)
                frontier += new
            self._below[asked] = frozenset(found)
        return self._below[asked]

    def above(self, id: str) -> list[str]:
        """Ids of the organisations above one, the nearest first."""
        found: list[str] = []
        while (id := self.parents.get(id, "")) and id not in found:
            found.append(id)
        return found


class Organisations:
    """The tree as it is, kept up to date.

    Whoever follows the change feed for the whole process gives each commit to `follow`; where nobody
    does, `tree` looks for new revisions by itself, at most about once a second.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, store: GraphStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._tree: Tree | None = None
        self._looked = 0.0

    @property
    def revision(self) -> int:
        """Up to which revision they are followed; 0 before they were first asked for."""
        return self._tree.revision if self._tree else 0

    def tree(self) -> Tree:
        """The organisations now, or as they were at most a second ago."""
        tree = self._tree
        if tree is None or self._clock() - self._looked >= REFRESH_SECONDS:
            tree = self.refresh()
        return tree

    def refresh(self) -> Tree:
        """The organisations now. A single small statement where nothing was committed."""
        with self._lock:
            looked = self._clock()
            if self._tree is None:
                self._tree = self._read()
            elif self._store.last_revision().number > self._tree.revision:
                for commit in self._store.feed(self._tree.revision, only=FOLLOWED):
                    self._tree = self._followed(self._tree, commit)
            self._looked = looked
            return self._tree

    def follow(self, commit: Commit) -> None:
        """Take up the next revision of the change feed; others than the next are passed over."""
        with self._lock:
            if self._tree is not None and commit.revision.number == self._tree.revision + 1:
                self._tree = self._followed(self._tree, commit)
                self._looked = self._clock()

    def below(self, roots: Iterable[str]) -> frozenset[str]:
        """Ids of these organisations and all below them."""
        return self.tree().below(roots)

    def above(self, id: str) -> list[str]:
        """Ids of the organisations above one, the nearest first."""
        return self.tree().above(id)

    def name(self, id: str) -> str:
        """An organisation's name; its id where there is none of that id."""
        return self.tree().name(id)

    def _read(self) -> Tree:
        """Two statements for every 10,000 organisations, and one. What is committed meanwhile is in the
        feed behind the revision; taking it up once more changes nothing."""
        revision = self._store.last_revision().number
        if ORGANISATION not in self._store.model.record_types:
            return Tree(revision, {}, {})
        names: dict[str, str] = {}
        parents: dict[str, str] = {}
        after: str | None = ""
        while after is not None:
            query = Query(ORGANISATION, first=PAGE_LIMIT, after=after or None)
            page = self._store.find(query)
            names.update((record.id, record.name) for record in page.records)
            parents.update(self._parents([record.id for record in page.records]))
            after = page.cursor
        return Tree(revision, names, parents)

    def _parents(self, ids: Collection[str]) -> dict[str, str]:
        if not ids or ORGANISATION_TREE not in self._store.model.relationship_types:
            return {}
        near = self._store.neighbours(ids, [ORGANISATION_TREE], "out")
        return {n.of: n.record.id for n in near}

    def _followed(self, tree: Tree, commit: Commit) -> Tree:
        kinds = self._store.model.record_types[ORGANISATION].concrete
        records = [c.after or c.before for c in commit.changes.records]
        changed = [r for r in records if isinstance(r, Record) and r.type in kinds]
        names = {**tree.names, **{r.id: r.name for r in changed}} if changed else tree.names
        links = [c for c in commit.changes.relationships if c.key.type == ORGANISATION_TREE]
        parents = _with(tree.parents, names, [(c.before, c.after) for c in links])
        if names is tree.names and parents is tree.parents:
            tree.revision = commit.revision.number
            return tree
        return Tree(commit.revision.number, names, parents)


def _with(
    parents: Mapping[str, str],
    names: Mapping[str, str],
    links: list[tuple[Relationship | None, Relationship | None]],
) -> Mapping[str, str]:
    """Who is above whom after some relationships came and went; teams are no organisations."""
    new = dict(parents)
    for before, _ in links:
        if before is not None and new.get(before.source) == before.target:
            del new[before.source]
    for _, after in links:
        if after is not None and after.source in names:
            new[after.source] = after.target
    return parents if new == parents else new
