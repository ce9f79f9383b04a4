"""Ansible's facts (the module ``setup``), in every shape Ansible writes them.

- one file per host: ``ansible all -m setup --tree DIR``, and the fact cache ``jsonfile``; the file's
  name is the host's;
- what ``ansible all -m setup`` prints (``web-01 | SUCCESS => {…}``), also one line each (``-o``);
- hosts in one JSON document: an object by their names, a list, the callback ``json`` of
  ``ansible-playbook``.

Gives each host with its processors, disks, interfaces, addresses and operating system; see
`importers.ansible.facts`. Hosts that could not be reached, or where the module failed, are rejected
with what Ansible says of it. Groups are read from an inventory that the option names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final, NamedTuple

import orjson
from pydantic import Field

from cmdb.reconciliation.observations import Item, Rejection, SourceError
from cmdb.reconciliation.secrets import without_secrets
from importers import machines
from importers.ansible import facts as ansible_facts
from importers.ansible.inventory import (
    Inventory,
    looks_like_ini,
    looks_like_inventory,
    read_inventory,
)
from importers.contract import Importer, Options
from importers.machines import mapping
from importers.reading import Document
from importers.reading import documents as read_documents

_JSON: Final = re.compile(rb'\s*(?:\{\s*["}]|\[\s*[{\]])')
_RESULT: Final = re.compile(
    r"(?P<host>\S[^|]*?) \| (?P<status>SUCCESS|CHANGED|FAILED|UNREACHABLE)!?"
    r"(?: \| rc=\S+)?\s*(?:=>|:|>>)\s*(?P<rest>.*)"
)
_COLOUR: Final = re.compile(r"\x1b\[[\d;]*m")
_AN_INVENTORY: Final = "is an inventory, which holds no facts: name it with the option inventory"


class Result(NamedTuple):
    """What Ansible wrote of one host: the object, or why there is none."""

    name: str
    value: Any
    place: str
    problem: str = ""


class AnsibleOptions(Options):
    """Where the groups of the hosts stand."""

    inventory: str = Field(
        "",
        description="Inventory file (INI, YAML, or JSON of ansible-inventory --list) whose groups"
        " become tags of the hosts.",
    )
    name: str = Field(
        "", description="Ansible's name of the host whose facts come on standard input."
    )


class Ansible(Importer[AnsibleOptions]):
    name: ClassVar[str] = "ansible"
    title: ClassVar[str] = "Facts of Ansible: hosts with their parts, addresses and systems"
    title_zh: ClassVar[str] = "Ansible facts：主机及其部件、地址和操作系统"
    precedence: ClassVar[int] = 50
    options_type: ClassVar[type[Options]] = AnsibleOptions

    @cached_property
    def _inventory(self) -> Inventory:
        """Read once, with the first document."""
        path = self.options.inventory
        if not path:
            return Inventory()
        if Path(path).is_dir():
            raise SourceError(
                f"The inventory {path} is a folder.",
                "Write `ansible-inventory --list` to a file, and name that.",
            )
        return read_inventory(read_documents([path])[0])

    def also_reads(self) -> Sequence[str]:
        return [self.options.inventory] if self.options.inventory else []

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            for result in results(document, self.options.name):
                yield self._item(result)

    def _item(self, result: Result) -> Item:
        key = ansible_facts.key_of(result.name) if result.name else ""
        if result.problem:
            return Rejection(result.place, result.problem, key)
        facts = _facts(result.value)
        if facts is None:
            whose = f"{result.name}: " if result.name else ""
            return Rejection(result.place, f"{whose}{_why(result.value)}", key)
        name = result.name or ansible_facts.own_name(facts)
        if not name:
            return Rejection(result.place, "the facts do not say which host they are of")
        return ansible_facts.host(name, facts, self._inventory.groups(name), result.place)


def _facts(value: Any) -> Mapping[str, Any] | None:
    """The facts in what a module returned, or in a cache."""
    result = mapping(value)
    if result.get("unreachable") is True or result.get("failed") is True:
        return None
    found = result.get("ansible_facts", result)
    return found if ansible_facts.are_facts(found) else None


def _why(value: Any) -> str:
    """Why a host has no facts, in Ansible's words without anything secret."""
    result = mapping(value)
    said = result.get("msg")
    words = " ".join(said.split()) if isinstance(said, str) else ""
    reason = f": {without_secrets(words)[:300]}" if words else ""
    if result.get("unreachable") is True:
        return f"the host could not be reached{reason}"
    if result.get("failed") is True or words:
        return f"the facts could not be gathered{reason}"
    return "no facts of a host"


# ------------------------------------------------------------------------------- shapes of documents


def results(document: Document, name: str = "") -> Iterator[Result]:
    """What a document says of each host.

    Parameters
    ----------
    name
        Of the host on standard input.

    Raises
    ------
    SourceError
        It is nothing that Ansible writes.
    """
    head = next(document.chunks(4096), b"").removeprefix(b"\xef\xbb\xbf")
    if _JSON.match(head):
        yield from _from_json(document, document.json(), name)
        return
    content, found = document.text(), False
    for result in _from_text(content, document):
        found = True
        yield result
    if not found and looks_like_ini(content):
        yield Result("", None, document.name, _AN_INVENTORY)
    elif not found and PurePosixPath(document.name).suffix in (".yml", ".yaml"):
        if not any(map(looks_like_inventory, document.yaml())):
            raise document.error("holds no facts of Ansible")
        yield Result("", None, document.name, _AN_INVENTORY)
    elif not found:
        raise document.error("holds no facts of Ansible")


def _from_json(document: Document, value: Any, name: str) -> Iterator[Result]:
    """One host, or many: by their names, in a list, in the plays of a run."""
    place = document.name
    cached = isinstance(value, dict) and isinstance(value.get("__payload__"), str)
    if cached:
        value = _payload(document, value["__payload__"])
    if isinstance(value, list):
        for number, entry in enumerate(value, 1):
            yield Result(_said_name(entry), entry, f"{place} item {number}")
    elif _is_result(value):
        own = PurePosixPath(machines.called(document)).name
        if cached:  # ansible-core 2.19 and later put their format before the name
            own = own.removeprefix("s1_")
        piped = document.place == "standard input"
        yield Result(name if piped else own, value, place)
    elif isinstance(value.get("plays"), list):
        yield from _from_plays(value["plays"], place)
    elif looks_like_inventory(value):
        yield Result("", None, place, _AN_INVENTORY)
    elif any(map(_is_result, value.values())):
        for host, entry in value.items():
            yield Result(host, entry, f"{place} {host}")
    else:
        raise document.error("holds no facts of Ansible")


def _payload(document: Document, content: str) -> Any:
    """What a fact cache of ansible-core 2.19 or later keeps: JSON as a text of JSON."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise document.error("is a fact cache whose content is damaged") from None
    return value if isinstance(value, dict) else {}


def _is_result(value: Any) -> bool:
    """Whether an object is what Ansible says of one host."""
    if not isinstance(value, dict):
        return False
    return (
        isinstance(value.get("ansible_facts"), dict)
        or ansible_facts.are_facts(value)
        or value.get("unreachable") is True
        or value.get("failed") is True
        or ("msg" in value and "changed" in value)
    )


def _said_name(value: Any) -> str:
    """Ansible's name, if an entry of a list was written with it."""
    names = map(mapping(value).get, ("inventory_hostname", "ansible_inventory_hostname", "host"))
    return next((name for name in names if isinstance(name, str)), "")


def _from_plays(plays: Sequence[Any], place: str) -> Iterator[Result]:
    """Of the callback ``json``: hosts of the tasks that gathered facts, and those not reached."""
    seen: set[str] = set()
    for play in plays:
        tasks = mapping(play).get("tasks")
        for task in tasks if isinstance(tasks, list) else ():
            for host, entry in mapping(mapping(task).get("hosts")).items():
                missed = mapping(entry).get("unreachable") is True
                if host not in seen and (missed or _facts(entry) is not None):
                    seen.add(host)
                    yield Result(host, entry, f"{place} {host}")


def _from_text(content: str, document: Document) -> Iterator[Result]:
    """What ``ansible -m setup`` prints; warnings between the hosts are passed over."""
    lines = _COLOUR.sub("", content).split("\n")
    number = 0
    while number < len(lines):
        match = _RESULT.fullmatch(lines[number].rstrip("\r"))
        place = f"{document.name} line {number + 1}"
        number += 1
        if match is None:
            continue
        block = [match["rest"]]
        if block[0].strip() == "{":
            while number < len(lines) and not _RESULT.match(lines[number]):
                block.append(lines[number])
                number += 1
                if block[-1].rstrip() == "}":
                    break
        yield _printed(match["host"], match["status"], "\n".join(block), place)


def _printed(host: str, status: str, content: str, place: str) -> Result:
    """One host as it is printed: JSON, or with ``-o`` only why there is none."""
    value: Any = {"msg": content}
    if content.lstrip().startswith("{"):
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError:
            return Result(host, None, place, f"what is printed of {host} is cut off, or is no JSON")
    flags = {"UNREACHABLE": "unreachable", "FAILED": "failed"}
    if status in flags and isinstance(value, dict):
        value[flags[status]] = True
    return Result(host, value, place)
