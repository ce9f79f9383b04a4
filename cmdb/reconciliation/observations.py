"""Observations: what a source says of one thing, in the model's terms.

An importer yields them; it knows nothing of stores. An observation at the top of what an importer
yields is a *statement*: all that the source has to say of that thing and its parts, so what it said
earlier and no longer says is withdrawn. Observations nested in its links are either *parts*, which
are told apart only by what they are part of (a CPU, an interface), or *mentions* of things that
stand by themselves (a rack, a person): a mention adds to what is known, and withdraws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cmdb.errors import SourceError

__all__ = ["Item", "Link", "Observation", "Portion", "Ref", "Rejection", "SourceError"]


@dataclass(slots=True)
class Ref:
    """Another observation of the same source, by its key; it may come later.

    What no observation of the source bears is reported, and the link left out.
    """

    key: str


@dataclass(slots=True)
class Link:
    """A relationship of the observed thing, or the value of a reference attribute.

    Attributes
    ----------
    name
        A relationship type (``CONNECTED_TO``), an inverse name (``CONTAINED_IN``), or a reference
        attribute (``custodian``).
    to
        What is at the other end.
    attributes
        Of the relationship.
    """

    name: str
    to: Observation | Ref
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Observation:
    """What a source says of one thing.

    Attributes
    ----------
    type
        A concrete record type.
    key
        What the source itself calls it, the same in every run and of no other thing in the source:
        ``device/42``, an ARN, a serial number. Parts need none.
    attributes
        Values as the attribute's kind parses them. None and empty text say nothing.
    links
        Its relationships and reference attributes.
    place
        Where in the source it stands: ``hosts.csv row 12``. Not part of what is compared.
    """

    type: str
    key: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[Link] = ()
    place: str = ""


@dataclass(slots=True)
class Rejection:
    """Something in a source that cannot be used: a row, an object, a cell. The rest goes in.

    Attributes
    ----------
    key
        Of the thing that it is of, if that is known: then that has not vanished. Else it may be any,
        and a complete run retires nothing. Not part of what is compared.
    """

    place: str
    reason: str
    key: str = field(default="", compare=False)


Item = Observation | Rejection


@dataclass(frozen=True)
class Portion:
    """Part of a source that is interpreted by itself: a document, or all of them.

    Attributes
    ----------
    name
        The same in every run.
    fingerprint
        Of everything its observations follow from; None where that is not known.
    items
        Reads and interprets it.
    """

    name: str
    fingerprint: bytes | None
    items: Callable[[], Iterable[Item]]
