"""What somebody is shown of a record that they see.

*Withheld* are sensitive values, and references to records that are not seen; secret ones (`Model.secret`)
from everybody; those that tell of others (`Model.telling`) from who does not see everything. They are absent, and
`GuardedStore.masked` tells their names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from typing import Any

from api.access.principals import Permission
from api.access.scope import Scope
from cmdb.records import Record, Relationship, listed
from cmdb.revisions import Changes, RecordChange, RelationshipChange
from schema.model import ORGANISATION_ATTRIBUTE, PROVENANCE

Withheld = dict[tuple[str, int], frozenset[str]]
"""Names of what was withheld, by record and revision."""


class Mask:
    """What one principal is shown, for one answer.

    Parameters
    ----------
    seen
        The records that are seen, of those that what is shown may refer to.
    withheld
        Takes up what is withheld.
    """

    def __init__(self, scope: Scope, seen: Set[str], withheld: Withheld) -> None:
        self._scope, self._seen, self._withheld = scope, seen, withheld
        model = scope.model
        self._reading = scope.reach(Permission.READ_SENSITIVE)
        self._sensitive, self._secret = model.sensitive, model.secret
        self._telling = frozenset() if scope.held.whole else model.telling
        self._kept_back = self._sensitive | self._telling | {PROVENANCE}
        self._of_links = self._secret if self._reading.shared else self._sensitive

    def record(self, record: Record) -> Record:
        """A record without what is withheld."""
        said = record.attributes
        changed = self._references(record) if self._scope.bounded else {}
        if not changed and self._kept_back.isdisjoint(said):
            return record
        organisation = said.get(ORGANISATION_ATTRIBUTE)
        able = self._reading.shared if organisation is None else organisation in self._reading
        withheld = self._telling.intersection(said) | changed.keys()
        withheld |= frozenset() if able else self._sensitive.intersection(said)
        hidden = withheld | (self._secret if able else self._sensitive)
        if hidden.isdisjoint(said) and PROVENANCE not in said:
            return record
        if withheld:
            key = record.id, record.revision
            self._withheld[key] = self._withheld.get(key, frozenset()) | withheld
        attributes = _without(said, hidden)
        attributes.update((name, value) for name, value in changed.items() if value is not None)
        return record._replace(attributes=attributes)

    def _references(self, record: Record) -> dict[str, Any]:
        """What is left of references that name records that are not seen."""
        said, changed = record.attributes, {}
        for name in self._scope.references(record.type):
            if name in said:
                value = said[name]
                one = isinstance(value, str)
                if not (value in self._seen if one else self._seen >= {*listed(value)}):
                    changed[name] = kept(value, self._seen)
        return changed

    def relationship(self, link: Relationship) -> Relationship:
        """Relationships have no organisation: their sensitive attributes are for those who may read all."""
        said = link.attributes
        if PROVENANCE in said or not self._of_links.isdisjoint(said):
            return link._replace(attributes=_without(said, self._of_links))
        return link

    def changes(self, changes: Changes) -> Changes:
        """Changes without what is withheld, and without relationships to what is not seen."""
        seen, bounded = self._seen, self._scope.bounded
        records = [
            RecordChange(*(image and self.record(image) for image in change))
            for change in changes.records
        ]
        links = [
            RelationshipChange(*(image and self.relationship(image) for image in link))
            for link in changes.relationships
            if not bounded or (link.key.source in seen and link.key.target in seen)
        ]
        return changes._replace(records=records, relationships=links)


def referred(records: Iterable[Record], scope: Scope) -> set[str]:
    """Everything that some records refer to, where some of it may be hidden."""
    found: set[str] = set()
    if not scope.bounded:
        return found
    for record in records:
        said = record.attributes
        for name in scope.references(record.type):
            if name in said:
                value = said[name]
                if isinstance(value, str):
                    found.add(value)
                else:
                    found.update(listed(value))
    return found


def kept(value: Any, seen: Collection[str]) -> Any:
    """A reference's value without ids that are not seen; None where nothing is left."""
    if isinstance(value, list):
        return [id for id in value if id in seen] or None
    return value if value in seen else None


def _without(attributes: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Attributes without some names, and without what sources said of those."""
    left = {name: value for name, value in attributes.items() if name not in names}
    if isinstance(said := left.get(PROVENANCE), Mapping):
        left[PROVENANCE] = {
            source: {
                part: _without(told, names) if isinstance(told, Mapping) else told
                for part, told in claim.items()
            }
            for source, claim in said.items()
        }
    return left
