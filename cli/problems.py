"""The subcommands ``cmdb problem …``."""

from __future__ import annotations

from cli.processes import Processes
from itsm.problems import Problems

problems = Processes(Problems, columns=("name",))
app = problems.app("Problems: what lies behind incidents, its cause, and what to do meanwhile.")
