"""The model: what a change would do, and applying it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.lifecycle.acting import product
from api.graphql.mutations.doing import KEY, Ids, doing
from api.graphql.records import Records
from api.graphql.scalars import Int64
from cmdb.model_changes import plan_model_change
from schema.errors import Mistake, ModelError
from schema.loading import load_model


class Remodelled(NamedTuple):
    """What applying a model does, or would do."""

    changes: list[str]
    refusals: list[str]
    revision: int | None
    graphql_type: str = "ModelChange"


class Mistaken(NamedTuple):
    """Declarations that are wrong."""

    mistakes: list[Mistake]
    graphql_type: str = "ModelMistakes"


def apply(context: Context, _: Ids, given: Mapping[str, Any]) -> Remodelled | Mistaken:
    """Applied again, nothing differs: no more need be remembered."""
    inner = product(context, Permission.MODEL)
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(given["documents"]):
            (Path(folder) / f"{number:06}.yaml").write_text(text, encoding="utf-8")
        try:
            model = load_model([Path(folder)])
        except ModelError as error:
            return Mistaken([_named(mistake, folder) for mistake in error.mistakes])
    plan = plan_model_change(inner, model)
    if given["dryRun"] or plan.refusals or not plan.lines:
        return Remodelled(plan.lines, plan.refusals, None)
    done = context.store.apply_model(model, context.principal.name)
    if context.services.schema is not None:
        context.services.schema.renew()
    return Remodelled(plan.lines, [], done.revision)


def _named(mistake: Mistake, folder: str) -> Mistake:
    """A mistake by the number of its document, and the line."""

    def told(text: str) -> str:
        return text.replace(f"{folder}/", "document ").replace(".yaml", "")

    return Mistake(told(mistake.where), told(mistake.what), told(mistake.remedy))


def mutation_fields(records: Records) -> list[ModelField]:
    change = make_type(
        "ModelChange",
        [
            model_field("changes", list[str], "`+` new, `-` gone, `~` changed.", read=lambda c: c.changes),
            model_field("refusals", list[str], "What stored records forbid: nothing is applied.", read=lambda c: c.refusals),
            model_field("revision", Int64 | None, "Null where nothing was applied.", read=lambda c: c.revision),
        ],
        description="What applying a model does, or would do.",
    )  # fmt: skip
    mistake = make_type(
        "ModelMistake",
        [
            model_field(
                "where", str, "Document, counted from 0, and line.", read=lambda m: m.where
            ),
            model_field("what", str, read=lambda m: m.what),
            model_field("remedy", str, read=lambda m: m.remedy),
        ],
    )
    mistakes = make_type(
        "ModelMistakes",
        [model_field("mistakes", list[mistake], read=lambda m: m.mistakes)],  # type: ignore[valid-type]
        description="Declarations that are wrong; nothing was applied.",
    )
    return [
        model_field(
            "applyModel",
            records.results.union("ModelResult", change, mistakes),
            "Make the shipped model with these files the model in use.",
            arguments=[
                argument("documents", list[str], "Model files, as YAML."),
                argument("dryRun", bool, default=True),
                KEY,
            ],
            resolve=doing(apply),
        )
    ]
