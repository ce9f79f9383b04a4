"""The subcommands ``cmdb request …``."""

from __future__ import annotations

from cli.processes import Processes
from itsm.requests import Requests

requests = Processes(Requests, columns=("wanted_type", "wanted_for"))
app = requests.app("Service requests: a user wants something; an order gives them a device.")
