"""Relationships and references to what a source showed later than what they hang on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cmdb.change_sets import Create, Update
from cmdb.errors import ConflictError, InvalidChangeError
from cmdb.reconciliation.batches import Waiting
from cmdb.reconciliation.catalogue import SPOILT
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.neighbourhood import End
from cmdb.reconciliation.planning import Entry, RecordPlanner, Step, named
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.run_state import RunState
from cmdb.reconciliation.secrets import without_secrets
from cmdb.records import RelationshipKey
from schema.model import PROVENANCE


class LateLinks:
    """Makes what waited until the end of a run.

    Parameters
    ----------
    names
        Id -> name, for the lines of the plan.
    """

    def __init__(self, state: RunState, names: dict[str, str]) -> None:
        self.state, self.store, self.names = state, state.store, names

    def batch(self, waiting: Sequence[Waiting]) -> None:
        """Make some of it, until nobody else commits in between."""
        keys = list(dict.fromkeys(k for w in waiting for k in (w.near, w.ref)))
        ids = dict(zip(keys, self.state.catalogue.find(keys), strict=True))
        for revision in self.state.attempts():
            steps, entries = self._plan(waiting, ids)
            operations = [step.operation for step in steps]
            if operations:
                self.state.begin()
                try:
                    done = self.store.commit(self.state.change_set(operations, revision))
                except ConflictError:
                    continue
                except InvalidChangeError as error:
                    bad = {steps[p.operation].owner: p.message for p in error.problems}
                    for index, message in bad.items():
                        self.state.reject(waiting[index].place, message)
                        self._spoil(waiting[index].near, ids)
                    waiting = [w for i, w in enumerate(waiting) if i not in bad]
                    continue
                self.state.noted(done)
            self.state.lines(entries)
            for item in waiting:
                if ids.get(item.ref) is None:
                    self._spoil(item.near, ids)
            return

    def _spoil(self, key: str, ids: Mapping[str, str | None]) -> None:
        """A statement that was not all taken is looked at again next time, with its document."""
        self.state.prints.clear()
        id_ = ids.get(key)
        if id_ is not None:
            self.state.catalogue.put(key, SPOILT, 0, id_)

    def _plan(
        self, waiting: Sequence[Waiting], ids: Mapping[str, str | None]
    ) -> tuple[list[Step], list[Entry]]:
        model, names = self.store.model, self.names
        entries: list[Entry] = []
        links = Links(self.store, self.state.source, self.state.precedence, names)
        references: dict[str, dict[str, str]] = {}
        owners: dict[str, int] = {}
        claims: list[tuple[RelationshipKey, End, int]] = []
        for index, item in enumerate(waiting):
            near_id, far_id = ids.get(item.near), ids.get(item.ref)
            if near_id is None or far_id is None:
                missing = item.ref if far_id is None else item.near
                reason = without_secrets(f"{item.name}: {missing} is not in the source")
                entries.append(Entry("rejected", item.name, "", near_id or "", item.place, reason))
            elif item.name not in model.relationship_types:
                references.setdefault(near_id, {})[item.name] = far_id
                owners[near_id] = index
            elif near_id != far_id:
                ends = (near_id, far_id) if item.outward else (far_id, near_id)
                key = RelationshipKey(ends[0], item.name, ends[1])
                claims.append((key, "s" if item.outward else "t", index))
        links.load([claim[:2] for claim in claims])
        claimed: list[tuple[RelationshipKey, int]] = []
        for key, end, index in claims:
            kept, _ = links.claim(key, end, waiting[index].attributes, index)
            claimed.append((kept, index))
        links.resolve()
        changes: dict[str, Create | Update] = dict(self._references(references))
        links.stand_by(changes)
        steps, lines = links.steps()
        for key, index in claimed:
            against = links.against(key)
            if against:
                what, place = named(key, names), waiting[index].place
                entries.append(Entry("rejected", key.type, what, key.source, place, against))
        return [*(Step(c, owners.get(i, 0)) for i, c in changes.items()), *steps], entries + lines

    def _references(
        self, references: Mapping[str, Mapping[str, str]]
    ) -> Iterator[tuple[str, Update]]:
        """References named before what they name was shown: one more word of the source."""
        records = RecordPlanner(
            self.store.model, self.state.source, self.state.precedence, self.names
        )
        for id_, record in (self.store.get(references) if references else {}).items():
            before = provenance_of(record.attributes)
            claim = before.get(self.state.source, {})
            values = {**claim.get("values", {}), **references[id_]}
            record_type = self.store.model.record_types[record.type]
            changes, provenance = records.outcome(
                record, record_type, {self.state.source: {**claim, "values": values}}, before
            )
            if provenance != before:
                attributes = {n: v for n, (v, _) in changes.items()}
                yield id_, Update(id_, {**attributes, PROVENANCE: provenance})
