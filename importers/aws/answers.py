"""Recognising AWS answers: which operation a document is the answer of, for which account and region.

``aws ec2 describe-vpcs`` is found in ``ec2-describe-vpcs.json`` (the AWS CLI's output, laid out as
CloudMapper does: ``account/region/service-operation.json``, answers about one thing in a folder
``service-operation/<its escaped name>``), and in ``ec2.DescribeVpcs_1.json`` (boto3 answers recorded
by placebo, within ``{"status_code": …, "data": …}``). Any other JSON document is told by its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from cmdb.reconciliation.observations import Rejection
from importers.aws.listing import Listing, entries, texts
from importers.aws.resources import LISTINGS
from importers.cloud import aws_region
from importers.reading import STDIN, Document

_VERBS: Final = "describe|list|get|batch|generate|lookup|search"
_CALL: Final = re.compile(rf"[a-z0-9]+(?:-[a-z0-9]+)*?-(?:{_VERBS})-[a-z0-9-]+")
_RECORDED: Final = re.compile(rf"([a-z0-9-]+)\.((?:{_VERBS})[a-z0-9]+)_\d+", re.IGNORECASE)
_CALL_WORD: Final = re.compile(rf"(?:^|[-._])(?:{_VERBS})", re.IGNORECASE)

# Answers that tell something of things listed elsewhere.
FACTS: Final = (
    "elbv2 describe-target-health",
    "s3 get-bucket-location",
    "s3api get-bucket-location",
)


def _plain(call: str) -> str:
    return re.sub(r"[^a-z0-9]", "", call.lower())


_LISTINGS: Final[dict[str, Listing]] = {
    _plain(call): listing for listing in LISTINGS for call in listing.calls.split("|")
}
_FACTS: Final = {_plain(call): call for call in FACTS}


@dataclass(slots=True)
class Answer:
    """A document that is the answer of an operation.

    Attributes
    ----------
    call
        The operation without punctuation; empty if its name does not tell.
    scope
        The folder of the account it belongs to.
    subject
        What was asked about, where the answer is about one thing.
    """

    document: Document
    call: str
    scope: str
    region: str
    subject: str = ""

    @property
    def place(self) -> str:
        return self.document.name

    @property
    def account_folder(self) -> str:
        """Where the account's answers lie; other than `scope` it tells apart two folders of a run."""
        above = self.document.name.count("/")
        return str(Path(self.document.place).parents[above] / self.scope)

    @property
    def may_name_account(self) -> bool:
        """Whether it may be the answer that says whose all others are."""
        return self.call in ("", "stsgetcalleridentity")

    @property
    def fact(self) -> str:
        """The operation, if it tells of things listed elsewhere."""
        return _FACTS.get(self.call, "")

    def content(self) -> dict[str, Any] | Rejection:
        """What was answered.

        Raises
        ------
        SourceError
            It is no JSON object.
        """
        content = self.document.json()
        if not isinstance(content, dict):
            raise self.document.error("is no AWS answer: it is not a JSON object")
        data = content.get("data")
        if "status_code" in content and isinstance(data, dict):
            content = data
        if isinstance(content.get("Error"), dict):
            return Rejection(self.place, "is the record of a call that failed")
        return content

    def listing(self, content: dict[str, Any]) -> Listing | None:
        """Which listing it is: by its name, else by its content."""
        if self.call:
            return _LISTINGS.get(self.call)
        return next((listing for listing in LISTINGS if _fits(content, listing)), None)


def _fits(content: dict[str, Any], listing: Listing) -> bool:
    if listing.entries and listing.entries.partition(".")[0] not in content:
        return False
    first = next(entries(content, listing.entries), None)
    return first is not None and bool(texts(first[0], listing.id))


def answers(documents: Sequence[Document]) -> Iterator[Answer]:
    """The documents that may be answers that are read, in order."""
    for document in documents:
        answer = _named(document)
        if answer and (not answer.call or answer.call in _LISTINGS or answer.call in _FACTS):
            yield answer


def _named(document: Document) -> Answer | None:
    """What a document's name tells; None for what is no answer (a licence, a note)."""
    parts = document.name.split("/")
    place = next((n for n, part in enumerate(parts[:-1]) if aws_region(part) == part), None)
    region = parts[place] if place is not None else ""
    scope = "/".join(parts[: len(parts) - 1 if place is None else place])
    asked = next((n for n, part in enumerate(parts[:-1]) if _CALL.fullmatch(part)), None)
    if asked is not None:
        subject = unquote("/".join(parts[asked + 1 :]).removesuffix(".json"))
        return Answer(document, _plain(parts[asked]), scope, region, subject)
    stem = parts[-1].removesuffix(".json")
    if stem == parts[-1] and document.place not in ("standard input", STDIN):
        return None
    if recorded := _RECORDED.fullmatch(stem):
        return Answer(document, _plain(recorded[1] + recorded[2]), scope, region)
    call = _plain(stem) if _CALL.fullmatch(stem) else ""
    return Answer(document, call, scope, region)


def is_call(document: Document) -> bool:
    """Whether a document is called like some answer, though not one that is read."""
    return bool(_CALL_WORD.search(document.stem))
