"""Where stored data and a model disagree: for the integrity check, and before a model is applied.

Each violation is a phrase without values, so that equal ones can be counted and nothing secret shows.
"""

from __future__ import annotations

import graphlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cmdb.records import Relationship
from schema.model import Model, RecordType, RelationshipType


class Violation(NamedTuple):
    """One thing wrong: a stable code, what it is, and the record or relationship it is about."""

    code: str
    what: str
    subject: str


def invalid_attributes(
    owner: RecordType | RelationshipType, attributes: Mapping[str, object]
) -> Iterator[str]:
    """What is wrong with the attributes of one record or relationship."""
    for name in sorted(owner.required):
        if attributes.get(name) in (None, ""):
            yield f"{owner.name} without the required {name}"
    for name, value in attributes.items():
        if name not in owner.parsers:
            yield f"{owner.name} with {name}, which it does not have"
            continue
        try:
            valid = owner.parsers[name](value) == value
        except ValueError:
            valid = False
        if not valid:
            yield f"{owner.name} with an invalid {name}"


Reference = tuple[str, str, str]
"""The type that refers, the attribute, the id it names."""


def references(record_type: RecordType, attributes: Mapping[str, Any]) -> Iterator[Reference]:
    """What a record refers to by its attributes."""
    for attribute in record_type.references:
        value = attributes.get(attribute.name)
        for id in value if attribute.many and value else (value,):
            if isinstance(id, str):
                yield record_type.name, attribute.name, id


def invalid_references(
    named: Mapping[Reference, str], types: Mapping[str, str], model: Model
) -> Iterator[tuple[str, str]]:
    """References to what is not there, or is not of the type they take: what, and an id given with it."""
    for (type_, name, id), subject in named.items():
        to = model.record_types[type_].attributes[name].to
        assert to is not None
        if types.get(id) not in model.record_types[to].concrete:
            yield f"{type_} with a {name} that is no {to}", subject


def invalid_relationships(
    links: Iterable[Relationship],
    rules: Mapping[str, RelationshipType],
    types: Mapping[str, str],
) -> Iterator[Violation]:
    """What is wrong with relationships, each by itself and all together.

    Parameters
    ----------
    links
        All relationships of the types concerned.
    types
        Type of every record by id.

    Notes
    -----
    Memory grows with the relationships whose number at an end is limited, or that may not form
    cycles.
    """
    ends: Counter[tuple[str, str, str]] = Counter()
    graphs: defaultdict[str, graphlib.TopologicalSorter[str]] = defaultdict(
        graphlib.TopologicalSorter
    )
    for link in links:
        subject = str(link.key)
        rule = rules.get(link.type)
        if rule is None:
            yield Violation("invalid_relationship", f"{link.type} is not in the model", subject)
            continue
        source, target = types.get(link.source), types.get(link.target)
        if source not in rule.sources or target not in rule.targets:
            between = f"{source or 'nothing'} and {target or 'nothing'}"
            code = "endpoint" if source and target else "dangling_end"
            yield Violation(code, f"{link.type} between {between}", subject)
        for what in invalid_attributes(rule, link.attributes):
            yield Violation("invalid_relationship", what, subject)
        for limited, end, id in (
            (rule.one_target, "source", link.source),
            (rule.one_source, "target", link.target),
        ):
            if limited:
                ends[link.type, end, id] += 1
                if ends[link.type, end, id] > 1:
                    yield Violation("cardinality", f"more than one {link.type} at a {end}", subject)
        if rule.acyclic:
            graphs[link.type].add(link.target, link.source)
    for name, graph in graphs.items():
        try:
            graph.prepare()
        except graphlib.CycleError as error:
            yield Violation("cycle", f"a cycle of {name}", " -> ".join(error.args[1]))
