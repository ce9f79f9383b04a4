"""The columns of the ledger, as data: what each is called in both languages, and where it comes from.

The headings are those that the ledger importer understands, so that what was exported is read back; the
others (``place``, ``in_transit_to``) it leaves alone. An attribute of the devices that is no column
here can be one, too, under its own label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from cmdb.errors import QueryError
from cmdb.records import Record
from lifecycle.effects import IN_TRANSIT_TO
from lifecycle.ledger.facts import Fact, Row
from schema.errors import UnknownNameError
from schema.model import Model

Get = Callable[[Row], Any]
LANGUAGES: Final = ("zh", "en")


class Word(NamedTuple):
    """A word of the model: its labels are what people read."""

    name: str
    en: str
    zh: str


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


def _value(name: str) -> Get:
    return lambda row: row.record.attributes.get(name)


def _type(row: Row) -> Word:
    type_ = row.model.record_types[row.record.type]
    return Word(type_.name, type_.label.en, type_.label.zh)


def _label(name: str) -> Get:
    """A value of an enumeration, or a state, by its labels."""

    def get(row: Row) -> Any:
        value = row.record.attributes.get(name)
        if isinstance(value, str) and (label := row.model.value_labels.get((name, value))):
            return Word(value, label.en, label.zh)
        return value

    return get


def _state(row: Row) -> Any:
    """The state by the labels of its own type: one name may mean two things in two types."""
    value = row.record.attributes.get("lifecycle_state")
    machine = row.model.record_types[row.record.type].state_machine
    state = machine.states.get(value) if machine and isinstance(value, str) else None
    return Word(state.name, state.label.en, state.label.zh) if state else value


def _level(type_: str) -> Get:
    return lambda row: row.level(type_)


def _price(part: str) -> Get:
    def get(row: Row) -> Any:
        price = row.record.attributes.get("purchase_price")
        return getattr(price, part) if price is not None else None

    return get


def _linked(name: str, type_: str, attribute: str = "name") -> Get:
    """What records of a type at the other ends of a relationship are called."""

    def get(row: Row) -> Any:
        near = row.linked.get(name, ())
        found = [
            r.attributes[attribute] for r in near if r.type == type_ and attribute in r.attributes
        ]
        return sorted(map(str, found)) or None

    return get


def _hostname(row: Row) -> Any:
    host, domain = (row.record.attributes.get(name) for name in ("hostname", "domain"))
    return f"{host}.{domain}" if host and domain else host


def _mac(row: Row) -> Any:
    return row.record.attributes.get("mac_addresses") or row.record.attributes.get("chassis_mac")


def _users(row: Row) -> Any:
    """People with their numbers, as the importer takes them apart."""
    found = []
    for person in row.linked.get("USED_BY", ()):
        number = str(person.attributes.get("employee_number", ""))
        telling = len(number) > 1 and number.isdecimal()
        found.append(f"{person.name}({number})" if telling else person.name)
    return sorted(found) or None


def _technical(name: str, en: str, zh: str, get: Get | None = None) -> Column:
    """What discovery knows better; in a file because a ledger that was imported may have said it, and a
    source that says it no more would take it back."""
    return Column(name, en, zh, get or _label(name))


_OWNER: Final = frozenset({Fact.ORGANISATION})
_PERSON: Final = frozenset({Fact.CUSTODIAN})
_PLACE: Final = frozenset({Fact.PLACE})
_CONTRACT: Final = frozenset({"COVERED_BY"})

COLUMNS: Final[tuple[Column, ...]] = (
    Column("number", "Asset number", "资产编号", _value("asset_number"), also=("asset_number",), shown=True),
    Column("name", "Name", "设备名称", _value("name"), shown=True),
    Column("type", "Type", "设备类型", _type, shown=True),
    Column("vendor", "Vendor", "厂商", _value("vendor")),
    Column("model", "Model", "型号", _value("model"), shown=True),
    Column("serial", "Serial number", "序列号", _value("serial_number"), also=("serial_number",), shown=True),
    Column("state", "State", "设备状态", _state, also=("lifecycle_state",), shown=True),
    Column("organisation", "Organisation", "所属单位", lambda row: row.company, _OWNER, shown=True),
    Column("department", "Department", "部门", lambda row: row.department, _OWNER, shown=True),
    Column("custodian", "Custodian", "责任人", lambda row: row.custodian, _PERSON, shown=True),
    Column("custodian_number", "Employee number", "责任人工号", lambda row: row.custodian_value("employee_number"), _PERSON),
    Column("custodian_organisation", "Organisation of custodian", "责任人单位", lambda row: row.custodian_organisation, _PERSON | _OWNER),
    Column("custodian_phone", "Contact phone", "责任人电话", lambda row: row.custodian_value("phone"), _PERSON),
    Column("custodian_email", "E-mail", "责任人邮箱", lambda row: row.custodian_value("email"), _PERSON),
    Column("user", "User", "使用人", _users, frozenset({"USED_BY"})),
    Column("place", "Full place", "完整位置", lambda row: row.place, _PLACE, shown=True, exported=False),
    Column("site", "Site", "站点", _level("Site"), _PLACE),
    Column("building", "Building", "楼宇", _level("Building"), _PLACE),
    Column("floor", "Floor", "楼层", _level("Floor"), _PLACE),
    Column("room", "Room", "机房", _level("Room"), _PLACE),
    Column("rack", "Rack", "机柜", _level("Rack"), _PLACE),
    Column("rack_position", "Rack position", "起始U位", lambda row: row.position, _PLACE),
    Column("slot", "Slot", "槽位", lambda row: row.slot, _PLACE),
    Column("rack_height", "Rack height", "设备高度", _value("rack_height")),
    Column("supplier", "Supplier", "供应商", _linked("SUPPLIED_BY", "Supplier"), frozenset({"SUPPLIED_BY"})),
    Column("purchase_date", "Purchase date", "购置日期", _value("purchase_date")),
    Column("commissioned_on", "Commissioned on", "投运日期", _value("commissioned_on"), shown=True),
    Column("decommissioned_on", "Decommissioned on", "退运日期", _value("decommissioned_on")),
    Column("purchase_price", "Purchase price", "购置价格", _price("amount"), also=("price", "cost"), shown=True),
    Column("currency", "Currency", "币种", _price("currency"), shown=True),
    Column("warranty_until", "Warranty until", "保修截止", _value("warranty_until"), also=("warranty",), shown=True),
    Column("contract", "Maintenance contract name", "维保合同名称", lambda row: row.contract, _CONTRACT),
    Column("contract_number", "Maintenance contract", "维保合同", lambda row: row.contract_value("document_number"), _CONTRACT),
    Column("contract_until", "Maintenance contract end", "维保合同到期", lambda row: row.contract_value("valid_until"), _CONTRACT, shown=True),
    Column("description", "Remarks", "备注", _value("description")),
    _technical("criticality", "Criticality", "重要程度"),
    _technical("environment", "Environment", "环境"),
    _technical("security_zone", "Security zone", "安全分区"),
    Column("application", "Application", "业务系统", _linked("RUNS", "Application"), frozenset({"RUNS"})),
    _technical("hostname", "Host name", "主机名", _hostname),
    _technical("management_ip", "Management IP", "管理IP"),
    Column("addresses", "IP address", "业务IP", _linked("HAS_ADDRESS", "IPAddress", "ip_address"), frozenset({"HAS_ADDRESS"})),
    _technical("mac", "MAC address", "MAC地址", _mac),
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
        return Column(name, attribute.label.en, attribute.label.zh, _label(name))
    return None


def text(value: Any, language: str = "en") -> str:
    """A value for people."""
    if value is None:
        return ""
    if isinstance(value, Word):
        return value.zh if language == "zh" else value.en
    if isinstance(value, Record):
        return value.name
    if isinstance(value, list):
        between = "、" if language == "zh" else "; "
        return between.join(text(element, language) for element in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
