"""Compose files (``compose.yaml``, ``docker-compose.yml``) of Docker Compose, Podman and others.

Reads one file as it stands: `extends`, `include` and override files are not followed. In
``${NAME:-default}`` the default is taken; what a variable holds is known neither from the environment
of this process nor from a file ``.env``, which may hold secrets.

Gives the project as an Application that runs on its containers (one for each service), their images,
named volumes and networks, and which service depends on which: by `depends_on`, and by `links`,
`volumes_from` and the namespaces it shares with another.

Never taken: environment, commands, labels, secrets, configs, and what is mounted from the host.

https://github.com/compose-spec/compose-spec/blob/main/spec.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, ClassVar, Final

from pydantic import Field

from cmdb.reconciliation.observations import Item, Link, Observation, Ref, Rejection
from importers.compose.variables import Text, resolved
from importers.container_images import image
from importers.contract import Importer, Options
from importers.reading import Document
from importers.values import said

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,250}", re.ASCII)
_NOT_IN_PROJECT: Final = re.compile(r"[^a-z0-9_\-]+")
_USUAL: Final = ("compose", "docker-compose", "stdin")
_SHARED: Final = ("network_mode", "pid", "ipc")


class ComposeOptions(Options):
    project: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9_\-]*)?$",
        max_length=250,
        description="Name of the project; else what the file says, or the folder it lies in.",
    )


class Compose(Importer[ComposeOptions]):
    name: ClassVar[str] = "compose"
    title: ClassVar[str] = (
        "Compose files: containers, what they depend on, images, volumes, networks"
    )
    title_zh: ClassVar[str] = "Compose 文件：容器及其依赖、镜像、卷和网络"
    precedence: ClassVar[int] = 40
    suffixes: ClassVar[Sequence[str]] = ("compose.yaml", "compose.yml")
    options_type: ClassVar[type[Options]] = ComposeOptions

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            found = [root for root in document.yaml() if root is not None]
            root = found[0] if len(found) == 1 else None
            if not isinstance(root, dict) or not isinstance(root.get("services"), dict):
                raise document.error("is no Compose file: it has no services")
            project = self.options.project or _project_name(document, root)
            yield from Project(root, project, document).items()


def _project_name(document: Document, root: Mapping[str, Any]) -> str:
    """What the file says, or what Compose makes of the folder's name."""
    said_name = resolved(root.get("name")).value
    folder = PurePath(document.name).parent.name or PurePath(document.place).parent.name
    for name in (said_name, folder):
        usual = _NOT_IN_PROJECT.sub("", (name or "").lower()).lstrip("_-")
        if usual:
            return usual[:250]
    return "default"


class Project:
    """One Compose file."""

    def __init__(self, root: Mapping[str, Any], name: str, document: Document) -> None:
        self._root, self._name, self._document = root, name, document
        # Several hosts may have a project of one name: then the folders tell them apart.
        folder = PurePath(document.name).parent.as_posix()
        self._scope = name if folder in (".", name) else f"{folder}/{name}"
        if document.stem.lower() not in _USUAL:
            self._scope += f"/{document.stem}"
        self._services = {k: v for k, v in _entries(root, "services") if isinstance(v, dict)}

    def items(self) -> Iterator[Item]:
        """The application, its networks and volumes, and each container."""
        yield from self._wrong_services()
        runs = [Link("RUNS_ON", self._service(name), {"group": name}) for name in self._services]
        key = f"project/{self._scope}"
        yield Observation("Application", key, {"name": self._name}, runs, self._document.name)
        yield from self._networks()
        for name, _ in _entries(self._root, "volumes"):
            yield Observation("Volume", self._key("volume", name), self._volume(name))
        unknown: set[str] = set()
        for name, service in self._services.items():
            yield from self._container(name, service, unknown)
        if unknown:
            names = ", ".join(sorted(unknown)[:20])
            what = f"images named by variables without a default: {names}"
            yield Rejection(self._document.name, what, key)

    def _wrong_services(self) -> Iterator[Rejection]:
        for name in self._root["services"]:
            if name not in self._services:
                named = _is_name(name)
                what = f"{f'service {name}' if named else 'a service'} is not described as one"
                key = self._key("service", name) if named else ""
                yield Rejection(self._document.name, what, key)

    def _key(self, kind: str, name: str) -> str:
        return f"{kind}/{self._scope}/{name}"

    def _service(self, name: str) -> Ref:
        return Ref(self._key("service", name))

    def _container(
        self, name: str, service: Mapping[str, Any], unknown: set[str]
    ) -> Iterator[Item]:
        place = f"{self._document.name} service {name}"
        key = self._key("service", name)
        links = [*self._attached(service), *self._connected(service)]
        reference = resolved(service.get("image"))
        used = image(reference.value)
        if used:
            links.append(Link("USES_IMAGE", used))
        elif reference.unknown:
            unknown |= reference.unknown
        elif reference.value:
            yield Rejection(place, "its image is no image reference", key)
        for other in _needed(service):
            if other == name or other not in self._services:
                what = "itself" if other == name else "a service that the file does not have"
                yield Rejection(place, f"it depends on {what}", key)
            else:
                # a group of its own: each is needed, none stands in for another
                links.append(Link("DEPENDS_ON", self._service(other), {"group": other}))
        known = {"name": f"{self._name}/{name}"}
        yield Observation("Container", key, known, links, place)

    # Networks and volumes: what they are called outside the project.

    def _outside_name(self, section: str, name: str) -> str | None:
        entry = dict(_entries(self._root, section)).get(name)
        entry = entry if isinstance(entry, dict) else {}
        external = entry.get("external")
        own = entry.get("name") or (external.get("name") if isinstance(external, dict) else None)
        if own:
            known = resolved(own).value
            return known if _is_name(known) else None
        return name if external else f"{self._name}_{name}"

    def _networks(self) -> Iterator[Observation]:
        declared = dict(_entries(self._root, "networks"))
        used = [name for service in self._services.values() for name in _networks(service)]
        for name in dict.fromkeys((*declared, *used)):
            entry = declared.get(name)
            driver = resolved(entry.get("driver")).value if isinstance(entry, dict) else None
            attributes = said(
                name=self._outside_name("networks", name) or name,
                network_driver=driver if _is_name(driver) else None,
            )
            yield Observation("ContainerNetwork", self._key("network", name), attributes)

    def _connected(self, service: Mapping[str, Any]) -> Iterator[Link]:
        for name in _networks(service):
            yield Link("IN_NETWORK", Ref(self._key("network", name)))

    def _volume(self, name: str) -> dict[str, str]:
        return {"name": self._outside_name("volumes", name) or name}

    def _attached(self, service: Mapping[str, Any]) -> Iterator[Link]:
        declared = {name for name, _ in _entries(self._root, "volumes")}
        for name in dict.fromkeys(_mounted(service)):
            key = self._key("volume", name)
            mention = Observation("Volume", key, self._volume(name))
            yield Link("ATTACHED_TO", Ref(key) if name in declared else mention)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _entries(root: Mapping[str, Any], section: str) -> list[tuple[str, Any]]:
    found = root.get(section)
    return [(k, v) for k, v in found.items() if _is_name(k)] if isinstance(found, dict) else []


def _names(value: Any) -> list[str]:
    """Names in either form that Compose allows: a list, or an object with them as its fields."""
    return [name for name in value if _is_name(name)] if isinstance(value, list | dict) else []


def _networks(service: Mapping[str, Any]) -> list[str]:
    """Of a service; it is in the default one unless it says otherwise."""
    if service.get("networks"):
        return list(dict.fromkeys(_names(service["networks"])))
    return [] if service.get("network_mode") else ["default"]


def _mounted(service: Mapping[str, Any]) -> Iterator[str]:
    """Named volumes of a service, from the short form (``data:/var/lib:ro``) and the long one."""
    mounts = service.get("volumes")
    for mount in mounts if isinstance(mounts, list) else ():
        source: Text = resolved(mount)
        if isinstance(mount, dict) and mount.get("type") == "volume":
            source = resolved(mount.get("source"))
        name, colon, _ = (source.value or "").partition(":")
        if _is_name(name) and (colon or isinstance(mount, dict)):
            yield name


def _needed(service: Mapping[str, Any]) -> list[str]:
    """The services that a service names as what it needs, each once."""
    found = dict.fromkeys(_names(service.get("depends_on")))
    links, sources = service.get("links"), service.get("volumes_from")
    for entry in links if isinstance(links, list) else ():
        found |= dict.fromkeys(_names([str(entry).partition(":")[0]]))
    for entry in sources if isinstance(sources, list) else ():
        if not str(entry).startswith("container:"):
            found |= dict.fromkeys(_names([str(entry).partition(":")[0]]))
    for field in _SHARED:
        kind, _, other = str(service.get(field) or "").partition(":")
        if kind == "service":
            found |= dict.fromkeys(_names([other]))
    return list(found)
