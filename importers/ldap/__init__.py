"""Directories: people, groups, units, joined computers and NIS maps, from LDIF.

Reads what ``slapcat``, ``ldapsearch`` (with or without ``-LLL``), Active Directory's ``ldifde`` and
the RFC 2307 migration scripts write; `importers.ldap.ldif` has the format. Of change records only
additions are taken, which is what ``ldifde`` writes.

==========================================================  ======================================
objectClass                                                 gives
==========================================================  ======================================
…Person, user, posixAccount                                 Person
group, groupOfNames, groupOfUniqueNames, posixGroup …       Team, (person)-[:MEMBER_OF]->(team)
organizationalUnit, organization                            Department, PART_OF along the name
computer; sambaSamAccount whose uid ends with ``$``         Computer, Server where it says so
ipHost, device                                              Host
ipNetwork                                                   Subnet
==========================================================  ======================================

Object classes and attributes are those of RFC 2307, 2798, 4519 and 4524 and of Active Directory's
schema. Everything else (ipService, oncRpc, automount, password policies …) is no configuration item
and is passed over. A unit that a name goes through and that has no entry is known by its name alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field

from cmdb.reconciliation.observations import Item, Link, Observation, Ref, Rejection
from importers.contract import Importer, Options
from importers.ldap.attributes import ATTRIBUTES, WANTED, kind_of, other_class
from importers.ldap.ldif import Entry, entries
from importers.ldap.names import Name, key_of, parse_name
from importers.reading import Document


class LdapOptions(Options):
    containers: str = Field(
        default="",
        description="Names of units that only hold entries and are no departments, with commas"
        " between: people,groups.",
    )


@dataclass
class Directory:
    """What must be known of the whole source before an entry can be understood.

    Attributes
    ----------
    kinds
        The record type of each entry by the key of its name; empty for what is no record.
    accounts
        Keys of people by user name, lower case: posixGroup names its members so.
    counts
        Entries by record type; those that give none by their first object class.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        kind = kind_of(entry)
        self.counts[kind or other_class(entry)] += 1
        try:
            key = key_of(parse_name(entry.dn))
        except ValueError:
            return
        if self.kinds.get(key):
            return
        self.kinds[key] = kind or ""
        if kind == "Person" and (username := entry.first("uid", "samaccountname")):
            self.accounts.setdefault(username.lower(), key)


class Ldap(Importer[LdapOptions]):
    name: ClassVar[str] = "ldap"
    title: ClassVar[str] = "Directories (OpenLDAP, Active Directory, NIS maps) as LDIF"
    title_zh: ClassVar[str] = "目录服务（OpenLDAP、Active Directory、NIS）的 LDIF 导出"
    precedence: ClassVar[int] = 55
    together: ClassVar[bool] = True
    suffixes: ClassVar[Sequence[str]] = (".ldif", ".ldf")
    options_type: ClassVar[type[Options]] = LdapOptions

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        """Entries refer to each other across files, so all are read twice and none are kept."""
        directory = survey(documents)
        containers = frozenset(_folded(self.options.containers).split(","))
        reader = _Reader(directory, containers)
        for document in documents:
            for entry in entries(document, WANTED):
                if isinstance(entry, Rejection):
                    yield entry
                else:
                    yield from reader.items(entry)


def survey(documents: Sequence[Document]) -> Directory:
    """What the entries of all documents are, counted."""
    directory = Directory()
    for document in documents:
        for entry in entries(document, WANTED):
            if isinstance(entry, Entry) and entry.change in ("", "add"):
                directory.add(entry)
    return directory


class _Reader:
    """Makes observations of entries, one after the other."""

    def __init__(self, directory: Directory, containers: frozenset[str]) -> None:
        self._directory, self._containers = directory, containers
        self._seen: set[str] = set()

    def items(self, entry: Entry) -> Iterator[Item]:
        """The observation of an entry, and what of it cannot be used."""
        if entry.change not in ("", "add"):
            yield Rejection(entry.place, f"is a change ({entry.change[:20]}), not an entry")
            return
        kind = kind_of(entry)
        if kind is None:
            return
        key = ""
        try:
            name = parse_name(entry.dn)
            key = key_of(name)
            if not key or key in self._seen:
                raise ValueError("has the name of an earlier entry" if key else "has no name")
            made = self._make(kind, entry, name, key)
        except ValueError as error:
            yield Rejection(entry.place, f"the entry {error}", key)
            return
        self._seen.add(key)
        if not self._is_container(name):
            yield made
        for type_ in entry.partial:
            reason = f"names only its first members ({type_};range=…): ask the server for the rest"
            yield Rejection(entry.place, reason, key)

    def _make(self, kind: str, entry: Entry, name: Name, key: str) -> Observation:
        attributes = ATTRIBUTES[kind](entry, name)
        attributes.setdefault("name", name[0][0][1] or key)
        return Observation(kind, key, attributes, self._links(kind, entry, name, key), entry.place)

    def _links(self, kind: str, entry: Entry, name: Name, key: str) -> list[Link]:
        if kind == "Person":
            return self._above("organisation", name)
        if kind == "Team":
            return [*self._above("organisation", name), *self._members(entry, key)]
        if kind == "Department":
            return self._above("PART_OF", name)
        return self._custodian(entry)

    def _above(self, link: str, name: Name) -> list[Link]:
        """A link to the nearest unit above, by reference or, without an entry, by its name."""
        for depth in range(1, len(name)):
            above = name[depth:]
            key = key_of(above)
            if self._is_container(above):
                continue
            if self._directory.kinds.get(key) == "Department":
                return [Link(link, Ref(key))]
            type_, value = above[0][0]
            if type_ in ("ou", "o") and value and key not in self._directory.kinds:
                parents = self._above("PART_OF", above)
                return [Link(link, Observation("Department", key, {"name": value}, parents))]
        return []

    def _is_container(self, name: Name) -> bool:
        type_, value = name[0][0]
        return type_ in ("ou", "o") and _folded(value) in self._containers

    def _members(self, entry: Entry, own: str) -> list[Link]:
        """Links to the people in a group; groups and computers in it are no members."""
        people: dict[str, Observation | Ref] = {}
        for value in (*entry.values.get("member", ()), *entry.values.get("uniquemember", ())):
            name = _member(value)
            key = key_of(name)
            known = self._directory.kinds.get(key)
            if key and key != own and known in (None, "Person"):
                type_, username = name[0][0]
                is_account = known is None and type_ == "uid"
                people[key] = _account(key, username) if is_account else Ref(key)
        for username in entry.values.get("memberuid", ()):
            known = self._directory.accounts.get(username.lower())
            key = known or f"uid={username.lower()}"
            people[key] = Ref(key) if known else _account(key, username)
        return [Link("HAS_MEMBER", person) for person in people.values()]

    def _custodian(self, entry: Entry) -> list[Link]:
        key = key_of(_member(entry.first("managedby") or ""))
        return [Link("custodian", Ref(key))] if self._directory.kinds.get(key) == "Person" else []


def _member(value: str) -> Name:
    """A name, also of a “name and optional UID”; nothing if it is none."""
    try:
        return parse_name(re.sub(r"#'[01]*'B$", "", value))
    except ValueError:
        return ()


def _account(key: str, username: str) -> Observation:
    """Somebody who has no entry in the source: of another directory, or outside the search."""
    return Observation("Person", key, {"name": username, "username": username})


def _folded(text: str) -> str:
    return re.sub(r"\s*,\s*", ",", " ".join(text.lower().split()))
