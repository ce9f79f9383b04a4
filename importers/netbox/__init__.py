"""Registers of NetBox (3.x, 4.x) and Nautobot (1.x, 2.x), exported through their REST API to files.

One file for each endpoint (``dcim/devices.json``, ``dcim-devices.json``, ``devices.json``: a list of
objects or an answer of the API with ``results``), or several with the pages of one. Objects are told by
their ``url``, those without by the name of their file. For example::

    curl -H "Authorization: Token …" "https://netbox/api/dcim/devices/?limit=0" > dcim-devices.json

Gives regions, sites, locations, racks, power panels and feeds; devices with their interfaces, ports,
modules and inventory items; connections, followed through patch panels (`importers.netbox.cables`);
VRFs, VLANs, prefixes, addresses; circuits and their providers; clusters and virtual machines; tenants
as departments and contacts. Custom fields, config contexts, secrets, tokens, users and comments are
not taken. Console and power connections are taken like others; a power cable also says POWERED_BY.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from cmdb.reconciliation.observations import Item
from importers.contract import Importer, Options
from importers.netbox.common import Common
from importers.netbox.components import Components
from importers.netbox.connections import Cabling
from importers.netbox.devices import device_types, devices
from importers.netbox.endpoints import Export
from importers.netbox.networks import circuits, networks, virtual_machines
from importers.netbox.places import parties, places, power
from importers.reading import Document


class NetBox(Importer[Options]):
    """Reads the whole export, then says what each object is."""

    name: ClassVar[str] = "netbox"
    title: ClassVar[str] = "NetBox and Nautobot: objects of the REST API as JSON files"
    title_zh: ClassVar[str] = "NetBox 与 Nautobot：REST API 导出的 JSON 文件"
    precedence: ClassVar[int] = 70
    together: ClassVar[bool] = True
    suffixes: ClassVar[Sequence[str]] = (".json",)

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        export = Export()
        for document in documents:
            yield from export.read(document)
        if documents and not export.recognised:
            raise documents[0].error("holds no objects of an endpoint of NetBox or Nautobot")
        common = Common(export)
        components = Components(common)
        cabling, types = Cabling(components), device_types(common, components)
        yield from parties(common)
        yield from places(common)
        yield from _with_cables(common, cabling)
        yield from devices(common, components, cabling, types)
        yield from networks(common)
        yield from circuits(common, cabling)
        yield from virtual_machines(common, components, types)
        yield from components.strays()
        yield from cabling.rejections


def _with_cables(common: Common, cabling: Cabling) -> Iterator[Item]:
    """Power panels and feeds; a feed also has the cables that lead to no device."""
    for observation in power(common):
        table, _, id_ = observation.key.partition("/")
        links = cabling.links.get((table, id_), [])
        observation.links = [*observation.links, *links]
        yield observation
