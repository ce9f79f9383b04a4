"""Webhooks in: monitoring tools post their alerts. What is answered 202 is kept, whatever happens then.

Who posts has a token with the permission *observe*, or signs what they send with the secret of their source
(`api.rest.signatures`). What cannot be read is kept, too, and shown; who sent it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.observing import may_observe
from api.rest.asking import services_of
from api.rest.problems import RESPONSES
from api.rest.signatures import Signed, is_signed
from cmdb.errors import UnknownNameError
from itsm.alerts.formats import FORMATS
from itsm.alerts.outcomes import ALERT
from itsm.alerts.received import Entry, Malformed
from itsm.alerts.receiving import UnreadableAlertsError, receive

router = APIRouter(prefix="/alerts", tags=["alerts"], responses=RESPONSES)


class Kept(BaseModel):
    """What was received, and is kept."""

    received: int = Field(description="alerts, those that could not be read included")
    unread: int = Field(0, description="how many could not be read; they are kept, and shown")
    problems: list[str] = Field([], description="why")


Source = Annotated[
    str,
    Query(
        description="name of the tool; alerts of several tools are told apart by it",
        min_length=1,
        max_length=100,
    ),
]
ALERTMANAGER: Final = {
    "version": "4",
    "groupKey": '{}:{alertname="InstanceDown"}',
    "status": "firing",
    "receiver": "cmdb",
    "alerts": [
        {
            "status": "firing",
            "labels": {
                "alertname": "InstanceDown",
                "instance": "web-07:9100",
                "severity": "critical",
            },
            "annotations": {"summary": "web-07 does not answer"},
            "startsAt": "2026-03-02T01:51:03.157Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": "c6eadffa33fcdf37",
        }
    ],
}
ZABBIX: Final = {
    "event_id": "4711",
    "event_value": "1",
    "event_name": "High CPU utilization",
    "event_nseverity": "4",
    "event_date": "2026.03.02",
    "event_time": "09:51:03",
    "time_zone": "+08:00",
    "trigger_id": "13926",
    "host_host": "db-01",
    "host_ip": "10.1.2.3",
}
CLOUDEVENT: Final = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "/monitoring/probe",
    "type": "org.example.alert.raised",
    "subject": "web-07",
    "time": "2026-03-02T01:51:03Z",
    "data": {"status": "firing", "severity": "major", "hostname": "web-07"},
}


def _body(example: Mapping[str, Any], *types: str) -> dict[str, Any]:
    content = {type_: {"schema": {"type": "object"}, "example": example} for type_ in types}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/alertmanager",
    status_code=202,
    summary="Alerts of Prometheus Alertmanager, or of Grafana",
    openapi_extra=_body(ALERTMANAGER, "application/json"),
)
async def alertmanager(request: Request, source: Source = "alertmanager") -> Kept:
    """The webhook of version 4, as Alertmanager sends it."""
    return await _kept(request, "alertmanager", source)


@router.post(
    "/zabbix",
    status_code=202,
    summary="Events of Zabbix",
    openapi_extra=_body(ZABBIX, "application/json"),
)
async def zabbix(request: Request, source: Source = "zabbix") -> Kept:
    """What a media type of the kind webhook sends: an object of an event's macros, or a list of them."""
    return await _kept(request, "zabbix", source)


@router.post(
    "/cloudevents",
    status_code=202,
    summary="Alerts as CloudEvents 1.0",
    openapi_extra=_body(
        CLOUDEVENT, "application/cloudevents+json", "application/cloudevents-batch+json"
    ),
)
async def cloudevents(request: Request, source: Source = "cloudevents") -> Kept:
    """Structured, batched, or binary with `ce-` headers."""
    return await _kept(request, "cloudevents", source)


async def _kept(request: Request, format_: str, source: str) -> Kept:
    services = services_of(request)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "Alerts are not packed")
    signed = await run_in_threadpool(_asking, request, source)
    body = await request.body()
    if signed is not None:
        signed.mac.update(body)
        await run_in_threadpool(signed.check)
    entries = await run_in_threadpool(_received, request, format_, source, body)
    unread = [entry for entry in entries if isinstance(entry, Malformed)]
    services.metrics.alerts(format_, len(entries) - len(unread), len(unread))
    problems = list(dict.fromkeys(entry.reason for entry in unread))
    if unread and len(unread) == len(entries):
        raise UnreadableAlertsError(problems)
    return Kept(received=len(entries), unread=len(unread), problems=problems)


def _asking(request: Request, source: str) -> Signed | None:
    """Who posts may do so; with a signature that is yet to be checked, if it is signed."""
    services = services_of(request)
    if is_signed(request):
        request.state.principal = source
        return Signed(services, request, services.settings.alert_secrets.get(source))
    may_observe(services.principal(request))
    return None


def _received(request: Request, format_: str, source: str, body: bytes) -> list[Entry]:
    """What was sent, read and kept."""
    services = services_of(request)
    if ALERT not in services.store.model.record_types:
        raise UnknownNameError(
            "The model of this store has no alerts.", "`cmdb schema apply` brings it up to date."
        )
    entries = FORMATS[format_](body, dict(request.headers), source, services.alert_rules)
    receive(services.store, entries)
    if services.desk is not None:
        services.desk.wake()
    return entries
