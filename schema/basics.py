"""What all declarations are made of: names, labels, counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

TypeName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")]
SnakeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
UpperName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,62}$")]
Needed = Annotated[str, StringConstraints(pattern=r"^(all|[1-9][0-9]{0,4}|(100|[1-9][0-9]?)%)$")]
"""Members of a redundancy group that are needed: a count, a percentage (rounded up) or ``all``."""


class Declaration(BaseModel):
    """Base of all declarations: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Label(Declaration):
    """What people read: English and Chinese."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)
