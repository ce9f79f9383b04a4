"""What if: links that are there and would not be, others that would, and CIs that were taken out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from impact.elements import OPEN, Link
from impact.rules import Rules
from impact.topology import Topology
from schema.errors import CmdbError


class HypothesisError(CmdbError):
    """What was to be supposed makes no sense."""

    code = "invalid_query"


def link_of(rules: Rules, type: str, ends: Sequence[tuple[str, str]], group: str = "") -> Link:
    """A relationship as impact sees it.

    Parameters
    ----------
    ends
        Id and record type of its source and of its target.

    Raises
    ------
    HypothesisError
        The type has no impact rule, or does not join such records.
    """
    if type not in rules.rules:
        raise HypothesisError(f"{type} has no impact rule.", "It makes no difference to impact.")
    declared, (source, target) = rules.model.relationship_types[type], ends
    if source[1] not in declared.sources or target[1] not in declared.targets:
        raise HypothesisError(
            f"{type} does not lead from {source[1]} to {target[1]}.",
            f"`cmdb schema show {type}` says what it joins.",
        )
    inwards = rules.ends[type] == "source"
    provider, dependent = (source, target) if inwards else (target, source)
    return Link(type, provider[0], dependent[0], group)


def suppose(
    topology: Topology,
    removed: Collection[Link] = (),
    added: Collection[Link] = (),
    out: Collection[str] = (),
    called: Callable[[Link], str] = lambda link: f"{link.type} of {link.dependent}",
) -> tuple[Topology, set[str]]:
    """The topology as it might be, and the CIs whose links are otherwise.

    Parameters
    ----------
    out
        CIs that would not be there: without any of their links.
    called
        What a relationship is called in an error.

    Raises
    ------
    HypothesisError
        A link that would be removed is not there.
    """
    for link in removed:
        if not topology.has(link):
            raise HypothesisError(
                f"There is no relationship {called(link)!r}.", "`cmdb show` lists them."
            )
    closed = [*removed, *_links_of(topology, out)]
    fork = topology.fork()
    fork.change(topology.revision + 1, [], closed, added)
    return fork, {link.dependent for link in (*closed, *added)}


def _links_of(topology: Topology, ids: Collection[str]) -> Iterator[Link]:
    """The links that hold of some CIs, at either end."""
    for node in topology.find(ids):
        if node is not None:
            rows = np.concatenate([topology.rows_from(node), topology.rows_into(node)])
            yield from map(topology.link, rows[topology.rows["end"][rows] == OPEN].tolist())
