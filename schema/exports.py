"""The model for readers: Markdown, Mermaid, and the JSON Schema of model files for editors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from schema.attributes import Attribute
from schema.declarations import ModelDeclaration
from schema.model import Model, RecordType, RelationshipType, StateMachine
from schema.process_exports import machine_tables, orders

FORMATS: Final = ("markdown", "mermaid", "json-schema")


def export_model(model: Model, format_: str) -> str:
    """The model as one text.

    Parameters
    ----------
    format_
        ``markdown`` (everything, the source of docs/model.md), ``mermaid`` (the tree of record
        types and the relationships between them, as a class diagram) or ``json-schema`` (what a
        model file may say; independent of the model).
    """
    if format_ == "markdown":
        return "\n".join(_markdown(model)) + "\n"
    if format_ == "mermaid":
        return "\n".join(_mermaid(model)) + "\n"
    return json_schema()


def json_schema() -> str:
    """The JSON Schema of a model file."""
    schema = ModelDeclaration.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A model file of graph-cmdb"
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _markdown(model: Model) -> Iterator[str]:
    concrete = [t for t in model.record_types.values() if not t.abstract]
    items = [t for t in concrete if "ConfigurationItem" in t.ancestors]
    yield "# The model"
    yield ""
    yield f"{len(concrete)} record types that records can have, {len(items)} of them configuration items; {len(model.relationship_types)} relationship types; {len(model.state_machines)} state machines."
    yield "Generated from the declarations in `schema/model/`; `cmdb schema show NAME` prints one of them."
    yield ""
    yield "## Record types"
    yield ""
    yield from _tree(model, None, 0)
    yield ""
    for record_type in model.record_types.values():
        yield from _record_type(record_type)
    yield "## Relationship types"
    yield ""
    yield "| type | from | to | reads | 读作 | inverse | ends | failure travels |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for relationship_type in model.relationship_types.values():
        yield _relationship_row(relationship_type)
    yield ""
    for relationship_type in model.relationship_types.values():
        if relationship_type.attributes:
            yield f"Attributes of `{relationship_type.name}`:"
            yield ""
            yield from _attributes(relationship_type.attributes.values())
    yield "## State machines"
    yield ""
    for machine in model.state_machines.values():
        yield from _state_machine(machine)
    yield from orders(model)


def _tree(model: Model, parent: str | None, depth: int) -> Iterator[str]:
    for record_type in model.record_types.values():
        if record_type.parent == parent:
            name = (
                f"*{record_type.name}*"
                if record_type.abstract
                else f"[{record_type.name}](#{record_type.name.lower()})"
            )
            yield f"{'  ' * depth}- {name} {record_type.label.zh}"
            yield from _tree(model, record_type.name, depth + 1)


def _record_type(record_type: RecordType) -> Iterator[str]:
    yield f"### {record_type.name}"
    yield ""
    yield f"{record_type.label.en} · {record_type.label.zh}. {'Abstract. ' if record_type.abstract else ''}{' > '.join(record_type.ancestors)}"
    if record_type.description:
        yield ""
        yield f"{record_type.description.en} {record_type.description.zh}"
    yield ""
    own = [a for a in record_type.attributes.values() if a.declared_by == record_type.name]
    yield from _attributes(own)
    if record_type.identification:
        rules = "; ".join(
            " + ".join(f"`{name}`" for name in str(rule).split(" + "))
            for rule in record_type.identification
        )
        yield f"Identified by: {rules}."
        yield ""
    for way, needed in record_type.requires.items():
        yield f"To {way} it needs {', '.join(f'`{name}`' for name in needed)}."
        yield ""
    unique = [key.attributes for key in record_type.unique]
    if unique:
        yield f"Unique: {'; '.join(' + '.join(f'`{n}`' for n in names) for names in unique)}."
        yield ""


def _attributes(attributes: Iterable[Attribute]) -> Iterator[str]:
    rows = list(attributes)
    if not rows:
        return
    yield "| attribute | kind | label | 标签 | |"
    yield "| --- | --- | --- | --- | --- |"
    for a in rows:
        kind = f"list of {a.kind.name}" if a.many else a.kind.name
        if a.to:
            kind += f" to {a.to}"
        if a.unit:
            kind += f" ({a.unit})"
        notes = [
            word
            for word in ("required", "unique", "indexed", "sensitive", "volatile", "telling")
            if getattr(a, word)
        ]
        if a.values:
            notes.append(
                "one of " + ", ".join(f"`{v}` {label.zh}" for v, label in a.values.items())
            )
        if a.pattern:
            notes.append(f"matches `{a.pattern}`".replace("|", "\\|"))
        if a.format:
            notes.append(a.format.replace("_", " "))
        if a.minimum is not None or a.maximum is not None:
            low = "" if a.minimum is None else f"{a.minimum:g}"
            high = "" if a.maximum is None else f"{a.maximum:g}"
            notes.append(f"{low} to {high}")
        if a.default is not None:
            notes.append(f"default `{a.default}`")
        yield f"| `{a.name}` | {kind} | {a.label.en} | {a.label.zh} | {'; '.join(notes)} |"
    yield ""


def _relationship_row(r: RelationshipType) -> str:
    ends = f"{'1' if r.one_source else 'n'} : {'1' if r.one_target else 'n'}{', no cycles' if r.acyclic else ''}"
    impact = "no"
    if r.impact:
        impact = f"{r.impact.strength}, from {r.impact.provider}"
        if r.impact.redundancy:
            group = " of each `group`" if r.impact.redundancy.group_by else ""
            impact += f"; {r.impact.redundancy.needed} needed{group}"
    return f"| `{r.name}` | {', '.join(r.source)} | {', '.join(r.target)} | {r.label.en} | {r.label.zh} | `{r.inverse}` {r.inverse_label.en} · {r.inverse_label.zh} | {ends} | {impact} |"


def _state_machine(machine: StateMachine) -> Iterator[str]:
    yield f"### {machine.name}"
    yield ""
    yield f"{machine.label.en} · {machine.label.zh}. Operational states serve others or are under way; terminal ones are final; in frozen ones attributes change by the process only."
    yield ""
    yield "```mermaid"
    yield from state_diagram(machine)
    yield "```"
    yield ""
    yield f"![{machine.label.en}](pictures/{machine.name}.svg)"
    yield ""
    yield from machine_tables(machine)


def state_diagram(machine: StateMachine) -> Iterator[str]:
    """A state machine as Mermaid."""
    yield "stateDiagram-v2"
    yield f"    [*] --> {machine.initial}"
    for transition in machine.transitions.values():
        for source in machine.states:
            if source in transition.source:
                yield f"    {source} --> {transition.target}: {transition.name} {transition.label.zh}"
    for state in machine.states.values():
        if state.terminal:
            yield f"    {state.name} --> [*]"


def _mermaid(model: Model) -> Iterator[str]:
    yield "classDiagram"
    yield "    direction LR"
    for record_type in model.record_types.values():
        mark = "&lt;abstract&gt; " if record_type.abstract else ""
        yield f'    class {record_type.name}["{mark}{record_type.name} {record_type.label.zh}"]'
        if record_type.parent:
            yield f"    {record_type.parent} <|-- {record_type.name}"
    for r in model.relationship_types.values():
        for source in r.source:
            for target in r.target:
                yield f"    {source} --> {target} : {r.name}"
