"""The product's exception tree::

    CmdbError                       code, message, remedy                  (schema.errors)
    ├── ModelError                  model_invalid                          (schema.errors)
    ├── UnknownNameError            unknown_name                           (schema.errors)
    ├── InvalidChangeError          invalid_change: every problem found
    ├── ConflictError               conflict: who changed what since
    ├── NotFoundError               not_found
    ├── QueryError                  invalid_query
    ├── ModelChangeRefusedError     model_change_refused
    ├── SourceError                 source_invalid: a source is not what it says
    └── StoreError                  store_error
        ├── StoreURLError               store_url
        ├── StoreNotFoundError          store_not_found: no store there yet
        ├── StoreExistsError            store_exists
        ├── StoreVersionError           store_version: made by a newer release
        ├── StoreUnavailableError       store_unavailable: not reachable, or gone on the way
        ├── StoreAccessError            store_access: wrong password, not allowed
        ├── StoreReadOnlyError          store_read_only
        ├── StoreBusyError              store_busy: locked, deadlocked or overloaded
        ├── StoreTimeoutError           store_timeout: a reading was cut off at its deadline
        ├── StoreFullError              store_full: out of memory or disk
        ├── StoreDamagedError           store_damaged
        ├── ChainBrokenError            store_chain_broken: a digest is not that of what it stands for
        └── DumpError                   dump_invalid

A door maps `code` once: the command line to exit codes, HTTP to status, GraphQL to error types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schema.errors import CmdbError, ModelError, UnknownNameError

__all__ = ["CmdbError", "ModelError", "UnknownNameError"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a change set.

    Attributes
    ----------
    operation
        Index of the operation in the change set.
    subject
        The record's id, or ``source TYPE target`` of a relationship.
    attribute
        The attribute, where it is about one.
    code
        Stable, snake_case: ``required``, ``invalid_value``, ``not_unique``, ``cardinality`` …
    names
        Id -> name of other records that the message calls by name, so that it can be told without.
    """

    operation: int
    subject: str
    code: str
    message: str
    attribute: str | None = None
    names: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return self.message


class InvalidChangeError(CmdbError):
    """A change set breaks the model's rules. Nothing of it was stored."""

    code = "invalid_change"

    def __init__(self, problems: Sequence[Problem]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"{problems[0].message}{more}", "Nothing was stored; correct it and try again."
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Interference:
    """One revision that changed a record since the version a writer expected."""

    revision: int
    at: datetime
    actor: str
    changed: dict[str, tuple[Any, Any]]
    """Attribute -> (value before, value after); sensitive values are masked."""


class ConflictError(CmdbError):
    """Somebody else changed the record since it was read. Nothing was stored.

    Attributes
    ----------
    record
        The record's id.
    expected, actual
        The revision the writer had seen, and the record's revision now.
    interferences
        What was changed in between, by whom.
    """

    code = "conflict"

    def __init__(
        self, record: str, expected: int, actual: int, interferences: Sequence[Interference]
    ) -> None:
        parts = [
            f"{i.actor} changed {', '.join(sorted(i.changed)) or 'it'} in revision {i.revision}"
            for i in interferences
        ]
        since = f": {'; '.join(parts)}" if parts else ""
        super().__init__(
            f"Record {record} is at revision {actual}, not {expected}{since}.",
            "Read it again and repeat the change on what it is now.",
        )
        self.record, self.expected, self.actual = record, expected, actual
        self.interferences = tuple(interferences)


class NotFoundError(CmdbError):
    """No record of that id (at that time)."""

    code = "not_found"


class QueryError(CmdbError):
    """A query does not make sense for the model."""

    code = "invalid_query"


class ModelChangeRefusedError(CmdbError):
    """A model change would make stored records invalid or their history unreadable."""

    code = "model_change_refused"


class SourceError(CmdbError):
    """A source to import is not what it says: another format, cut off, hostile; the message says what of it
    was taken before that was seen."""

    code = "source_invalid"


class StoreError(CmdbError):
    """The store could not do what was asked."""

    code = "store_error"


class StoreURLError(StoreError):
    code = "store_url"


class StoreNotFoundError(StoreError):
    code = "store_not_found"


class StoreExistsError(StoreError):
    code = "store_exists"


class StoreVersionError(StoreError):
    code = "store_version"


class StoreUnavailableError(StoreError):
    code = "store_unavailable"


class StoreAccessError(StoreError):
    code = "store_access"


class StoreReadOnlyError(StoreError):
    code = "store_read_only"


class StoreBusyError(StoreError):
    code = "store_busy"


class StoreTimeoutError(StoreError):
    """A reading took longer than its deadline (`GraphStore.deadline`); the store was told to stop."""

    code = "store_timeout"


class StoreFullError(StoreError):
    code = "store_full"


class StoreDamagedError(StoreError):
    code = "store_damaged"


class ChainBrokenError(StoreError):
    """The digest of a revision is not that of what it stands for."""

    code = "store_chain_broken"

    def __init__(self, number: int, where: str) -> None:
        super().__init__(
            f"The digest of revision {number} of {where} is not that of what it stands for: it, or what"
            " it changed, was altered past the product.",
            "`cmdb check --audit` tells what; `--unchained` moves everything as it is, without digests.",
        )


class DumpError(StoreError):
    code = "dump_invalid"
