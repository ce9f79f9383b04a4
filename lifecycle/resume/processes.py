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

TOLD: Final = (
    "priority", "major", "support_level", "resolution_code", "resolution", "risk", "result", "root_cause", "workaround",
    "fulfilled_by",
)  # fmt: skip
"""Attributes of processes whose values are told."""


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
        yield Happening("process", _dropped, {}, model, process)


def _process(sentence: str) -> Callable[[Words, Mapping[str, Any]], str]:
    return lambda w, d: w.say(sentence, type=w.type(d.get("type", "")), number=d.get("number", ""))


def _dropped(words: Words, d: Mapping[str, Any]) -> str:
    procedure = getattr(words.model.record_types.get(d.get("type", "")), "procedure", None)
    carried_out = procedure is None or procedure.steps
    return _process("dropped" if carried_out else "left")(words, d)


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
    model: Model, process: Record, spans: Mapping[str, Sequence[Span]]
) -> Iterator[Happening]:
    """The states of a process, what became of it beside, votes and comments, by the values its attributes had."""
    states = spans.get(STATE_ATTRIBUTE, ())
    for span in states:
        if span.value is not None:
            before = next((s.value for s in states if s.until == span.since), None)
            beside = _values(spans, span.since)
            said = {"old": before, "new": span.value, "beside": beside}
            yield Happening("process", _process_state, said, model, process.id, span.since, 6)
    moved = {span.since for span in states}
    for since in sorted({s.since for n in TOLD for s in spans.get(n, ())} - moved):
        if changed := _values(spans, since):
            said = {"changed": changed}
            yield Happening("process", _process_values, said, model, process.id, since, 6)
    for attribute, tell, name in (("votes", _vote, "vote"), ("comments", _comment, "comment")):
        known = 0
        for span in spans.get(attribute, ()):
            entries = span.value or []
            for entry in entries[known:]:
                yield Happening("process", tell, {name: entry}, model, process.id, span.since, 5)
            known = len(entries)


def _values(spans: Mapping[str, Sequence[Span]], since: int) -> dict[str, tuple[Any, Any]]:
    """What a revision made of the attributes that are told: (before, after)."""
    found = {}
    for name in TOLD:
        own = spans.get(name, ())
        for place, span in enumerate(own):
            old = own[place - 1].value if place else None
            if span.since == since and (old is not None or span.value is not None):
                found[name] = (old, span.value)
    return found


def _process_state(words: Words, d: Mapping[str, Any]) -> str:
    said = {
        "type": words.type(d["type"]),
        "number": d["number"],
        "new": words.state(d["type"], d["new"]),
        "beside": words.within(words.values(d["beside"])) if d["beside"] else "",
    }
    if d["old"] is None:
        return words.say("process_first", **said)
    return words.say("process", old=words.state(d["type"], d["old"]), **said)


def _process_values(words: Words, d: Mapping[str, Any]) -> str:
    values = words.values(d["changed"])
    return words.say("process_values", type=words.type(d["type"]), number=d["number"], values=values)  # fmt: skip


def _comment(words: Words, d: Mapping[str, Any]) -> str:
    said = d["comment"]
    by, text = words.name(said.get("by")), said.get("text", "")
    return words.say("comment", type=words.type(d["type"]), number=d["number"], by=by, text=text)  # fmt: skip


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
