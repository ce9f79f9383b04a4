"""What became of a device in processes: orders step by step, the states and votes of orders and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from cmdb.records import Record
from cmdb.revisions import RelationshipChange
from cmdb.store.base import Span
from lifecycle.items import DROPPED
from lifecycle.resume.happenings import Happening
from lifecycle.resume.sentences import Words
from schema.model import STATE_ATTRIBUTE, Model

TOLD: Final = (STATE_ATTRIBUTE, "votes", "fulfilled_by", "root_cause", "workaround")
"""Attributes of processes whose values are told of what they concern."""


def concerned(model: Model, change: RelationshipChange) -> Iterator[Happening]:
    """Its way through a process: listed, step by step, dropped or taken out."""
    process = change.key.source
    old = change.before.attributes if change.before else {}
    if change.after is None:
        yield Happening("process", _process("released"), {}, model, process)
        return
    new = change.after.attributes
    if change.before is None:
        yield Happening("process", _process("concerned"), {}, model, process, rank=3)
    taken, before = new.get("steps_taken") or [], old.get("steps_taken") or []
    for step in taken[len(before) :]:
        yield Happening("process", _step, {"taken": step}, model, process, rank=0)
    if new.get("outcome") == DROPPED != old.get("outcome"):
        yield Happening("process", _process("dropped"), {}, model, process)


def _process(sentence: str) -> Callable[[Words, Mapping[str, Any]], str]:
    return lambda w, d: w.say(sentence, type=w.type(d.get("type", "")), number=d.get("number", ""))


def _step(words: Words, d: Mapping[str, Any]) -> str:
    taken = d["taken"]
    more = ""
    for override in taken.get("overrides") or ():
        by = words.name(override.get("by", taken.get("by")))
        guard = override.get("guard") or override.get("code", "")
        declared = words.model.guards.get(guard)
        more += words.say("overridden", guard=words.label(declared, guard).rstrip(".。"), by=by, reason=override.get("reason", ""))  # fmt: skip
    if read := taken.get("serial_read"):
        more += words.say("serial_read", value=read)
    if said := taken.get("reason"):
        more += words.say("said", value=said)
    if checked := taken.get("checked"):
        more += words.say("checked", value=words.name(checked.get("procedure")), points=len(checked.get("points") or ()))  # fmt: skip
    procedure = getattr(words.model.record_types.get(d.get("type", "")), "procedure", None)
    name = str(taken.get("step", ""))
    step = words.label(procedure.steps.get(name) if procedure else None, name)
    said_by = {"type": words.type(d.get("type", "")), "number": d.get("number", "")}
    return words.say("step", step=step, by=words.name(taken.get("by")), more=more, **said_by)


def of_process(
    model: Model, process: Record, attribute: str, spans: Sequence[Span]
) -> Iterator[Happening]:
    """The states of a process, the votes, or what was said of it, by the values its attribute had."""
    old: Any = None
    for span in spans:
        details: dict[str, Any] = {"old": old, "new": span.value}
        if attribute == "votes":
            before = old or []
            for vote in (span.value or [])[len(before) :]:
                yield Happening("process", _vote, {"vote": vote}, model, process.id, span.since, 5)
        elif span.value is not None:
            told, rank = _process_state, 6
            if attribute != STATE_ATTRIBUTE:
                told, rank, details = _process_said, 5, {**details, "attribute": attribute}
            yield Happening("process", told, details, model, process.id, span.since, rank)
        old = span.value


def _process_state(words: Words, d: Mapping[str, Any]) -> str:
    said = {
        "type": words.type(d["type"]),
        "number": d["number"],
        "new": words.state(d["type"], d["new"]),
    }
    if d["old"] is None:
        return words.say("process_first", **said)
    return words.say("process", old=words.state(d["type"], d["old"]), **said)


def _process_said(words: Words, d: Mapping[str, Any]) -> str:
    name = d["attribute"]
    said = {"what": words.attribute(name), "new": words.value(name, d["new"])}
    return words.say("process_said", type=words.type(d["type"]), number=d["number"], **said)


def _vote(words: Words, d: Mapping[str, Any]) -> str:
    vote = d["vote"]
    procedure = getattr(words.model.record_types.get(d["type"]), "procedure", None)
    stage = words.label(procedure.approval.get(vote["stage"]) if procedure else None, vote["stage"])
    by = words.name(vote["by"])
    if vote.get("for") not in (None, vote["by"]):
        by = f"{by} ({words.name(vote['for'])})"
    comment = f" {vote['comment']}" if vote.get("comment") else ""
    sentence = "approve" if vote["decision"] == "approve" else "reject"
    return words.say(sentence, type=words.type(d["type"]), number=d["number"], stage=stage, by=by, comment=comment)  # fmt: skip
