"""Terraform and OpenTofu states: ``terraform.tfstate``, ``terraform state pull``, ``terraform show -json``.

Gives each instance of a managed resource as a cloud resource with its id, region, addresses, size
and engine, and its dependencies as `DEPENDS_ON`. Data sources are not managed, and not given;
dependencies on them and on whole modules are left out. A resource is called by the document, the
state's lineage and its address: the same address in another state is another resource.

States are full of secrets. Of the attributes only those named in `terraform_attributes` and
`terraform_types` are looked at, and outputs never are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from cmdb.reconciliation.observations import Item, Link, Observation, Ref, Rejection
from importers.contract import Importer, Options
from importers.reading import Document
from importers.terraform import types
from importers.terraform.attributes import attributes, reached, resource_id
from importers.terraform.state import Address, Resource, resources
from importers.terraform.state import address as read_address


class Terraform(Importer[Options]):
    name: ClassVar[str] = "terraform"
    title: ClassVar[str] = (
        "Terraform and OpenTofu states, versions 3 and 4, and terraform show -json"
    )
    title_zh: ClassVar[str] = (
        "Terraform 与 OpenTofu 状态文件（版本3和4）及 terraform show -json 输出"
    )
    precedence: ClassVar[int] = 45
    suffixes: ClassVar[Sequence[str]] = (".tfstate", ".json")

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            content = document.json()
            read = list(resources(document, content))
            yield from (item for item in read if isinstance(item, Rejection))
            yield from _State(document, content, [r for r in read if isinstance(r, Resource)])


class _State:
    """The resources of one state, found by what the configuration calls them."""

    def __init__(
        self, document: Document, content: Mapping[str, Any], found: list[Resource]
    ) -> None:
        lineage = content.get("lineage")
        self._world = f"{document.name}#{lineage}" if isinstance(lineage, str) else document.name
        self._resources: list[Resource] = []
        self._rejections: list[Rejection] = []
        self._by_config: dict[tuple[str, ...], list[Resource]] = {}
        names: set[str] = set()
        for resource in found:
            problem = _problem(resource, names)
            if problem:
                self._rejections.append(Rejection(resource.place, problem, self._key(resource)))
                continue
            names.add(resource.name)
            self._resources.append(resource)
            if not resource.deposed:
                self._by_config.setdefault(resource.address.config, []).append(resource)

    def __iter__(self) -> Iterator[Item]:
        yield from self._rejections
        for resource in self._resources:
            type_ = types.TYPES.get(resource.address.type, "CloudResource")
            links = [*reached(resource, type_)]
            yield from self._depend(resource, links)
            yield Observation(
                type_, self._key(resource), attributes(resource, type_), links, resource.place
            )

    def _key(self, resource: Resource) -> str:
        return f"{self._world}:{resource.name}"

    def _depend(self, resource: Resource, links: list[Link]) -> Iterator[Rejection]:
        """Add what a resource depends on, each once; reject that it depends on itself."""
        targets: dict[str, None] = {}
        for text in dict.fromkeys(resource.dependencies):
            found = self.resolve(text, resource)
            if any(other is resource for other in found):
                yield Rejection(resource.place, "depends on itself", self._key(resource))
                continue
            targets.update(dict.fromkeys(self._key(other) for other in found))
        # (this resource)-[:DEPENDS_ON]->(the other)
        links += [Link("DEPENDS_ON", Ref(key)) for key in targets]

    def resolve(self, text: str, resource: Resource) -> list[Resource]:
        """The instances that a dependency of a resource names."""
        named = read_address(text)
        if named is None:
            return []
        own = resource.address.modules
        inside = named._replace(modules=own + named.modules)
        for candidate in (inside, named) if resource.relative else (named,):
            found = self._by_config.get(candidate.config)
            if found:
                return _near(_indexed(found, candidate), own)
        return []


def _problem(resource: Resource, names: set[str]) -> str | None:
    if resource.name in names:
        return "has the address of another resource"
    if not types.is_secretive(resource.address.type) and resource_id(resource) is None:
        return "has no id"
    return None


def _indexed(found: list[Resource], named: Address) -> list[Resource]:
    """Those with the index that was named, if one was."""
    return [r for r in found if named.instance in ("", r.address.instance)]


def _near(found: list[Resource], own: Sequence[tuple[str, str]]) -> list[Resource]:
    """Those in the same instance of a module that is used several times, if there are any."""
    near = [r for r in found if _agree(r.address.modules, own)]
    return near or found


def _agree(one: Sequence[tuple[str, str]], other: Sequence[tuple[str, str]]) -> bool:
    for (name, index), (other_name, other_index) in zip(one, other, strict=False):
        if name != other_name:
            return True
        if index != other_index:
            return False
    return True
