"""Whether what a model declares of guards and effects is there, and fits it.

Other parts, and an operator's own packages, add guards and effects by the entry points of `RULES`: modules
that make them by `lifecycle.guards.guard` and `lifecycle.effects.effect` when they are imported.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Final

from cmdb.queries import parse_filter
from lifecycle import (  # importing a module of guards adds them
    approvals,  # noqa: F401
    counting,  # noqa: F401
    effects,
    guards,
    process_guards,  # noqa: F401
)
from schema.errors import CmdbError, Mistake, ModelError
from schema.model import Model

RULES: Final = "cmdb.rules"
"""The group of entry points."""


@cache
def load_rules() -> None:
    """Import the modules that add guards and effects, once in a process."""
    for entry in entry_points(group=RULES):
        entry.load()


def verify(model: Model) -> None:
    """Every guard and effect that the model leaves to the product is there, and every filter fits.

    Raises
    ------
    ModelError
    """
    load_rules()
    own_guards = {
        name for name, g in model.guards.items() if g.forbids is None and g.demands is None
    }
    own_effects = {name for name, e in model.effects.items() if not (e.sets or e.relates)}
    unknown = sorted((own_guards - guards.GUARDS.keys()) | (own_effects - effects.EFFECTS.keys()))
    if unknown:
        remedy = (
            "Say what a guard forbids or demands, what an effect sets or relates; or correct it."
        )
        raise ModelError(
            [
                Mistake(
                    "model", f"{name} is declared as the product's own, which it is not", remedy
                )
                for name in unknown
            ]
        )
    for name, declared in model.guards.items():
        for where in (declared.forbids, declared.demands):
            try:
                parse_filter(model, ["Record"], where or {})
            except CmdbError as error:
                what = f"the filter of the guard {name} does not fit the model: {error.message.rstrip('.')}"
                raise ModelError([Mistake("model", what, error.remedy)]) from None
