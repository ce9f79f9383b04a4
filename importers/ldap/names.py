"""Distinguished names (RFC 4514; quoted values and semicolons as in RFC 1779, which old exports still have)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

RDN_LIMIT: Final = 40
"""Most components of a name; no directory nests deeper, and observations may not either."""

Rdn = tuple[tuple[str, str], ...]
"""A component: its attribute types (lower case) and values, in the order of their types."""
Name = tuple[Rdn, ...]
"""Components, the entry's own first."""

_PART: Final = re.compile(
    r"""
    (?P<hex>(?:\\[0-9a-fA-F]{2})+)    # bytes of UTF-8
    |\\(?P<escaped>.)
    |"(?P<quoted>(?:[^"\\]|\\.)*)"
    |(?P<separator>[,;+])
    |(?P<plain>[^\\",;+]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_TYPE: Final = re.compile(r"(?:oid\.)?([a-z][a-z0-9-]*|\d+(?:\.\d+)*)", re.IGNORECASE)
_SPECIAL: Final = re.compile(r'([\\,;+="<>])')


@lru_cache(maxsize=65_536)
def parse_name(text: str) -> Name:
    """The components of a name, its own first.

    Raises
    ------
    ValueError
        It is no distinguished name.

    Examples
    --------
    >>> parse_name(r"CN=Li\\, Lei, ou=IT,dc=grid")
    ((('cn', 'Li, Lei'),), (('ou', 'IT'),), (('dc', 'grid'),))
    """
    if not text.strip():
        return ()
    rdns: list[Rdn] = []
    values: list[tuple[str, str]] = []
    current: list[str] = []
    for part, separator in [*_parts(text), ("", ",")]:
        if not separator:
            current.append(part)
            continue
        values.append(_type_and_value("".join(current)))
        current = []
        if separator != "+":
            rdns.append(tuple(sorted(values)))
            values = []
    if len(rdns) > RDN_LIMIT:
        raise ValueError("has too many components for a distinguished name")
    return tuple(rdns)


def key_of(name: Name) -> str:
    """The name in one form, whichever way it was written: lower case, single spaces, none around
    commas."""
    return ",".join("+".join(f"{type_}={_folded(value)}" for type_, value in rdn) for rdn in name)


def domain_of(name: Name) -> str | None:
    """The DNS domain that the ``dc`` components spell (RFC 2247)."""
    labels = [value for rdn in name for type_, value in rdn if type_ == "dc"]
    return ".".join(labels).lower() or None


def _parts(text: str) -> list[tuple[str, str]]:
    """Pieces of the text, unescaped, each with the separator it is, if it is one."""
    found, position = [], 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise ValueError("is no distinguished name")
        position = match.end()
        found.append((_unescaped(match), match["separator"] or ""))
    return found


def _unescaped(match: re.Match[str]) -> str:
    if match["hex"]:
        return bytes.fromhex(match["hex"].replace("\\", "")).decode("utf-8", "replace")
    if match["quoted"] is not None:
        return re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL)
    return match["escaped"] or match["plain"] or ""


def _type_and_value(text: str) -> tuple[str, str]:
    type_, equals, value = text.partition("=")
    match = _TYPE.fullmatch(type_.strip())
    if match is None or not equals:
        raise ValueError("is no distinguished name")
    return match[1].lower(), value.strip()


def _folded(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(value.lower().split()))
