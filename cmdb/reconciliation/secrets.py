"""Keeping secrets out: what looks like a password, a token or a key is taken out of every text.

Importers take only what they name, so a secret hardly comes this far; this is the second fence, and
the one that also stands before messages about rejected values.
"""

from __future__ import annotations

import re
from typing import Final

REMOVED: Final = "(secret removed)"
SHORTEST_TOKEN: Final = 15
"""Characters of the shortest token that is known by how it begins."""

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]*@|(?<=://)[^/@\s:]{20,}@")
_ASSIGNED: Final = re.compile(
    r"""(?ix)
    ((?<![:\w.\-])[\w.\-]*(?:passw(?:or)?d|passwd|pwd|secret|token|api[_\-]?key|access[_\-]?key|private[_\-]?key
        |community|credential)[\w\-]*["']?\s*[=:]\s*)
    ("[^"]*"|'[^']*'|[^\s&;,"'}\]]+)
    """
)
_CHINESE: Final = re.compile(
    r"((?:密码|口令|密钥|团体字)(?:\s*(?:[:：=]|是|为)\s*|\s+))([^\s，。；、（）()]{3,})"
)
_TOKENS: Final = re.compile(
    r"""(?x)
    -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    |\b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    |\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*
    |\bgh[pousr]_[A-Za-z0-9]{30,}\b
    |\bglpat-[A-Za-z0-9_\-]{16,}
    |\bxox[abprs]-[A-Za-z0-9\-]{10,}
    |\bhv[sb]\.[A-Za-z0-9_\-]{20,}
    |\{(?:SSHA|SHA|MD5|SMD5|CRYPT|SSHA256|SSHA512|PBKDF2[^}]*)\}\S+
    |\$(?:1|2[aby]|5|6|y|argon2id?)\$[^\s:]+
    """,
    re.DOTALL,
)


def _may_hold_one(text: str) -> bool:
    """Whether a text has what every pattern needs: most texts have not, and cost no more than this."""
    return (
        "=" in text
        or ":" in text
        or "$" in text
        or "{" in text
        or (
            len(text) >= SHORTEST_TOKEN
            and (
                "eyJ" in text
                or "AKIA" in text
                or "ASIA" in text
                or "gh" in text
                or "glpat-" in text
                or "xox" in text
                or "hv" in text
                or "-----BEGIN" in text
            )
        )
        or (not text.isascii() and ("密" in text or "口令" in text or "团体字" in text))
    )


def without_secrets(text: str) -> str:
    """The text, with `REMOVED` where a secret stood; credentials in URLs are left out.

    Linear in the text; a text without any hint of one costs one search.
    """
    if len(text) < 6 or not _may_hold_one(text):
        return text
    text = _CREDENTIALS.sub("", text)
    text = _TOKENS.sub(REMOVED, text)
    text = _CHINESE.sub(lambda m: m[1] + REMOVED, text)
    return _ASSIGNED.sub(lambda m: m[1] + REMOVED, text)


def is_secret_name(name: object) -> bool:
    """Whether what stands under a name is a secret, whatever it looks like."""
    return isinstance(name, str) and without_secrets(f"{name}=secret") != f"{name}=secret"
