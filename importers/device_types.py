"""What kind of device a role, a model number or a system description tells of.

Several tools name a device only by a role its users made up (``leaf``, ``access-switch``) and by the
maker's model number. Both tables are read from the top: what is written earlier is more specific. The
words of roles are those of the demonstration data of NetBox and Nautobot and of data centre practice;
the model numbers are the makers' series names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from schema.loading import load_model
from schema.model import Model

_ROLES: Final = """
PatchPanel          patch ?panel|cable panel|fib(er|re) panel|\\bodf\\b|配线架
PDU                 \\bpdus?\\b|power distribution|power strip
UPS                 \\bups\\b|uninterruptible|不间断电源
TransferSwitch      \\b[as]ts\\b|transfer switch
ConsoleServer       console|terminal server
KVMSwitch           kvm switch|^kvm$
TimeServer          \\bntp\\b|time server|时钟
FibreChannelSwitch  \\b(san|fc|fib(er|re) channel) switch|光纤交换机
BladeChassis        blade (chassis|enclosure)|enclosure|^chassis$|刀片机箱
BladeServer         blade|刀片
Firewall            fire ?wall|\\bn?g?fw\\b|防火墙
IntrusionDetection  intrusion|\\bids\\b|入侵检测
VPNGateway          \\bvpn\\b
BastionHost         bastion|jump (host|server)|堡垒机
LoadBalancer        load ?balanc|\\bslb\\b|\\badc\\b|负载均衡
WirelessController  (wireless|wlan|wifi) controller|\\bwlc\\b|无线控制器
AccessPoint         access ?point|\\bw?aps?\\b|无线接入
TapeLibrary         tape|磁带
BackupAppliance     backup appliance
StorageArray        storage|\\bnas\\b|\\bsan\\b|filer|disk array|存储|磁盘阵列
IPCamera            camera|摄像
IPPhone             phone|电话
VideoConferenceTerminal video ?conf|视频会议
Printer             printer|打印机
EnvironmentSensor   sensor|environment monitor|传感器
AirConditioner      \\bcra[ch]\\b|air condition|空调
TransmissionDevice  dwdm|\\botn\\b|\\bsdh\\b|\\bmux\\b|transmission|optical transport|roadm|传输
Switch              switch|交换机
Router              router|路由器
Switch              leaf|spine|\\btor\\b|top of rack
Router              \\bwan\\b|edge|backbone|border|\\b[pc]e\\b|\\bcpe\\b|gateway
Switch              access|distribution|aggregation|core
Laptop              laptop|notebook|笔记本
DesktopComputer     desktop|workstation|台式机
Server              server|hypervisor|compute|\\bhosts?\\b|\\besxi?\\b|\\bnodes?\\b|database|服务器
"""

_MODELS: Final = """
Firewall        firewall|\\basa ?5|firepower|forti(gate|wifi)|palo alto|\\bpa-\\d|\\bv?srx|\\busg\\d|check ?point|sonicwall
LoadBalancer    big-?ip|netscaler|load balancer
AccessPoint     access point|\\bair-[cls]?ap|unifi|aironet|\\bap-\\d
FibreChannelSwitch fib(er|re) channel switch|\\bmds ?9|brocade (300|g6|65)
Switch          dcs-7|nexus|catalyst|\\bws-c\\d|\\bc9[2-6]00|\\bc(29|35|37|38)\\d\\d|\\bn[3579]k|veos|\\bqfx|\\bex[2349]\\d{3}
Switch          \\bs[5-9]\\d{3}|cloudengine|powerconnect|procurve|\\bd[ge]s-\\d|\\bicx|\\bsg\\d{3}|\\bucs ?6\\d{3}|cumulus|\\bswitch\\b
Router          \\bv?isr|\\basr|\\ba9k|csr1000|\\bv?mx\\d*\\b|\\bptx|\\bacx|\\bne\\d0|\\bncs-?\\d|routeros|\\brouter\\b|xrv
PDU             \\bapc\\b.*\\bap[78]\\d{3}|\\bpdu\\b|raritan px|servertech
UPS             smart-?ups|symmetra|\\bups\\b
ConsoleServer   opengear|avocent acs|lantronix slc
StorageArray    oceanstor|netapp|\\bfas\\d|equallogic|powervault|\\bvnx|3par|nimble
Server          poweredge|proliant|synergy|thinksystem|thinkserver|primergy|supermicro|fusionserver|\\bucs[bc]-|\\bnf\\d{4}
IPCamera        network camera|hikvision|dahua
IPPhone         ip phone|\\bcp-\\d{4}|yealink
Printer         laserjet|officejet|deskjet|imagerunner|\\bprinter\\b
"""


def _table(text: str) -> list[tuple[str, re.Pattern[str]]]:
    rows = (line.split(None, 1) for line in text.strip().splitlines())
    return [(name, re.compile(pattern.strip())) for name, pattern in rows]


_BY_ROLE: Final = _table(_ROLES)
_BY_MODEL: Final = _table(_MODELS)


def type_by_role(*texts: str | None) -> str | None:
    """The record type that the first telling one of some role names means."""
    return _first(_BY_ROLE, [re.sub(r"[-_/.]+", " ", text or "") for text in texts])


def type_by_model(*texts: str | None) -> str | None:
    """The record type that a model number (with its maker) or a system description means."""
    return _first(_BY_MODEL, [text or "" for text in texts])


def _first(table: list[tuple[str, re.Pattern[str]]], texts: list[str]) -> str | None:
    for text in texts:
        lowered = " ".join(text[:1000].lower().split())
        for name, pattern in table:
            if lowered and pattern.search(lowered):
                return name
    return None


@lru_cache(maxsize=1)
def _model() -> Model:
    return load_model([])


def is_a(type_: str, parent: str) -> bool:
    """Whether a record type is another one or one of its subtypes."""
    return type_ in _model().record_types[parent].concrete


def fitting(type_: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Those attributes that a record type has: a patch panel has no host name."""
    known = _model().record_types[type_].attributes
    return {name: value for name, value in attributes.items() if name in known}
