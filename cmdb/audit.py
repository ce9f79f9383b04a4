"""The audit of a store's history: whether it is what was committed, by the chain of its revisions.

What the feed tells of each revision is digested again, with the digest before it, and compared with the
digest kept (`cmdb.store.chain`). After a revision that does not agree it goes on from the digest kept,
so that each finding is of its own revision; the first one is where the history was first touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from cmdb.errors import QueryError
from cmdb.revisions import Commit, Revision
from cmdb.store.base import Finding, GraphStore
from cmdb.store.chain import line_check, line_checks, lines_of, seal

NAMED: Final = 100
"""Elements of one revision that are named."""
OTHERWISE: Final = {
    "created": "updated",
    "updated": "created",
    "related": "altered",
    "altered": "related",
}
"""How a line begins if something was before it, or nothing was."""


class Head(NamedTuple):
    """A revision and its digest: what to note down of a chain, where its store's owner cannot reach it."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


def read_head(text: str) -> Head:
    """A head as it is printed.

    Raises
    ------
    QueryError
    """
    number, _, digest = text.strip().partition(":")
    if not number.isdecimal() or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise QueryError(
            f"{text!r} is no head of a chain.",
            "Write NUMBER:DIGEST, as `cmdb check --audit` prints it.",
        )
    return Head(int(number), digest)


class Audit:
    """Follows the feed from its beginning.

    Parameters
    ----------
    expected
        An earlier head that must be a part of the chain.

    Attributes
    ----------
    begins
        The first revision with a digest: what was before it, no digest vouches for.
    head
        The newest revision that was followed, if it has a digest.
    """

    def __init__(self, store: GraphStore, expected: Head | None = None) -> None:
        self.begins: int | None = None
        self.head: Head | None = None
        self._store = store
        self._to_json = store.model.to_json
        self._expected = expected
        self._previous: Revision | None = None

    def follow(self, commit: Commit) -> Iterator[Finding]:
        """What is wrong with the next revision."""
        revision, previous = commit.revision, self._previous
        number = previous.number if previous else 0
        if self._expected and number < self._expected.number <= revision.number:
            yield from self._compare(revision)
        self._previous = revision
        if revision.digest is None:
            self.head = None
            if self.begins is not None:
                yield _finding(
                    revision, "unchained_revision", "It has no digest; those before it have."
                )
            return
        self.begins = revision.number if self.begins is None else self.begins
        self.head = Head(revision.number, revision.digest)
        if revision.number != number + 1:
            yield _finding(
                revision,
                "missing_revision",
                f"It follows revision {number}; what was between is gone.",
            )
            return  # the digest that it was made with went with them
        lines = sorted(lines_of(commit.changes, self._to_json))
        found = seal(previous and previous.digest, revision, commit.changes.model, lines)
        if found.digest != revision.digest:
            yield from self._differences(revision, lines, found.checks)

    def end(self) -> Iterator[Finding]:
        """What is wrong with the whole."""
        last = self._previous.number if self._previous else 0
        if self._expected and self._expected.number > last:
            yield Finding(
                "other_chain",
                str(self._expected.number),
                f"It is expected; the last one is {last}.",
            )

    def _compare(self, revision: Revision) -> Iterator[Finding]:
        assert self._expected is not None
        if (revision.number, revision.digest) != self._expected:
            yield Finding(
                "other_chain",
                str(self._expected.number),
                "Its digest is not the one expected: the chain was made anew from it or an earlier one.",
            )

    def _differences(self, revision: Revision, lines: list[str], found: bytes) -> Iterator[Finding]:
        """What of a revision does not agree, as far as its checks tell."""
        kept, made = line_checks(self._store.checks(revision.number)), line_checks(found)
        if not kept:
            yield _finding(revision, "altered_revision", "It is not what was committed.")
            return
        if kept[0] != made[0]:
            yield _finding(
                revision,
                "altered_header",
                "Its header, or the model that it applied, is not what was committed.",
            )
        if kept == made:
            yield _finding(
                revision, "altered_chain", "Its digest, or the one before it, is another."
            )
        missing = Counter(kept[1:]) - Counter(made[1:])
        strange = Counter(made[1:]) - Counter(kept[1:])
        unknown = [line for line, check in zip(lines, made[1:], strict=True) if strange[check]]
        for line in unknown[:NAMED]:
            yield self._told(revision, line, missing)
        if len(unknown) > NAMED:
            more = f"{len(unknown) - NAMED} more of what it changed are not what was committed."
            yield _finding(revision, "altered_revision", more)
        if gone := missing.total() - len(unknown):
            yield (
                _finding(revision, "removed_elements", f"{gone} of what it changed is gone.")
                if gone > 0
                else _finding(
                    revision, "added_elements", f"It changed {-gone} fewer than it is made to say."
                )
            )

    def _told(self, revision: Revision, line: str, missing: Counter[int]) -> Finding:
        """An element of a revision that was not committed so."""
        what, rest = line.split(" ", 1)
        of_record = what in ("created", "updated", "gone")
        subject = rest.split(" ", 1)[0] if of_record else " ".join(rest.split(" ", 3)[:3])
        kind = "record" if of_record else "relationship"
        if what in ("closed", "gone"):
            message = f"Revision {revision.number} did not end it."
        elif what in OTHERWISE and missing[line_check(f"{OTHERWISE[what]} {rest}")]:
            message = f"What it was before revision {revision.number} was removed or added."
        elif self._is_live(subject, revision.number):
            message = f"As it is now, it is not what revision {revision.number} made it."
        else:
            message = f"An image of it is not what revision {revision.number} made it."
        return Finding(f"altered_{kind}", subject, message)

    def _is_live(self, subject: str, number: int) -> bool:
        """Whether an element is as it became with a revision."""
        id, *rest = subject.split(" ")
        if not rest:
            return any(r.revision == number for r in self._store.get([id]).values())
        links = (n.relationship for n in self._store.neighbours([id], None, "out"))
        return any(str(x.key) == subject and x.revision == number for x in links)


def _finding(revision: Revision, code: str, message: str) -> Finding:
    return Finding(code, str(revision.number), message)
