"""The commands of impact analysis: what an outage hits, what a service stands on, where it could break.

A module a command; what they share is in `options`, `finding` and `printing`.
"""

from cli.impact.outage import impact
from cli.impact.root_cause import root_cause
from cli.impact.single_points import single_points
from cli.impact.standing import depends
from cli.impact.window import window

__all__ = ["depends", "impact", "root_cause", "single_points", "window"]
