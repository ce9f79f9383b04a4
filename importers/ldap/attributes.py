"""What an entry of a directory is, and its attributes in the model's terms; see `importers.ldap`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from importers.ldap.ldif import Entry
from importers.ldap.names import Name, domain_of
from importers.values import plain_mac, said, split_hostname
from schema.kinds import parse_email, parse_ip_address

Attributes = dict[str, Any]

GROUPS: Final = frozenset(
    ("group", "groupofnames", "groupofuniquenames", "groupofmembers", "posixgroup")
)
UNITS: Final = frozenset(("organizationalunit", "organization"))
WANTED: Final = frozenset(
    (
        "objectclass",
        "cn",
        "uid",
        "samaccountname",
        "displayname",
        "gecos",
        "mail",
        "telephonenumber",
        "mobile",
        "title",
        "employeenumber",
        "employeeid",
        "useraccountcontrol",
        "description",
        "ou",
        "o",
        "member",
        "uniquemember",
        "memberuid",
        "managedby",
        "dnshostname",
        "operatingsystem",
        "iphostnumber",
        "macaddress",
        "ipnetworknumber",
        "ipnetmasknumber",
    )
)
"""Attribute types that are read; no other leaves the file, and no password is among them."""
ACCOUNT_DISABLED: Final = 0x2
"""Of userAccountControl: ADS_UF_ACCOUNTDISABLE."""


def kind_of(entry: Entry) -> str | None:
    """The record type of an entry; None for what is no record."""
    classes = {value.lower() for value in entry.values.get("objectclass", ())}
    if any(name.endswith("managedserviceaccount") for name in classes):
        return None  # an account that Active Directory counts among the computers
    if "computer" in classes or _is_samba_machine(entry, classes):
        system = (entry.first("operatingsystem") or "").lower()
        return "Server" if "windows" in system and "server" in system else "Computer"
    if classes & GROUPS:
        return "Team"
    if classes & UNITS:
        return "Department"
    if classes & {"iphost", "device"}:
        return "Host"
    if "ipnetwork" in classes:
        return "Subnet"
    people = classes & {"user", "posixaccount"} or any(name.endswith("person") for name in classes)
    return "Person" if people else None


def _is_samba_machine(entry: Entry, classes: set[str]) -> bool:
    return "sambasamaccount" in classes and (entry.first("uid") or "").endswith("$")


def other_class(entry: Entry) -> str:
    classes = (value.lower() for value in entry.values.get("objectclass", ()))
    return next((name for name in classes if name != "top"), "")


def _person(entry: Entry, name: Name) -> Attributes:
    username = entry.first("uid", "samaccountname")
    common = entry.first("cn")
    if common and username and common.lower() == username.lower():
        common = entry.first("displayname") or common
    gecos = (entry.first("gecos") or "").split(",")[0].strip()
    attributes = said(
        name=common or entry.first("displayname") or gecos or username,
        username=username,
        email=_email(entry),
        phone=entry.first("telephonenumber", "mobile"),
        job_title=entry.first("title"),
        employee_number=entry.first("employeenumber", "employeeid"),
    )
    if _is_disabled(entry):
        attributes["lifecycle_state"] = "inactive"
    return attributes


def _is_disabled(entry: Entry) -> bool:
    flags = entry.first("useraccountcontrol") or ""
    return re.fullmatch(r"-?\d{1,10}", flags) is not None and bool(int(flags) & ACCOUNT_DISABLED)


def _group(entry: Entry, name: Name) -> Attributes:
    return said(
        name=entry.first("cn", "samaccountname"),
        description=entry.first("description"),
        email=_email(entry),
        phone=entry.first("telephonenumber"),
    )


def _unit(entry: Entry, name: Name) -> Attributes:
    is_unit = "organizationalunit" in (v.lower() for v in entry.values["objectclass"])
    names = ("ou", "o") if is_unit else ("o", "ou")
    return said(name=entry.first(*names, "displayname"), description=entry.first("description"))


def _computer(entry: Entry, name: Name) -> Attributes:
    account = (entry.first("samaccountname", "uid") or "").removesuffix("$")
    host = split_hostname(entry.first("dnshostname")) or split_hostname(account)
    if host and "domain" not in host and (domain := domain_of(name)):
        host["domain"] = domain
    return said(
        **host,
        name=host.get("hostname") or entry.first("cn"),
        os_name=entry.first("operatingsystem"),
        description=entry.first("description"),
    )


def _host(entry: Entry, name: Name) -> Attributes:
    """A host of a NIS map: of its names the one in the DN, and its domain from an alias."""
    own = next((value for type_, value in name[0] if type_ == "cn"), entry.first("cn") or "")
    full = (a for a in entry.values.get("cn", ()) if a.lower().startswith(f"{own.lower()}."))
    host = split_hostname(next(full, own))
    return said(
        **host,
        name=host.get("hostname") or own,
        management_ip=_address(entry),
        mac_addresses=_macs(entry),
        description=entry.first("description"),
    )


def _address(entry: Entry) -> str | None:
    for value in entry.values.get("iphostnumber", ()):
        try:
            return parse_ip_address(value)
        except ValueError:
            continue
    return None


def _macs(entry: Entry) -> list[str]:
    """MAC addresses, whose bytes NIS maps write without leading zeros."""
    values = entry.values.get("macaddress", ())
    plain = (plain_mac(":".join(p.zfill(2) for p in re.split("[:-]", v))) for v in values)
    return [mac for mac in plain if mac]


def _network(entry: Entry, name: Name) -> Attributes:
    return said(
        name=entry.first("cn"),
        network=_extent(entry.first("ipnetworknumber") or "", entry.first("ipnetmasknumber")),
        description=entry.first("description"),
    )


def _extent(number: str, mask: str | None) -> str:
    """A network of its number and mask.

    Without a mask the octets that are given are the network, as in networks(5): trailing zeros may
    be left out there.
    """
    if not re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,3}", number):
        raise ValueError("has no network number")
    octets = number.split(".")
    if mask is None:
        while len(octets) > 1 and int(octets[-1]) == 0:
            octets.pop()
        if len(octets) == 4:
            raise ValueError("has a network number with all octets and no mask (ipNetmaskNumber)")
        mask = str(8 * len(octets))
    full = [*octets, *["0"] * (4 - len(octets))]
    try:
        return str(ipaddress.ip_network(f"{'.'.join(full)}/{mask}"))
    except ValueError:
        raise ValueError("has a network number and a mask that do not fit") from None


def _email(entry: Entry) -> str | None:
    for value in entry.values.get("mail", ()):
        try:
            return parse_email(value)
        except ValueError:
            continue
    return None


ATTRIBUTES: Final[Mapping[str, Callable[[Entry, Name], Attributes]]] = {
    "Person": _person,
    "Team": _group,
    "Department": _unit,
    "Computer": _computer,
    "Server": _computer,
    "Host": _host,
    "Subnet": _network,
}
"""How to read the attributes of an entry, by record type."""
