"""Service requests: a user wants something."""

from __future__ import annotations

from typing import Final

from lifecycle.drafting import Drafting

REQUEST: Final = "ServiceRequest"


class Requests(Drafting):
    """What people do with service requests."""

    kind = REQUEST
    command = "request"
    givers = ("assignee", "service_desk", "asset_manager", "operator", "administrator")
    takers = ("service_desk", "asset_manager", "operator", "engineer")
