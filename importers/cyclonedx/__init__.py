"""CycloneDX bills of materials (SBOM, SaaSBOM), JSON and XML.

What ``cyclonedx-npm``, the Maven and Gradle plugins, ``cyclonedx-php-composer``, Syft
(``syft -o cyclonedx-json``) and Trivy (``trivy image --format cyclonedx``) write.

A bill is a document about one thing, so it is one statement: ``metadata.component`` as Application
(as ContainerImage if it is one), with each component as a SoftwarePackage that is only mentioned,
since the same package is in many bills. Packages are called by their package URL
(https://github.com/package-url/purl-spec), not by ``bom-ref``, which means something in its own bill
only. A service is described nowhere else and is a statement of its own, within its application.

    (application)-[:HAS_INSTALLED]->(package)              every component
    (application)-[:REQUIRES]->(package)                   the dependency graph
    (package)-[:REQUIRES]->(package)
    (application or service)-[:DEPENDS_ON]->(service)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import ClassVar, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import Field

from cmdb.reconciliation.observations import Item, Link, Observation, Ref, Rejection
from importers.container_images import image
from importers.contract import Importer, Options
from importers.cyclonedx.documents import Bom, Component, Service, read
from importers.reading import Document
from importers.values import said, vendor
from schema.kinds import parse_url

NO_SOFTWARE: Final = frozenset(("file", "data", "device", "cryptographic-asset"))
"""Types of components that are no software packages."""


class CycloneDXOptions(Options):
    application: str = Field(
        default="",
        description="What to call the application, instead of what the bill of materials calls it.",
    )


class CycloneDX(Importer[CycloneDXOptions]):
    name: ClassVar[str] = "cyclonedx"
    title: ClassVar[str] = "CycloneDX software bills of materials (JSON, XML)"
    title_zh: ClassVar[str] = "CycloneDX 软件物料清单（JSON、XML）"
    precedence: ClassVar[int] = 50
    suffixes: ClassVar[Sequence[str]] = (".json", ".xml", ".cdx")
    options_type: ClassVar[type[Options]] = CycloneDXOptions

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            bom = read(document)
            for problem in bom.problems:
                yield Rejection(document.name, problem)
            yield from _Statements(bom, self._subject(bom, document), document.name).items()

    def _subject(self, bom: Bom, document: Document) -> Observation:
        """What the bill is about, without links."""
        about = bom.subject or Component(_name_of(document))
        if about.type == "container" and not self.options.application:
            found = _image(about)
            if found is not None:
                return found
        name = self.options.application or about.name
        key = self.options.application or full_name(about)
        attributes = said(
            name=name,
            version=about.version,
            vendor=vendor(about.vendor),
            description=about.description,
        )
        return Observation("Application", f"application/{key}", attributes)


class _Statements:
    """The statements of one bill."""

    def __init__(self, bom: Bom, subject: Observation, place: str) -> None:
        self._bom, self._subject, self._place = bom, subject, place
        self._nodes: dict[str, Observation] = {}  # by what the dependency graph calls them
        self._links: dict[str, dict[tuple[str, str], Link]] = {subject.key: {}}
        self._packages: dict[str, Observation] = {}
        self._services: dict[str, Observation] = {}
        self._passed_over: set[str] = set()

    def items(self) -> Iterator[Item]:
        about = self._bom.subject
        if about is not None:
            self._name(self._subject, about.ref, about.purl)
        self._add_components()
        self._add_services()
        yield from self._relate()
        for made in (self._subject, *self._packages.values(), *self._services.values()):
            made.place, made.links = self._place, list(self._links[made.key].values())
        yield self._subject
        yield from self._services.values()

    def _name(self, made: Observation, *refs: str | None) -> None:
        for ref in refs:
            if ref:
                self._nodes.setdefault(ref, made)

    def _add_components(self) -> None:
        about = self._bom.subject
        for component in self._bom.components:
            if component.type in NO_SOFTWARE:
                self._passed_over.update(filter(None, (component.ref, component.purl)))
                continue
            if about and component.purl and component.purl == about.purl:
                self._name(self._subject, component.ref)
                continue
            made = _package(component)
            made = self._packages.setdefault(made.key, made)
            self._links.setdefault(made.key, {})
            self._name(made, component.ref, component.purl)
            self._link(self._subject, "HAS_INSTALLED", made, nested=True)

    def _add_services(self) -> None:
        named = {ref for node, targets in self._bom.dependencies for ref in (node, *targets)}
        for service in self._bom.services:
            made = _service(service, self._subject.key)
            made = self._services.setdefault(made.key, made)
            self._links.setdefault(made.key, {})
            self._name(made, service.ref)
            if not service.nested and service.ref not in named:
                self._link(self._subject, "DEPENDS_ON", made)  # the graph is silent about it

    def _relate(self) -> Iterator[Rejection]:
        """Links along the edges of the dependency graph."""
        for node, targets in self._bom.dependencies:
            for ref in filter(self._is_missing, (node, *targets)):
                what = f"the dependency graph names {_shown(ref)}, which is not in the bill"
                yield Rejection(self._place, what, self._subject.key)
            if node in targets:
                what = f"{_shown(node)} is said to depend on itself"
                yield Rejection(self._place, what, self._subject.key)
            for ref in targets:
                if node in self._nodes and ref in self._nodes:
                    self._depend(self._nodes[node], self._nodes[ref])

    def _is_missing(self, ref: str) -> bool:
        is_elsewhere = ref.startswith("urn:cdx:")  # in another bill
        return ref not in self._nodes and ref not in self._passed_over and not is_elsewhere

    def _depend(self, source: Observation, target: Observation) -> None:
        if source is target:  # also two components that are one package
            return
        if target.type == "SoftwarePackage" and source.type in ("SoftwarePackage", "Application"):
            self._link(source, "REQUIRES", target)
        elif target.type != "SoftwarePackage" or source.type == "ApplicationService":
            self._link(source, "DEPENDS_ON", target)

    def _link(
        self, source: Observation, name: str, target: Observation, *, nested: bool = False
    ) -> None:
        link = Link(name, target if nested else Ref(target.key))
        self._links[source.key].setdefault((name, target.key), link)


def full_name(component: Component) -> str:
    """Group and name, as package URLs put them together."""
    return f"{component.group}/{component.name}" if component.group else component.name


def _package(component: Component) -> Observation:
    name, version, purl = full_name(component), component.version, plain_purl(component.purl)
    attributes = said(
        name=name,
        version=version,
        vendor=vendor(component.vendor),
        package_url=purl,
        licence_names=component.licences,
    )
    key = purl or f"package/{name}" + (f"@{version}" if version else "")
    return Observation("SoftwarePackage", key, attributes)


def plain_purl(value: str | None) -> str | None:
    """A package URL; qualifiers that name a place one must log in to are left out."""
    if value is None or not value.lower().startswith("pkg:"):
        return None
    path, question, rest = value.partition("?")
    qualifiers, hash_, subpath = rest.partition("#")
    kept = [q for q in qualifiers.split("&") if q and not re.search("://[^/]*@", unquote(q))]
    return path + (question + "&".join(kept) if kept else "") + hash_ + subpath


def _service(service: Service, application: str) -> Observation:
    attributes = said(
        name=service.name,
        description=service.description,
        endpoints=[url for url in map(_endpoint, service.endpoints) if url],
    )
    key = f"{application}/service/{service.ref or service.name}"
    return Observation("ApplicationService", key, attributes)


def _endpoint(value: str) -> str | None:
    """An address without query; None for one with credentials and for what is none."""
    try:
        parts = urlsplit(parse_url(value))
    except ValueError:
        return None
    if "@" in parts.netloc:
        return None
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def _image(component: Component) -> Observation | None:
    version = component.version or ""
    if version.startswith("sha256:"):
        return image(f"{component.name}@{version}")
    is_tagged = not version or component.name.endswith(f":{version}")
    return image(component.name if is_tagged else f"{component.name}:{version}")


def _name_of(document: Document) -> str:
    """Of an application that its bill does not name: of the file, or of its folder if it is just
    ``bom.json``."""
    path = PurePosixPath(document.name)
    is_bare = re.fullmatch(r"s?bom|cyclonedx", path.stem, re.IGNORECASE) is not None
    return path.parent.name if is_bare and path.parent.name else path.stem


def _shown(ref: str) -> str:
    return f"“{ref.partition('?')[0][:100]}”"
