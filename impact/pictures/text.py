"""Text that is fit to be shown in one line, and how much room it takes."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ODD: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""What XML has no place for, and what would begin a new line."""


def clean(text: str) -> str:
    """Text without control characters: ``web␊01`` where a name has a line break."""
    return _ODD.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else {0x7F: "␡", 0x2028: "␤"}.get(code, "\ufffd")


def columns(text: str) -> float:
    """The room that text takes, in small letters: Chinese characters and emoji count double."""
    return sum(map(_columns, text))


def _columns(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 1.5 if character in "MWmw@%—…" else 1.2 if character.isupper() else 1


def cut(text: str, room: float) -> str:
    """Text that takes no more room: of a longer one the beginning and the end, where names differ."""
    if columns(text) <= room:
        return text
    ahead, behind = (room - 1) * 0.6, (room - 1) * 0.4
    return _within(text, ahead) + "…" + _within(text[::-1], behind)[::-1]


def _within(text: str, room: float) -> str:
    for end, character in enumerate(text):
        room -= _columns(character)
        if room < 0:
            return text[:end]
    return text
