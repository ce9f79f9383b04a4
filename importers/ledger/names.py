"""What people write into the cells of a ledger for addresses, places, people and organisations.

As in `importers.ledger.values`, wrong text raises ValueError with what is wrong, and is not repeated.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final

from importers.ledger.values import clean, folded, legible, whole
from importers.values import plain_mac, split_hostname

_HOST: Final = re.compile(r"[a-z][a-z0-9-]{0,62}(?:\.[a-z][a-z0-9-]{0,62})*")


def addresses(text: str) -> list[str]:
    """IP addresses in a cell, prefix lengths and ports left out; several are separated somehow."""
    text = folded(text).replace("。", ".")
    found: list[str] = []
    for part in re.split(r"[\s,;、|]+|/(?!\d{1,3}(?:[^\d.]|$))", text):
        if not part:
            continue
        try:
            address = str(ipaddress.ip_address(re.split(r"/|%", part)[0].strip("[]()")))
        except ValueError:
            raise ValueError("is no IP address") from None
        found += [address] if address not in found else []
    if not found:
        raise ValueError("is no IP address")
    return found


def macs(text: str) -> list[str]:
    """MAC addresses in a cell, however they are written."""
    found: list[str] = []
    for part in re.split(
        r"[,;、|/\n]+|\s+(?=[0-9A-Fa-f]{2,4}[:\-.])|(?<=[0-9A-Fa-f]{12})\s+", folded(text)
    ):
        if not part.strip():
            continue
        mac = plain_mac(part) if re.fullmatch(r"[0-9A-Fa-f:\-. ]+", part.strip()) else None
        if mac is None:
            raise ValueError("is no MAC address")
        found += [mac] if mac not in found else []
    if not found:
        raise ValueError("is no MAC address")
    return found


def host(text: str) -> dict[str, str]:
    """``hostname`` and, where it says one, ``domain``."""
    if _HOST.fullmatch(text) and len(text) > 9:
        label, _, domain = text.partition(".")
        return {"hostname": label, "domain": domain} if domain else {"hostname": label}
    text = folded(legible(text))
    if not text:
        return {}
    found = split_hostname(text)
    if not found:
        raise ValueError("is no host name")
    return found


_UNITS: Final = re.compile(
    r"第?\s*U?\s*(\d{1,3})\s*U?(?:\s*(?:-|~|—|–|至|到|,|、|/|\.\.)\s*U?\s*(\d{1,3})\s*U?)?",
    re.IGNORECASE,
)


def rack_units(text: str) -> tuple[int, int | None]:
    """The lowest unit and, of a range, the height: ``U12-U13`` and ``12~13U`` are (12, 2)."""
    match = _UNITS.fullmatch(folded(text).removesuffix("位").removesuffix(".0"))
    if match is None:
        raise ValueError("is no rack position")
    low, high = sorted((int(match[1]), int(match[2] or match[1])))
    if not 1 <= low <= high <= 100:
        raise ValueError("is no rack position")
    return low, (high - low + 1 if match[2] else None)


def height(text: str) -> int:
    """A height in rack units: ``2``, ``2U``."""
    return whole(re.sub(r"(?i)\s*U(?:位)?$", "", folded(text)))


# -- people ---------------------------------------------------------------------------------------


def people(text: str) -> list[dict[str, str]]:
    """Who stands in a cell: name, and what is written behind it in parentheses or after a space.

    Several are separated by ``、``, ``;``, ``/``, a line, or ``，``; a plain comma may be part of a name.
    """
    parts = re.split(r"[、;；/\n，]+", text)
    if any("一" <= letter <= "鿿" for letter in text):
        parts = [piece for part in parts for piece in part.split(",")]
    return [_person(folded(part)) for part in parts if clean(part)]


_PERSON: Final = re.compile(r"(.*?[^\d\s(])\s*[(\s]\s*(\d[\d\- ]{2,17})\s*\)?")


def _person(text: str) -> dict[str, str]:
    if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text):
        return {"name": text.partition("@")[0], "email": text.lower()}
    if match := _PERSON.fullmatch(text):
        digits = match[2].strip()
        phone = re.fullmatch(r"1\d{10}|0\d{2,3}-?\d{7,8}", digits)
        return {"name": match[1].strip(), ("phone" if phone else "employee_number"): digits}
    return {"name": text}


_ORGANISATIONS: Final = (
    (
        re.compile(
            r"国家电网(?:有限)?公司|南方电网(?:有限)?(?:责任)?公司|.*总部|headquarters|.*集团(?:有限)?公司",
            re.I,
        ),
        "Headquarters",
    ),
    (re.compile(r".*(?:部|处|中心|科|室|班|组|所|站|department)", re.I), "Department"),
    (
        re.compile(r".*(?:县|区|旗)供电(?:有限)?(?:责任)?(?:公司|局|分公司)|.*县(?:公司|分公司)"),
        "CountyCompany",
    ),
    (
        re.compile(r".*供电(?:有限)?(?:责任)?(?:公司|局|分公司)|.*(?:地|州|盟)?市(?:公司|分公司)"),
        "CityCompany",
    ),
    (re.compile(r".*电力(?:有限)?(?:责任)?公司|.*(?:省|自治区)(?:公司|分公司)"), "ProvinceCompany"),
)


@lru_cache(maxsize=4096)
def organisation_type(name: str) -> str:
    """The record type of an organisation, by how its name ends; a department if nothing tells.

    >>> organisation_type("国网浙江省电力有限公司"), organisation_type("杭州市余杭区供电公司")
    ('ProvinceCompany', 'CountyCompany')
    """
    return next(
        (type_ for pattern, type_ in _ORGANISATIONS if pattern.fullmatch(name)), "Department"
    )
