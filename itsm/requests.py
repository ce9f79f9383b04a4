"""Service requests: a user wants something, a device above all."""

from __future__ import annotations

from typing import Final

from lifecycle.drafting import Drafting
from lifecycle.ledger import DEVICES
from schema.errors import UnknownNameError
from schema.model import Model, RecordType

REQUEST: Final = "ServiceRequest"


class Requests(Drafting):
    """What people do with service requests. What their states allow is the model's (`request_lifecycle`)."""

    kind = REQUEST
    command = "request"
    givers = ("assignee", "service_desk", "asset_manager", "operator", "administrator")
    takers = ("service_desk", "asset_manager", "operator", "engineer")


def wanted(model: Model, text: str) -> RecordType:
    """The type of device that a request means: by its name or label, whatever the case.

    Raises
    ------
    UnknownNameError
    """
    meant = text.strip().casefold()
    for type_ in model.record_types.values():
        said = (type_.name, type_.label.en, type_.label.zh)
        if meant in map(str.casefold, said) and not {*DEVICES}.isdisjoint(type_.ancestors):
            return type_
    raise UnknownNameError(
        f"{text!r} is no type of device.", "Say one such as DesktopComputer, or 服务器."
    )
