"""What of plain HTTP goes into the audit: exports, observations, files attached, and every refusal.

Noted when a request is done, with its result; what was asked for by name, never a body, a filter or a header.
Sign-ins note themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.types import Scope

from api.access.audit import DONE, REFUSALS

if TYPE_CHECKING:
    from api.app import Services

NOTED: Final = {
    ("GET", "/exports/"): "export",
    ("POST", "/observations/"): "observations",
    ("POST", "/attachments"): "attachment",
}
"""Method, beginning of a route -> what is noted of it."""
THEMSELVES: Final = frozenset({"/sign-in", "/sign-out", "/password"})
TOLD: Final = frozenset(
    {"type", "organisation", "format", "as_of", "apply", "complete", "order", "kind"}
)
"""Parameters of queries that are noted with their values."""


def note_request(services: Services, scope: Scope, route: str, status: int) -> None:
    """Note a request that is done, if it is one to be noted.

    Parameters
    ----------
    route
        The template of its path.
    """
    state = scope.get("state", {})
    code, method = str(state.get("code", "")), str(scope["method"])
    what = next((w for (m, p), w in NOTED.items() if m == method and route.startswith(p)), "")
    refused = code in REFUSALS
    if services.audit is None or route in THEMSELVES or not (what or refused):
        return
    if state.get("noted"):
        return
    given = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    services.audit.note(
        state.get("asker") or str(state.get("principal", "")),
        what or "request",
        (code or str(status)) if status >= 400 else DONE,
        subject=scope["path"] if what else f"{method} {route}",
        address=(scope.get("client") or ("", 0))[0],
        detail=" ".join(f"{n}={v}" for n, v in given if n in TOLD) if what else "",
        seldom=refused,
    )
