"""What monitoring tools send, read as alerts.

A format is a module with ``read(body, headers, source, rules)``: it gives all alerts of a request, and what of it
could not be read, in order. It raises nothing: what is not what it should be is `Malformed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from itsm.alerts.formats import alertmanager, cloudevents, zabbix
from itsm.alerts.received import Entry
from itsm.alerts.rules import AlertRules


class Read(Protocol):
    """Reads what was sent.

    Parameters
    ----------
    headers
        Of the request, their names in lower case.
    source
        Who sent it.
    """

    def __call__(
        self, body: bytes, headers: Mapping[str, str], source: str, rules: AlertRules
    ) -> list[Entry]: ...


FORMATS: Final[dict[str, Read]] = {
    "alertmanager": alertmanager.read,
    "zabbix": zabbix.read,
    "cloudevents": cloudevents.read,
}
