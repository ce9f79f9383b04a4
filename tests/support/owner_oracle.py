"""Whose records are, worked out plainly: what stores keep beside them is compared with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Self

from cmdb.owners import ASKED, LEVELS, NOBODY
from cmdb.store import GraphStore


class World(NamedTuple):
    """What is in a store: (type, organisation, the one it is handed to), and (whole, part) by type."""

    records: dict[str, tuple[str, str | None, str | None]]
    links: set[tuple[str, str, str]]

    @classmethod
    def of(cls, store: GraphStore, ids: Collection[str]) -> Self:
        """Some records as they are, and what is whole and part among them."""
        found = store.get(ids)
        said = {
            id: (
                one.type,
                one.attributes.get("organisation"),
                one.attributes.get("to_organisation"),
            )
            for id, one in ((id, found[id]) for id in ids)
        }
        near = store.neighbours(ids, ["CONTAINS", "PIECE_OF"])
        return cls(said, {ends(*n.relationship.key) for n in near})

    def owner(self, id: str) -> str:
        type_, own, to = self.records[id]
        if type_ in ("Account", "Organisation", "MergedRecord") or to not in (None, own):
            return ASKED
        if own is not None:
            return own
        found = self._above(id, LEVELS)
        return NOBODY if not found else ASKED if len(found) > 1 else found.pop()

    def _above(self, id: str, levels: int) -> set[str]:
        found: set[str] = set()
        for whole in (w for w, _, part in self.links if part == id and levels):
            own = self.records[whole][1]
            found |= self._above(whole, levels - 1) if own is None else {own}
        return found


def ends(whole: str, type_: str, part: str) -> tuple[str, str, str]:
    """Source, type and target from whole, type and part; or the other way round."""
    return (whole, type_, part) if type_ == "CONTAINS" else (part, type_, whole)
