"""From what a store read to `Changes`, and from changes to the plan that makes them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from cmdb.commits import Plan, WriteTransaction
from cmdb.errors import InvalidChangeError, Problem
from cmdb.queries import Count
from cmdb.records import Record, Relationship, RelationshipKey, same_values
from cmdb.revisions import Changes, Commit, RecordChange, RelationshipChange

Side = Literal["before", "after"]


def gathered(
    elements: Iterable[tuple[Side, Record | Relationship]], model: str | None = None
) -> Changes:
    """The changes of one revision, from the elements that ended and that began with it."""
    records: dict[str, dict[str, Any]] = {}
    links: dict[RelationshipKey, dict[str, Any]] = {}
    for side, element in elements:
        if isinstance(element, Record):
            records.setdefault(element.id, {})[side] = element
        else:
            links.setdefault(element.key, {})[side] = element
    return Changes(
        [RecordChange(c.get("before"), c.get("after")) for _, c in sorted(records.items())],
        [RelationshipChange(c.get("before"), c.get("after")) for _, c in sorted(links.items())],
        model,
    )


def net_changes(
    records_before: Mapping[str, Record],
    records_after: Mapping[str, Record],
    links_before: Mapping[RelationshipKey, Relationship],
    links_after: Mapping[RelationshipKey, Relationship],
) -> Changes:
    """What differs between two states; what is equal but for its revision is left out."""
    records = []
    for id in sorted(records_before.keys() | records_after.keys()):
        old, new = records_before.get(id), records_after.get(id)
        if old is None or new is None or not same_values(old.attributes, new.attributes):
            records.append(RecordChange(old, new))
    links = []
    for key in sorted(links_before.keys() | links_after.keys()):
        was, now = links_before.get(key), links_after.get(key)
        if was is None or now is None or not same_values(was.attributes, now.attributes):
            links.append(RelationshipChange(was, now))
    return Changes(records, links)


def sort_counts(counts: Iterable[Count]) -> list[Count]:
    """Most first, then by value; no value last."""
    return sorted(counts, key=lambda c: (-c.count, [(v is None, str(v)) for v in c.values]))


class Replay:
    """Plans that make a run of commits again in another store.

    Parameters
    ----------
    commits
        In order, without a gap; all that the plans will be asked for.
    transaction
        Where they will be written: gives what was before the first of them.
    """

    def __init__(self, commits: Sequence[Commit], transaction: WriteTransaction) -> None:
        records = {c.id for k in commits for c in k.changes.records if c.before}
        keys = {c.key for k in commits for c in k.changes.relationships if c.before}
        self._records = transaction.records(records) if records else {}
        types = transaction.types({end for key in keys for end in (key.source, key.target)})
        stored = [key for key in keys if key.source in types and key.target in types]
        self._links = transaction.relationships(stored) if stored else {}

    def plan(self, commit: Commit) -> Plan:
        """The plan of the next commit.

        Raises
        ------
        InvalidChangeError
            It changes what is not there.
        """
        plan = Plan(model=commit.changes.model)
        try:
            for change in commit.changes.records:
                assert change.after is not None, "records never vanish"
                if change.before is None:
                    plan.created.append(change.after)
                else:
                    plan.updated.append((self._records[change.id], change.after))
                self._records[change.id] = change.after
            for link in commit.changes.relationships:
                if link.after is None:
                    plan.unrelated.append(self._links.pop(link.key))
                    continue
                if link.before is None:
                    plan.related.append(link.after)
                else:
                    plan.altered.append((self._links[link.key], link.after))
                self._links[link.key] = link.after
        except KeyError as missing:
            [key] = missing.args
            what = key if isinstance(key, str) else " ".join(key)
            message = f"Revision {commit.revision.number} changes {what}, which is not there."
            raise InvalidChangeError([Problem(0, "", "not_found", message)]) from None
        return plan
