"""A server as the commands need a store, and what of the product's own work is left to it.

Records are asked for by the client as they are of a store (`store`). What takes the whole graph, or decides, is
done by the server (the other modules), in the name of the token. It gives what the token may see.
What there is no way for is refused, with what to do instead.
"""

from cli.remote import (
    answers,
    attachments,
    changes,
    impact,
    incidents,
    points,
    problems,
    processes,
    recent,
    stocktakes,
    windows,
)
from cli.remote.instead import NotOverServerError, not_over_server
from cli.remote.store import RemoteStore

__all__ = [
    "NotOverServerError",
    "RemoteStore",
    "answers",
    "attachments",
    "changes",
    "impact",
    "incidents",
    "not_over_server",
    "points",
    "problems",
    "processes",
    "recent",
    "stocktakes",
    "windows",
]
