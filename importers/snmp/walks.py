"""Reading walks: the text of ``snmpwalk`` and the records of snmpsim (``.snmprec``).

``snmpwalk`` prints object identifiers by number (``-On``: ``.1.3.6.1.2.1.1.5.0 = STRING: "sw1"``),
from ``iso`` on, or with the names of MIBs (``SNMPv2-MIB::sysName.0``, ``-OX``:
``IF-MIB::ifDescr[1]``, ``-Os``: ``sysName.0``); values may go over several lines. snmprec has a line
``1.3.6.1.2.1.1.5.0|4|sw1`` for each value, ``|4x|`` for one in hexadecimal. Only what
`importers.snmp.mibs` names is kept, however large the walk.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Final

from importers.reading import Document
from importers.snmp.mibs import NAMES, SCALARS, TABLES, Table
from importers.values import plain_mac

VALUE_LIMIT: Final = 65_536
"""Most bytes of a value that are kept; SNMP's own limit for an octet string."""

_WANTED: Final = tuple(f"{t.entry}.{c}." for t in TABLES for c in t.columns.values()) + tuple(
    f"{oid}.0" for oid in SCALARS.values()
)


class Value(bytes):
    """The octets of a value: of a string its content, of a number its digits."""

    @property
    def text(self) -> str:
        """As text, without padding; empty where it is binary."""
        octets = self.strip(b"\x00 \t\r\n")
        for encoding in ("utf-8", "gb18030"):
            try:
                text = octets.decode(encoding)
            except UnicodeDecodeError:
                continue
            if "\x00" not in text:
                return text
        return ""

    @property
    def integer(self) -> int | None:
        match = re.fullmatch(rb"\s*(-?\d{1,20})\s*", self)
        return int(match[1]) if match else None

    @property
    def bits(self) -> int:
        """The octets as a number, the first bit of the first octet the highest."""
        return int.from_bytes(self[:4], "big")

    @property
    def mac(self) -> str | None:
        """A MAC address: six octets, or text such as ``0:1a:2b:3:4:5``."""
        if len(self) == 6:
            return plain_mac(self.hex())
        parts = re.split(r"[:\-. ]", self.text)
        if len(parts) == 6 and all(re.fullmatch("[0-9a-fA-F]{1,2}", part) for part in parts):
            return plain_mac("".join(part.zfill(2) for part in parts))
        return plain_mac(self.text) if re.fullmatch("[0-9a-fA-F.]{12,14}", self.text) else None

    @property
    def address(self) -> str | None:
        """An IP address: four or sixteen octets, or text."""
        try:
            return str(ipaddress.ip_address(self.text))
        except ValueError:
            pass
        try:
            return str(ipaddress.ip_address(bytes(self)))
        except ValueError:
            return None


Row = dict[str, Value]


class Walk:
    """The values of one device, by object identifier without a leading dot."""

    def __init__(self, values: dict[str, Value]) -> None:
        self._values = values

    def __bool__(self) -> bool:
        return bool(self._values)

    def scalar(self, name: str) -> Value:
        """A value, empty where the device has none."""
        return self._values.get(f"{SCALARS[name]}.0", Value())

    def table(self, table: Table) -> dict[str, Row]:
        """The rows of a table by their index, in the order of the walk."""
        return self._tables.get(table.entry, {})

    @cached_property
    def _tables(self) -> dict[str, dict[str, Row]]:
        columns = {
            f"{t.entry}.{number}": (t.entry, name)
            for t in TABLES
            for name, number in t.columns.items()
        }
        length = {t.entry: t.entry.count(".") + 2 for t in TABLES}
        found: dict[str, dict[str, Row]] = {}
        for oid, value in self._values.items():
            for parts in sorted(set(length.values())):
                head = oid.split(".", parts)
                column = columns.get(".".join(head[:parts]))
                if column and len(head) > parts:
                    found.setdefault(column[0], {}).setdefault(head[parts], {})[column[1]] = value
                    break
        return found


def read(document: Document) -> Walk:
    """The walk a document holds.

    Raises
    ------
    SourceError
        It is no walk: no line of it looks like one.
    """
    lines = _lines(document)
    values: dict[str, Value] = {}
    seen = False
    for oid, value in _records(lines):
        seen = True
        if value is not None and oid.startswith(_WANTED):
            values[oid] = value
    if not seen:
        raise document.error("is no SNMP walk: no line says the value of an object identifier")
    return Walk(values)


def _lines(document: Document) -> Iterator[str]:
    rest = b""
    for chunk in document.chunks():
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > 16 * VALUE_LIMIT:
            raise document.error("has a line that never ends")
        yield from (_decoded(line) for line in whole)
    yield _decoded(rest)


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").rstrip("\r").removeprefix("\ufeff")


_RECORD: Final = re.compile(r"\.?(\d+(?:\.\d+)+)\|(\d+)([a-z]?)((?::\w+)?)\|(.*)")
_NAME_LIMIT: Final = 1000


def _records(lines: Iterator[str]) -> Iterator[tuple[str, Value | None]]:
    """Object identifiers with their values, whichever form the lines are in."""
    oid, printed = "", [""]
    for line in lines:
        name, equals, value = line.partition(" =")
        if match := _RECORD.match(line):
            yield match[1], _recorded(match[3], match[4], match[5])
        elif equals and value[:1] in ("", " ") and (found := _numeric(name[:_NAME_LIMIT])):
            if oid:
                yield oid, _value("\n".join(printed))
            oid, printed = found, [value[1:]]
        elif oid and len(printed) < VALUE_LIMIT // 48:
            printed.append(line)
    if oid:
        yield oid, _value("\n".join(printed))


def _recorded(hexadecimal: str, variation: str, text: str) -> Value | None:
    """A value of snmprec; those that snmpsim makes up at run time (``4:writecache``) say it after
    ``initial=`` or ``value=``, if at all."""
    if variation:
        match = re.search(r"(?:^|,)(?:value|initial)=([^,]*)", text)
        return Value(match[1], "utf-8", "surrogateescape") if match else None
    if hexadecimal != "x":
        return Value(text, "utf-8", "surrogateescape")
    try:
        return Value(bytes.fromhex(text[: 2 * VALUE_LIMIT]))
    except ValueError:
        return None


_ELSEWHERE: Final = "0.0"
"""Stands for objects of MIBs that are not read."""
_NUMERIC: Final = re.compile(r"\.?(\d+(?:\.\d+)+)")
_NAMED: Final = re.compile(r"(?:[A-Z][\w\-]*::)?(?:\.iso\.org\.dod\.)?([A-Za-z][\w\-]*)")
_OBJECT: Final = re.compile(r"[A-Z][\w\-]*::\S.*|[a-z][\w\-]*(?:\.\d+|\[\d+\])+|\.iso\.\S+")


@lru_cache(maxsize=4096)
def _numeric(name: str) -> str:
    """A printed object identifier by number, without a leading dot; empty if it is none at all."""
    if match := _NUMERIC.fullmatch(name):
        return match[1]
    match = _NAMED.match(name)
    if match and match[1] in NAMES:
        return NAMES[match[1]] + _index(name[match.end() :])
    return _ELSEWHERE if _OBJECT.fullmatch(name) else ""


def _index(text: str) -> str:
    """``.1.2``, ``[1][2]`` or ``[ipv4]["10.0.0.1"]`` as numbers with dots."""
    numbers = ""
    for part in re.findall(r"\"[^\"]*\"|[^.\[\]\"]+", text):
        if part.startswith('"'):
            inner = part.strip('"')
            octets = inner.split(":") if ":" in inner else []
            numbers += "." + (".".join(str(int(o, 16)) for o in octets if _is_hex(o)) or inner)
        elif part.lower() in ("ipv4", "ipv6"):
            numbers += {"ipv4": ".1.4", "ipv6": ".2.16"}[part.lower()]
        else:
            numbers += "." + part
    return numbers


def _is_hex(text: str) -> bool:
    return re.fullmatch("[0-9a-fA-F]{1,4}", text) is not None


_NUMBERS: Final = frozenset(
    ("INTEGER", "Integer32", "Gauge32", "Counter32", "Counter64", "Unsigned32", "UInteger32")
)
_TYPED: Final = re.compile(
    r"(?:Wrong Type \([^)]*\): )?(STRING|Hex-STRING|INTEGER|Integer32|Gauge32|Counter32|Counter64"
    r"|Unsigned32|UInteger32|Timeticks|OID|IpAddress|Network Address|BITS|Opaque): ?(.*)",
    re.DOTALL,
)


def _value(printed: str) -> Value | None:
    """A value as snmpwalk prints it, with its type or (``-Oq``, ``-OQ``) without."""
    if printed.startswith(("No Such ", "No more variables")):
        return None
    match = _TYPED.fullmatch(printed)
    kind, text = (match[1], match[2]) if match else ("", printed)
    if kind in ("Hex-STRING", "BITS", "Network Address"):
        octets = re.findall(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?=[\s:]|$)", text.split("[")[0])
        return Value(bytes.fromhex("".join(octets)))
    if kind in _NUMBERS:
        number = re.search(r"\((-?\d+)\)|(-?\d+)", text)
        return Value((number[1] or number[2]).encode()) if number else None
    if kind == "OID":
        return Value(_numeric(text.strip()).encode())
    if kind == "" and re.fullmatch(r"[a-zA-Z][\w\-]*\(-?\d+\)", text):
        return Value(text.rpartition("(")[2].rstrip(")").encode())
    if text.startswith('"'):
        text = re.sub(r"\\([\"\\])", r"\1", text.rstrip().removeprefix('"').removesuffix('"'))
    return Value(text[:VALUE_LIMIT], "utf-8", "surrogateescape")
