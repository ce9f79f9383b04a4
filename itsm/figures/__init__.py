"""The numbers about incidents and changes: how fast, how often, in time or not, what is left to do.

Importing it adds them to `lifecycle.figures`, which works any of them out as of any revision or instant.
"""

from __future__ import annotations

from itsm.figures import evaluators
from itsm.figures.declared import FIGURES, Concerned, Lasted, Promised
from lifecycle.figures import add

add(
    FIGURES,
    {
        Lasted: evaluators.lasted,
        Promised: evaluators.promised,
        Concerned: evaluators.concerned,
    },
)
