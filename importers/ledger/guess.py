"""Guessing what the columns of a ledger mean, and which record type a word for a device means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from typing import Final

from importers.ledger import headers as words
from importers.ledger.headers import plain
from importers.ledger.mapping import DEVICES, IDENTITY, MANY, Column, Mapping, TypeRule
from schema.model import Model


def headers(row: Sequence[str]) -> list[str]:
    """The columns of a header row by name: stripped, the second of a name as ``name #2``."""
    found: list[str] = []
    for cell in row:
        name = " ".join(cell.split())
        times = 2
        while name and name in found:
            name = f"{' '.join(cell.split())} #{times}"
            times += 1
        found.append(name)
    return found


def header_score(row: Sequence[str]) -> int:
    """How many columns a row would name, were it the header; 0 for none that names a device."""
    if len(row) > 2000:
        return 0
    known = words.known_headers()
    cells = [cell for cell in row if cell and len(cell) <= 60]
    score = sum(any(s in known for s in words.spellings(cell)) for cell in cells)
    identifies = any(s in _identity() for cell in cells for s in words.spellings(cell))
    return score if identifies and score >= 2 else 0


def _identity() -> frozenset[str]:
    targets = words.targets()
    return frozenset(h for target in IDENTITY for h in targets[target])


def guess_columns(names: Iterable[str]) -> Mapping:
    """A mapping for headers: each target takes the column that names it best, each column means one."""
    given = [name for name in names if name]
    names = [name for name in given if not words.SECRET.search(name)]
    forms = {name: words.spellings(re.sub(r" #\d+$", "", name)) for name in names}
    foreign = _ralph_numbers(forms)
    columns: dict[str, Column] = {}
    taken: set[str] = set()
    for name, found in _patterns(forms).items():
        columns[name] = found
        taken.update(found.targets)
    for target, ranks in words.targets().items():
        ranked = sorted(
            (
                min(
                    position * 1000 + ranks[form]
                    for position, form in enumerate(forms[name])
                    if form in ranks
                ),
                number,
                name,
            )
            for number, name in enumerate(names)
            if name not in columns
            and name not in foreign
            and any(form in ranks for form in forms[name])
        )
        for _, _, name in ranked if target in MANY else ranked[: target not in taken]:
            columns[name] = _column(target, name, forms)
            taken.add(target)
    ordered = {name: columns[name] for name in names if name in columns}
    type_column = next((n for n, c in ordered.items() if c.to == "type"), "")
    ordered.pop(type_column, None)
    ignored = tuple(name for name in given if name not in columns)
    return Mapping(type=TypeRule(column=type_column), columns=ordered, ignored=ignored)


def _ralph_numbers(forms: Map[str, list[str]]) -> set[str]:
    firsts = {name: found[0] for name, found in forms.items() if found}
    if not set(firsts.values()) >= words.RALPH:
        return set()
    return {name for name, first in firsts.items() if first in words.RALPH_NUMBERS}


def _patterns(forms: Map[str, list[str]]) -> dict[str, Column]:
    """Columns that hold several things, and those only Ralph calls as it does."""
    found = {
        name: Column(pattern=words.PATTERNS[spelt[0]])
        for name, spelt in forms.items()
        if spelt and spelt[0] in words.PATTERNS
    }
    if {spelt[0] for spelt in forms.values() if spelt} >= words.RALPH:
        for name, spelt in forms.items():
            if target := words.RALPH_HEADERS.get(spelt[0] if spelt else ""):
                found[name] = Column(to=target)
    return found


def _column(target: str, name: str, forms: Map[str, list[str]]) -> Column:
    unit = words.unit(name) or ""
    if target == "memory_mib":
        return Column(to=target, unit=unit if unit in ("MB", "GB", "TB") else "GB")
    if target == "capacity_gib":
        return Column(to=target, unit=unit if unit in ("MB", "GB", "TB") else "GB")
    if target == "purchase_price" and unit == "万元":
        return Column(to=target, unit=unit)
    if target == "lifecycle_state":
        firsts = {spelt[0] for spelt in forms.values() if spelt}
        if firsts >= words.RALPH:
            for column, states in words.RALPH_STATES.items():
                if column in firsts:
                    return Column(to=target, values=dict(states))
    return Column(to=target)


def type_of(text: str, known: Map[str, str]) -> str | None:
    """The record type that a word for a kind of device means.

    Its last part says what it is, in either language: ``核心层交换机``, ``Rack Server``.
    """
    forms = words.spellings(text)
    if found := next((known[form] for form in forms if form in known), None):
        return found
    bare = forms[1] if len(forms) > 1 else "".join(forms)
    bare = _GENERIC.sub("", bare) or bare
    parts = re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKC", text).lower())
    tails = [bare[start:] for start in range(len(bare)) if not _inside_word(bare, start)]
    tails += ["".join(parts[start:]) for start in range(len(parts))]
    return next(
        (found for t in tails for form in (t, t.removesuffix("s")) if (found := known.get(form))),
        None,
    )


_GENERIC: Final = re.compile(r"(?:设备|装置|主机|系统|硬件|devices?|hardware|systems?)$")


def _inside_word(text: str, at: int) -> bool:
    """Whether a place is between two letters of a Latin word."""
    return at > 0 and text[at - 1].isascii() and text[at].isascii()


def type_table(known: Model) -> dict[str, str]:
    """Words for kinds of devices: the model's names and labels, and the synonyms."""
    table = dict(words.type_words())
    for name, found in known.record_types.items():
        if not found.abstract and DEVICES & {*found.ancestors}:
            table |= {plain(word): name for word in (found.label.zh, found.label.en, name)}
    return table
