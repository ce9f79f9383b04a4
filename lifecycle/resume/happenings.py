"""What changes of a device and of its relationships mean for its résumé."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cmdb.records import Record
from cmdb.revisions import RecordChange, RelationshipChange, Revision
from cmdb.store.base import differences, mask
from lifecycle.deciding import SOURCE as PROCESS
from lifecycle.effects import IN_TRANSIT_TO
from lifecycle.naming import NUMBER
from lifecycle.resume.sentences import Words
from schema.kinds import parse_id
from schema.model import PROVENANCE, STATE_ATTRIBUTE, Model

OWNERS: Final = ("organisation", "custodian")
CONTAINS: Final = "CONTAINS"
EVIDENCE: Final = "DOCUMENTED_BY"
PROCESS_KINDS: Final = {"RepairOrder": "repair", "TransferOrder": "transfer", "Incident": "incident", "Change": "change", "Problem": "problem", "ServiceRequest": "request"}  # fmt: skip


@dataclass(frozen=True)
class Happening:
    """One thing that happened, before it is put into words.

    Attributes
    ----------
    what
        Gives the sentence; ``details`` are what it speaks of.
    process
        Id of the process it is of, if any.
    since
        The revision, where it does not follow from a commit that was read.
    rank
        Its place among those of one revision.
    """

    kind: str
    what: Callable[[Words, Mapping[str, Any]], str]
    details: Mapping[str, Any]
    model: Model
    process: str = ""
    since: int = 0
    rank: int = 5

    def about(self, processes: Mapping[str, Record]) -> Happening:
        """With what is known of its process: kind, type and number."""
        found = processes.get(self.process)
        if found is None:
            return self
        number = str(found.attributes.get("number") or found.name)
        said = {**self.details, "process": found.id, "type": found.type, "number": number}
        return replace(self, kind=process_kind(self.model, found.type), details=said)

    def tell(self, words: Words) -> str:
        return self.what(words, self.details)

    def plain(self) -> dict[str, Any]:
        """The details as JSON."""
        return {name: _plain(self.model, name, value) for name, value in self.details.items()}


def process_kind(model: Model, type_: str) -> str:
    """``order`` for what has a procedure, else ``process``; some have a kind of their own."""
    declared = model.record_types.get(type_)
    ancestors = declared.ancestors if declared else (type_,)
    named = next((PROCESS_KINDS[a] for a in reversed(ancestors) if a in PROCESS_KINDS), None)
    return named or ("order" if declared and declared.procedure else "process")


def of_record(model: Model, revision: Revision, change: RecordChange) -> Iterator[Happening]:
    """What a change of the device itself means."""
    old, new = change.before, change.after
    assert new is not None, "a history goes forward"
    changed = differences(old, new, model)
    changed.pop(STATE_ATTRIBUTE, None)
    owners = {name: changed.pop(name) for name in OWNERS if name in changed}
    if old is None:
        values = mask({n: v for n, (_, v) in changed.items()}, model)
        yield Happening("created", lambda w, d: w.say("created", type=w.type(d["type"])), {"type": new.type, "values": values}, model, rank=0)  # fmt: skip
    elif old.type != new.type:
        yield Happening("configuration", lambda w, d: w.say("type", old=w.type(d["old"]), new=w.type(d["new"])), {"old": old.type, "new": new.type}, model, rank=0)  # fmt: skip
    before, after = (r.attributes.get(STATE_ATTRIBUTE) if r else None for r in (old, new))
    if before != after:
        yield Happening(
            "state", _state, {"old": before, "new": after, "type": new.type}, model, rank=1
        )
    for name, (was, now) in owners.items():
        yield Happening("owner", _owner, {"attribute": name, "old": was, "new": now}, model, rank=2)
    if old is not None and changed:
        numbers = NUMBER.findall(revision.reason) if revision.source == PROCESS else []
        by = numbers[0] if numbers else revision.source
        details = {"source": revision.source, "by": by, "changed": changed}
        yield Happening("configuration", lambda w, d: w.say("configuration", source=d["by"], values=w.values(d["changed"])), details, model)  # fmt: skip


def _state(words: Words, d: Mapping[str, Any]) -> str:
    new = words.state(d["type"], d["new"])
    if d["old"] is None:
        return words.say("state_first", new=new)
    return words.say("state", old=words.state(d["type"], d["old"]), new=new)


def _owner(words: Words, d: Mapping[str, Any]) -> str:
    name = d["attribute"]
    said = {"what": words.attribute(name), "new": words.value(name, d["new"])}
    if d["old"] is None:
        return words.say("owner_first", **said)
    return words.say("owner", old=words.value(name, d["old"]), **said)


# -- relationships ----------------------------------------------------------------------------------


def of_link(model: Model, id: str, change: RelationshipChange) -> Iterator[Happening]:
    """What a change of one of its relationships means."""
    key = change.key
    changed = differences(change.before, change.after, model)
    if change.before is not None and change.after is not None and not changed:
        return
    out = key.source == id
    end = change.after or change.before
    values = {n: v for n, v in mask(end.attributes if end else {}, model).items() if n != PROVENANCE and n not in model.managed}  # fmt: skip
    details = {"relationship": key.type, "direction": "out" if out else "in", "other": key.target if out else key.source, "values": values, "changed": changed}  # fmt: skip
    state = 0 if change.before is None else 1 if change.after is None else 2
    kind, sentences = "relationship", ("made", "closed", "altered")
    if key.type == CONTAINS and not out:
        kind, sentences = "place", ("placed", "displaced", "shifted")
    elif key.type == IN_TRANSIT_TO:
        kind, sentences = "transfer", ("sent", "arrived", "sent")
    elif key.type == EVIDENCE:
        kind, sentences = "evidence", ("evidence", "closed", "altered")
    # What is closed comes before what is made, as it leaves one place for another.
    yield Happening(
        kind, _link(sentences[state], state == 2), details, model, rank=3 if state == 1 else 4
    )


def _link(sentence: str, altered: bool) -> Callable[[Words, Mapping[str, Any]], str]:
    def tell(words: Words, d: Mapping[str, Any]) -> str:
        type_ = words.model.relationship_types.get(d["relationship"])
        label = d["relationship"]
        if type_ is not None:
            name = type_.label if d["direction"] == "out" else type_.inverse_label
            label = getattr(name, words.language)
        values = words.values(d["changed"]) if altered else words.beside(d["values"])
        return words.say(sentence, label=label, other=words.name(d["other"]), values=values)

    return tell


# -- details ----------------------------------------------------------------------------------------


def references(model: Model, value: Any) -> Iterator[str]:
    """Ids anywhere in what a happening speaks of."""
    if isinstance(value, Mapping):
        for element in value.values():
            yield from references(model, element)
    elif isinstance(value, list | tuple):
        for element in value:
            yield from references(model, element)
    elif isinstance(value, str) and len(value) == 36:
        try:
            yield parse_id(value)
        except ValueError:
            return


def _plain(model: Model, name: str, value: Any) -> Any:
    if name in ("values", "changed") and isinstance(value, Mapping):
        return {n: _sides(model, n, v) for n, v in value.items()}
    return value


def _sides(model: Model, name: str, value: Any) -> Any:
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        old, new = value
        return {"old": _json(model, name, old), "new": _json(model, name, new)}
    return _json(model, name, value)


def _json(model: Model, name: str, value: Any) -> Any:
    if value is None or name in model.sensitive or name not in model.attributes:
        return value  # a sensitive one is hidden already
    return model.to_json({name: value})[name]
