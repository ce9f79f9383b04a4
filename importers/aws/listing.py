"""How it is said what an AWS answer holds, and how things are found at a path in it.

A path is names with dots between them: ``VpcConfig.SubnetIds``. Lists on the way are gone through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SELF: Final = "@"
"""The path of an entry that is a plain text."""
_LISTS_DEEP: Final = 10
"""More lists within lists than any answer has."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One operation's answer.

    Attributes
    ----------
    calls
        Service and operations as the AWS CLI names them: ``ec2 describe-vpcs``.
    entries
        Where its entries stand: ``Vpcs``, or ``Reservations.Instances`` within others.
    type
        Their record type.
    id
        The path of an entry's id or ARN.
    kind
        Its `resource_type`, where it has no record type of its own.
    arn
        Where the id is a bare name: what its ARN says after region and account, with service:
        ``redshift:cluster:{}``.
    attributes
        Paths by the attributes they fill.
    links
        Relationship, the type at the other end, and the path of its ids.
    brief
        Whether the answer only names things that another answer describes.
    """

    calls: str
    entries: str
    type: str
    id: str
    name: str = ""
    arn: str = ""
    kind: str = ""
    engine: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    links: tuple[tuple[str, str, str], ...] = ()
    brief: bool = False


def in_network(type_: str, path: str) -> tuple[str, str, str]:
    """That things are in the networks at a path."""
    # (resource)-[:IN_NETWORK]->(subnet or VPC)
    return ("IN_NETWORK", type_, path)


def groups(path: str) -> tuple[str, str, str]:
    """That things are protected by the security groups at a path."""
    # (resource)-[:PROTECTED_BY]->(security group)
    return ("PROTECTED_BY", "SecurityGroup", path)


VPC: Final = in_network("VPC", "VpcId")


def found(value: Any, path: str, depth: int = 0) -> Iterator[Any]:
    """Everything that stands at a path; lists on the way, and at its end, are gone through."""
    if isinstance(value, list):
        if depth < _LISTS_DEEP:
            for element in value:
                yield from found(element, path, depth + 1)
    elif not path or path == SELF:
        yield value
    elif isinstance(value, dict):
        head, _, rest = path.partition(".")
        if head in value:
            yield from found(value[head], rest, depth)


def texts(value: Any, path: str) -> list[str]:
    """The texts at a path, each once."""
    values = (v.strip() for v in found(value, path) if isinstance(v, str)) if path else ()
    return list(dict.fromkeys(v for v in values if v))


def entries(answer: Mapping[str, Any], path: str) -> Iterator[tuple[Any, Any]]:
    """The entries of an answer, each with what it stands in (a reservation)."""
    if not path:
        yield answer, answer
        return
    head, _, rest = path.partition(".")
    value = answer.get(head)
    for entry in value if isinstance(value, list) else [value]:
        if not rest:
            yield entry, answer
        elif isinstance(entry, dict):
            inner = entry.get(rest)
            yield from ((e, entry) for e in (inner if isinstance(inner, list) else [inner]))
        else:
            yield entry, answer
