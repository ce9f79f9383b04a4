"""What a complete run did not report: it is retired, unless that is more than may vanish at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cmdb.errors import CmdbError, ConflictError
from cmdb.reconciliation.run_state import RunState
from cmdb.reconciliation.withdrawing import withdrawals

BATCH: Final = 5_000
"""Records withdrawn together."""
VANISH_FREE: Final = 5
"""So many may always vanish, whatever their share."""


class VanishRefusedError(CmdbError):
    """More would vanish than one run may retire; nothing was retired."""

    code = "vanish_refused"


def retire_vanished(
    state: RunState, limit: float | None, names: dict[str, str]
) -> VanishRefusedError | None:
    """Withdraw what a complete run did not report; gives the reason where that would be too much.

    Parameters
    ----------
    limit
        Percent that may vanish; None for what the source's record says.
    """
    gone = state.catalogue.vanished()
    if not gone:
        return None
    if state.summary.unread:
        state.summary.kept = len(gone)
        return None
    if limit is None:
        limit = state.known_source.vanish_limit if state.known_source else 100.0
    share = 100 * len(gone) / max(len(state.catalogue), 1)
    if len(gone) > VANISH_FREE and share > limit:
        return VanishRefusedError(
            f"{len(gone)} records ({share:.0f} %) of {state.source} would vanish; {limit:g} % is the most. None was retired.",
            "Check that the source was whole; --vanish-limit allows more.",
        )
    for start in range(0, len(gone), BATCH):
        _withdraw(state, gone[start : start + BATCH], names)
    state.catalogue.forget(gone)
    return None


def _withdraw(state: RunState, ids: Sequence[str], names: dict[str, str]) -> None:
    """Withdraw some records, until nobody else commits in between."""
    for revision in state.attempts():
        operations, entries = withdrawals(state.store, state.source, ids, state.precedence, names)
        if operations:
            state.begin()
            try:
                state.noted(state.store.commit(state.change_set(operations, revision)))
            except ConflictError:
                continue
        state.lines(entries)
        return
