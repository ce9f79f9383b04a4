"""Variables in Compose files: ``$NAME``, ``${NAME}``, ``${NAME:-default}``, ``${NAME:?message}`` …

No variable is set here, so only the defaults are left.
https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

_LENGTH: Final = 2_000
_DEPTH: Final = 10
_DOLLAR: Final = "\x00"
"""Stands for ``$$``, an ordinary dollar, while variables are resolved."""
# The innermost ones: what follows the operator holds no other.
_VARIABLE: Final = re.compile(
    r"\$(?:\{(?P<braced>[A-Za-z_]\w*)(?:(?P<operator>:?[\-?+])(?P<rest>[^${}]*))?\}|(?P<bare>[A-Za-z_]\w*))",
    re.ASCII,
)


class Text(NamedTuple):
    """A text without variables.

    Attributes
    ----------
    value
        None where it is not known, because a variable in it has no default.
    unknown
        Names of those variables.
    """

    value: str | None
    unknown: frozenset[str] = frozenset()


def resolved(value: Any) -> Text:
    """A text with the defaults of its variables; no text at all for what is none."""
    if not isinstance(value, str) or len(value) > _LENGTH or _DOLLAR in value:
        return Text(None)
    text, unknown = value.strip().replace("$$", _DOLLAR), set[str]()

    def default(match: re.Match[str]) -> str:
        if match["operator"] in ("-", ":-"):
            return match["rest"]
        if match["operator"] not in ("+", ":+"):  # what stands after a plus is for a set variable
            unknown.add(match["braced"] or match["bare"])
        return ""

    for _ in range(_DEPTH):
        before, text = text, _VARIABLE.sub(default, text)
        if text == before:
            break
    if unknown:
        return Text(None, frozenset(unknown))
    return Text(text.replace(_DOLLAR, "$"))
