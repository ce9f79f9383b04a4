"""What a résumé says, in English and Chinese: the sentences as data, and values in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schema.model import Model


class Sentence(NamedTuple):
    en: str
    zh: str


SENTENCES: Final[dict[str, Sentence]] = {
    "created": Sentence("Recorded as {type}.", "登记为{type}。"),
    "type": Sentence("Turned out to be {new}, not {old}.", "类型由{old}更正为{new}。"),
    "state_first": Sentence("State: {new}.", "状态：{new}。"),
    "state": Sentence("State: {old} → {new}.", "状态：{old} → {new}。"),
    "owner_first": Sentence("{what}: {new}.", "{what}：{new}。"),
    "owner": Sentence("{what}: {old} → {new}.", "{what}：{old} → {new}。"),
    "sent": Sentence("Handed over; in transit to {other}.", "已移出，移交至{other}途中。"),
    "arrived": Sentence("No longer in transit to {other}.", "移交至{other}的途中状态结束。"),
    "placed": Sentence("Placed in {other}{values}.", "放置于{other}{values}。"),
    "displaced": Sentence("Left {other}{values}.", "离开{other}{values}。"),
    "shifted": Sentence("Moved within {other}: {values}.", "在{other}内移动：{values}。"),
    "configuration": Sentence("{source} changed {values}.", "{source}更改：{values}。"),
    "made": Sentence("Now {label} {other}{values}.", "建立关系“{label}”：{other}{values}。"),
    "closed": Sentence("No longer {label} {other}.", "关系结束“{label}”：{other}。"),
    "altered": Sentence("Still {label} {other}, now with {values}.", "关系变更“{label}”{other}：{values}。"),
    "concerned": Sentence("{type} {number} concerns it.", "列入{type} {number}。"),
    "released": Sentence("Taken out of {type} {number}.", "移出{type} {number}。"),
    "dropped": Sentence("Not carried out in {type} {number}.", "{type} {number}中未办理。"),
    "step": Sentence("{type} {number}: {step}, by {by}.{more}", "{type} {number}：{step}，办理人{by}。{more}"),
    "overridden": Sentence(" {guard} was set aside by {by}: {reason}", "{by}强制通过“{guard}”：{reason}。"),
    "serial_read": Sentence(" Serial number read: {value}.", "现场序列号：{value}。"),
    "said": Sentence(" Reason: {value}.", "原因：{value}。"),
    "checked": Sentence(" Checked by {value}: {points} points.", "按{value}检查{points}项。"),
    "left": Sentence("No longer concerned by {type} {number}.", "{type} {number}不再涉及。"),
    "process_first": Sentence("{type} {number}: {new}{beside}.", "{type} {number}：{new}{beside}。"),
    "process": Sentence("{type} {number}: {old} → {new}{beside}.", "{type} {number}：{old} → {new}{beside}。"),
    "process_values": Sentence("{type} {number}: {values}.", "{type} {number}：{values}。"),
    "comment": Sentence("{type} {number}: {by} said: {text}", "{type} {number}：{by}备注：{text}"),
    "approve": Sentence("{type} {number}: {stage} granted by {by}.{comment}", "{type} {number}：{stage}，{by}同意。{comment}"),
    "reject": Sentence("{type} {number}: {stage} refused by {by}.{comment}", "{type} {number}：{stage}，{by}不同意。{comment}"),
    "evidence": Sentence("Evidence: {other}{values}.", "佐证材料：{other}{values}。"),
}  # fmt: skip

KINDS: Final[dict[str, Sentence]] = {
    "created": Sentence("Recorded", "登记"),
    "state": Sentence("State", "状态"),
    "owner": Sentence("Owner", "归属"),
    "transfer": Sentence("Handover", "移交"),
    "place": Sentence("Place", "位置"),
    "order": Sentence("Order", "工单"),
    "repair": Sentence("Repair", "维修"),
    "incident": Sentence("Incident", "事件"),
    "change": Sentence("Change", "变更"),
    "problem": Sentence("Problem", "问题"),
    "request": Sentence("Request", "请求"),
    "process": Sentence("Process", "流程"),
    "configuration": Sentence("Configuration", "配置"),
    "relationship": Sentence("Relationship", "关系"),
    "evidence": Sentence("Evidence", "佐证"),
}

LANGUAGES: Final = ("en", "zh")


class Words:
    """Words for what the model and the records call things, in one language.

    Parameters
    ----------
    names
        Record id -> name.
    """

    def __init__(self, model: Model, names: Mapping[str, str], language: str) -> None:
        self.model, self._names, self.language = model, names, language

    def say(self, sentence: str, **values: Any) -> str:
        return str(getattr(SENTENCES[sentence], self.language)).format(**values)

    def label(self, labelled: Any, name: str = "") -> str:
        """The label of a declaration; the name where the model no longer has it."""
        return str(getattr(labelled.label, self.language)) if labelled is not None else name

    def name(self, id: Any) -> str:
        return self._names.get(str(id), str(id))

    def type(self, name: str) -> str:
        return self.label(self.model.record_types.get(name), name)

    def state(self, type_: str, name: Any) -> str:
        """A state as the type's own state machine calls it."""
        declared = self.model.record_types.get(type_)
        machine = declared.state_machine if declared else None
        return self.label(machine.states.get(name) if machine else None, str(name))

    def attribute(self, name: str) -> str:
        return self.label(self.model.attributes.get(name), name)

    def value(self, name: str, value: Any) -> str:
        if value is None:
            return "–"
        if isinstance(value, list):
            return ", ".join(self.value(name, element) for element in value)
        if name in self.model.references:
            return self.name(value)
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False, default=str)
        if isinstance(value, bool):
            return (
                ("是" if value else "否") if self.language == "zh" else ("yes" if value else "no")
            )
        if isinstance(value, str) and (label := self.model.value_labels.get((name, value))):
            return str(getattr(label, self.language))
        attribute = self.model.attributes.get(name)
        unit = f" {attribute.unit}" if attribute is not None and attribute.unit else ""
        return f"{value}{unit}"

    def values(self, changed: Mapping[str, tuple[Any, Any]]) -> str:
        """Attributes with their old and new values; new ones without an old."""
        between = "；" if self.language == "zh" else "; "
        return between.join(self._change(n, old, new) for n, (old, new) in changed.items())

    def beside(self, attributes: Mapping[str, Any]) -> str:
        """Attributes of a relationship, in parentheses, if there are any."""
        if not attributes:
            return ""
        return self.within(self.values({n: (None, v) for n, v in attributes.items()}))

    def within(self, text: str) -> str:
        """Text in parentheses."""
        return f"（{text}）" if self.language == "zh" else f" ({text})"

    def _change(self, name: str, old: Any, new: Any) -> str:
        end = self.value(name, new)
        return (
            f"{self.attribute(name)} {end}"
            if old is None
            else f"{self.attribute(name)} {self.value(name, old)} → {end}"
        )
