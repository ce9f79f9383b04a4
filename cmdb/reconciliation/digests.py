"""All that an observation says, as bytes: what tells whether it says the same as last time."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import orjson

from cmdb.reconciliation.observations import Observation

REMEMBERED: Final = 10_000
"""Nested observations whose bytes are remembered; then they are forgotten and met again."""


class Sayings:
    """Makes the bytes. An observation object that is nested in others again is not written again."""

    def __init__(self) -> None:
        self._nested: dict[int, tuple[Observation, orjson.Fragment]] = {}

    def said(self, observation: Observation) -> bytes:
        """All that an observation says, but for its place."""
        try:
            return orjson.dumps(self._plain(observation), str, orjson.OPT_PASSTHROUGH_DATACLASS)
        except (TypeError, ValueError, RecursionError):
            return hashlib.blake2b(repr(observation).encode()).digest()

    def _plain(self, observation: Observation) -> list[Any]:
        links = []
        for link in observation.links:
            to = link.to
            far = self._fragment(to) if type(to) is Observation else {"ref": to.key}
            links.append([link.name, far, link.attributes])
        return [observation.type, observation.key, observation.attributes, links]

    def _fragment(self, nested: Observation) -> orjson.Fragment:
        known = self._nested.get(id(nested))
        if known is not None:
            return known[1]
        fragment = orjson.Fragment(
            orjson.dumps(self._plain(nested), str, orjson.OPT_PASSTHROUGH_DATACLASS)
        )
        if len(self._nested) >= REMEMBERED:
            self._nested.clear()
        self._nested[id(nested)] = (nested, fragment)
        return fragment
