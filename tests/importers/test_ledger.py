"""Device ledgers: tables as people keep them, in whatever encoding and with whatever headers."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import yaml

from cmdb.reconciliation.observations import Link, Observation, Rejection, SourceError
from cmdb.reconciliation.statements import Subject
from importers.ledger import LedgerOptions, guess
from importers.ledger import workbook as ledger_workbook
from importers.ledger.guess import type_of, type_table
from importers.ledger.names import addresses, macs, organisation_type, people, rack_units
from importers.ledger.values import count, day, mib, money
from importers.reading import documents
from importers.registry import ImporterError
from tests.support.observing import Observed, shared_data, shipped_model

CHINESE = """\
国网杭州供电公司信息设备台账,,,,,,,,,,,,,,,,,,,,
,,,,,,,,,,,,,,,,,,,,
序号,设备名称,设备类型,序列号/SN,资产编号,厂商/品牌,型号,管理IP,主机名,机房,机柜,U位,责任人,所属单位,部门,供应商,购置日期,原值(元),质保到期,状态,登录密码
1,营销数据库服务器,服务器,SN001,ZC-0001,华为,RH2288,10.1.2.3,YX-DB-01.corp.cn,A301,A301-R01,U12-U13,张三,国网杭州供电公司,信息通信部,神州数码,2021/3/5,"123,456.70",2024年3月,在运,S3cret!pw
2,核心交换机,核心层交换机,SN002,ZC-0002,H3C,S12508,10.1.2.4,,A301,A301-R02,1,李四(10086001),国网杭州供电公司,信息通信部,神州数码,20200131,￥98000,,库存,S3cret!pw
合计,,,,,,,,,,,,,,,,,"221,456.70",,,
"""
DATABASE_SERVER = {
    "name": "营销数据库服务器",
    "serial_number": "SN001",
    "asset_number": "ZC-0001",
    "vendor": "Huawei",
    "model": "RH2288",
    "management_ip": "10.1.2.3",
    "hostname": "yx-db-01",
    "domain": "corp.cn",
    "rack_height": 2,
    "purchase_date": "2021-03-05",
    "purchase_price": "CNY 123456.70",
    "warranty_until": "2024-03-31",
    "lifecycle_state": "in_use",
}


def observed(
    folder: Path, content: str | bytes, name: str = "台账.csv", **options: Any
) -> Observed:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Observed("ledger", path, **options)


def guessed(path: Path, **options: Any) -> str:
    [document] = documents([str(path)])
    return guess(document, LedgerOptions(**options)).yaml()


def linked(observation: Observation) -> dict[str, Observation]:
    return {link.name: link.to for link in observation.links if isinstance(link.to, Observation)}


def rejected(found: Observed) -> list[tuple[str, str]]:
    return [(r.place, r.reason) for r in found.rejections]


# -- what a row gives -----------------------------------------------------------------------------


def test_a_chinese_ledger_gives_its_devices_with_everything_it_says(tmp_path: Path) -> None:
    found = observed(tmp_path, CHINESE).sound()
    server, switch = found.observations
    assert (server.type, server.key) == ("Server", "asset/ZC-0001")
    assert server.attributes == DATABASE_SERVER
    assert (switch.type, switch.key) == ("Switch", "asset/ZC-0002")
    assert switch.attributes == {
        "name": "核心交换机",
        "serial_number": "SN002",
        "asset_number": "ZC-0002",
        "vendor": "H3C",
        "model": "S12508",
        "management_ip": "10.1.2.4",
        "purchase_date": "2020-01-31",
        "purchase_price": "CNY 98000.00",
        "lifecycle_state": "in_stock",
    }
    assert [o.place for o in found.observations] == ["台账.csv row 4", "台账.csv row 5"]


def test_a_row_says_where_a_device_stands_whose_it_is_and_who_answers_for_it(
    tmp_path: Path,
) -> None:
    server, switch = observed(tmp_path, CHINESE, site="杭州").sound().observations
    site = Observation("Site", "site/杭州", {"name": "杭州"})
    room = Observation("Room", "room/杭州/A301", {"name": "A301"}, (Link("CONTAINED_IN", site),))
    rack = Observation(
        "Rack", "rack/杭州/A301/A301-R01", {"name": "A301-R01"}, (Link("CONTAINED_IN", room),)
    )
    company = Observation(
        "CityCompany", "organisation/国网杭州供电公司", {"name": "国网杭州供电公司"}
    )
    department = Observation(
        "Department",
        "organisation/国网杭州供电公司/信息通信部",
        {"name": "信息通信部"},
        (Link("PART_OF", company),),
    )
    person = Observation(
        "Person",
        "person/国网杭州供电公司/信息通信部/张三",
        {"name": "张三"},
        (Link("organisation", department),),
    )
    supplier = Observation("Supplier", "supplier/神州数码", {"name": "神州数码"})
    assert sorted(server.links, key=lambda link: link.name) == [
        Link("CONTAINED_IN", rack, {"rack_position": 12}),
        Link("SUPPLIED_BY", supplier),
        Link("custodian", person),
        Link("organisation", department),
    ]
    other = linked(switch)
    assert other["custodian"].key == "person/10086001"
    assert other["custodian"].attributes == {"name": "李四", "employee_number": "10086001"}
    assert other["SUPPLIED_BY"] is linked(server)["SUPPLIED_BY"], "one object for one supplier"
    assert other["organisation"] is linked(server)["organisation"]


def test_the_key_is_the_asset_number_else_the_serial_number_else_a_name(tmp_path: Path) -> None:
    content = (
        "资产编号,序列号,设备名称,主机名,IP\n"
        "A1,S1,N1,h1,10.0.0.1\n/,S2,N2,h2,10.0.0.2\n-,无,N3,h3,10.0.0.3\n"
        "暂无,,,h4.example.org,10.0.0.4\n,,,,10.0.0.5\n,,,,\n"
    )
    found = observed(tmp_path, content, type="Computer").sound()
    keys = [o.key for o in found.observations]
    assert keys == ["asset/A1", "serial/S2", "name/N3", "host/h4", "address/10.0.0.5"]
    names = [s.subjects[0].name for s in found.statements]
    assert names == ["N1", "N2", "N3", "h4", "10.0.0.5"]


def test_a_key_that_is_there_twice_is_left_to_reconciliation(tmp_path: Path) -> None:
    found = observed(tmp_path, "sn,name\nS1,a\nS1,b\n", type="Server")
    assert found.repeated == {"serial/S1": 2}
    assert found.rejections == found.unfit == []


def test_columns_that_are_only_for_some_types_are_used_for_those(tmp_path: Path) -> None:
    content = (
        "设备名称,类型,MAC地址,操作系统,内存(GB),CPU,使用人,IP地址,业务系统,维保合同编号\n"
        "a,台式机,001A-2B3C-4D5E,Windows 10,16,2*Intel i5,王五,10.0.0.1;10.0.0.2,营销系统,HT-1\n"
        "b,交换机,00-1A-2B-3C-4D-5F,Comware 7,,,赵六,10.0.0.3/24,,\n"
        "c,UPS,,,,,赵六,10.0.0.4,,\n"
    )
    found = observed(tmp_path, content)
    desktop, switch, ups = found.observations
    assert desktop.attributes == {
        "name": "a",
        "mac_addresses": ["00:1a:2b:3c:4d:5e"],
        "os_name": "Windows 10",
        "memory_mib": 16384,
        "cpu_count": 2,
        "management_ip": "10.0.0.1",
    }
    assert {name: to.attributes for name, to in linked(desktop).items()} == {
        "USED_BY": {"name": "王五"},
        "HAS_ADDRESS": {"ip_address": "10.0.0.2"},
        "RUNS": {"name": "营销系统"},
        "COVERED_BY": {"name": "HT-1", "document_number": "HT-1"},
    }
    assert switch.attributes["chassis_mac"] == "00:1a:2b:3c:4d:5f"
    assert switch.attributes["management_ip"] == "10.0.0.3"
    assert ups.type == "UPS"
    assert found.unfit == []
    assert rejected(found) == [
        ("台账.csv row 4", "column '使用人' is left out of every UPS: it has no USED_BY")
    ]


def test_facility_equipment_has_what_was_bought_with_it_too(tmp_path: Path) -> None:
    content = "设备名称,类型,购置日期,购置价格,保修截止,设备高度\nU1,UPS电源,2020-01-01,1.2万元,2030-01-01,3U\n"
    [ups] = observed(tmp_path, content).sound().observations
    assert ups.attributes == {
        "name": "U1",
        "purchase_date": "2020-01-01",
        "purchase_price": "CNY 12000.00",
        "warranty_until": "2030-01-01",
        "rack_height": 3,
    }


def test_english_headers_of_an_asset_tool_are_understood(tmp_path: Path) -> None:
    content = (
        "Asset Tag,Serial,Model,Model No.,Category,Manufacturer,Status,Checked Out To,Location,"
        "Purchase Date,Purchase Cost,Supplier,Warranty Expires,Notes,Company\n"
        "A-100,XYZ1,PowerEdge R740,R740,Rack Server,Dell Inc.,Deployed,Ann Lee,DC 1,2020-02-03,"
        '"$1,200.50",CDW,2025-02-02,spare PSU,ACME\n'
    )
    [server] = observed(tmp_path, content).sound().observations
    assert (server.type, server.key) == ("Server", "asset/A-100")
    assert server.attributes == {
        "asset_number": "A-100",
        "serial_number": "XYZ1",
        "model": "PowerEdge R740",
        "vendor": "Dell",
        "lifecycle_state": "in_use",
        "purchase_date": "2020-02-03",
        "purchase_price": "USD 1200.50",
        "warranty_until": "2025-02-02",
        "description": "spare PSU",
        "name": "A-100",
    }
    assert {name: to.key for name, to in linked(server).items()} == {
        "CONTAINED_IN": "room/DC 1",
        "organisation": "organisation/ACME",
        "USED_BY": "person/ACME/Ann Lee",
        "SUPPLIED_BY": "supplier/CDW",
    }


# -- encodings and shapes -------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_encoding_and_line_ends_make_no_difference(tmp_path: Path, encoding: str, end: str) -> None:
    found = observed(tmp_path, CHINESE.replace("\n", end).encode(encoding)).sound()
    assert found.observations == observed(tmp_path, CHINESE).observations


def test_utf16_in_the_other_byte_order_is_told_by_its_mark(tmp_path: Path) -> None:
    found = observed(tmp_path, b"\xfe\xff" + CHINESE.encode("utf-16-be")).sound()
    assert found.observations[0].attributes == DATABASE_SERVER


def test_latin_1_is_what_is_no_chinese(tmp_path: Path) -> None:
    content = "Name;Type;Location;Vendor\nPrüfstand Köln;Drucker;Größe Straße;Fürst\nZürich;Printer;Süd;é\n"
    found = observed(tmp_path, content.encode("latin-1"), type="Printer")
    assert [o.attributes["name"] for o in found.observations] == ["Prüfstand Köln", "Zürich"]
    assert linked(found.observations[0])["CONTAINED_IN"].key == "room/Größe Straße"


def test_the_encoding_can_be_given(tmp_path: Path) -> None:
    content = "name,type,location\n設備,Server,機房\n".encode("big5")
    [server] = observed(tmp_path, content, encoding="big5").sound().observations
    assert server.attributes["name"] == "設備"
    with pytest.raises(SourceError, match="names none that is known"):
        observed(tmp_path, content, encoding="hex")
    with pytest.raises(SourceError, match="names none that is known"):
        observed(tmp_path, content, encoding="no-such")


def test_a_damaged_byte_costs_one_value(tmp_path: Path) -> None:
    content = CHINESE.encode().replace("神州数码,2021".encode(), b"\xe7\xa5\x9e\xff,2021")
    found = observed(tmp_path, content)
    assert rejected(found) == [
        ("台账.csv row 4", "column '供应商' has bytes that are not of the ledger's encoding")
    ]
    assert found.observations[0].attributes == DATABASE_SERVER
    assert "SUPPLIED_BY" not in linked(found.observations[0])


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters_are_found_out(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["name", "type", "ip address", "remarks"],
        ["web", "server", "10.0.0.1", "a, b; c\td|e"],
    ]
    content = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    [server] = observed(tmp_path, content).sound().observations
    assert server.attributes["description"] == "a, b; c\td|e"


def test_excels_line_about_the_separator_is_heeded(tmp_path: Path) -> None:
    [server] = observed(tmp_path, "sep=;\nname;type\nweb;server\n").sound().observations
    assert (server.key, server.place) == ("name/web", "台账.csv row 3")


def test_what_stands_around_the_table_is_no_device(tmp_path: Path) -> None:
    content = (
        "\n设备台账,,\n单位：信通公司,,\n\n设备名称,序列号,位置\n甲,S1,一楼\n,,\n设备名称,序列号,位置\n"
        "乙,S2,二楼\n小计,,\n总 计：2台,,\nTotal,,\n制表人：张三,,审核：李四\n备注：以上为全部设备,,\n"
    )
    found = observed(tmp_path, content, type="Server").sound()
    assert [o.key for o in found.observations] == ["serial/S1", "serial/S2"]


def test_a_row_with_too_many_cells_is_not_taken_for_another(tmp_path: Path) -> None:
    found = observed(tmp_path, "name,sn,password\na,S1,x,extra\nb,S2\nc,S3,x,,\n", type="Server")
    assert [o.key for o in found.observations] == ["serial/S2", "serial/S3"]
    assert rejected(found) == [("台账.csv row 2", "it has more cells than the header has columns")]


def test_a_quotation_mark_that_is_not_closed_costs_its_line(tmp_path: Path) -> None:
    content = 'name,sn,notes\na,S1,"two\nlines"\nb,S2,"oops\nc,S3,fine\nd,S4,"x"y\ne,S5,\n'
    found = observed(tmp_path, content, type="Server")
    assert [o.key for o in found.observations] == ["serial/S1", "serial/S3", "serial/S5"]
    assert found.observations[0].attributes["description"] == "two\nlines"
    assert rejected(found) == [
        ("台账.csv row 3", "its quotation marks do not match"),
        ("台账.csv row 5", "its quotation marks do not match"),
    ]


# -- types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "type_"),
    [
        ("服务器", "Server"),
        ("机架式服务器", "Server"),
        ("刀片服务器", "BladeServer"),
        ("接入层交换机", "Switch"),
        ("光纤交换机", "FibreChannelSwitch"),
        ("路由器（核心）", "Router"),
        ("防火墙设备", "Firewall"),
        ("台式机", "DesktopComputer"),
        ("笔记本", "Laptop"),
        ("彩色激光打印机", "Printer"),
        ("存储", "StorageArray"),
        ("UPS", "UPS"),
        ("机房UPS", "UPS"),
        ("精密空调", "AirConditioner"),
        ("纵向加密装置", "EncryptionDevice"),
        ("虚拟机", "VirtualMachine"),
        ("Rack Servers", "Server"),
        ("core switch", "Switch"),
        ("BladeServer", "BladeServer"),
        ("Uninterruptible power supply", "UPS"),
        ("laptop computer", "Laptop"),
        ("strap", None),
        ("交换机板卡", None),
        ("办公椅", None),
    ],
)
def test_words_for_devices_mean_record_types(word: str, type_: str | None) -> None:
    assert type_of(word, type_table(shipped_model())) == type_


def test_every_label_of_a_device_type_means_that_type() -> None:
    table = type_table(shipped_model())
    for record_type in shipped_model().record_types.values():
        if "Hardware" in record_type.ancestors and not record_type.abstract:
            for word in (record_type.name, record_type.label.zh, record_type.label.en):
                assert type_of(word, table) == record_type.name


def test_a_row_without_a_known_type_is_rejected_unless_a_default_is_given(tmp_path: Path) -> None:
    content = "设备名称,设备类型\n甲,办公椅\n乙,\n丙,服务器\n"
    found = observed(tmp_path, content)
    assert [(o.type, o.key) for o in found.observations] == [("Server", "name/丙")]
    assert [(r.place, r.reason.partition(";")[0]) for r in found.rejections] == [
        ("台账.csv row 2", "no record type is known for '办公椅'"),
        ("台账.csv row 3", "nothing tells its record type"),
    ]
    found = observed(tmp_path, content, type="Computer").sound()
    assert [o.type for o in found.observations] == ["Computer", "Computer", "Server"]


def test_the_default_type_must_be_one_of_the_models(tmp_path: Path) -> None:
    for name in ("Chair", "Hardware"):
        with pytest.raises(SourceError, match="no record type a device can have"):
            observed(tmp_path, CHINESE, type=name)


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024/3/5", "2024-03-05"),
        ("2024.03.05", "2024-03-05"),
        ("2024年3月5日", "2024-03-05"),
        ("20240305", "2024-03-05"),
        ("2024-03-05 08:30:00", "2024-03-05"),
        ("2024-03-05T08:30:00Z", "2024-03-05"),
        ("２０２４/３/５", "2024-03-05"),
        ("2024年3月", "2024-03-01"),
        ("45356", "2024-03-05"),
        ("5.3.2024", "2024-03-05"),
        ("25/12/2024", "2024-12-25"),
        ("12/25/2024", "2024-12-25"),
        ("5-Mar-2024", "2024-03-05"),
    ],
)
def test_dates_are_read_as_people_write_them(text: str, date: str) -> None:
    assert day(text) == date


@pytest.mark.parametrize(
    "text", ["03/05/2024", "2024", "2024/13/1", "20241340", "soon", "99999999"]
)
def test_what_is_no_date_or_may_be_two_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no date, or one that can be read two ways"):
        day(text)
    assert day("03/05/2024", ["%d/%m/%Y"]) == "2024-05-03"
    assert day("2024.2", last=True) == "2024-02-29"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12,345.60", "CNY 12345.60"),
        ("¥12345.6", "CNY 12345.60"),
        ("￥12,345", "CNY 12345.00"),
        ("1.2万元", "CNY 12000.00"),
        ("1.2万", "CNY 12000.00"),
        ("12345元", "CNY 12345.00"),
        ("12345元整", "CNY 12345.00"),
        ("USD 1,200", "USD 1200.00"),
        ("1.234,56 EUR", "EUR 1234.56"),
        ("€12,5", "EUR 12.50"),
        ("12345.678999", "CNY 12345.68"),
        ("0", "CNY 0.00"),
    ],
)
def test_money_has_a_currency(text: str, amount: str) -> None:
    assert money(text, "CNY") == amount


def test_money_is_in_the_unit_of_its_header(tmp_path: Path) -> None:
    assert money("1.5", "CNY", "万元") == "CNY 15000.00"
    assert money("15000元", "CNY", "万元") == "CNY 15000.00"
    content = "名称,类型,原值（万元）\na,服务器,3.2\nb,服务器,about 3\n"
    found = observed(tmp_path, content)
    assert found.observations[0].attributes["purchase_price"] == "CNY 32000.00"
    assert rejected(found) == [("台账.csv row 3", "column '原值（万元）' is no amount of money")]
    found = observed(tmp_path, "name,type,price\na,server,5\n", currency="EUR").sound()
    assert found.observations[0].attributes["purchase_price"] == "EUR 5.00"
    with pytest.raises(ImporterError, match="Option currency"):
        observed(tmp_path, CHINESE, currency="euro")


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("U12-U13", (12, 2)),
        ("12-13U", (12, 2)),
        ("12～13U", (12, 2)),
        ("13-12", (12, 2)),
        ("12U", (12, None)),
        ("U12", (12, None)),
        ("12", (12, None)),
        ("第12U", (12, None)),
        ("12U位", (12, None)),
    ],
)
def test_rack_positions_are_the_lowest_unit(text: str, units: tuple[int, int | None]) -> None:
    assert rack_units(text) == units


def test_a_rack_position_needs_a_rack_and_must_be_one(tmp_path: Path) -> None:
    content = "name,type,room,rack,u position,u height\na,server,r,R1,U3-U4,4U\nb,server,r,,5,\nc,server,r,R1,120,\n"
    found = observed(tmp_path, content)
    assert found.observations[0].attributes["rack_height"] == 4, "the column says it, not the range"
    assert [o.links[0].attributes for o in found.observations] == [{"rack_position": 3}, {}, {}]
    assert rejected(found) == [
        ("台账.csv row 3", "column 'u position' is a position in no rack"),
        ("台账.csv row 4", "column 'u position' is no rack position"),
    ]


def test_numbers_that_a_spreadsheet_has_rounded_identify_nothing(tmp_path: Path) -> None:
    content = '名称,类型,序列号,资产编号\na,服务器,1.23457E+11,ZC1\nb,服务器,"=""00123""",\'00456\n'
    found = observed(tmp_path, content)
    first, second = found.observations
    assert (first.key, "serial_number" in first.attributes) == ("asset/ZC1", False)
    assert second.attributes["serial_number"] == "00123"
    assert second.attributes["asset_number"] == "00456"
    assert rejected(found) == [
        ("台账.csv row 2", "column '序列号' has lost digits: a spreadsheet took it for a number")
    ]


def test_sizes_counts_and_addresses_are_read_as_people_write_them() -> None:
    assert [mib(t) for t in ("64", "64GB", "16G*4", "4×16GB", "65536 MB", "1T")] == [
        65536,
        65536,
        65536,
        65536,
        65536,
        1048576,
    ]
    assert mib("2048", "MB") == 2048
    assert [count(t) for t in ("2", "2颗", "2*Gold 6248R", "Gold 6248R × 2", "Intel Xeon")] == [
        *(2, 2, 2, 2),
        None,
    ]
    assert addresses("10.0.0.1/24、１０.0.0.2\nfe80::1%eth0") == ["10.0.0.1", "10.0.0.2", "fe80::1"]
    assert addresses("10.0.0.1/10.0.0.2") == ["10.0.0.1", "10.0.0.2"]
    assert macs("001A-2B3C-4D5E; 00:1a:2b:3c:4d:5f") == ["00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5f"]


def test_a_row_says_whose_the_custodian_is_and_until_when_a_contract_runs(tmp_path: Path) -> None:
    text = """\
资产编号,设备名称,设备类型,所属单位,责任人,责任人单位,退运日期,维保合同,维保合同名称,维保合同到期
A1,一,服务器,青石供电公司,张三,云江供电公司/信通部,2026-03-31,HT-1,年度维保,2027年12月
A2,二,服务器,青石供电公司,李四,,,HT-2,,明年
A3,三,服务器,青石供电公司,王五,,,,只有名称,2027-01-01
"""
    found = observed(tmp_path, text)
    first, second, third = found.observations
    assert first.attributes["decommissioned_on"] == "2026-03-31"
    [owner] = linked(first)["custodian"].links
    assert isinstance(owner.to, Observation)
    assert owner.to.key == "organisation/云江供电公司/信通部"
    assert linked(first)["organisation"].attributes == {"name": "青石供电公司"}
    assert linked(first)["COVERED_BY"].attributes == {
        "name": "年度维保",
        "document_number": "HT-1",
        "valid_until": "2027-12-31",
    }
    assert linked(second)["custodian"].links == (
        Link("organisation", linked(second)["organisation"]),
    )
    assert linked(second)["COVERED_BY"].attributes == {"name": "HT-2", "document_number": "HT-2"}
    assert "COVERED_BY" not in linked(third)
    assert rejected(found) == [
        ("台账.csv row 3", "column '维保合同到期' is no date, or one that can be read two ways")
    ]


def test_a_row_of_a_known_record_that_nothing_identifies_makes_none(tmp_path: Path) -> None:
    text = """\
名称,设备类型,资产编号,记录标识
配线架,配线架,,019a0000-0000-7000-8000-000000000001
配线架,配线架,A2,019a0000-0000-7000-8000-000000000002
传感器,环境传感器,,019a0000-0000-7000-8000-000000000003
配线架 4,配线架,,
"""
    found = observed(tmp_path, text)
    assert [o.key for o in found.observations] == ["asset/A2", "name/传感器", "name/配线架 4"]
    [(place, reason)] = rejected(found)
    assert place == "台账.csv row 2"
    assert "nothing in the row identifies" in reason


def test_people_stand_in_cells_in_many_ways(tmp_path: Path) -> None:
    assert people("张三(0012345)") == [{"name": "张三", "employee_number": "0012345"}]
    assert people("张三 13800000000") == [{"name": "张三", "phone": "13800000000"}]
    assert people("Ann.Lee@example.org") == [{"name": "Ann.Lee", "email": "ann.lee@example.org"}]
    assert people("Lee, Ann") == [{"name": "Lee, Ann"}]
    assert people("张三、李四/王五,赵六") == [{"name": n} for n in ("张三", "李四", "王五", "赵六")]
    found = observed(
        tmp_path, "名称,类型,责任人,工号,联系电话\na,服务器,张三、李四,,\nb,服务器,张三,007,123\n"
    )
    first, second = (linked(o)["custodian"].attributes for o in found.observations)
    assert first == {"name": "张三"}
    assert second == {"name": "张三", "employee_number": "007", "phone": "123"}
    assert rejected(found) == [
        ("台账.csv row 2", "column '责任人' names 2 people; the first was taken")
    ]


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("国网浙江省电力有限公司", "ProvinceCompany"),
        ("浙江省公司", "ProvinceCompany"),
        ("国网冀北电力有限公司", "ProvinceCompany"),
        ("国网杭州市供电公司", "CityCompany"),
        ("宁波供电公司", "CityCompany"),
        ("杭州市公司", "CityCompany"),
        ("桐庐县供电公司", "CountyCompany"),
        ("国家电网有限公司总部", "Headquarters"),
        ("信息通信部", "Department"),
        ("调控中心", "Department"),
        ("运维科", "Department"),
        ("ACME Ltd.", "Department"),
    ],
)
def test_the_name_of_an_organisation_tells_what_it_is(name: str, type_: str) -> None:
    assert organisation_type(name) == type_


@pytest.mark.parametrize(
    ("type_", "word", "state"),
    [
        ("服务器", "在运", "in_use"),
        ("服务器", "退役", "idle"),
        ("服务器", "已报废", "scrapped"),
        ("服务器", "维修中", "in_repair"),
        ("服务器", "Ready to Deploy", "in_stock"),
        ("虚拟机", "退役", "retired"),
        ("虚拟机", "停用", "suspended"),
        ("UPS", "停运", "idle"),
    ],
)
def test_states_are_those_the_type_has(tmp_path: Path, type_: str, word: str, state: str) -> None:
    [device] = observed(tmp_path, f"名称,类型,状态\na,{type_},{word}\n").sound().observations
    assert device.attributes["lifecycle_state"] == state


def test_a_value_that_cannot_be_used_does_not_cost_its_row(tmp_path: Path) -> None:
    content = (
        "名称,类型,状态,管理IP,MAC地址,购置日期,内存,重要程度,主机名,核数,备注\n"
        "a,服务器,飞走了,10.0.0.300,xyz,昨天,很大,关键,a b,1.5," + "x" * 10 + "\n"
    )
    found = observed(tmp_path, content)
    [server] = found.observations
    assert server.attributes == {"name": "a", "criticality": "critical", "description": "x" * 10}
    columns = sorted(reason.split("'")[1] for _, reason in rejected(found))
    assert columns == sorted(["状态", "管理IP", "MAC地址", "购置日期", "内存", "主机名", "核数"])
    assert found.unfit == []


# -- mappings -------------------------------------------------------------------------------------

MAPPING = """\
header: 2
type:
  column: 种类
  values: {小机: Mainframe, 椅子: null}
  default: Computer
columns:
  编号: asset_number
  叫法: name
  到期: {to: warranty_until, dates: ["%d.%m.%y"]}
  现状: {to: lifecycle_state, values: {好: in_use, 坏: in_repair}}
  位置: {pattern: '(?P<room>[^/]+)/(?P<rack>[^/]+)/(?P<rack_position>.+)'}
  上联: {to: UPLINKED_TO, type: Switch}
  班组: {to: OPERATED_BY, type: Team}
  钱: {to: purchase_price, unit: 万元}
ignored: [闲话]
constants: {site: 杭州, environment: production, organisation: 信通公司}
currency: CNY
"""
MAPPED = (
    "某某台账,,,,,,,,,,\n"
    "编号,叫法,种类,到期,现状,位置,上联,班组,钱,闲话,多余\n"
    "1,甲,小机,31.12.25,好,机房1/R1/U5,SW-1,网络班,2,哈哈,嘿嘿\n"
    "2,乙,椅子,2025-12-31,坏,不知道,,,,,\n"
)


def test_a_mapping_says_what_columns_mean(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    found = observed(tmp_path, MAPPED, mapping=str(tmp_path / "mapping.yaml"))
    first, second = found.observations
    assert (first.type, second.type) == ("Mainframe", "Computer")
    assert first.attributes == {
        "environment": "production",
        "asset_number": "1",
        "name": "甲",
        "warranty_until": "2025-12-31",
        "lifecycle_state": "in_use",
        "purchase_price": "CNY 20000.00",
    }
    to = linked(first)
    assert to["CONTAINED_IN"].key == "rack/杭州/机房1/R1"
    assert first.links[0].attributes == {"rack_position": 5}
    assert to["UPLINKED_TO"] == Observation("Switch", "Switch/SW-1", {"name": "SW-1"})
    assert to["OPERATED_BY"] == Observation("Team", "Team/网络班", {"name": "网络班"})
    assert to["organisation"].attributes == {"name": "信通公司"}
    assert second.attributes["lifecycle_state"] == "in_repair"
    assert linked(second)["CONTAINED_IN"].key == "site/杭州"
    assert rejected(found) == [
        ("台账.csv row 4", "column '位置' does not match the pattern that takes it apart")
    ]
    assert found.unfit == []


def test_a_mapping_whose_columns_are_missing_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("columns: {sn: serial_number, 地点: room}\n", encoding="utf-8")
    found = observed(tmp_path, "sn,x\nS1,y\n", mapping=str(tmp_path / "m.yaml"), type="Server")
    assert [o.key for o in found.observations] == ["serial/S1"]
    assert rejected(found) == [("台账.csv", "the mapping's columns '地点' are not in its header")]
    with pytest.raises(SourceError, match="no header"):
        observed(tmp_path, "a,b\n1,2\n", mapping=str(tmp_path / "m.yaml"), type="Server")


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ("columns: {a: no_such}", "no attribute no_such"),
        ("columns: {a: snmp_community}", "no attribute snmp_community"),
        ("columns: {a: provenance}", "no attribute provenance"),
        ("columns: {a: NO_SUCH}", "no relationship NO_SUCH"),
        ("columns: {a: UPLINKED_TO}", "names the record type at its other end"),
        ("columns: {a: {to: UPLINKED_TO, type: Chair}}", "names the record type at its other end"),
        ("columns: {a: {pattern: '('}}", "no regular expression"),
        ("columns: {a: {}}", "either a target or a pattern"),
        ("columns: {管理员密码: name}", "holds secrets"),
        ("columns: {a: name}\ntype: {default: Chair}", "no record type"),
        ("columns: {a: name}\nconstants: {no_such: 1}", "no attribute no_such"),
        ("columns: [a]", "columns"),
        ("[]", "no mapping"),
        ("columns: {a: name}\nother: 1", "other"),
        ("columns: {a: [", "is not YAML"),
        ("", "columns"),
    ],
)
def test_a_mapping_that_is_wrong_says_where(tmp_path: Path, mapping: str, problem: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(mapping, encoding="utf-8")
    with pytest.raises(SourceError, match=problem):
        observed(tmp_path, CHINESE, mapping=str(path))


def test_a_mapping_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.yaml"):
        observed(tmp_path, CHINESE, mapping=str(tmp_path / "nowhere.yaml"))


def test_a_guess_is_shown_as_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "台账.csv"
    path.write_text(CHINESE.replace("核心层交换机", "怪设备"), encoding="utf-8")
    assert yaml.safe_load(guessed(path)) == {
        "type": {"column": "设备类型", "values": {"服务器": "Server", "怪设备": None}},
        "columns": {
            "设备名称": "name",
            "序列号/SN": "serial_number",
            "资产编号": "asset_number",
            "厂商/品牌": "vendor",
            "型号": "model",
            "管理IP": "management_ip",
            "主机名": "hostname",
            "机房": "room",
            "机柜": "rack",
            "U位": "rack_position",
            "责任人": "custodian",
            "所属单位": "organisation",
            "部门": "department",
            "供应商": "supplier",
            "购置日期": "purchase_date",
            "原值(元)": "purchase_price",
            "质保到期": "warranty_until",
            "状态": {"to": "lifecycle_state", "values": {"在运": "in_use", "库存": "in_stock"}},
        },
        "ignored": ["序号", "登录密码"],
    }


def test_a_guess_that_is_saved_and_given_back_gives_the_same(tmp_path: Path) -> None:
    plain = observed(tmp_path, CHINESE, site="杭州", type="Server")
    saved = tmp_path / "saved.yaml"
    saved.write_text(guessed(tmp_path / "台账.csv", site="杭州", type="Server"), encoding="utf-8")
    assert observed(tmp_path, CHINESE, mapping=str(saved)).observations == plain.observations


def test_of_two_columns_for_one_thing_the_better_named_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "IP地址,管理IP,名称,设备名称,安装位置,机房,名称\n10.0.0.1,10.0.0.2,x,甲,三楼,A301,y\n",
        encoding="utf-8",
    )
    assert yaml.safe_load(guessed(path)) == {
        "columns": {
            "IP地址": "addresses",
            "管理IP": "management_ip",
            "设备名称": "name",
            "机房": "room",
        },
        "ignored": ["名称", "安装位置", "名称 #2"],
    }
    [device] = Observed("ledger", path, type="Server").sound().observations
    assert device.attributes == {"management_ip": "10.0.0.2", "name": "甲"}
    assert linked(device)["HAS_ADDRESS"].attributes == {"ip_address": "10.0.0.1"}


def test_secrets_are_never_read(tmp_path: Path) -> None:
    content = (
        "名称,类型,管理员口令,SNMP Community,API_Token,root password,SNMP团体字,备注\n"
        "a,服务器,hunter2x,publicx,tok-abc,rootpwx,privx,root 密码：Qwer!1234 已改\n"
    )
    found = observed(tmp_path, content).sound()
    texts = "\n".join(found.texts())
    for secret in ("hunter2x", "publicx", "tok-abc", "rootpwx", "privx", "Qwer"):
        assert secret not in texts
    ignored = yaml.safe_load(guessed(tmp_path / "台账.csv"))["ignored"]
    assert ignored == ["管理员口令", "SNMP Community", "API_Token", "root password", "SNMP团体字"]
    assert found.observations[0].attributes["description"] == "root 密码：(secret removed) 已改"


def test_messages_do_not_repeat_what_stands_in_wrong_columns(tmp_path: Path) -> None:
    content = "名称,类型,购置日期,原值,管理IP\na,服务器,hunter2x,hunter2x,hunter2x\nb,服务器,,,,hunter2x\n"
    found = observed(tmp_path, content)
    assert len(found.rejections) == 4
    assert all("hunter2x" not in text for text in found.texts())


# -- workbooks ------------------------------------------------------------------------------------


def workbook(sheets: dict[str, str], *, hidden: tuple[str, ...] = (), shared: str = "") -> bytes:
    """An XLSX of sheets given as the XML of their rows (and what follows them)."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    listed, related = "", ""
    for number, name in enumerate(sheets, 1):
        state = ' state="hidden"' if name in hidden else ""
        listed += f'<sheet name="{escape(name)}" sheetId="{number}"{state} r:id="rId{number}"/>'
        related += f'<Relationship Id="rId{number}" Type="{relations}/worksheet" Target="worksheets/sheet{number}.xml"/>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{related}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    if shared:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{main}">{shared}</sst>'
    for number, rows in enumerate(sheets.values(), 1):
        data, _, after = rows.partition("|after|")
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{data}</sheetData>{after}</worksheet>'
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def rows_xml(*rows: list[Any], start: int = 1) -> str:
    """Rows of a sheet: texts, numbers, and dates as ("date", serial number)."""
    made = ""
    for number, row in enumerate(rows, start):
        cells = ""
        for letter, value in zip("ABCDEFGHIJKLM", row, strict=False):
            place = f'r="{letter}{number}"'
            if isinstance(value, tuple):
                cells += f'<c {place} s="1"><v>{value[1]}</v></c>'
            elif isinstance(value, str):
                cells += (
                    f'<c {place} t="inlineStr"><is><t>{escape(value)}</t></is></c>' if value else ""
                )
            else:
                cells += f"<c {place}><v>{value}</v></c>"
        made += f'<row r="{number}">{cells}</row>'
    return made


def test_a_workbook_is_read_with_its_dates_and_numbers(tmp_path: Path) -> None:
    rows = rows_xml(
        ["设备台账"],
        ["名称", "类型", "序列号", "资产编号", "购置日期", "原值", "U位", "机柜"],
        ["甲", "服务器", 210235, 123456789012345678, ("date", 45356), 1234.5, 12, "R1"],
        start=3,
    )
    found = observed(tmp_path, workbook({"台账": rows}), "台账.xlsx")
    [server] = found.observations
    assert server.attributes == {
        "name": "甲",
        "serial_number": "210235",
        "purchase_date": "2024-03-05",
        "purchase_price": "CNY 1234.50",
    }
    assert (server.key, server.place) == ("serial/210235", "台账.xlsx row 5")
    assert server.links[0].attributes == {"rack_position": 12}
    assert rejected(found) == [
        ("台账.xlsx row 5", "column '资产编号' has lost digits: a spreadsheet took it for a number")
    ]


def test_every_visible_sheet_is_read_and_may_say_the_type(tmp_path: Path) -> None:
    content = workbook(
        {
            "服务器": rows_xml(["名称", "序列号"], ["甲", "S1"]),
            "交换机": rows_xml(["设备名称", "序列号"], ["乙", "S2"]),
            "旧": rows_xml(["名称", "序列号"], ["丙", "S3"]),
            "说明": rows_xml(["请认真填写"], ["谢谢"]),
            "Sheet5": "",
        },
        hidden=("旧",),
    )
    found = observed(tmp_path, content, "台账.xlsx")
    assert [(o.type, o.key, o.place) for o in found.observations] == [
        ("Server", "serial/S1", "台账.xlsx sheet 服务器 row 2"),
        ("Switch", "serial/S2", "台账.xlsx sheet 交换机 row 2"),
    ]
    assert rejected(found) == [
        ("台账.xlsx sheet 说明", "no header in it is understood, so it was not read")
    ]
    one = observed(tmp_path, content, "台账.xlsx", sheet="旧", type="Server").sound()
    assert [o.key for o in one.observations] == ["serial/S3"]
    with pytest.raises(SourceError, match="no sheet of the name"):
        observed(tmp_path, content, "台账.xlsx", sheet="新")
    saved = tmp_path / "m.yaml"
    saved.write_text(guessed(tmp_path / "台账.xlsx"), encoding="utf-8")
    assert yaml.safe_load(saved.read_text(encoding="utf-8")) == {
        "type": {"sheets": {"服务器": "Server", "交换机": "Switch"}},
        "columns": {"名称": "name", "序列号": "serial_number", "设备名称": "name"},
    }
    again = observed(tmp_path, content, "台账.xlsx", mapping=str(saved))
    assert again.observations == found.observations


def test_merged_cells_hold_for_all_their_rows(tmp_path: Path) -> None:
    rows = rows_xml(
        ["名称", "类型", "机房"],
        ["甲", "服务器", "A301"],
        ["乙", "服务器", ""],
        ["丙", "服务器", ""],
    )
    merged = '|after|<mergeCells count="1"><mergeCell ref="C2:C3"/></mergeCells>'
    found = observed(tmp_path, workbook({"S": rows + merged}), "a.xlsx").sound()
    rooms = [linked(o).get("CONTAINED_IN") for o in found.observations]
    assert [room and room.key for room in rooms] == ["room/A301", "room/A301", None]


HEADER = rows_xml(["名称", "类型"], ["甲", "服务器"])


@pytest.mark.parametrize(
    ("rows", "shared", "problem"),
    [
        (HEADER + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "", "too many cells"),
        (HEADER + "<row r='999999'><c  r = 'ZZ999999'><v>1</v></c></row>", "", "too many cells"),
        ("<row><c/></row>" * 50_000 + "<row>" + "<c/>" * 50_000 + "</row>", "", "too many cells"),
        (
            "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 5000)),
            f"<si><t>{'x' * 900_000}</t></si>",
            "repeats its texts",
        ),
        (
            '<row r="1"><c r="A1" t="inlineStr"><is><t>' + "x" * 30_000_000 + "</t></is></c></row>",
            "",
            "cut off or damaged",
        ),
    ],
)
def test_a_workbook_that_would_unpack_without_measure_is_refused(
    tmp_path: Path, rows: str, shared: str, problem: str
) -> None:
    with pytest.raises(SourceError, match=problem):
        observed(tmp_path, workbook({"S": rows}, shared=shared), "bomb.xlsx")


def test_a_zip_bomb_is_refused_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO(workbook({"S": HEADER}))
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", bytes(48 * 2**20))
    monkeypatch.setattr(ledger_workbook, "_check_cells", lambda *_: pytest.fail("was unpacked"))
    with pytest.raises(SourceError, match="unpacks to 48 MiB"):
        observed(tmp_path, packed.getvalue(), "bomb.xlsx")


def test_what_is_no_workbook_is_refused_in_one_sentence(tmp_path: Path) -> None:
    good = workbook({"S": HEADER})
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "a")
    lying = bytearray(good)
    at = lying.find(b"PK\x01\x02")
    struct.pack_into("<L", lying, at + 24, 3)  # a size smaller than the member's
    for content, problem in (
        (other.getvalue(), "is a zip archive, but no XLSX workbook"),
        (good[:-30], "is cut off or damaged"),
        (good[:200], "is cut off or damaged"),
        (bytes(lying), "is cut off or damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old or protected Excel file"),
        (workbook({"S": "<row r='1'><c r='A1'><v>"}), "no XLSX workbook that can be read"),
    ):
        with pytest.raises(SourceError, match=problem):
            observed(tmp_path, content, "a.xlsx")


# -- hostile and wrong input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n \n\r\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (bytes(range(256)) * 50, "is not text"),
        (b"name,type\na,server\x00\x00\x00\x00\n", "is not text"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 9, "is not text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(100), "is not text"),
        (b"\x80\x81\x82" * 100, "encoding that cannot be told"),
        (b"name,type\n" + b"x" * (3 * 2**20), "a line that never ends"),
        (b"just some words\nand more of them\n", "no header of a device ledger"),
        (b'{"name": "a", "type": "server"}\n', "no header of a device ledger"),
        (b"<html><table><tr><td>name</td></tr></table></html>", "no header of a device ledger"),
        (b"a,b,c\n1,2,3\n", "no header of a device ledger"),
        ("名称,价格\n".encode()[:-4], "no header of a device ledger"),
    ],
)
def test_what_is_no_ledger_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(SourceError, match=problem):
        observed(tmp_path, content, "a.csv")


def test_a_ledger_that_is_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    whole = CHINESE.encode()
    cut = whole[: whole.index("李四".encode()) + 4]
    found = observed(tmp_path, cut)
    assert [o.key for o in found.observations] == ["asset/ZC-0001", "asset/ZC-0002"]
    assert rejected(found) == [
        ("台账.csv row 5", "column '责任人' has bytes that are not of the ledger's encoding")
    ]


def test_mutilated_ledgers_give_observations_rejections_or_one_error(tmp_path: Path) -> None:
    chance = random.Random(7)
    sheet = workbook({"S": rows_xml(*[line.split(",")[:13] for line in CHINESE.splitlines()[2:4]])})
    for original, name in (
        (CHINESE.encode(), "a.csv"),
        (CHINESE.encode("gbk"), "a.csv"),
        (sheet, "a.xlsx"),
    ):
        for _ in range(60):
            content = bytearray(original)
            for _ in range(chance.randint(1, 12)):
                at = chance.randrange(len(content))
                what = chance.randrange(4)
                if what == 0:
                    content[at] = chance.randrange(256)
                elif what == 1:
                    del content[at : at + chance.randint(1, 40)]
                elif what == 2:
                    content[at:at] = chance.choice(
                        [b'"', b",", b"\n", b"\r", b"\x00", b"'", b"1e999", b"-", "年".encode()]
                    )
                else:
                    other = chance.randrange(len(content))
                    content[at : at + 20] = content[other : other + 20]
                content = content or bytearray(b"x")
            try:
                found = observed(tmp_path, bytes(content), name)
            except SourceError:
                continue
            assert all(isinstance(r, Rejection) for r in found.rejections)
            assert found.unfit == []


@pytest.mark.parametrize(
    "cell",
    [
        "=cmd|'/c calc'!A1",
        "１" * 50,
        "9" * 5000,
        "x" * 2000,
        "\ud7ff",
        "a\x07" + "b" * 40,
        "/",
        "NaN",
        "1e999",
        "-1",
        ",",
        ";",
        "U0",
        "0000-00-00",
        "2024-02-31",
    ],
)
def test_no_cell_is_too_odd_for_any_column(tmp_path: Path, cell: str) -> None:
    header = (
        CHINESE.splitlines()[2]
        + ",MAC地址,内存,CPU,核数,容量,端口数,设备高度,槽位,工号,邮箱,业务系统,币种,安全分区,业务IP"
    )
    row = ",".join(f'"{cell}"' for _ in header.split(","))
    found = observed(tmp_path, f"{header}\n{row}\n", type="Server")
    assert len(found.observations) <= 1
    for statement in found.statements:
        assert isinstance(statement.subjects[0], Subject)


# -- the ledgers of Ralph -------------------------------------------------------------------------

NOT_DEVICES = (
    "regions.csv",
    "warehouses.csv",
    "warehouses_semicolon.csv",
    "warehouses_skipid.csv",
    "warehouses_tab.csv",
    "warehouses/1_Warehouse.csv",
    "warehouses/2_Warehouse.csv",
)


@pytest.mark.shared_data
def test_every_file_of_ralph_is_accounted_for() -> None:
    folder = shared_data("ledger-ralph")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.csv")}
    assert len(files) == 12
    assert files == {
        *NOT_DEVICES,
        "management_ip_blank.csv",
        "management_ip_existing.csv",
        "back_office_assets.csv",
        "rack.csv",
        "server_room.csv",
    }


@pytest.mark.shared_data
@pytest.mark.parametrize("name", NOT_DEVICES)
def test_ralphs_regions_and_warehouses_are_no_device_ledgers(name: str) -> None:
    with pytest.raises(SourceError, match="no header of a device ledger"):
        Observed("ledger", shared_data("ledger-ralph") / name)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("management_ip_blank.csv", {}),
        ("management_ip_existing.csv", {"management_ip": "10.0.0.103"}),
    ],
)
def test_ralphs_46_columns_of_a_data_centre_asset_give_a_storage_array(
    name: str, address: dict[str, str]
) -> None:
    path = shared_data("ledger-ralph") / name
    assert len(path.read_text(encoding="utf-8").splitlines()[0].split(",")) == 46
    [array] = Observed("ledger", path).sound().observations
    assert (array.type, array.key) == ("StorageArray", "serial/M000000015L")
    assert array.attributes == {
        **address,
        "model": "EMC",
        "hostname": "emc1-3",
        "serial_number": "M000000015L",
        "purchase_price": "PLN 0.00",
        "lifecycle_state": "in_use",
    }
    site = Observation("Site", "site/SZ_1OFFICE", {"name": "SZ_1OFFICE"})
    room = Observation(
        "Room",
        "room/SZ_1OFFICE/SZ_1OFFICE_1FL",
        {"name": "SZ_1OFFICE_1FL"},
        (Link("CONTAINED_IN", site),),
    )
    rack = Observation(
        "Rack", "rack/SZ_1OFFICE/SZ_1OFFICE_1FL/R31", {"name": "R31"}, (Link("CONTAINED_IN", room),)
    )
    owner = Observation("Department", "organisation/Institute", {"name": "Institute"})
    assert array.links == [
        Link("CONTAINED_IN", rack, {"rack_position": 32}),
        Link("organisation", owner),
    ]


@pytest.mark.shared_data
def test_ralphs_back_office_assets_need_a_type_and_their_numbers_mean_nothing() -> None:
    path = shared_data("ledger-ralph") / "back_office_assets.csv"
    found = Observed("ledger", path)
    assert found.observations == []
    assert [r.place for r in found.rejections] == [
        f"back_office_assets.csv row {n}" for n in (2, 3)
    ]
    assert all("nothing tells its record type" in r.reason for r in found.rejections)
    typed = Observed("ledger", path, type="Laptop").sound()
    assert [(o.type, o.key, o.attributes, o.links) for o in typed.observations] == [
        ("Laptop", f"serial/{sn}", {"serial_number": sn, "name": sn}, [])
        for sn in ("bo_asset_sn", "bo_asset_sn2")
    ]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "type_", "device"),
    [
        ("rack.csv", "Rack", ("name/Rack_csv_test", "room/1")),
        ("server_room.csv", "Room", ("name/Server room", "site/1")),
    ],
)
def test_ralphs_racks_and_rooms_are_not_guessed_to_be_devices(
    name: str, type_: str, device: tuple[str, str]
) -> None:
    path = shared_data("ledger-ralph") / name
    found = Observed("ledger", path)
    assert (found.observations, len(found.rejections)) == ([], 1)
    [place] = Observed("ledger", path, type=type_).sound().observations
    assert (place.type, place.key, linked(place)["CONTAINED_IN"].key) == (type_, *device)
