"""The subcommands ``cmdb schema …``."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.errors import EXIT_CODES
from cli.model_processes import (
    model_in_use,
    picture,
    print_machine,
    print_procedure,
    print_rule,
)
from cli.options import STORE_DEFAULT, Actor, Json, Store, actor_or_me, opened
from cmdb.errors import QueryError
from cmdb.model_changes import plan_model_change
from schema.exports import FORMATS, export_model
from schema.loading import load_model
from schema.model import Model, RecordType, RelationshipType

app = typer.Typer(no_args_is_help=True, help="The model: check, show, compare, apply, export.")


@app.command()
def check(json: Json = False) -> None:
    """Check the model files: the shipped ones and those in CMDB_MODEL."""
    model = load_model()
    concrete = [t for t in model.record_types.values() if not t.abstract]
    counts = {
        "record_types": len(model.record_types),
        "concrete_record_types": len(concrete),
        "configuration_item_types": sum("ConfigurationItem" in t.ancestors for t in concrete),
        "relationship_types": len(model.relationship_types),
        "state_machines": len(model.state_machines),
    }
    if json:
        output.print_json({**counts, "fingerprint": model.fingerprint})
    else:
        words = [f"{n} {k.replace('_', ' ')}" for k, n in counts.items()]
        output.print_line(f"Sound: {', '.join(words)}.")


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="A record type, relationship type, state machine, guard or effect.",
        ),
    ] = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Show the store's model, or one type of it; without a store, the model in the files."""
    model = model_in_use(store)
    if not name:
        rows = [
            [t.name, t.label.zh, t.label.en, t.parent or "", "abstract" if t.abstract else ""]
            for t in model.record_types.values()
        ]
        links = [
            [r.name, r.label.zh, f"({'|'.join(r.source)})-[:{r.name}]->({'|'.join(r.target)})"]
            for r in model.relationship_types.values()
        ]
        if json:
            output.print_json(model.declaration.model_dump(mode="json", exclude_defaults=True))
            return
        output.print_table(["record type", "类型", "label", "parent", ""], rows)
        output.print_table(["relationship type", "关系", "from and to"], links)
        return
    for section in ("record_types", "relationship_types", "state_machines", "guards", "effects"):
        declared = getattr(model.declaration, section).get(name)
        if declared is not None:
            if json:
                output.print_json(declared.model_dump(mode="json", exclude_defaults=True))
            else:
                _print_one(model, section, name)
            return
    model.record_type(name)  # says which names are near


def _print_one(model: Model, section: str, name: str) -> None:
    if section == "state_machines":
        print_machine(model, model.state_machines[name])
        return
    if section in ("guards", "effects"):
        print_rule(model, section, name)
        return
    owner: RecordType | RelationshipType
    if section == "record_types":
        owner = model.record_types[name]
        output.print_line(f"{name}  {owner.label.en} {owner.label.zh}", "bold")
        output.print_line(" > ".join(owner.ancestors))
        links = [f"{r.name} ->" for r in model.relationship_types.values() if name in r.sources]
        links += [f"<- {r.name}" for r in model.relationship_types.values() if name in r.targets]
        output.print_line(f"relationships: {', '.join(links) or 'none'}")
    else:
        owner = model.relationship_types[name]
        output.print_line(
            f"{name}  {owner.label.en} {owner.label.zh}; the other way {owner.inverse} {owner.inverse_label.zh}",
            "bold",
        )
        output.print_line(f"({' | '.join(owner.source)})-[:{name}]->({' | '.join(owner.target)})")
    rows = [
        [
            a.name,
            a.label.zh,
            f"list of {a.kind.name}" if a.many else a.kind.name,
            "required" if a.required else "",
            ", ".join(a.values),
        ]
        for a in owner.attributes.values()
    ]
    if rows:
        output.print_table(["attribute", "属性", "kind", "", "values"], rows)
    if isinstance(owner, RecordType):
        print_procedure(model, owner)


@app.command()
def diff(
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 if there is a difference.")
    ] = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What `schema apply` would change in the store, and what stored records forbid."""
    with opened(store) as graph:
        plan = plan_model_change(graph, load_model())
    if json:
        output.print_json({"changes": plan.lines, "refusals": plan.refusals})
    else:
        for line in plan.lines:
            output.print_line(line)
        for refusal in plan.refusals:
            output.print_line(f"refused: {refusal}", "red")
        if not plan.lines:
            output.print_line("The store's model is that of the files.")
    if exit_code and plan.lines:
        raise typer.Exit(EXIT_CODES["findings"][0])


@app.command()
def apply(actor: Actor = "", store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """Make the model of the files the store's model. Recorded as a revision."""
    with opened(store) as graph:
        result = graph.apply_model(load_model(), actor_or_me(actor))
    if json:
        output.print_json(result._asdict())
    elif result.committed:
        output.print_line(f"Applied the model (revision {result.revision}).")
    else:
        output.print_line("The store's model is that of the files already.")


@app.command()
def export(
    format_: Annotated[
        str, typer.Option("--format", metavar="markdown|mermaid|json-schema")
    ] = "markdown",
    store: Store = STORE_DEFAULT,
) -> None:
    """Print the model as Markdown or Mermaid, or the JSON Schema of model files for editors."""
    if format_ not in FORMATS:
        raise QueryError(
            f"There is no model format {format_!r}.", f"Use one of {', '.join(FORMATS)}."
        )
    print(export_model(model_in_use(store), format_), end="")


app.command()(picture)
