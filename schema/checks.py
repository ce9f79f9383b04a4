"""What must hold over a whole model before it may be used. Every mistake is found, not just the first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from schema.attributes import make_attribute
from schema.declarations import (
    AttributeDeclaration,
    InferenceDeclaration,
    ModelDeclaration,
)
from schema.errors import Mistake
from schema.inheritance import Found, Path, ancestry, inherited
from schema.kinds import KINDS
from schema.model import PROVENANCE, ROOT, STATE_ATTRIBUTE
from schema.process_checks import check_processes

RESERVED_ATTRIBUTES: Final = frozenset(
    {
        STATE_ATTRIBUTE,
        PROVENANCE,
        "id",
        "type",
        "revision",
        "until",
        "source",
        "target",
        "created",
        "labels",
    }
)
"""Names the stores and doors use beside a record's own attributes."""

RESERVED_TYPES: Final = frozenset(
    {
        "Query",
        "Mutation",
        "Subscription",
        "Node",
        "PageInfo",
        "String",
        "Int",
        "Float",
        "Boolean",
        "ID",
    }
)
"""Names GraphQL or Relay give another meaning."""

RANGED_KINDS: Final = ("integer", "number")
FORMATS_OF: Final = {"time_zone": "string", "week_hours": "json", "day_hours": "json"}
"""Format -> the kind whose values have it."""

Locate = Callable[[Path], str]


def check_model(
    declared: ModelDeclaration, locate: Locate = lambda path: ".".join(map(str, path))
) -> list[Mistake]:
    """Every mistake in the merged declarations, in the order of the files.

    Parameters
    ----------
    locate
        Gives ``file:line`` of a path such as ``("record_types", "Server", "parent")``.
    """
    found: list[tuple[Path, str, str]] = [
        *_record_types(declared),
        *_attributes(declared),
        *_relationship_types(declared),
        *check_processes(declared),
    ]
    return [Mistake(locate(path), what, remedy) for path, what, remedy in found]


def _record_types(declared: ModelDeclaration) -> Found:
    types = declared.record_types
    relationships = {*declared.relationship_types}
    relationships.update(r.inverse for r in declared.relationship_types.values() if r.inverse)
    if ROOT not in types:
        yield (
            ("record_types",),
            f"the root type {ROOT} is missing",
            f"Declare {ROOT}, or load the shipped model too.",
        )
    for name, record_type in types.items():
        path: Path = ("record_types", name)
        if name in RESERVED_TYPES:
            yield path, f"{name} is a reserved name", "Choose another name."
        if record_type.label is None:
            yield path, f"{name} has no label", "Add `label: {en: …, zh: …}`."
        if record_type.parent is None and name != ROOT:
            yield path, f"{name} has no parent", f"Name one; every type stands under {ROOT}."
        elif record_type.parent is not None and name == ROOT:
            yield (*path, "parent"), f"{ROOT} has a parent", "It is the root: remove the parent."
        elif record_type.parent is not None and record_type.parent not in types:
            yield (
                (*path, "parent"),
                f"the parent {record_type.parent} of {name} is not declared",
                "Declare it, or correct the name.",
            )
        line = ancestry(types, name)
        if types[line[-1]].parent in line:
            yield (
                (*path, "parent"),
                f"{' -> '.join([*line, str(types[line[-1]].parent)])} is a cycle",
                "Give one of them another parent.",
            )
            continue
        known = inherited(types, name)
        for index, group in enumerate(record_type.identification):
            if sum(e[0].isupper() for e in group) > 1 or not any(
                e[0].islower() and e[-1] != "?" for e in group
            ):
                yield (
                    (*path, "identification", index),
                    f"the rule {group} of {name} tells nothing apart",
                    "Give it at least one attribute without `?`, and at most one relationship.",
                )
        for other in record_type.becomes:
            if other not in types:
                yield (
                    (*path, "becomes"),
                    f"{name} becomes {other}, which is not declared",
                    "Correct the name.",
                )
        for rule, groups in (
            ("unique", record_type.unique),
            ("identification", record_type.identification),
        ):
            for index, group in enumerate(groups):
                for attribute in group:
                    attribute = (
                        attribute.removesuffix("?") if rule == "identification" else attribute
                    )
                    if attribute[0].isupper():
                        if attribute not in relationships:
                            yield (
                                (*path, rule, index),
                                f"{rule} of {name} names {attribute}, which is no relationship",
                                "Correct the name, or declare the relationship type.",
                            )
                    elif attribute not in known:
                        yield (
                            (*path, rule, index),
                            f"{rule} of {name} names {attribute}, which {name} does not have",
                            "Correct the name, or declare the attribute.",
                        )
                    elif rule == "unique" and (
                        known[attribute].many or known[attribute].kind in ("json", "text")
                    ):
                        yield (
                            (*path, rule, index),
                            f"{attribute} of {name} cannot be part of a unique key",
                            "Use an attribute with one short value.",
                        )
        if record_type.state_machine and record_type.state_machine not in declared.state_machines:
            yield (
                (*path, "state_machine"),
                f"the state machine {record_type.state_machine} of {name} is not declared",
                "Declare it, or correct the name.",
            )
        for relationship in record_type.redundancy:
            target = declared.relationship_types.get(relationship)
            if target is None or target.impact is None:
                yield (
                    (*path, "redundancy", relationship),
                    f"{name} declares redundancy over {relationship}, which is no relationship type with an impact rule",
                    "Correct the name, or give that type an impact rule.",
                )


def _attributes(declared: ModelDeclaration) -> Found:
    first: dict[str, tuple[str, AttributeDeclaration]] = {}
    owners = [
        ("record_types", declared.record_types),
        ("relationship_types", declared.relationship_types),
    ]
    for section, types in owners:
        for owner, owner_type in types.items():  # type: ignore[attr-defined]
            for name, attribute in owner_type.attributes.items():
                path: Path = (section, owner, "attributes", name)
                if name in RESERVED_ATTRIBUTES:
                    yield path, f"{name} is a reserved attribute name", "Choose another name."
                yield from _attribute(declared, path, owner, name, attribute)
                if section == "relationship_types" and (attribute.unique or attribute.indexed):
                    yield (
                        path,
                        f"{name} of {owner}: attributes of relationships are neither unique nor indexed",
                        "Remove it.",
                    )
                other, same = first.setdefault(name, (owner, attribute))
                if (same.kind, same.many) != (attribute.kind, attribute.many):
                    yield (
                        path,
                        f"{name} is {_shape(attribute)} in {owner} and {_shape(same)} in {other}",
                        "One name means one kind everywhere: use the same, or another name.",
                    )
    for owner, record_type in declared.record_types.items():
        above = ancestry(declared.record_types, owner)[1:]
        for name in record_type.attributes:
            for ancestor in above:
                if name in declared.record_types[ancestor].attributes:
                    yield (
                        ("record_types", owner, "attributes", name),
                        f"{owner} declares {name} again, which it inherits from {ancestor}",
                        "Remove it here.",
                    )


def _attribute(
    declared: ModelDeclaration, path: Path, owner: str, name: str, attribute: AttributeDeclaration
) -> Found:
    kind = attribute.kind
    if (kind == "enum") != (attribute.values is not None):
        yield (
            path,
            f"{name} of {owner}: an enum, and nothing else, has `values`",
            "Add or remove `values`.",
        )
    if (kind == "reference") != (attribute.to is not None):
        yield (
            path,
            f"{name} of {owner}: a reference, and nothing else, has `to`",
            "Add or remove `to`.",
        )
    if attribute.to is not None and attribute.to not in declared.record_types:
        yield (
            (*path, "to"),
            f"{name} of {owner} refers to {attribute.to}, which is not declared",
            "Correct the name.",
        )
    if attribute.pattern is not None and not KINDS[kind].textual:
        yield (*path, "pattern"), f"{name} of {owner}: {kind} takes no pattern", "Remove it."
    if attribute.format is not None and kind != FORMATS_OF[attribute.format]:
        yield (*path, "format"), f"{name} of {owner}: {kind} is no {attribute.format}", "Remove it."
    if (
        attribute.minimum is not None or attribute.maximum is not None
    ) and kind not in RANGED_KINDS:
        yield path, f"{name} of {owner}: {kind} takes no minimum or maximum", "Remove it."
    if attribute.unique and (attribute.many or kind in ("json", "text")):
        yield (
            path,
            f"{name} of {owner}: {_shape(attribute)} cannot be unique",
            "Use an attribute with one short value.",
        )
    if attribute.indexed and kind in ("json", "text"):
        yield path, f"{name} of {owner}: {kind} cannot be indexed", "Use `string`, or remove it."
    if attribute.telling and kind not in ("json", "reference"):
        yield path, f"{name} of {owner}: {kind} tells of no other records", "Remove `telling`."
    if attribute.sensitive and attribute.searchable:
        yield path, f"{name} of {owner} is sensitive and searchable", "Choose one of the two."
    if attribute.default is not None and not (kind == "enum" and attribute.values is None):
        try:
            make_attribute(name, attribute, owner).parse(attribute.default)
        except ValueError as error:
            yield (*path, "default"), f"the default of {name} of {owner} {error}", "Correct it."


def _relationship_types(declared: ModelDeclaration) -> Found:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for name, relationship_type in declared.relationship_types.items():
        path: Path = ("relationship_types", name)
        names[name].append(name)
        for what in ("label", "inverse", "inverse_label", "source", "target"):
            if not getattr(relationship_type, what):
                yield path, f"{name} has no {what}", f"Add `{what}: …`."
        if relationship_type.inverse:
            names[relationship_type.inverse].append(name)
            if len(names[relationship_type.inverse]) > 1 or (
                relationship_type.inverse in declared.relationship_types
            ):
                yield (
                    (*path, "inverse"),
                    f"the inverse name {relationship_type.inverse} of {name} is taken",
                    "Choose another.",
                )
        for end in ("source", "target"):
            for endpoint in getattr(relationship_type, end):
                if endpoint not in declared.record_types:
                    yield (
                        (*path, end),
                        f"{name} names {endpoint} at its {end}, which is not declared",
                        "Correct the name.",
                    )
        for rule, inference in relationship_type.inferred.items():
            yield from _inference(declared, (*path, "inferred", rule), rule, inference)
        impact = relationship_type.impact
        if (
            impact
            and impact.redundancy
            and impact.redundancy.group_by
            and "group" not in relationship_type.attributes
        ):
            yield (
                (*path, "impact"),
                f"{name} groups by an attribute `group` it does not have",
                "Declare the attribute.",
            )


def _inference(
    declared: ModelDeclaration, path: Path, rule: str, inference: InferenceDeclaration
) -> Found:
    for end, types, attribute in (
        ("source", inference.source, inference.attribute),
        ("target", inference.target, inference.by),
    ):
        for name in types:
            if name not in declared.record_types:
                yield (
                    (*path, end),
                    f"the rule {rule} names {name}, which is not declared",
                    "Correct the name.",
                )
            elif attribute not in inherited(declared.record_types, name):
                yield (
                    (*path, end),
                    f"the rule {rule} looks at {attribute} of {name}, which {name} does not have",
                    "Correct the name, or declare the attribute.",
                )


def _shape(attribute: AttributeDeclaration) -> str:
    return f"a list of {attribute.kind}" if attribute.many else attribute.kind
