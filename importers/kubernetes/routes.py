"""Where traffic from outside goes: Ingress, Istio's and the Gateway API's gateways and routes, OpenShift's Route.

A gateway only opens ports; the routes that are bound to it say where to. So it routes to what they
route to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from importers.kubernetes.objects import (
    INGRESSES,
    KubernetesObject,
    Objects,
    at,
    is_name,
    mapping,
    mappings,
    text,
)
from importers.kubernetes.pods import Service, known_service, meant_service

_PUBLIC_NAME: Final = re.compile(
    r"(?!.*\.svc(?:\.|$))(?:[a-z0-9\-]{1,63}\.)+[a-z][a-z0-9\-]*", re.I
)


class Routes(NamedTuple):
    """What the routes of a source say.

    Attributes
    ----------
    services
        By ingress, gateway or route (kind, namespace, name): the Services it routes to.
    domains
        By fully qualified domain name: the Services behind it.
    """

    services: dict[tuple[str, str, str], dict[Service, None]]
    domains: dict[str, dict[Service, None]]


def routes(objects: Objects) -> Routes:
    """All routes of a source."""
    found = Routes({}, {})
    for item in objects.of(INGRESSES):
        for hosts, services in _rules(item, objects):
            for end in ((item.kind, item.namespace, item.name), *_gateways(item)):
                found.services.setdefault(end, {}).update(dict.fromkeys(services))
            for host in hosts:
                if services and len(host) <= 253 and _PUBLIC_NAME.fullmatch(host):
                    found.domains.setdefault(host.lower(), {}).update(dict.fromkeys(services))
    return found


def _rules(item: KubernetesObject, objects: Objects) -> Iterator[tuple[list[str], list[Service]]]:
    """Host names with the Services behind them."""
    spec = mapping(item.body.get("spec"))
    if item.kind == "Ingress":
        backends = [_backend(spec.get(field)) for field in ("defaultBackend", "backend")]
        yield [], _named(backends, item.namespace)
        for rule in mappings(spec.get("rules")):
            paths = mappings(at(rule, "http", "paths"))
            backends = [_backend(path.get("backend")) for path in paths]
            yield [text(rule.get("host"))], _named(backends, item.namespace)
    elif item.kind == "VirtualService":
        yield _hosts(spec.get("hosts")), list(_destinations(spec, item.namespace, objects))
    elif item.kind == "Route":
        ends = [spec.get("to"), *mappings(spec.get("alternateBackends"))]
        names = [at(end, "name") for end in ends if at(end, "kind") in (None, "Service")]
        yield [text(spec.get("host"))], _named(names, item.namespace)
    else:
        yield _hosts(spec.get("hostnames")), list(_references(spec, item.namespace))


def _backend(backend: Any) -> Any:
    """The Service of an Ingress backend, as v1 and as v1beta1 name it."""
    return at(backend, "service", "name") or at(backend, "serviceName")


def _named(names: list[Any], namespace: str) -> list[Service]:
    return [(namespace, name) for name in names if is_name(name)]


def _hosts(value: Any) -> list[str]:
    return [text(host) for host in value] if isinstance(value, list) else []


def _destinations(spec: dict[str, Any], namespace: str, objects: Objects) -> Iterator[Service]:
    for protocol in ("http", "tls", "tcp"):
        for rule in mappings(spec.get(protocol)):
            for route in mappings(rule.get("route")):
                host = text(at(route, "destination", "host"))
                # ``api.example.org`` and ``db.shop`` are outside, unless the source has them.
                inside = "." not in host or ".svc" in host
                service = meant_service(host, namespace) if inside else None
                service = service or known_service(host, namespace, objects)
                if service:
                    yield service


def _references(spec: dict[str, Any], namespace: str) -> Iterator[Service]:
    """The backends of a route of the Gateway API."""
    for rule in mappings(spec.get("rules")):
        for backend in mappings(rule.get("backendRefs")):
            name, other = backend.get("name"), backend.get("namespace")
            if is_name(name) and backend.get("kind", "Service") == "Service":
                yield (other if is_name(other) else namespace), str(name)


def _gateways(item: KubernetesObject) -> Iterator[tuple[str, str, str]]:
    """The gateways a route is bound to."""
    names = at(item.body, "spec", "gateways")
    for name in names if isinstance(names, list) else ():
        namespace, _, own = text(name).rpartition("/")
        if is_name(own) and own != "mesh":  # the sidecars: no gateway
            yield "Gateway", namespace or item.namespace, own
    for parent in mappings(at(item.body, "spec", "parentRefs")):
        if is_name(parent.get("name")) and parent.get("kind", "Gateway") == "Gateway":
            other = parent.get("namespace")
            yield "Gateway", other if is_name(other) else item.namespace, parent["name"]
