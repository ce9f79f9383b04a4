"""The MIB objects that are read from a walk, as data: names and object identifiers.

Sources: RFC 3418 (SNMPv2-MIB), RFC 2863 (IF-MIB), RFC 4293 (IP-MIB), RFC 4188 and 4363 (BRIDGE-MIB,
Q-BRIDGE-MIB), RFC 6933 (ENTITY-MIB), RFC 1628 (UPS-MIB), RFC 3805 (Printer-MIB), IEEE 802.1AB
(LLDP-MIB), CISCO-CDP-MIB, PowerNet-MIB (APC), NETWORK-APPLIANCE-MIB, SW-MIB (Brocade) and CPQRACK-MIB
(HPE enclosures). SNMP communities and
users have tables of their own; none of them is here, so none is ever kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Table(NamedTuple):
    """A table of a MIB.

    Attributes
    ----------
    entry
        Object identifier of its entry; a column's number and the index of a row follow.
    columns
        The columns that are read, by name.
    """

    entry: str
    columns: Mapping[str, int]


SCALARS: Final[Mapping[str, str]] = {
    "sysDescr": "1.3.6.1.2.1.1.1",
    "sysObjectID": "1.3.6.1.2.1.1.2",
    "sysName": "1.3.6.1.2.1.1.5",
    "sysServices": "1.3.6.1.2.1.1.7",
    "dot1dBaseBridgeAddress": "1.3.6.1.2.1.17.1.1",
    "dot1dBaseNumPorts": "1.3.6.1.2.1.17.1.2",
    "upsIdentManufacturer": "1.3.6.1.2.1.33.1.1.1",
    "upsIdentModel": "1.3.6.1.2.1.33.1.1.2",
    "upsIdentUPSSoftwareVersion": "1.3.6.1.2.1.33.1.1.3",
    "lldpLocChassisIdSubtype": "1.0.8802.1.1.2.1.3.1",
    "lldpLocChassisId": "1.0.8802.1.1.2.1.3.2",
    "lldpLocSysName": "1.0.8802.1.1.2.1.3.3",
    "productModel": "1.3.6.1.4.1.789.1.1.5",
    "productSerialNum": "1.3.6.1.4.1.789.1.1.9",
    "swFirmwareVersion": "1.3.6.1.4.1.1588.2.1.1.1.1.6",
    "rPDUIdentFirmwareRev": "1.3.6.1.4.1.318.1.1.12.1.3",
    "rPDUIdentModelNumber": "1.3.6.1.4.1.318.1.1.12.1.5",
    "rPDUIdentSerialNumber": "1.3.6.1.4.1.318.1.1.12.1.6",
    "rPDUIdentDeviceNumOutlets": "1.3.6.1.4.1.318.1.1.12.1.8",
}
"""Scalars by name; their instance is ``.0``."""

IF: Final = Table(
    "1.3.6.1.2.1.2.2.1",
    {
        "ifIndex": 1,
        "ifDescr": 2,
        "ifType": 3,
        "ifMtu": 4,
        "ifSpeed": 5,
        "ifPhysAddress": 6,
        "ifAdminStatus": 7,
        "ifOperStatus": 8,
    },
)
IF_X: Final = Table("1.3.6.1.2.1.31.1.1.1", {"ifName": 1, "ifHighSpeed": 15, "ifAlias": 18})
IP_ADDR: Final = Table(
    "1.3.6.1.2.1.4.20.1", {"ipAdEntAddr": 1, "ipAdEntIfIndex": 2, "ipAdEntNetMask": 3}
)
IP_ADDRESS: Final = Table(
    "1.3.6.1.2.1.4.34.1", {"ipAddressIfIndex": 3, "ipAddressType": 4, "ipAddressPrefix": 5}
)
ARP: Final = Table(
    "1.3.6.1.2.1.4.22.1",
    {"ipNetToMediaIfIndex": 1, "ipNetToMediaPhysAddress": 2, "ipNetToMediaNetAddress": 3},
)
BRIDGE_PORT: Final = Table("1.3.6.1.2.1.17.1.4.1", {"dot1dBasePortIfIndex": 2})
FDB: Final = Table(
    "1.3.6.1.2.1.17.4.3.1", {"dot1dTpFdbAddress": 1, "dot1dTpFdbPort": 2, "dot1dTpFdbStatus": 3}
)
VLAN_FDB: Final = Table("1.3.6.1.2.1.17.7.1.2.2.1", {"dot1qTpFdbPort": 2, "dot1qTpFdbStatus": 3})
ENTITY: Final = Table(
    "1.3.6.1.2.1.47.1.1.1.1",
    {
        "entPhysicalDescr": 2,
        "entPhysicalContainedIn": 4,
        "entPhysicalClass": 5,
        "entPhysicalName": 7,
        "entPhysicalFirmwareRev": 9,
        "entPhysicalSerialNum": 11,
        "entPhysicalMfgName": 12,
        "entPhysicalModelName": 13,
        "entPhysicalIsFRU": 16,
    },
)
LLDP_LOCAL_PORT: Final = Table(
    "1.0.8802.1.1.2.1.3.7.1",
    {"lldpLocPortIdSubtype": 2, "lldpLocPortId": 3, "lldpLocPortDesc": 4},
)
LLDP_LOCAL_ADDRESS: Final = Table("1.0.8802.1.1.2.1.3.8.1", {"lldpLocManAddrIfId": 5})
LLDP_REMOTE: Final = Table(
    "1.0.8802.1.1.2.1.4.1.1",
    {
        "lldpRemChassisIdSubtype": 4,
        "lldpRemChassisId": 5,
        "lldpRemPortIdSubtype": 6,
        "lldpRemPortId": 7,
        "lldpRemPortDesc": 8,
        "lldpRemSysName": 9,
        "lldpRemSysDesc": 10,
        "lldpRemSysCapEnabled": 12,
    },
)
LLDP_REMOTE_ADDRESS: Final = Table("1.0.8802.1.1.2.1.4.2.1", {"lldpRemManAddrIfId": 4})
CDP: Final = Table(
    "1.3.6.1.4.1.9.9.23.1.2.1.1",
    {
        "cdpCacheAddressType": 3,
        "cdpCacheAddress": 4,
        "cdpCacheDeviceId": 6,
        "cdpCacheDevicePort": 7,
        "cdpCachePlatform": 8,
        "cdpCacheCapabilities": 9,
    },
)
PRINTER: Final = Table("1.3.6.1.2.1.43.5.1.1", {"prtGeneralSerialNumber": 17})
OUTLET: Final = Table(
    "1.3.6.1.4.1.318.1.1.12.3.5.1.1",
    {"rPDUOutletStatusOutletName": 2, "rPDUOutletStatusOutletState": 4},
)
ENCLOSURE: Final = Table(
    "1.3.6.1.4.1.232.22.2.3.1.1.1",
    {
        "cpqRackCommonEnclosureModel": 3,
        "cpqRackCommonEnclosurePartNumber": 5,
        "cpqRackCommonEnclosureSerialNum": 7,
        "cpqRackCommonEnclosureFWRev": 8,
        "cpqRackCommonEnclosureName": 9,
    },
)
BLADE: Final = Table(
    "1.3.6.1.4.1.232.22.2.4.1.1.1",
    {
        "cpqRackServerBladeName": 4,
        "cpqRackServerBladePartNumber": 6,
        "cpqRackServerBladePosition": 8,
        "cpqRackServerBladePresent": 12,
        "cpqRackServerBladeSerialNum": 16,
        "cpqRackServerBladeProductId": 17,
    },
)
ENCLOSURE_POWER: Final = Table(
    "1.3.6.1.4.1.232.22.2.5.1.1.1",
    {
        "cpqRackPowerSupplySerialNum": 5,
        "cpqRackPowerSupplyPartNumber": 6,
        "cpqRackPowerSupplyPosition": 11,
        "cpqRackPowerSupplyPresent": 16,
    },
)
ENCLOSURE_SWITCH: Final = Table(
    "1.3.6.1.4.1.232.22.2.6.1.1.1",
    {
        "cpqRackNetConnectorModel": 6,
        "cpqRackNetConnectorSerialNum": 7,
        "cpqRackNetConnectorPartNumber": 8,
        "cpqRackNetConnectorPosition": 12,
        "cpqRackNetConnectorPresent": 13,
    },
)

TABLES: Final = (
    *(IF, IF_X, IP_ADDR, IP_ADDRESS, ARP, BRIDGE_PORT, FDB, VLAN_FDB, ENTITY),
    *(LLDP_LOCAL_PORT, LLDP_LOCAL_ADDRESS, LLDP_REMOTE, LLDP_REMOTE_ADDRESS, CDP),
    *(PRINTER, OUTLET, ENCLOSURE, BLADE, ENCLOSURE_POWER, ENCLOSURE_SWITCH),
)

NAMES: Final[Mapping[str, str]] = {
    **SCALARS,
    **{name: f"{t.entry}.{column}" for t in TABLES for name, column in t.columns.items()},
    "internet": "1.3.6.1",
    "mib-2": "1.3.6.1.2.1",
    "enterprises": "1.3.6.1.4.1",
    "system": "1.3.6.1.2.1.1",
    "linux": "1.3.6.1.4.1.8072.3.2.10",
    "netSnmpAgentOIDs": "1.3.6.1.4.1.8072.3.2",
    "zeroDotZero": "0.0",
    "iso": "1",
}
"""Object identifiers by the names snmpwalk prints."""

INTERFACE_TYPES: Final[Mapping[int, str]] = {
    1: "other",
    6: "ethernetCsmacd",
    23: "ppp",
    24: "softwareLoopback",
    53: "propVirtual",
    54: "propMultiplexor",
    56: "fibreChannel",
    71: "ieee80211",
    117: "gigabitEthernet",
    131: "tunnel",
    135: "l2vlan",
    136: "l3ipvlan",
    161: "ieee8023adLag",
    166: "mpls",
    209: "bridge",
}
"""ifType (IANAifType-MIB), as far as devices commonly say."""
