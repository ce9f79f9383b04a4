"""What processes hit, as a server tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cli.remote.questions import Questions
from itsm.hits import OfOrganisation, ServiceHit, Summary

COUNTS: Final = """revision truncated servicesLeftOut counts { effect count }
    byOrganisation { organisation effects { effect count } services { effect count } }"""


def summary_of(told: Mapping[str, Any] | None, questions: Questions, of: str) -> Summary | None:
    """What is hit, with the services that are seen; None where nothing is known.

    Parameters
    ----------
    told
        The fields of `COUNTS`.
    of
        The type that ``impact`` is of, as a fragment begins.
    """
    if told is None:
        return None
    hit = questions.every("services", "effect criticality record { id }", within=("impact", of))
    organisations = {
        each["organisation"] or "": OfOrganisation(
            _effects(each["effects"]), _effects(each["services"])
        )
        for each in told["byOrganisation"]
    }
    return Summary(
        told["revision"],
        told["truncated"] or "",
        _effects(told["counts"]),
        [ServiceHit(s["record"]["id"], s["effect"].lower(), s["criticality"] or "") for s in hit],
        told["servicesLeftOut"],
        dict(sorted(organisations.items())),
    )


def _effects(told: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return {each["effect"].lower(): each["count"] for each in told}
