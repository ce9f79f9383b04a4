"""Logs: one line an event, JSON for programs, with the request's id and without secrets.

Headers, query strings, bodies and variables are never logged; what still looks like a secret in a message
or a traceback is taken out.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that this task, or thread, works for."""

HIDDEN: Final = "(hidden)"
_SECRETS: Final = (
    re.compile(
        r"""(?i)((?:authorization|cookie|password|passwd|secret|token|signature|api[_-]?key)["']?\s*[:=]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;&]+"""
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}"),
    re.compile(r"(\w://[^\s/:@]*:)[^\s@/]+(?=@)"),
    re.compile(r"(\bcmdb_[0-9a-z]{8}_)\w+"),
)
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
}


def scrub(text: str) -> str:
    """A text without what looks like a secret."""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a line says, as data."""
    found: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": scrub(record.getMessage()),
    }
    if id := request_id.get():
        found["request_id"] = id
    for name, value in vars(record).items():
        if name not in _STANDARD:
            found[name] = scrub(value) if isinstance(value, str) else value
    if record.exc_info:
        found["exception"] = scrub(logging.Formatter().formatException(record.exc_info))
    return found


class JsonFormatter(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(fields(record), ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """For people who look at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        said = fields(record)
        trace = said.pop("exception", "")
        head = [said.pop(name) for name in ("time", "level", "message")]
        said.pop("logger")
        rest = " ".join(f"{name}={value}" for name, value in said.items())
        line = " ".join(map(str, (*head, rest))).rstrip()
        line = "".join(c if c >= " " else "\N{REPLACEMENT CHARACTER}" for c in line)
        return f"{line}\n{trace}" if trace else line


def of_interest(record: logging.LogRecord) -> bool:
    """Whether a record of uvicorn's is to be logged: that a client sent no UTF-8 is nobody's defect."""
    return not (record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError))


def configure_logs(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send what this process logs to one stream (standard error), in one form."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("httpx", "httpcore", "neo4j", "websockets", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"  # requests are logged by `api.requests`
        logger.setLevel(max(logging.WARNING, root.level))
        logger.addFilter(of_interest)
