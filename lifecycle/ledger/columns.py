"""The columns of the ledger, as data: what each is called in both languages, and where it comes from.

The headings are those that the ledger importer understands, so that what was exported is read back; the
others (``place``, ``in_transit_to``) it leaves alone. An attribute of the devices that is no column
here can be one, too, under its own label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from cmdb.errors import QueryError
from lifecycle.effects import IN_TRANSIT_TO
from lifecycle.ledger.getters import (
    Get,
    hostname_of,
    label_of,
    level_of,
    linked_by,
    mac_of,
    price_of,
    state_of,
    type_of,
    users_of,
    value_of,
)
from lifecycle.ledger.rows import Fact
from schema.errors import UnknownNameError
from schema.model import Model

LANGUAGES: Final = ("zh", "en")


class Column(NamedTuple):
    """One column.

    Attributes
    ----------
    en, zh
        The heading.
    get
        Its value of a row: text, `Word`, `Record`, number, date, or None.
    facts
        What must be known of a row beside the record itself.
    also
        Other names it goes by.
    shown, exported
        Whether it is in a table on the screen, and in a file, unless others are asked for.
    """

    name: str
    en: str
    zh: str
    get: Get
    facts: frozenset[Fact | str] = frozenset()
    also: tuple[str, ...] = ()
    shown: bool = False
    exported: bool = True


def _technical(name: str, en: str, zh: str, get: Get | None = None) -> Column:
    """What discovery knows better; in a file because a ledger that was imported may have said it, and a
    source that says it no more would take it back."""
    return Column(name, en, zh, get or label_of(name))


_OWNER: Final = frozenset({Fact.ORGANISATION})
_PERSON: Final = frozenset({Fact.CUSTODIAN})
_PLACE: Final = frozenset({Fact.PLACE})
_CONTRACT: Final = frozenset({"COVERED_BY"})

COLUMNS: Final[tuple[Column, ...]] = (
    Column("number", "Asset number", "资产编号", value_of("asset_number"), also=("asset_number",), shown=True),
    Column("name", "Name", "设备名称", value_of("name"), shown=True),
    Column("type", "Type", "设备类型", type_of, shown=True),
    Column("vendor", "Vendor", "厂商", value_of("vendor")),
    Column("model", "Model", "型号", value_of("model"), shown=True),
    Column("serial", "Serial number", "序列号", value_of("serial_number"), also=("serial_number",), shown=True),
    Column("state", "State", "设备状态", state_of, also=("lifecycle_state",), shown=True),
    Column("organisation", "Organisation", "所属单位", lambda row: row.company, _OWNER, shown=True),
    Column("department", "Department", "部门", lambda row: row.department, _OWNER, shown=True),
    Column("custodian", "Custodian", "责任人", lambda row: row.custodian, _PERSON, shown=True),
    Column("custodian_number", "Employee number", "责任人工号", lambda row: row.custodian_value("employee_number"), _PERSON),
    Column("custodian_organisation", "Organisation of custodian", "责任人单位", lambda row: row.custodian_organisation, _PERSON | _OWNER),
    Column("custodian_phone", "Contact phone", "责任人电话", lambda row: row.custodian_value("phone"), _PERSON),
    Column("custodian_email", "E-mail", "责任人邮箱", lambda row: row.custodian_value("email"), _PERSON),
    Column("user", "User", "使用人", users_of, frozenset({"USED_BY"})),
    Column("place", "Full place", "完整位置", lambda row: row.place, _PLACE, shown=True, exported=False),
    Column("site", "Site", "站点", level_of("Site"), _PLACE),
    Column("building", "Building", "楼宇", level_of("Building"), _PLACE),
    Column("floor", "Floor", "楼层", level_of("Floor"), _PLACE),
    Column("room", "Room", "机房", level_of("Room"), _PLACE),
    Column("rack", "Rack", "机柜", level_of("Rack"), _PLACE),
    Column("rack_position", "Rack position", "起始U位", lambda row: row.position, _PLACE),
    Column("slot", "Slot", "槽位", lambda row: row.slot, _PLACE),
    Column("rack_height", "Rack height", "设备高度", value_of("rack_height")),
    Column("supplier", "Supplier", "供应商", linked_by("SUPPLIED_BY", "Supplier"), frozenset({"SUPPLIED_BY"})),
    Column("purchase_date", "Purchase date", "购置日期", value_of("purchase_date")),
    Column("commissioned_on", "Commissioned on", "投运日期", value_of("commissioned_on"), shown=True),
    Column("decommissioned_on", "Decommissioned on", "退运日期", value_of("decommissioned_on")),
    Column("purchase_price", "Purchase price", "购置价格", price_of("amount"), also=("price", "cost"), shown=True),
    Column("currency", "Currency", "币种", price_of("currency"), shown=True),
    Column("warranty_until", "Warranty until", "保修截止", value_of("warranty_until"), also=("warranty",), shown=True),
    Column("contract", "Maintenance contract name", "维保合同名称", lambda row: row.contract, _CONTRACT),
    Column("contract_number", "Maintenance contract", "维保合同", lambda row: row.contract_value("document_number"), _CONTRACT),
    Column("contract_until", "Maintenance contract end", "维保合同到期", lambda row: row.contract_value("valid_until"), _CONTRACT, shown=True),
    Column("description", "Remarks", "备注", value_of("description")),
    _technical("criticality", "Criticality", "重要程度"),
    _technical("environment", "Environment", "环境"),
    _technical("security_zone", "Security zone", "安全分区"),
    Column("application", "Application", "业务系统", linked_by("RUNS", "Application"), frozenset({"RUNS"})),
    _technical("hostname", "Host name", "主机名", hostname_of),
    _technical("management_ip", "Management IP", "管理IP"),
    Column("addresses", "IP address", "业务IP", linked_by("HAS_ADDRESS", "IPAddress", "ip_address"), frozenset({"HAS_ADDRESS"})),
    _technical("mac", "MAC address", "MAC地址", mac_of),
    _technical("os_name", "Operating system", "操作系统"),
    _technical("os_version", "Software version", "软件版本"),
    _technical("cpu_count", "CPU count", "CPU数量"),
    _technical("core_count", "Core count", "CPU核数"),
    _technical("memory_mib", "Memory (MB)", "内存(MB)"),
    _technical("capacity_gib", "Capacity (GB)", "存储容量(GB)"),
    _technical("port_count", "Port count", "端口数"),
    _technical("rated_power", "Rated power", "额定功率"),
    _technical("part_number", "Part number", "部件号"),
    _technical("firmware_version", "Firmware version", "固件版本"),
    _technical("bios_version", "BIOS version", "BIOS版本"),
    _technical("system_uuid", "System UUID", "系统UUID"),
    _technical("imei", "IMEI", "IMEI号"),
    Column("in_transit_to", "In transit to", "移交途中", lambda row: row.in_transit_to, frozenset({IN_TRANSIT_TO}), shown=True),
    Column("id", "Record id", "记录标识", lambda row: row.record.id),
)  # fmt: skip

_BY_NAME: Final = {name: column for column in COLUMNS for name in (column.name, *column.also)}


def shown() -> list[Column]:
    """The columns on a screen."""
    return [column for column in COLUMNS if column.shown]


def exported() -> list[Column]:
    """The columns in a file: all that the importer reads back."""
    return [column for column in COLUMNS if column.exported]


def chosen(model: Model, types: Iterable[str], names: Sequence[str]) -> list[Column]:
    """Columns by name; an attribute that a type of device has is one, too, unless it is sensitive.

    Raises
    ------
    QueryError
    """
    found = []
    for name in dict.fromkeys(names):
        column = _BY_NAME.get(name) or _attribute(model, types, name)
        if column is None:
            known = ", ".join(column.name for column in COLUMNS)
            raise QueryError(
                f"The ledger has no column {name!r}.",
                f"There are {known}, and the attributes of the devices.",
            )
        found.append(column)
    return found


def _attribute(model: Model, types: Iterable[str], name: str) -> Column | None:
    for type_ in types:
        try:
            attribute = model.attribute(type_, name)
        except UnknownNameError:
            continue
        if attribute.sensitive or attribute.managed or attribute.kind.name == "reference":
            return None
        return Column(name, attribute.label.en, attribute.label.zh, label_of(name))
    return None
