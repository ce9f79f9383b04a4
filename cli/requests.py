"""The subcommands ``cmdb request …``."""

from __future__ import annotations

from cli import output
from cli.process_show import Section
from cli.processes import Processes
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.requests import Requests


def _beside(graph: GraphStore, request: Record) -> Section:
    """The order that fulfils it."""
    id = request.attributes.get("fulfilled_by")
    order = graph.get([id]).get(id) if id else None
    if order is None:
        return Section()
    names = ("number", "lifecycle_state")
    plain = {"id": id, **{name: order.attributes.get(name) for name in names}}
    line = f"{order.name} fulfils it: {output.state(graph.model, order)}."
    return Section({"order": plain}, [line])


requests = Processes(Requests, columns=("wanted_type", "wanted_for"), beside=_beside)
app = requests.app("Service requests: a user wants something; an order gives them a device.")
