"""The server: run it, and show its settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.options import Json

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="The store: sqlite:///path, or neo4j://user@host/database."
    ),
]


def serve(
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Default: 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", help="Default: 8000; 0 takes a free one.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="PEM: certificate and chain.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="PEM: its key.")
    ] = None,
    behind_proxy: Annotated[
        bool | None, typer.Option("--behind-proxy", help="A proxy in front does TLS.")
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error."),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option("--log-format", metavar="FORM", help="json or text.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Serve GraphQL, files, exports and observations. Settings: `cmdb config`."""
    from api import serving
    from api.settings import load_settings

    options = {
        "host": host,
        "port": port,
        "tls_certificate": tls_cert,
        "tls_key": tls_key,
        "behind_proxy": behind_proxy,
        "log_level": log_level,
        "log_format": log_format,
        "store": store,
    }
    serving.serve(load_settings(options), serving.tell)


def config(json: Json = False) -> None:
    """The server's settings: each with its value and where that comes from; secrets are masked."""
    from api.settings import explain_settings, unknown_variables

    found = explain_settings()
    strangers = unknown_variables(os.environ)
    if json:
        settings: dict[str, Any] = {n: o._asdict() for n, o in found.items()}
        output.print_json({"settings": settings, "unknown_variables": strangers})
        return
    rows = [[name, _shown(origin.value), origin.source] for name, origin in found.items()]
    output.print_table(["setting", "value", "from"], rows)
    for name in strangers:
        output.print_line(f"{name} is set, and nothing reads it.")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(inner)}" for name, inner in value.items())
    return "" if value is None else str(value)
