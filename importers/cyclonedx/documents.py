"""CycloneDX bills of materials as plain data: JSON and XML say the same, and are read to the same.

By the specification's schemas for JSON (1.2 to 1.6) and XML (1.1 and later, whatever the version in
the namespace), https://cyclonedx.org/specification/overview/. Only what is named here is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import Element

from importers.reading import Document

XML_NAMESPACE: Final = "{http://cyclonedx.org/schema/bom/"
_XML_STARTS: Final = (b"<", b"\xff\xfe", b"\xfe\xff")

Tree = dict[str, Any]


@dataclass(slots=True)
class Component:
    """A component; ``ref`` is what the dependency graph calls it."""

    name: str
    ref: str | None = None
    type: str | None = None
    group: str | None = None
    version: str | None = None
    purl: str | None = None
    vendor: str | None = None
    description: str | None = None
    licences: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Service:
    """A service; `nested` in another one, or at the top."""

    name: str
    ref: str | None
    description: str | None
    endpoints: list[str]
    nested: bool


@dataclass(slots=True)
class Bom:
    """A bill of materials.

    Attributes
    ----------
    subject
        What it is about: ``metadata.component``.
    components, services
        In the order of the document, nested ones after what they are nested in.
    dependencies
        Nodes of the graph with what they depend on, by ``ref``.
    problems
        What could not be read, as sentences.
    """

    subject: Component | None = None
    components: list[Component] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    dependencies: list[tuple[str, list[str]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read(document: Document) -> Bom:
    """The bill of materials in a document.

    Raises
    ------
    SourceError
        It is none.
    """
    head = next(document.chunks(64), b"").removeprefix(b"\xef\xbb\xbf").lstrip()
    tree = _xml_tree(document) if head.startswith(_XML_STARTS) else _json_tree(document)
    bom = Bom()
    about = _mapping(_mapping(tree.get("metadata")).get("component"))
    if text(about.get("name")):
        bom.subject = _component(about)
    for parent in (about, tree):
        for value, _ in _walk(parent, "components", bom.problems):
            bom.components.append(_component(value))
    for value, nested in _walk(tree, "services", bom.problems):
        bom.services.append(_service(value, nested))
    for node in _list(tree, "dependencies", bom.problems):
        ref = text(_mapping(node).get("ref"))
        if ref is None:
            bom.problems.append("a node of the dependency graph has no ref")
            continue
        targets = map(text, _list(node, "dependsOn", bom.problems))
        bom.dependencies.append((ref, [target for target in targets if target]))
    return bom


def text(value: Any) -> str | None:
    """A text without space around it; None for anything else and for empty ones."""
    return value.strip() or None if isinstance(value, str) else None


def _component(value: Tree) -> Component:
    makers = (
        _mapping(value.get("supplier")).get("name"),
        _mapping(value.get("manufacturer")).get("name"),
        value.get("publisher"),
    )
    return Component(
        name=text(value.get("name")) or "",
        ref=text(value.get("bom-ref")),
        type=text(value.get("type")),
        group=text(value.get("group")),
        version=text(value.get("version")),
        purl=text(value.get("purl")),
        vendor=next(filter(None, map(text, makers)), None),
        description=text(value.get("description")),
        licences=list(dict.fromkeys(_licences(value.get("licenses")))),
    )


def _licences(value: Any) -> Iterator[str]:
    for choice in value if isinstance(value, list) else ():
        licence = _mapping(_mapping(choice).get("license"))
        expression = _mapping(choice).get("expression")
        name = text(licence.get("id")) or text(licence.get("name")) or text(expression)
        if name:
            yield name


def _service(value: Tree, nested: bool) -> Service:
    return Service(
        name=text(value.get("name")) or "",
        ref=text(value.get("bom-ref")),
        description=text(value.get("description")),
        endpoints=[url for url in map(text, _list(value, "endpoints", [])) if url],
        nested=nested,
    )


def _walk(tree: Tree, name: str, problems: list[str]) -> Iterator[tuple[Tree, bool]]:
    """What is listed under a name at any depth, and whether it is nested; without recursion."""
    stack = [iter(_list(tree, name, problems))]
    while stack:
        value = next(stack[-1], None)
        if value is None:
            stack.pop()
        elif not text(_mapping(value).get("name")):
            problems.append(f"something among the {name} has no name")
        else:
            yield value, len(stack) > 1
            stack.append(iter(_list(value, name, problems)))


def _mapping(value: Any) -> Tree:
    return value if isinstance(value, dict) else {}


def _list(tree: Any, name: str, problems: list[str]) -> list[Any]:
    value = _mapping(tree).get(name)
    if value is not None and not isinstance(value, list):
        problems.append(f"{name} is no list")
    return ["" if item is None else item for item in value] if isinstance(value, list) else []


def _json_tree(document: Document) -> Tree:
    tree = document.json()
    if not isinstance(tree, dict) or tree.get("bomFormat") != "CycloneDX":
        raise document.error("is not a CycloneDX bill of materials (its bomFormat does not say so)")
    return tree


def _xml_tree(document: Document) -> Tree:
    """The XML in the form of the JSON."""
    root = document.xml()
    namespace, _, name = root.tag.rpartition("}")
    if name != "bom" or not namespace.startswith(XML_NAMESPACE):
        raise document.error("is not a CycloneDX bill of materials (its root element is another)")
    return _element(root)


_LISTS: Final = {"components", "services", "licenses", "endpoints", "dependencies"}


def _element(element: Element) -> Tree:
    """Attributes and children of an element; depth is bounded where the document is read."""
    tree: Tree = dict(element.attrib)
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name in _LISTS:
            tree.setdefault(name, []).extend(map(_item, child))
        elif name == "dependency":
            tree.setdefault("dependsOn", []).append(child.get("ref"))
        elif name not in tree:
            tree[name] = _element(child) if len(child) else child.text
    return tree


def _item(element: Element) -> Any:
    """An item of a list: an object; of endpoints and licence choices what JSON has there."""
    name = element.tag.rpartition("}")[2]
    if name == "license":
        return {"license": _element(element)}
    if name == "expression":
        return {"expression": element.text}
    return element.text if name == "endpoint" else _element(element)
