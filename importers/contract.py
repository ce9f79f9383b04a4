"""What an importer is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from cmdb.reconciliation.observations import Item
from importers.reading import Document


class Options(BaseModel):
    """Options of an importer: what ``--option name=value`` may say. Subclass with described fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


OptionsType = TypeVar("OptionsType", bound=Options)


class Importer(ABC, Generic[OptionsType]):
    """Interprets documents of one format.

    Subclasses set the class attributes and `observe`; their constructor takes nothing but the
    options, so that an importer can be made anywhere.

    Attributes
    ----------
    name
        The name of its entry point, and of its source unless another is given.
    title, title_zh
        A line for `cmdb importers`: what it reads.
    precedence
        Of what it reports against other sources, 0 to 99; what people set by hand has 100. About 70
        for kept registers, 50 for agents on the machine, 30 for what is seen from outside, 20 for
        guesses.
    together
        Whether the documents of a run make sense only together (a folder of API answers). Else each
        is interpreted by itself, and one that has not changed since the last run is not read again.
    suffixes
        Of the files that are looked at in a folder, lower case; empty for all.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    title_zh: ClassVar[str]
    precedence: ClassVar[int] = 50
    together: ClassVar[bool] = False
    suffixes: ClassVar[Sequence[str]] = ()
    options_type: ClassVar[type[Options]] = Options

    def __init__(self, options: OptionsType) -> None:
        self.options = options

    def explain(self, documents: Sequence[Document]) -> str:
        """What a person should confirm before the plan is applied, such as a guessed mapping.

        Shown with the plan of a dry run; empty where there is nothing to confirm.
        """
        return ""

    def also_reads(self) -> Sequence[str]:
        """Paths of the files that its options name: when one changes, everything is read again."""
        return ()

    @abstractmethod
    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        """Observations, lazily, and rejections of what cannot be used.

        Parameters
        ----------
        documents
            All of the run, if the importer wants them `together`; else one.

        Raises
        ------
        SourceError
            A document is not what this importer reads at all.
        """
