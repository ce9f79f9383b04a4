"""A résumé as one page to print or file: A4, no script, nothing fetched, whatever names hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from cmdb.store import GraphStore
from lifecycle.ledger.columns import chosen
from lifecycle.ledger.facts import Reader
from lifecycle.ledger.getters import text
from lifecycle.ledger.rows import Fact
from lifecycle.resume import Entry, Resume
from lifecycle.resume.sentences import KINDS, Sentence

HEAD: Final = (
    "number", "type", "vendor", "model", "serial", "state", "organisation", "department", "custodian",
    "place", "purchase_date", "commissioned_on", "decommissioned_on", "warranty_until", "contract", "contract_until",
)  # fmt: skip
TITLES: Final[dict[str, Sentence]] = {
    "title": Sentence("Device résumé", "设备履历"),
    "when": Sentence("When (UTC)", "时间（UTC）"),
    "kind": Sentence("Kind", "类别"),
    "what": Sentence("What happened", "内容"),
    "who": Sentence("Who", "人员"),
    "why": Sentence("Why", "依据"),
    "effective": Sentence("effective {day}", "生效日期{day}"),
    "revision": Sentence("revision {number}", "版本{number}"),
    "foot": Sentence("{count} entries, as of revision {number}.", "共{count}条记录，截至版本{number}。"),
}  # fmt: skip
_TEMPLATE: Final = Path(__file__).with_name("page.html")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows."""


def page(store: GraphStore, found: Resume, at: int, language: str) -> str:
    """The résumé as HTML."""
    [row] = Reader(store, at, (*Fact, "COVERED_BY")).rows([found.record])
    device = chosen(store.model, [found.record.type], HEAD)
    said = [(c.zh if language == "zh" else c.en, text(c.get(row), language)) for c in device]
    parts = {
        "language": "zh-Hans" if language == "zh" else "en",
        "title": _safe(f"{_word('title', language)}: {found.record.name}"),
        "heading": _safe(_word("title", language)),
        "name": _safe(found.record.name),
        "facts": _facts(said),
        "columns": _cells(
            "th", (_word(n, language) for n in ("when", "kind", "what", "who", "why"))
        ),
        "entries": "\n".join(_rows(found.entries, language)),
        "foot": _safe(_word("foot", language).format(count=len(found.entries), number=at)),
    }
    template = _TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _word(name: str, language: str) -> str:
    return str(getattr(TITLES[name], language))


def _safe(value: str) -> str:
    return escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value))


def _cells(tag: str, values: Iterable[str]) -> str:
    return "".join(f"<{tag}>{_safe(value)}</{tag}>" for value in values)


def _facts(said: Sequence[tuple[str, str]]) -> str:
    return "\n".join(
        f"<div><dt>{_safe(name)}</dt><dd>{_safe(value)}</dd></div>" for name, value in said if value
    )


def _rows(entries: Sequence[Entry], language: str) -> Iterable[str]:
    """A row for each entry; what is of one revision shows its instant once."""
    last = None
    for entry in entries:
        again = entry.revision == last
        last = entry.revision
        when = "" if again else _when(entry, language)
        kind = getattr(KINDS[entry.kind], language)
        sentence = entry.zh if language == "zh" else entry.en
        who = "" if again else f"{_safe(entry.actor)}<small>{_safe(entry.source)}</small>"
        why = "" if again else _safe(entry.reason)
        yield (
            f'<tr class="{_safe(entry.kind)}{" again" if again else ""}"><td>{when}</td>'
            f"<td>{_safe(kind)}</td><td>{_safe(sentence)}</td><td>{who}</td><td>{why}</td></tr>"
        )


def _when(entry: Entry, language: str) -> str:
    number = _word("revision", language).format(number=entry.revision)
    lines = [f"{entry.at:%H:%M:%S} · {number}"]
    if entry.effective_on is not None and entry.effective_on != entry.at.date():
        lines.append(_word("effective", language).format(day=entry.effective_on.isoformat()))
    small = "".join(f"<small>{_safe(line)}</small>" for line in lines)
    return f"<b>{entry.at:%Y-%m-%d}</b>{small}"
