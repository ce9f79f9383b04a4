"""The guards and effects of incidents, changes, problems and requests, for the process engine; and their figures.

Importing it adds them (`lifecycle.declared.RULES`).
"""

from itsm import figures, incident_rules, problem_rules, request_rules
from itsm.changes import rules

__all__ = ["figures", "incident_rules", "problem_rules", "request_rules", "rules"]
