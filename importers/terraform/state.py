"""The layouts of Terraform's state: resources with their addresses, attributes and dependencies.

Version 4 (Terraform 0.12 and later, OpenTofu), version 3 (0.7 to 0.11), and what ``terraform show
-json`` prints (https://developer.hashicorp.com/terraform/internals/json-format). In versions 3 and 4
of before 0.12.14 a dependency is named relative to its module, later always from the root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from cmdb.reconciliation.observations import Rejection
from importers.reading import Document

Steps = tuple[tuple[str, str], ...]
"""The modules from the root: names, and indexes (``[0]``, ``["a"]``) where there are."""

_INDEX: Final = r"""\[(?:\d+|"(?:[^"\\]|\\.)*")\]"""
_STEP: Final = re.compile(rf"module\.([^.\[\]]+)({_INDEX})?\.")
_RESOURCE: Final = re.compile(rf"([^.\[\]]+)\.([^.\[\]]+)(?:({_INDEX})|\.(\d+)|\.\*)?")
_DEPTH_LIMIT: Final = 100


class Address(NamedTuple):
    """A managed resource, or one instance of it."""

    modules: Steps
    type: str
    name: str
    instance: str

    @property
    def config(self) -> tuple[str, ...]:
        """As the configuration names it: without any index."""
        return (*(name for name, _ in self.modules), self.type, self.name)

    def __str__(self) -> str:
        modules = "".join(f"module.{name}{index}." for name, index in self.modules)
        return f"{modules}{self.type}.{self.name}{self.instance}"


@dataclass(slots=True)
class Resource:
    """One instance of a managed resource.

    Attributes
    ----------
    deposed
        The key of an object that was replaced and is yet to be destroyed; else empty.
    dependencies
        As they are written.
    relative
        Whether they are named from the resource's own module.
    """

    address: Address
    deposed: str
    attributes: Mapping[str, Any]
    dependencies: list[str]
    relative: bool
    place: str

    @property
    def name(self) -> str:
        """Its address; unique in the state."""
        return f"{self.address} (deposed {self.deposed})" if self.deposed else str(self.address)


def address(text: Any) -> Address | None:
    """The managed resource that a text names; None for data sources, modules and anything else."""
    if not isinstance(text, str):
        return None
    steps, position = [], 0
    while match := _STEP.match(text, position):
        steps.append((match[1], match[2] or ""))
        position = match.end()
    match = _RESOURCE.fullmatch(text, position)
    if match is None or match[1] in ("data", "module"):
        return None
    index = match[3] or (f"[{match[4]}]" if match[4] else "")
    return Address(tuple(steps), match[1], match[2], index)


def resources(document: Document, content: Any) -> Iterator[Resource | Rejection]:
    """The instances of managed resources of a state, whichever its layout.

    Raises
    ------
    SourceError
        It is no state, or one of a version that is not read.
    """
    if not isinstance(content, dict):
        raise document.error("is no Terraform state")
    if "encrypted_data" in content:
        raise document.error("is an encrypted state", "Give what `tofu state pull` prints.")
    version = content.get("version")
    if version == 4 and not isinstance(version, bool):
        return _version_4(document, _list(document, content, "resources"))
    if version == 3:
        return _version_3(document, _list(document, content, "modules"))
    if "planned_values" in content or "resource_changes" in content:
        raise document.error("is a plan, not a state", "Give what `terraform show -json` prints.")
    if isinstance(content.get("format_version"), str):
        return _shown(document, content.get("values"))
    if isinstance(version, int) and "terraform_version" in content:
        raise document.error(
            f"is a state of version {version}; versions 3 and 4 are read",
            "Let a Terraform of 0.7 or later write it anew: `terraform refresh`.",
        )
    raise document.error("is no Terraform state")


def _list(document: Document, content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    if not isinstance(value, list):
        raise document.error(
            f"has no list of {name}, as a state of version {content['version']} has"
        )
    return value


def _version_4(document: Document, entries: list[Any]) -> Iterator[Resource | Rejection]:
    for number, entry in enumerate(entries, 1):
        place = f"{document.name} resource {number}"
        if not isinstance(entry, dict):
            yield Rejection(place, "is not an object")
            continue
        if entry.get("mode") == "data":
            continue
        found = _address_4(entry)
        instances = entry.get("instances")
        if found is None or not isinstance(instances, list):
            yield Rejection(place, "has no type, name or instances")
            continue
        for instance in instances:
            if isinstance(instance, dict):
                yield _instance_4(found, instance, f"{document.name} {found}")
            else:
                yield Rejection(place, "has an instance that is not an object")


def _address_4(entry: Mapping[str, Any]) -> Address | None:
    module, type_, name = entry.get("module", ""), entry.get("type"), entry.get("name")
    if not all(isinstance(text, str) for text in (module, type_, name)):
        return None
    return address(f"{module}.{type_}.{name}" if module else f"{type_}.{name}")


def _instance_4(found: Address, instance: Mapping[str, Any], place: str) -> Resource:
    relative = not isinstance(instance.get("dependencies"), list)
    deposed = instance.get("deposed")
    return Resource(
        found._replace(instance=_index(instance.get("index_key"))),
        deposed if isinstance(deposed, str) else "",
        _object(instance.get("attributes")) or _object(instance.get("attributes_flat")),
        _texts(instance.get("depends_on" if relative else "dependencies")),
        relative,
        place,
    )


def _version_3(document: Document, modules: list[Any]) -> Iterator[Resource | Rejection]:
    for number, module in enumerate(modules, 1):
        entries = module.get("resources") if isinstance(module, dict) else None
        path = module.get("path") if isinstance(module, dict) else None
        if not isinstance(entries, dict) or not isinstance(path, list):
            yield Rejection(f"{document.name} module {number}", "has no path and resources")
            continue
        steps = tuple((step, "") for step in path[1:] if isinstance(step, str))
        for key, entry in entries.items():
            if key.startswith("data."):
                continue
            found = address(key)
            if found is None or not isinstance(entry, dict):
                yield Rejection(f"{document.name} module {number}", "has a resource of no type")
                continue
            found = found._replace(modules=steps)
            yield from _instances_3(found, entry, f"{document.name} {found}")


def _instances_3(found: Address, entry: Mapping[str, Any], place: str) -> Iterator[Resource]:
    deposed = entry.get("deposed")
    objects = [entry.get("primary"), *(deposed if isinstance(deposed, list) else [])]
    dependencies = _texts(entry.get("depends_on"))
    for number, primary in enumerate(objects):
        if number and not isinstance(primary, dict):
            continue
        primary = _object(primary)
        attributes = {"id": primary.get("id"), **_object(primary.get("attributes"))}
        yield Resource(found, str(number) if number else "", attributes, dependencies, True, place)


def _shown(document: Document, values: Any) -> Iterator[Resource | Rejection]:
    todo = [(_object(values).get("root_module"), 0)]
    while todo:
        module, depth = todo.pop()
        if depth > _DEPTH_LIMIT:
            raise document.error("is nested too deep")
        module = _object(module)
        children = module.get("child_modules")
        todo += [
            (child, depth + 1) for child in reversed(children if isinstance(children, list) else [])
        ]
        entries = module.get("resources")
        for entry in entries if isinstance(entries, list) else []:
            if _object(entry).get("mode") == "data":
                continue
            found = address(_object(entry).get("address"))
            if found is None:
                yield Rejection(document.name, "holds a resource without an address")
                continue
            deposed = entry.get("deposed_key")
            yield Resource(
                found,
                deposed if isinstance(deposed, str) else "",
                _object(entry.get("values")),
                _texts(entry.get("depends_on")),
                False,
                f"{document.name} {found}",
            )


def _index(key: Any) -> str:
    if isinstance(key, str):
        return '["{}"]'.format(key.replace("\\", "\\\\").replace('"', '\\"'))
    return f"[{key}]" if isinstance(key, int) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
