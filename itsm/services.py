"""Which service deals with a process: orders have that of `lifecycle`, the others one here."""

from __future__ import annotations

from typing import Final

from itsm.changes.desk import Changes
from itsm.incidents import Incidents
from itsm.problems import Problems
from itsm.requests import Requests
from lifecycle.drafting import Drafting
from lifecycle.engine import Engine
from lifecycle.orders import Orders
from schema.model import RecordType

SERVICES: Final[tuple[type[Drafting], ...]] = (Incidents, Problems, Changes, Requests)


def service_of(engine: Engine, type_: RecordType) -> Drafting:
    """The service for processes of a type: what is done with them is held to its rules."""
    return next((s for s in SERVICES if s.kind in type_.ancestors), Orders)(engine)
