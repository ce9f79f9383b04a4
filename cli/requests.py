"""The subcommands ``cmdb request …``."""

from __future__ import annotations

from collections.abc import Iterator

from cli import output
from cli.process_show import Part
from cli.processes import Processes
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.requests import Requests


def _parts(graph: GraphStore, request: Record) -> Iterator[Part]:
    """The order that fulfils it."""
    id = request.attributes.get("fulfilled_by")
    for order in graph.get([id]).values() if id else ():
        state = order.attributes.get("lifecycle_state")
        plain = {"id": id, "number": order.attributes.get("number"), "lifecycle_state": state}
        shown = output.state(graph.model, order)
        yield Part("order", plain, [f"{order.name} fulfils it: {shown}."])


requests = Processes(Requests, columns=("wanted_type", "wanted_for"), parts=_parts)
app = requests.app("Service requests: a user wants something; an order gives them a device.")
