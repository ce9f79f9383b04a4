"""Traces: FastAPI's own spans, told to a collector by OTLP over HTTP. Needs the extra ``traces``."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from api.logs import HIDDEN
from api.settings import SettingsError

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace.export import SpanExporter

OFF: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""Nothing is told, whatever the process has set for others."""


class Traces:
    """Spans of one app; nothing global is set.

    Parameters
    ----------
    endpoint
        Where the collector takes traces.
    exporter
        Instead of one that sends them there.

    Attributes
    ----------
    telemetry
        What FastAPI is told.

    Raises
    ------
    SettingsError
        The extra is not installed.
    """

    def __init__(self, endpoint: str, exporter: SpanExporter | None = None) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise SettingsError(
                ["otlp_endpoint needs more packages: install graph-cmdb[traces]."]
            ) from None
        about = {"service.name": "graph-cmdb", "service.version": version("graph-cmdb")}
        self.provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        sent = exporter or OTLPSpanExporter(endpoint=endpoint)
        self.provider.add_span_processor(BatchSpanProcessor(sent))
        self.telemetry: TelemetryConfig = {
            **OFF,
            "tracing": True,
            "tracer_provider": self.provider,
            "operation_spans": False,
            "auto_configure": False,
        }

    def annotate(self, request_id: str) -> None:
        """Say in the span which request it is; what was asked for is not told: it may be sensitive."""
        from opentelemetry.trace import get_current_span

        span: Any = get_current_span()
        span.set_attribute("cmdb.request_id", request_id)
        if "url.query" in (getattr(span, "attributes", None) or {}):
            span.set_attribute("url.query", HIDDEN)

    def close(self) -> None:
        """Send what is left."""
        self.provider.shutdown()
