"""A device ledger (设备台账) of any size as people keep it, always the same for the same size.

Its rows go through units, their machine rooms and racks one after the other: three rows in five stand
in a rack, the others (desktops, printers, cameras …) in a room. A person answers for forty devices.
The headers are those that the ledger importer knows by itself.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

HEADERS: Final = (
    "资产编号", "设备名称", "设备类型", "序列号", "厂商", "型号", "管理IP", "主机名", "站点", "机房", "机柜",
    "起始U位", "设备高度", "责任人", "所属单位", "供应商", "购置日期", "购置价格", "保修截止", "投运日期", "状态", "备注",
)  # fmt: skip
CUSTODIAN: Final = HEADERS.index("责任人")
STATE: Final = HEADERS.index("状态")
REMARKS: Final = HEADERS.index("备注")

RACK: Final = 12
"""Devices in a rack."""
ROOM: Final = 400
"""Devices in a room, its racks and the rest."""
UNIT: Final = 1_200
"""Devices of a unit: three rooms at its site."""
CUSTODIAN_DEVICES: Final = 40


class Kind(NamedTuple):
    """A device that is bought again and again."""

    type: str
    short: str
    vendor: str
    model: str
    price: int


RACKED: Final = (
    Kind("服务器", "srv", "浪潮", "NF5280M6", 86_500),
    Kind("服务器", "srv", "华为", "RH2288H V5", 92_000),
    Kind("服务器", "srv", "联想", "SR650", 88_800),
    Kind("服务器", "srv", "新华三", "R4900 G5", 79_900),
    Kind("交换机", "sw", "华为", "S6730-H48X6C", 45_000),
    Kind("交换机", "sw", "新华三", "S6520X-54QC", 39_800),
    Kind("路由器", "rt", "华为", "NE40E-X3", 210_000),
    Kind("防火墙", "fw", "天融信", "NGFW4000", 128_000),
    Kind("磁盘阵列", "st", "华为", "OceanStor 5310", 365_000),
)
STANDING: Final = (
    Kind("台式机", "pc", "联想", "M920t", 5_600),
    Kind("台式机", "pc", "惠普", "ProDesk 600", 5_900),
    Kind("笔记本电脑", "nb", "联想", "ThinkPad T14", 8_700),
    Kind("打印机", "prn", "惠普", "LaserJet M404", 2_300),
    Kind("摄像机", "cam", "海康威视", "DS-2CD2T46", 1_150),
)
CITIES: Final = ("云江", "青川", "临海", "安平", "东阳", "南浦", "西陵", "北麓")
COUNTIES: Final = ("长河", "石桥", "白沙", "新田", "大源", "永丰", "金水", "兰溪", "清泉", "龙门")
SUPPLIERS: Final = tuple(
    f"{place}{trade}有限公司"
    for place in ("华东", "云江", "中南", "海丰")
    for trade in ("信息技术", "系统集成", "电力物资")
)
SURNAMES: Final = tuple("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗")
GIVEN: Final = tuple("伟芳娜敏静强磊军洋勇艳杰涛明超霞平刚桂文")
STATES: Final = ("在运",) * 16 + ("库存", "维修", "闲置", "停用")
NOTES: Final = ("", "", "", "", "", "", "双电源", "信创替代", "2023年迁入", "接UPS")
FIRST_DAY: Final = date(2016, 1, 4)


def rows(count: int) -> Iterator[list[str]]:
    """The rows below the header."""
    return map(_row, range(count))


def changed(row: list[str]) -> list[str]:
    """What a year does to a device: somebody else answers for it, and it is noted."""
    after = list(row)
    after[CUSTODIAN] = person(int(row[0].rpartition("-")[2]) + 7 * CUSTODIAN_DEVICES)
    after[REMARKS] = "责任人变更"
    return after


def write(path: Path, count: int, changed_every: int = 0) -> Path:
    """Write a ledger; one row in `changed_every` has changed, none if it is 0."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADERS)
        for number, row in enumerate(rows(count)):
            touched = changed_every and number % changed_every == 0
            writer.writerow(changed(row) if touched else row)
    return path


def person(device: int) -> str:
    """Who answers for a device; two never have the same name."""
    number = device // CUSTODIAN_DEVICES
    surname, number = SURNAMES[number % len(SURNAMES)], number // len(SURNAMES)
    first, number = GIVEN[number % len(GIVEN)], number // len(GIVEN)
    second, number = GIVEN[number % len(GIVEN)], number // len(GIVEN)
    return f"{surname}{first}{second}{number or ''}"


def unit(number: int) -> str:
    """The name of a unit: cities' companies, each with those of its counties."""
    city, county = divmod(number, len(COUNTIES) + 1)
    again = city // len(CITIES)
    name = f"{CITIES[city % len(CITIES)]}{_ordinal(again)}"
    return f"{name}市供电公司" if county == 0 else f"{name}市{COUNTIES[county - 1]}县供电公司"


def _ordinal(number: int) -> str:
    return "" if number == 0 else f"{number + 1}区"


def _row(number: int) -> list[str]:
    room, place = divmod(number, ROOM)
    racked = place < ROOM * 3 // 5
    kind = _chosen(RACKED if racked else STANDING, number)
    bought = FIRST_DAY + timedelta(days=_mixed(number) % 3_000)
    host = f"{kind.short}-{number:06d}"
    at = (f"A{place // RACK + 1:02d}", str(place % RACK * 3 + 1), "2U") if racked else ("", "", "")
    return [
        f"ZC-{bought.year}-{number:07d}",
        f"{kind.type}{number:06d}",
        kind.type,
        f"{kind.short.upper()}{_mixed(number) % 16**6:06X}{number:07d}",
        kind.vendor,
        kind.model,
        f"10.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}",
        host,
        f"{unit(number // UNIT).removesuffix('供电公司')}调度楼",
        f"{room % 3 + 1}号机房",
        *at,
        person(number),
        unit(number // UNIT),
        _chosen(SUPPLIERS, number // 50),
        bought.isoformat(),
        f"{kind.price + _mixed(number) % 50 * 10}.00",
        (bought + timedelta(days=1_095)).isoformat(),
        (bought + timedelta(days=30)).isoformat(),
        _chosen(STATES, number // 3),
        _chosen(NOTES, number // 7),
    ]  # fmt: skip


def _mixed(number: int) -> int:
    """A number that looks like chance."""
    return (number * 0x9E3779B1 + 0x7F4A7C15) % 2**32


def _chosen(among: Sequence[T], number: int) -> T:
    return among[(_mixed(number) >> 8) % len(among)]
