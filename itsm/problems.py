"""Problems: what lies behind incidents."""

from __future__ import annotations

from typing import Final

from lifecycle.drafting import Drafting

PROBLEM: Final = "Problem"


class Problems(Drafting):
    """What people do with problems."""

    kind = PROBLEM
    command = "problem"
    givers = ("assignee", "service_desk", "operator", "engineer", "administrator")
    takers = ("operator", "engineer")
