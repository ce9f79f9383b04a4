"""Ansible's inventory: which host is in which groups, from any of the three ways to write it down.

INI, YAML, and the JSON of ``ansible-inventory --list``. Only names are taken: variables of an
inventory hold passwords.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from importers.reading import Document

_EVERYONE: Final = frozenset(("all", "ungrouped", "_meta"))
_SECTION: Final = re.compile(r"\[([^\[\]:\s]+)(?::(children|vars|hosts))?\]\s*(?:[#;].*)?")
_RANGE: Final = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]", re.ASCII)
_HOST_LIMIT: Final = 1_000_000


class Inventory:
    """Groups of hosts and of groups."""

    def __init__(self) -> None:
        self.hosts: dict[str, set[str]] = {}
        self.parents: dict[str, set[str]] = {}

    def groups(self, host: str) -> list[str]:
        """All groups of a host, those that hold its groups too; not the two that hold everyone."""
        found: set[str] = set()
        waiting = list(self.hosts.get(host, ()))
        while waiting:
            group = waiting.pop()
            if group not in found:
                found.add(group)
                waiting += self.parents.get(group, ())
        return sorted(found - _EVERYONE)

    def put(self, host: str, group: str) -> None:
        if len(self.hosts) < _HOST_LIMIT:
            self.hosts.setdefault(host, set()).add(group)


def read_inventory(document: Document) -> Inventory:
    """The groups of an inventory.

    Raises
    ------
    SourceError
        It is none.
    """
    content = document.text()
    if content.lstrip().startswith("{"):
        values = document.json()
    elif looks_like_ini(content):
        return _from_ini(content)
    else:
        # Secrets that Ansible keeps encrypted in place have a tag of their own.
        plain = re.sub(r"!(?:vault|vault-encrypted|unsafe)\b", "", content).encode()
        documents = Document(document.place, document.name, None, plain).yaml()
        values = documents[0] if documents else None
    if not looks_like_inventory(values):
        raise document.error("is not an Ansible inventory", "Give INI, YAML or the JSON of --list.")
    inventory = Inventory()
    for name, body in values.items():
        _group(inventory, str(name), body, 0)
    return inventory


def looks_like_inventory(values: Any) -> bool:
    """Whether values are groups by their names, as YAML and ``--list`` write them."""
    if not isinstance(values, dict) or not values:
        return False
    if isinstance(values.get("_meta"), dict) and "hostvars" in values["_meta"]:
        return True
    bodies = [body for body in values.values() if body is not None]
    return bool(bodies) and all(
        isinstance(body, dict) and body.keys() <= {"hosts", "children", "vars"} for body in bodies
    )


def _group(inventory: Inventory, name: str, body: Any, depth: int) -> None:
    if name == "_meta" or depth > 100:
        return
    body = {"hosts": body} if isinstance(body, list) else body
    if not isinstance(body, Mapping):
        return
    for host in _names(body.get("hosts")):
        for expanded in _expanded(host):
            inventory.put(expanded, name)
    children = body.get("children")
    for child in _names(children):
        inventory.parents.setdefault(child, set()).add(name)
        if isinstance(children, Mapping):
            _group(inventory, child, children[child], depth + 1)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        yield from (name for name in value if isinstance(name, str))


def looks_like_ini(content: str) -> bool:
    """Whether the first line that says something is a section, or a host with its variables."""
    first = next((s for line in content.splitlines() if (s := _significant(line))), "")
    return bool(_SECTION.fullmatch(first) or re.match(r"[^\s:={}\[\]]+\s+ansible_\w+\s*=", first))


def _significant(line: str) -> str:
    stripped = line.strip()
    return "" if stripped.startswith(("#", ";")) else stripped


def _from_ini(content: str) -> Inventory:
    inventory = Inventory()
    group, kind = "ungrouped", "hosts"
    for line in map(_significant, content.splitlines()):
        if not line:
            continue
        if match := _SECTION.fullmatch(line):
            group, kind = match[1], match[2] or "hosts"
        elif kind == "children":
            inventory.parents.setdefault(line.split()[0], set()).add(group)
        elif kind == "hosts":
            for host in _expanded(re.sub(r":\d+$", "", line.split()[0])):
                inventory.put(host, group)
    return inventory


def _expanded(pattern: str) -> Iterator[str]:
    """``web-[01:03]`` as the hosts it stands for."""
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern
        return
    for item in _range(match[1], match[2], int((match[3] or "1")[:6]) or 1):
        yield from _expanded(pattern[: match.start()] + item + pattern[match.end() :])


def _range(first: str, last: str, step: int) -> Iterator[str]:
    if first.isdigit() and last.isdigit() and len(last) < 7:
        width = len(first) if first.startswith("0") else 0
        yield from (str(n).zfill(width) for n in range(int(first), int(last) + 1, step))
    elif len(first) == len(last) == 1:
        yield from (chr(n) for n in range(ord(first), ord(last) + 1, step))
