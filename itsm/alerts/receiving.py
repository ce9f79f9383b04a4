"""Received alerts are kept in a journal before they are acknowledged; from there they are taken in.

How far they have been taken in stands in an `AlertIntake` record, written in the same revision as what they
became. The journal stands beside the revisions and is not part of a copy of the store; a copy begins a journal of
its own. So the record is one for this store, and goes by a name that is kept beside the revisions, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.alerts.received import Entry
from schema.errors import CmdbError

JOURNAL: Final = "alerts"
INTAKE: Final = "AlertIntake"
TAKEN_IN: Final = "taken_in"
MARK: Final = "alerts/intake"


class UnreadableAlertsError(CmdbError):
    """Nothing of what was sent could be read as an alert. It is kept all the same, and shown."""

    code = "alerts_unreadable"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            f"{problems[0]} It is kept, and shown among the alerts without a CI.",
            "docs/alerts.md tells what each tool is to send.",
        )
        self.problems = tuple(problems)


def receive(store: GraphStore, entries: Sequence[Entry]) -> int:
    """Keep what was received; it is durable when this returns. Gives how many there are.

    Raises
    ------
    StoreError
        Nothing of it may have been kept.
    """
    store.append(JOURNAL, [entry.kept() for entry in entries])
    return len(entries)


def intake_name(store: GraphStore) -> str:
    """The name of the record of how far alerts have been taken in, here."""
    while (kept := store.marks(MARK).get(MARK)) is None:
        store.swap(MARK, None, new_id().encode())
    return kept.decode()


def intake_of(store: GraphStore, name: str) -> Record | None:
    """How far alerts have been taken in: a record of that name; None where none ever were."""
    found = store.find(Query(INTAKE, {"name": {"eq": name}}, first=1)).records
    return found[0] if found else None
