"""Names of interfaces: one for each, however a platform or its neighbour abbreviates it.

The table is drawn from the interface names of NAPALM (``napalm.base.canonical_map``), netutils
(``netutils.constants``) and the command references of Cisco IOS, NX-OS and IOS XR, Huawei VRP and
H3C Comware. A row is one speed or purpose: the full names of the platforms (the first is what an
abbreviation stands for unless said otherwise), the abbreviations, and what they stand for on
platforms that differ.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

import yaml

_TABLE: Final = """
ethernet: {names: [Ethernet], short: {et: , eth: }}
fast: {names: [FastEthernet], short: {fa: , fas: , fast: }}
gigabit: {names: [GigabitEthernet], short: {gi: , gig: , ge: , gige: }}
two_gigabit: {names: [TwoGigabitEthernet], short: {tw: , two: }}
five_gigabit: {names: [FiveGigabitEthernet], short: {fi: , fiv: }}
ten_gigabit:
  names: [TenGigabitEthernet, TenGigE, Ten-GigabitEthernet, XGigabitEthernet]
  short: {te: , ten: , tengig: , xge: Ten-GigabitEthernet}
  platforms: {cisco_xr: TenGigE, hp_comware: Ten-GigabitEthernet, huawei_vrp: XGigabitEthernet}
twenty_five_gigabit:
  names: [TwentyFiveGigE, TwentyFiveGigabitEthernet, Twenty-FiveGigE]
  short: {twe: , tf: , wge: Twenty-FiveGigE}
  platforms: {hp_comware: Twenty-FiveGigE}
forty_gigabit:
  names: [FortyGigabitEthernet, FortyGigE]
  short: {fo: , for: , fge: FortyGigE}
  platforms: {cisco_xr: FortyGigE, hp_comware: FortyGigE}
fifty_gigabit: {names: [FiftyGigE], short: {fif: }}
hundred_gigabit: {names: [HundredGigE, HundredGigabitEthernet], short: {hu: , hun: , hge: }}
two_hundred_gigabit: {names: [TwoHundredGigE], short: {th: }}
four_hundred_gigabit: {names: [FourHundredGigE], short: {fou: , fh: }}
multi_gigabit: {names: [MultiGE], short: {mge: }, platforms: {hp_comware: M-GigabitEthernet}}
port_channel: {names: [Port-channel], short: {po: , portchannel: }}
bundle: {names: [Bundle-Ether], short: {be: }}
trunk: {names: [Eth-Trunk]}
aggregation: {names: [Bridge-Aggregation, Route-Aggregation], short: {bagg: , ragg: Route-Aggregation}}
management:
  names: [mgmt, Management, MgmtEth, MEth, M-GigabitEthernet, M-Ethernet]
  short: {ma: Management, mg: MgmtEth, m-ge: M-GigabitEthernet}
"""

_AGGREGATES: Final = frozenset(("port_channel", "bundle", "trunk", "aggregation"))
_NUMBERED: Final = re.compile(r"([A-Za-z][A-Za-z-]*[A-Za-z])\s*(\d[^\s,]*)")
_JUNOS: Final = re.compile(r"(?:ge|xe|et|fe|mge|so|ae|me|fxp|em|vme)-?\d*(?:/\d+)*(?::\d+)?")
_OTHER_AGGREGATE: Final = re.compile(r"(?:ae|bond|lag|team)\d+")
_OTHER_MANAGEMENT: Final = re.compile(r"(?:me|em|fxp)0|vme")
_LIKE_A_PORT: Final = re.compile(
    r"(?:eth|ether|eno|ens|enp|enx|em|swp|port|lan|wan|lom|nic|[gxfe]e-|et-)[\w./:-]*\d[\w./:-]*",
    re.I,
)


class Interface(NamedTuple):
    """An interface by its name.

    Attributes
    ----------
    key
        The same for every spelling of the name on one device.
    name
        The name in full.
    family
        The row of the table it belongs to; empty for names the table does not know.
    exact
        Whether it was written in full, and not made from an abbreviation.
    """

    key: str
    name: str
    family: str
    exact: bool

    @property
    def is_management(self) -> bool:
        return self.family == "management" or bool(_OTHER_MANAGEMENT.fullmatch(self.key))

    @property
    def is_aggregate(self) -> bool:
        return self.family in _AGGREGATES or bool(_OTHER_AGGREGATE.fullmatch(self.key))

    @property
    def is_of_network_device(self) -> bool:
        """Whether only network devices name their interfaces so."""
        return bool(self.family or re.fullmatch(r"(?:ge|xe|et|fe)-\d+/.*|swp\d+", self.key))


class _Family(NamedTuple):
    name: str
    full: str
    platforms: dict[str, str]
    is_full: bool


@lru_cache(maxsize=1)
def _families() -> dict[str, _Family]:
    found: dict[str, _Family] = {}
    for family, row in yaml.safe_load(_TABLE).items():
        platforms = row.get("platforms", {})
        for short, full in row.get("short", {}).items():
            found[short] = _Family(family, full or row["names"][0], platforms, False)
        for full in row["names"]:
            found[full.lower()] = _Family(family, full, platforms, True)
    return found


@lru_cache(maxsize=65_536)
def interface(text: str, platform: str = "") -> Interface:
    """The interface of that name.

    Parameters
    ----------
    platform
        Of its device, as ntc-templates calls it, where that is known.
    """
    match = _NUMBERED.fullmatch(text)
    family = _families().get(match[1].lower()) if match else None
    if match is None or family is None or _is_linux(match):
        name = re.sub(r"\.0$", "", text) if _JUNOS.fullmatch(text.removesuffix(".0")) else text
        return Interface(name.lower(), name, "", True)
    numbers = match[2]
    key = f"{family.name}{numbers}".lower()
    if family.is_full:
        return Interface(key, match[1] + numbers, family.name, True)
    if not platform and numbers.count("/") == 3:  # rack/slot/instance/port is how IOS XR counts
        platform = "cisco_xr"
    full = family.platforms.get(platform, family.full)
    return Interface(key, full + numbers, family.name, False)


def _is_linux(match: re.Match[str]) -> bool:
    """``eth0`` is Linux's own name and no abbreviation."""
    return match[1] in ("eth", "et", "ge", "xe", "fe", "team", "em") and "/" not in match[2]


def plain(text: str) -> str:
    """A port id or description without what agents put around the name of the interface."""
    text = " ".join(text.replace('"', " ").split())
    if re.search(
        r"(?i), \S+ interface$", text
    ):  # HUAWEI, AP Series, GigabitEthernet0/0/0 Interface
        text = text.rpartition(", ")[2]
    return re.sub(r"(?i)^interface (?=\S+$)|(?<=\S) interface$", "", text)[:200]


def is_like_a_port(text: str) -> bool:
    """Whether a description is an interface's name, and not what somebody wrote about it."""
    return bool(interface(text).family or _LIKE_A_PORT.fullmatch(text) or text.isdecimal())
