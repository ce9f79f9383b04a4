"""Figures in words: what groups are called, and a table of it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cmdb.store import GraphStore
from lifecycle import sheets
from lifecycle.figures.declared import Figure
from lifecycle.figures.evaluators import Answer, Group
from lifecycle.resume.sentences import Sentence, Words
from schema.kinds import is_id
from schema.model import STATE_ATTRIBUTE

Answers = Sequence[tuple[Figure, Answer]]

PER: Final[Mapping[str, Sentence]] = {
    "type": Sentence("type", "类型"),
    "service": Sentence("service", "服务"),
    "ci": Sentence("configuration item", "配置项"),
    "years": Sentence("years", "年"),
    "days": Sentence("days", "天"),
}
"""What groups are by, where that is no attribute."""
UNITS: Final[Mapping[str, Sentence]] = {
    "devices": Sentence("devices", "台"),
    "incidents": Sentence("incidents", "起"),
    "processes": Sentence("processes", "单"),
    "percent": Sentence("%", "%"),
    "days": Sentence("days", "天"),
    "hours": Sentence("hours", "小时"),
}
HEADINGS: Final = (
    Sentence("Figure", "指标"), Sentence("Name", "名称"), Sentence("By", "分组方式"), Sentence("Group", "分组"),
    Sentence("Value", "数值"), Sentence("Unit", "单位"), Sentence("Number", "样本数"),
)  # fmt: skip
TITLE: Final = Sentence("Figures", "指标")


class Told:
    """Figures in one language. One statement for the names of all that they are grouped by."""

    def __init__(self, store: GraphStore, answers: Answers, language: str) -> None:
        values = (v for _, answer in answers for group in answer.groups for v in group.key.values())
        ids = {value for value in values if isinstance(value, str) and is_id(value)}
        named = {id: record.name for id, record in store.get(ids).items()} if ids else {}
        self._answers, self._named = answers, named
        self._words = Words(store.model, named, language)
        self.language = language

    def of(self, words: Sentence | Figure) -> str:
        """Something that is called otherwise in each language."""
        return words.zh if self.language == "zh" else words.en

    def unit(self, figure: Figure) -> str:
        return self.of(UNITS[figure.unit])

    def by(self, group: Group) -> str:
        """What a group is by."""
        return " / ".join(
            self.of(PER[name]) if name in PER else self._words.attribute(name) for name in group.key
        )

    def group(self, figure: Figure, group: Group) -> str:
        """What a group is called: its values in words, states as their own type has them."""
        type_ = group.key.get("type") or figure.query.types[0]
        return " / ".join(self._value(type_, name, value) for name, value in group.key.items())

    def _value(self, type_: str, name: str, value: Any) -> str:
        if value is None:
            return "–"
        if name == "type":
            return self._words.type(value)
        if name == STATE_ATTRIBUTE:
            return self._words.state(self._concrete(type_), value)
        return self._named.get(value) or self._words.value(name, value)

    def _concrete(self, type_: str) -> str:
        """A type with states of its own: the first below an abstract one."""
        types = self._words.model.record_types
        found = types[type_]
        return type_ if found.state_machine else min(found.concrete, default=type_)

    def plain(self) -> list[dict[str, Any]]:
        """As JSON."""
        return [
            {
                "figure": figure.name,
                "label": {"en": figure.en, "zh": figure.zh},
                "unit": figure.unit,
                "value": answer.value,
                "count": answer.count,
                "groups": [
                    {
                        **group.key,
                        "label": self.group(figure, group),
                        "value": group.value,
                        "count": group.count,
                    }
                    for group in answer.groups
                ],
            }
            for figure, answer in self._answers
        ]

    def rows(self) -> Iterator[list[Any]]:
        """A row for each figure as a whole, and one for each of its groups."""
        for figure, answer in self._answers:
            begin, end = [figure.name, self.of(figure)], [self.unit(figure)]
            if answer.value is not None or not answer.groups:
                yield [*begin, None, None, answer.value, *end, answer.count]
            for group in answer.groups:
                told = [self.by(group), self.group(figure, group)]
                yield [*begin, *told, group.value, *end, group.count]

    def write(self, path: Path) -> int:
        """Write them to a file, XLSX or CSV; gives the number of rows.

        Raises
        ------
        QueryError
        OSError
        """
        headings = [self.of(heading) for heading in HEADINGS]
        return sheets.write(path, self.of(TITLE), headings, self.rows())
