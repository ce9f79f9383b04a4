"""What somebody may write: the net effect of a change set, looked at inside its write transaction.

So nothing can change between the look and the commit, and what is looked at is what will be stored.

- A record is written with `write` in its organisation, before and after. A part that names none has
  that of its whole; what has none at all takes the permission everywhere, or in an organisation that
  has none above it: such records are everybody's.
- A relationship is written with `write` at its source; at either end where its type is symmetric; at
  both where it makes one a part of the other. The other end must be seen (`api.access.guarded`).
- What decides who may do what takes `administer`: records of `administered` types, relationships of
  such types, attributes by which somebody is known, the tree of organisations. Nobody changes an account that may do more than they can give:
  they must administer every organisation in which it, or what it refers to, has a role.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any

from api.access.principals import Permission
from api.access.roles import EVERYWHERE
from api.access.scope import Scope
from cmdb.commits import Plan, WriteTransaction
from cmdb.owners import Ownership
from cmdb.records import Record, Relationship, listed
from cmdb.revisions import Revision
from schema.model import ORGANISATION_ATTRIBUTE, ORGANISATION_TREE, Model

Refuse = Callable[[Permission, Collection[str | None]], Exception]
"""The refusal of what needs a permission in some organisations; None stands for records of none."""
Owners = dict[str, set[str | None]]


class GuardedTransaction:
    """A write transaction that writes only what a principal may.

    Parameters
    ----------
    scope
        Theirs.
    refuse
        Makes the error.
    """

    def __init__(self, transaction: WriteTransaction, scope: Scope, refuse: Refuse) -> None:
        self._transaction, self._scope, self._refuse = transaction, scope, refuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def write(self, revision: Revision, plan: Plan) -> None:
        """Store a revision, if the principal may.

        Raises
        ------
        NotAllowedError
        """
        self.allow(plan)
        self._transaction.write(revision, plan)

    def allow(self, plan: Plan) -> None:
        """Refuse what the principal may not write.

        Raises
        ------
        NotAllowedError
        """
        for permission, organisations in needs(plan, self._transaction, self._scope).items():
            held = self._scope.reach(permission)
            missing = {o for o in organisations if not (held.shared if o is None else o in held)}
            if missing:
                raise self._refuse(permission, missing)


def needs(
    plan: Plan, transaction: WriteTransaction, scope: Scope
) -> dict[Permission, set[str | None]]:
    """Which permissions a plan takes, and in which organisations; None: in none that is named.

    At most two statements, and two for each level of wholes above parts that name no organisation.
    """
    return _Needs(plan, transaction, scope).found


def identity_changes(model: Model, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether something differs by which somebody is known."""
    return any(before.get(name) != after.get(name) for name in model.identifying)


class _Needs:
    def __init__(self, plan: Plan, transaction: WriteTransaction, scope: Scope) -> None:
        self.plan, self.transaction, self.scope = plan, transaction, scope
        self.model = scope.model
        self.found: defaultdict[Permission, set[str | None]] = defaultdict(set)
        self.ownership = Ownership(self.model, transaction, plan)
        self.made = self.ownership.made
        self.links = [
            *plan.related,
            *(link for pair in plan.altered for link in pair),
            *plan.unrelated,
        ]
        stored = {before.id: before for before, _ in plan.updated}
        ends = {end for link in self.links for end in (link.source, link.target)}
        self.stored = stored | self.ownership.read(ends - stored.keys() - self.made.keys())
        later = self.made | {after.id: after for _, after in plan.updated}
        self.before = self._owners(self.stored, later=False)
        self.after = self._owners(later, later=True)
        if plan.model is not None:
            self.found[Permission.MODEL].add(None)
        self._records()
        for link in self.links:
            self._relationship(link)

    # -- rules ----------------------------------------------------------------------------------------

    def _records(self) -> None:
        administered = []
        for record in self.plan.created:
            kind = self._permission(record)
            if self._is_organisation(record):
                kind = Permission.ADMINISTER
            self.found[kind] |= self.after[record.id]
            administered += [record] if kind is Permission.ADMINISTER else []
            if self.model.identifying.intersection(record.attributes):
                self.found[Permission.ADMINISTER] |= self.after[record.id]
        for before, after in self.plan.updated:
            self.found[self._permission(before)] |= self.before[before.id]
            self.found[self._permission(after)] |= self.after[after.id]
            if self._is_organisation(before) != self._is_organisation(after):
                self.found[Permission.ADMINISTER] |= self.before[before.id] | self.after[after.id]
            if Permission.ADMINISTER in (self._permission(before), self._permission(after)):
                administered += [before, after]
            elif identity_changes(self.model, before.attributes, after.attributes):
                self.found[Permission.ADMINISTER] |= self.before[before.id] | self.after[after.id]
                administered += [before]
        self._subjects(administered)

    def _subjects(self, records: Collection[Record]) -> None:
        """The organisations where accounts, and those they refer to, have roles."""
        kinds = self.model.record_types
        subjects = {record.id for record in records if not self._is_organisation(record)}
        for record in records:
            if record.attributes.get(EVERYWHERE):
                self.found[Permission.ADMINISTER].add(None)
            for attribute in kinds[record.type].references:
                if attribute.name != ORGANISATION_ATTRIBUTE:
                    subjects.update(listed(record.attributes.get(attribute.name)))
        types = [t.name for t in self.model.relationship_types.values() if t.administered]
        if subjects and types:
            held = self.transaction.relationships_at("source", sorted(subjects), types)
            self.found[Permission.ADMINISTER] |= {key.target for key in held}

    def _relationship(self, link: Relationship) -> None:
        kind = self.model.relationship_types[link.type]
        source, target = (self._at(end) for end in (link.source, link.target))
        tree = link.type == ORGANISATION_TREE and source and self._is_organisation(source)
        if kind.administered or tree:
            for end in (source, target):
                if end and (self._is_organisation(end) or self._administered(end)):
                    self.found[Permission.ADMINISTER] |= self._owner(end)
        elif kind.part:
            for end in (source, target):
                if end:
                    self.found[self._permission(end)] |= self._owner(end)
        elif source and not (kind.symmetric and target and self._may(target)):
            self.found[self._permission(source)] |= self._owner(source)

    def _may(self, record: Record) -> bool:
        held = self.scope.reach(self._permission(record))
        return all(held.shared if o is None else o in held for o in self._owner(record))

    def _permission(self, record: Record) -> Permission:
        return Permission.ADMINISTER if self._administered(record) else Permission.WRITE

    def _administered(self, record: Record) -> bool:
        return self.model.record_types[record.type].administered

    def _is_organisation(self, record: Record) -> bool:
        return record.type in self.scope.organisations

    # -- whose something is ---------------------------------------------------------------------------

    def _at(self, id: str) -> Record | None:
        return self.made.get(id) or self.stored.get(id)

    def _owner(self, record: Record) -> set[str | None]:
        return self.before[record.id] if record.id in self.before else self.after[record.id]

    def _owners(self, records: Mapping[str, Record], later: bool) -> Owners:
        """The organisations of records, or of what they are part of, as it is or as it will be."""
        found = self.ownership.organisations(records, later, self._own)
        return {id: {*named} or {None} for id, named in found.items()}

    def _own(self, record: Record) -> str | None:
        if not self._is_organisation(record):
            return record.attributes.get(ORGANISATION_ATTRIBUTE)
        if record.id not in self.made:
            return record.id
        links = self.plan.related
        above = (x.target for x in links if (x.source, x.type) == (record.id, ORGANISATION_TREE))
        return next(above, None)
