"""Documents as reports of who sees whom: which of the shapes a document has, and the JSON ones.

JSON shapes: NAPALM's ``get_lldp_neighbors`` and ``get_lldp_neighbors_detail``, what Junos, NX-OS and
EOS print with ``| json``, Batfish's layer-1 topologies, and suzieq's raw input, which wraps the
outputs of many devices (https://suzieq.readthedocs.io, ``sq-poller --input-dir``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cmdb.reconciliation.observations import Rejection
from importers.lldp import answers as lldp_answers
from importers.lldp import cli as lldp_cli
from importers.lldp import lldpd as lldp_lldpd
from importers.lldp.answers import Found
from importers.lldp.sightings import (
    Device,
    Neighbour,
    Port,
    Report,
    addresses,
    device,
    maker_of,
    port,
    text,
)
from importers.reading import Document


def reports(
    document: Document, platform: str = "", command: str = "", name: str = ""
) -> Iterator[Report | Rejection]:
    """What a document reports; the platform, command and device are what options say of it.

    Raises
    ------
    SourceError
        It is in none of the shapes that are read.
    """
    content = document.text().strip()
    if not content:
        raise document.error("is empty")
    said = lldp_cli.origin(document.name)
    platform = lldp_cli.PLATFORMS.get(platform, platform) or said.platform
    if content[0] in "{[":
        for value in _values(document, content):
            yield from _of_json(document, value, platform, name or said.device)
    elif lldp_lldpd.is_keyvalue(content) or lldp_lldpd.is_listing(content):
        yield _report(document, name or said.device, _from_lldpd(content, document.name), "linux")
    else:
        yield from _of_cli(
            document, content, platform, command or said.command, (name, said.device)
        )


def _from_lldpd(content: str, place: str) -> Found:
    if lldp_lldpd.is_keyvalue(content):
        return lldp_lldpd.from_keyvalue(content, place)
    return lldp_lldpd.from_listing(content, place)


def _report(
    document: Document, name: str, neighbours: Found, platform: str, scope: str = "", at: str = ""
) -> Report:
    reporter = Device(
        name=name if not addresses([name]) else "",
        label=name or document.name.rpartition(".")[0] or document.name,
        addresses=addresses([name, at]),
        maker=maker_of(platform),
        platform=platform,
    )
    if not name and document.place == "standard input":
        raise document.error(
            "does not say which device it is of", "Say it with --option device=NAME."
        )
    return Report(reporter, document.name, list(neighbours), scope)


def _of_cli(
    document: Document, content: str, platform: str, command: str, names: tuple[str, str]
) -> Iterator[Report | Rejection]:
    for section in lldp_cli.sections(content):
        if not platform or not (section.command or command):
            what = "platform" if not platform else "command"
            raise document.error(
                f"is in no shape that is known by itself, and neither its name nor an option says of which {what} it is",
                "Say it with --option platform=cisco_ios and --option command='show lldp neighbors'.",
            )
        given, by_file = names
        reporter = given or section.device or by_file
        try:
            found = list(
                lldp_cli.neighbours(
                    platform, section.command or command, section.content, document.name
                )
            )
        except ValueError as error:
            raise document.error(f"cannot be read: {error}") from None
        own = [neighbour for near, neighbour in found if near is None]
        if own or not found:
            yield _report(document, reporter, iter(own), platform)
        for near, neighbour in found:
            if near is not None:
                yield Report(near, document.name, [neighbour])


def _values(document: Document, content: str) -> Iterator[Any]:
    """JSON values, one after the other, as suzieq appends them."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(content):
        try:
            value, at = decoder.raw_decode(content, at)
        except RecursionError:
            raise document.error("is nested too deep") from None
        except ValueError:
            line = content.count("\n", 0, at) + 1
            raise document.error(f"is not JSON, or is cut off, after line {line}") from None
        yield value
        while at < len(content) and content[at].isspace():
            at += 1


def _of_json(
    document: Document, value: Any, platform: str, name: str
) -> Iterator[Report | Rejection]:
    if isinstance(value, list):
        for entry in value:
            yield from _of_poller(document, entry)
        return
    if isinstance(value, dict) and isinstance(value.get("edges"), list):
        yield from _of_topology(document, value["edges"])
        return
    if isinstance(value, dict) and lldp_answers.by_device(value):
        for device_name, of in value.items():
            yield _report(
                document, device_name, lldp_answers.napalm(of, document.name), platform or "network"
            )
        return
    found = lldp_answers.from_output(value, document.name)
    if found is None:
        raise document.error("holds none of the answers about LLDP or CDP neighbours that are read")
    kind = platform or ("linux" if "lldp" in value else "network")
    yield _report(document, name, found, kind)


def _of_poller(document: Document, entry: Any) -> Iterator[Report | Rejection]:
    """An output of one command on one device, as suzieq gathers them. Others than LLDP and CDP are left."""
    if not isinstance(entry, dict) or not {"cmd", "data", "hostname"} <= entry.keys():
        raise document.error("is a list of something else than suzieq's outputs")
    command, name = text(entry["cmd"]).partition("|")[0].strip(), text(entry["hostname"])
    if "lldp" not in text(entry["cmd"]) and "cdp" not in command:
        return
    place = f"{document.name} {name}"
    if entry.get("status") not in (0, 200, "0", "200", None):
        yield Rejection(place, "its command failed when it was gathered")
        return
    content = entry["data"].strip() if isinstance(entry["data"], str) else ""
    if not content:
        return  # no LLDP agent there: it says nothing, not even that it sees nobody
    kind = text(entry.get("devtype"))
    platform = lldp_cli.PLATFORMS.get(kind, "linux" if kind in ("linux", "cumulus") else kind)
    try:
        found = list(_gathered(content, platform, command, place))
    except (ValueError, RecursionError) as error:
        reason = (
            "it is not JSON, or is cut off" if isinstance(error, json.JSONDecodeError) else error
        )
        yield Rejection(place, f"its output cannot be read: {reason}")
        return
    scope, at = text(entry.get("namespace")), text(entry.get("address"))
    system = "network" if kind == "cumulus" else platform
    yield _report(document, name, iter(found), system, scope, at)


def _gathered(content: str, platform: str, command: str, place: str) -> Found:
    if content[0] in "{[":
        found = lldp_answers.from_output(json.loads(content), place)
        if found is None:
            raise ValueError("it holds no answer about neighbours")
        return found
    if lldp_lldpd.is_keyvalue(content) or lldp_lldpd.is_listing(content):
        return _from_lldpd(content, place)
    return (found for _, found in lldp_cli.neighbours(platform, command, content, place))


def _of_topology(document: Document, edges: list[Any]) -> Iterator[Report | Rejection]:
    """Batfish's layer-1 topology: both ends of every edge are devices of the network."""
    for number, edge in enumerate(edges, 1):
        place = f"{document.name} edge {number}"
        ends = [
            _end(edge.get(node)) if isinstance(edge, dict) else None for node in ("node1", "node2")
        ]
        near, far = ends
        if near is None or far is None:
            yield Rejection(place, "it does not name a host and an interface at both ends")
            continue
        yield Report(near[0], place, [Neighbour(near[1], far[0], far[1], place)])
        yield Report(far[0], place)


def _end(value: Any) -> tuple[Device, Port] | None:
    if not isinstance(value, dict):
        return None
    name, interface = text(value.get("hostname")), text(value.get("interfaceName"))
    return (device(name=name), port(interface)) if name and interface else None
