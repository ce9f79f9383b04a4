"""Errors as one line and an exit code, in this one place."""

from __future__ import annotations

from typing import Final

from schema.errors import CmdbError

EXIT_CODES: Final[dict[str, tuple[int, str]]] = {
    "ok": (0, "done"),
    "findings": (
        1,
        "`cmdb check` found damage, `cmdb order check` a refusal, or `cmdb schema diff --exit-code` a difference",
    ),
    "usage": (2, "wrong words or options"),
    "invalid_request": (2, "there is no such step, vote, query or type of order"),
    "server_error": (8, "what answered is no CMDB server, or failed"),
    "too_many_subscriptions": (12, "more subscriptions than a server takes at a time"),
    "webhook_target": (4, "a webhook's URL is not one that may be sent to"),
    "unsupported_media_type": (2, "a request of another form than the server takes"),
    "persisted_query_not_found": (6, "the server does not know an operation by its hash"),
    "not_over_server": (2, "the command needs the store itself, not a server"),
    "not_found": (3, "no such record"),
    "invalid_change": (4, "the change breaks a rule of the model; nothing was stored"),
    "model_change_refused": (4, "stored records forbid the model change"),
    "refused": (
        11,
        "guards or requirements refuse it, for one device at least; the others went on",
    ),
    "not_allowed": (12, "this person may not do that, or nobody is known by that name"),
    "unconfirmed": (2, "it cannot be undone, and nobody confirmed it; scripts say --yes"),
    "unauthenticated": (12, "nobody knows who asks"),
    "throttled": (12, "too many sign-ins failed; wait"),
    "password_change_required": (12, "the password is good once, to set another one"),
    "too_large": (2, "more was asked of the server, or sent to it, than one request may"),
    "idempotency_key_reused": (5, "the key of a request was used for another one"),
    "account_refused": (4, "an account or token is not made or changed so"),
    "password_refused": (4, "a password that may not be used"),
    "file_refused": (4, "a file is not what may be attached, or is damaged"),
    "conflict": (5, "somebody else changed the record"),
    "invalid_query": (6, "the question does not fit the model"),
    "unknown_name": (6, "no such type, attribute or relationship type"),
    "merge_refused": (4, "two records cannot be one, or one cannot be taken apart"),
    "invalid_calendar": (4, "a calendar cannot be counted by"),
    "vanish_refused": (4, "more would vanish than one run may retire; nothing was retired"),
    "importer": (2, "there is no such importer, or not with these options"),
    "source_invalid": (10, "a source to import is not what it says, or breaks off"),
    "model_invalid": (7, "the model files have mistakes"),
    "store_error": (
        8,
        "the store failed, is not there, or could not be reached (any `store_…` code)",
    ),
    "dump_invalid": (9, "the dump is damaged or could not be written"),
    "settings_invalid": (2, "a setting of the server is wrong"),
    "roles_invalid": (2, "the roles file has mistakes"),
    "alert_rules_invalid": (2, "the file of rules for alerts has mistakes"),
    "alerts_unreadable": (10, "what was sent as alerts could not be read; it was kept"),
    "serving_refused": (
        13,
        "the server does not start as it is set: reachable without TLS or accounts, or the port is taken",
    ),
    "output_failed": (9, "what was to be printed could not be written"),
    "internal": (70, "a defect of this program"),
    "interrupted": (130, "stopped by Ctrl-C"),
}
"""Error code -> (exit code, meaning)."""


def exit_code(error: CmdbError) -> int:
    """The exit code of an error; each ``store_…`` error has that of ``store_error``."""
    code = "store_error" if error.code.startswith("store_") else error.code
    return EXIT_CODES.get(code, EXIT_CODES["usage"])[0]


def error_line(error: CmdbError) -> str:
    """An error as one line: its code, what happened, what to do."""
    return " ".join(f"{error.code}: {error}".split())
