"""What device ledgers call things, in Chinese and English: column headers, device types, states.

The tables were collected from the headers that the exports of Ralph, Snipe-IT, GLPI, iTop and NetBox
write, and from the ledgers (设备台账) that operations departments keep by hand. Words are compared
in `plain` form, so case, spaces, underscores and full-width letters make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, Final

import yaml

_HEADERS: Final = """
type: [设备类型, 设备类别, 资产类型, 资产类别, 设备分类, 资产分类, 设备种类, 类型, 类别, 分类, device type, asset type, asset category, category, ci type, type, class, device role, role]
name: [设备名称, 资产名称, 名称, 设备名, 配置项名称, device name, asset name, equipment name, name, ci name, device, display name]
hostname: [主机名, 主机名称, 计算机名, 计算机名称, 机器名, hostname, computer name, dns name, fqdn, host]
serial_number: [序列号, 设备序列号, 产品序列号, 主机序列号, 出厂序列号, 出厂编号, 机身号, 机身编号, sn, sn号, sn码, serial number, serial no, serial, service tag]
asset_number: [资产编号, 固定资产编号, 固定资产编码, 资产编码, 资产号, 固资编号, 设备编号, 设备编码, asset number, asset no, asset tag, asset id, inventory number, inventory no, barcode, 条形码, 条码, niw]
vendor: [厂商, 厂家, 生产厂家, 生产厂商, 制造商, 制造厂家, 设备厂家, 设备厂商, 品牌, 设备品牌, vendor, manufacturer, brand, make, maker]
model: [型号, 设备型号, 产品型号, 规格型号, 型号规格, 品牌型号, model, device model, model name, product model, model number, model no]
part_number: [部件号, 物料编码, part number, part no, pn]
management_ip: [管理ip, 管理ip地址, 管理地址, management ip, management address, management ip address, mgmt ip, primary ip, ip地址, ip, ipv4地址, 设备ip, ip address, ipv4, ipv4 address, 业务ip]
addresses: [业务ip, 业务ip地址, 业务地址, 带外ip, 带外管理ip, 带外地址, bmc ip, bmc地址, ipmi地址, ilo ip, idrac ip, oob ip, ip地址, ip, ipv4地址, ip address, ipv6地址, ipv6, ipv6 address]
mac: [mac地址, mac, 物理地址, 网卡mac, 网卡mac地址, 网卡地址, mac address, mac addresses, ethernet address]
site: [站点, 站点名称, 地市, 所属地市, 所在地市, 数据中心, 园区, 厂站, 变电站, site, data center, datacenter, data centre, campus]
building: [楼宇, 楼栋, 大楼, 所在大楼, building]
floor: [楼层, 所在楼层, floor]
room: [机房, 机房名称, 所在机房, 所属机房, 机房位置, server room, computer room, room, 房间, 房间号, 安装地点, 安装位置, 存放地点, 存放位置, 使用地点, 放置地点, 所在位置, 物理位置, 位置, 地点, location]
rack: [机柜, 机柜号, 机柜编号, 机柜名称, 所在机柜, 机架, 机架号, rack, rack name, cabinet]
rack_position: [起始u位, u位, 机柜u位, 所在u位, u位置, 开始u位, 安装u位, rack position, u position, position, start u, rack unit]
rack_height: [设备高度, 占用u数, 设备u数, u数, u高, 高度, rack height, u height, height, rack units]
slot: [槽位, 槽位号, 所在槽位, slot, slot number, slot no]
organisation: [所属单位, 使用单位, 单位, 单位名称, 产权单位, 资产单位, 资产所属单位, 管理单位, 所属公司, 公司, organisation, organization, company, business unit, entity, tenant]
department: [使用部门, 所属部门, 部门, 管理部门, 责任部门, 部门名称, 保管部门, department, dept, division]
custodian: [责任人, 保管人, 设备责任人, 资产责任人, 资产保管人, 负责人, 管理责任人, 运维责任人, 设备负责人, 管理员, 设备管理员, 运维人员, 联系人, custodian, responsible, responsible person, person in charge, asset owner, owner, contact]
custodian_organisation: [责任人单位, 责任人所属单位, 保管人单位, 保管人所属单位, custodian organisation, organisation of custodian]
custodian_number: [责任人工号, 保管人工号, 负责人工号, 工号, 员工编号, employee number, employee id, employee no]
custodian_phone: [责任人电话, 保管人电话, 负责人电话, 联系电话, 联系方式, 电话, 手机, 手机号, phone, contact phone, telephone]
custodian_email: [责任人邮箱, 邮箱, 电子邮箱, email, mail]
user: [使用人, 实际使用人, 使用者, 领用人, 使用人员, user, used by, assigned to, checked out to, assignee]
supplier: [供应商, 供货商, 供货单位, 供应商名称, 经销商, supplier, provider, reseller]
purchase_date: [购置日期, 采购日期, 购买日期, 购入日期, 购置时间, 采购时间, 购买时间, 购入时间, purchase date, purchased on, purchased, date of purchase, invoice date]
purchase_price: [购置价格, 采购价格, 购买价格, 购置金额, 采购金额, 原值, 资产原值, 设备原值, 单价, 价格, 金额, purchase price, purchase cost, price, cost]
currency: [币种, 货币, currency, price currency]
warranty_until: [保修截止, 保修截止日期, 保修截止时间, 保修到期, 保修到期日期, 保修期至, 保修至, 质保到期, 质保到期日, 质保到期日期, 质保到期时间, 质保截止日期, 质保期至, 维保到期, 维保到期日期, 维保截止日期, 维保到期时间, 过保日期, 过保时间, warranty until, warranty end, warranty end date, warranty expires, warranty expiry, warranty expiration, warranty expiration date, end of warranty, support end date]
commissioned_on: [投运日期, 投运时间, 投入运行日期, 投产日期, 启用日期, 上线日期, 上线时间, 上架日期, 上架时间, commissioned on, commissioned, commission date, in service date, in service since, go live date, production use date, deployment date, install date, installed on, move to production date]
decommissioned_on: [退运日期, 退运时间, 退役日期, 退役时间, 下线日期, 下线时间, decommissioned on, decommissioned, decommission date, retired on]
lifecycle_state: [设备状态, 资产状态, 运行状态, 使用状态, 状态, 使用情况, 生命周期状态, status, state, device status, asset status, lifecycle state, lifecycle]
description: [备注, 备注说明, 说明, 描述, 备注信息, remarks, remark, notes, note, comments, comment, description, 用途, 设备用途, 主要用途, purpose]
os_name: [操作系统, 操作系统名称, 操作系统版本, os, operating system, os name]
os_version: [软件版本, 系统版本, 系统软件版本, os version, software version]
firmware_version: [固件版本, firmware version, firmware]
bios_version: [bios版本, bios version, bios]
core_count: [cpu核数, cpu核心数, 核数, 核心数, 总核数, cores, core count, cpu cores]
cpu_count: [cpu数量, cpu数, cpu个数, cpu颗数, 处理器数, 处理器数量, cpu count, cpus, cpu, 处理器]
memory_mib: [内存, 内存容量, 内存大小, 内存总量, memory, memory size, ram, memory gb, memory mb, ram gb, ram mb]
capacity_gib: [容量, 存储容量, 裸容量, 总容量, capacity, storage capacity]
port_count: [端口数, 端口数量, 端口总数, ports, port count]
rated_power: [额定功率, 功率, rated power, power]
system_uuid: [uuid, 系统uuid, system uuid, bios uuid]
imei: [imei, imei号]
domain: [域, 域名, domain]
environment: [环境, 使用环境, 运行环境, environment]
criticality: [重要程度, 重要性, 重要等级, criticality, business criticity, business criticality]
security_zone: [安全分区, 安全区, 所属安全区, security zone]
application: [所属系统, 业务系统, 应用系统, 所属业务系统, 所属应用系统, 承载业务系统, 承载系统, 系统名称, application, business application, business system]
maintenance_contract: [维保合同, 维保合同编号, 维保合同号, maintenance contract, maintenance contract number]
record_id: [记录标识, record id]
contract_name: [维保合同名称, maintenance contract name]
contract_until: [维保合同到期, 维保合同到期日期, 维保合同截止日期, maintenance contract end, maintenance contract until]
"""

_STATES: Final = """
planned: [规划, 规划中, 计划, 待建, 在建, 未投运, 待投运, 待上线, 待安装, 采购中, planned, ordered, on order, pending, requested]
in_stock planned: [库存, 在库, 入库, 仓库, 备用, 备品, 备件, 备机, 待用, 待领用, 未使用, 新购, in stock, stock, instock, spare, inventory, ready to deploy, new, to deploy, available]
in_use: [在运, 在用, 运行, 运行中, 在运行, 正常, 正常运行, 正常使用, 使用, 使用中, 投运, 已投运, 启用, 已启用, 在线, 上线, 已上线, 良好, in use, inuse, active, deployed, production, live, in production, in service, online, used, operational, running, installed, ok, good]
in_repair out_of_service suspended: [维修, 维修中, 在修, 检修, 检修中, 送修, 返修, 故障, 损坏, 异常, in repair, repair, under repair, maintenance, in maintenance, broken, damaged, faulty, failed, defective, out for repair]
idle out_of_service suspended: [闲置, 停用, 已停用, 停运, 已停运, 停机, 封存, 离线, 关机, idle, unused, free, out of service, offline, inactive, stopped, disabled]
retired idle: [退役, 已退役, 退运, 已退运, 下线, 已下线, 下架, 已下架, 待报废, 拟报废, 待处置, retired, decommissioned, decommissioning, archived, obsolete, end of life, pre liquidated]
scrapped retired: [报废, 已报废, 已处置, 核销, 已核销, scrapped, disposed, disposed of, written off, liquidated, destroyed, sold]
on_loan in_use: [借出, 外借, 已借出, 借用, on loan, loan, loaned, lent]
lost retired: [盘亏, 丢失, 遗失, 被盗, lost, missing, stolen, lost or stolen]
donated retired: [捐赠, 捐献, 已捐赠, 已捐献, donated]
cancelled retired: [取消, 已取消, cancelled, canceled]
"""

_TYPES: Final = """
Server: [服务器, 机架服务器, 机架式服务器, 塔式服务器, pc服务器, x86服务器, 物理服务器, 物理机, rack server, physical server, hardware server, pc server, data center server]
BladeServer: [刀片, 刀片机, 刀片式服务器, blade]
BladeChassis: [刀箱, 刀片机框, 刀片机柜, enclosure, blade enclosure, blade system]
Mainframe: [小型机, 大型机, mainframe, unix server]
Computer: [电脑, 微机, computer, pc机]
DesktopComputer: [台式机, 台式电脑, 台式计算机, 台式微机, 桌面机, 办公电脑, 一体机电脑, desktop, desktop pc, workstation, 工作站, 图形工作站, pc]
Laptop: [笔记本, 便携式计算机, 便携机, 手提电脑, 便携式电脑, notebook, notebook computer, laptop computer]
ThinClient: [云终端, 云桌面终端, 瘦客户端, 瘦终端]
MobileDevice: [平板, 平板电脑, 手机, 移动作业终端, 手持终端, pda, tablet, smartphone, mobile phone, cell phone]
StorageArray: [存储, 存储设备, 存储阵列, 磁盘阵列柜, 盘阵, 磁盘柜, nas, san存储, nas存储, storage, storage device, storage system, disk array]
TapeLibrary: [磁带机, 带库, tape drive]
BackupAppliance: [备份设备, 备份一体机, 备份存储, backup device]
NetworkDevice: [网络设备, network equipment, network hardware, networking]
Switch: [交换机, 以太网交换机, 核心交换机, 接入交换机, 汇聚交换机, 三层交换机, 二层交换机, 工业交换机, switch, ethernet switch, lan switch]
FibreChannelSwitch: [光纤交换机, fc交换机, san交换机, fc switch, san switch, fiber channel switch]
Router: [路由器, 路由]
LoadBalancer: [负载均衡, 负载均衡器, 负载均衡设备, 应用交付, adc, loadbalancer]
WirelessController: [ac控制器, 无线ac, wlc, wireless lan controller]
AccessPoint: [无线ap, ap, wifi ap, access point, 无线接入设备, 无线路由器]
TransmissionDevice: [传输设备, sdh, otn, pcm, 光端机, sdh设备, otn设备]
SecurityAppliance: [安全设备, 网络安全设备, 信息安全设备, waf, 网闸, 漏洞扫描, 漏扫, 日志审计, 数据库审计, 上网行为管理, 态势感知, security device]
Firewall: [防火墙, 下一代防火墙, utm, ngfw]
IntrusionDetection: [ids, ips, 入侵防御, 入侵检测系统, 入侵防御系统, 入侵检测设备]
BastionHost: [堡垒机, 运维审计, 运维审计系统, bastion]
VPNGateway: [vpn, vpn设备, ssl vpn]
EncryptionDevice: [纵向加密, 加密装置, 纵向加密认证装置, 加密机]
IsolationDevice: [隔离装置, 正向隔离装置, 反向隔离装置, 正向隔离, 反向隔离, 横向隔离]
Printer: [打印机, 激光打印机, 喷墨打印机, 针式打印机, 多功能一体机, 打印一体机, 复印机, mfp, multifunction printer]
Scanner: [扫描仪, 高拍仪]
Projector: [投影仪, 投影机, beamer]
Monitor: [显示器, 监视器, 显示屏, 液晶显示器, display, lcd monitor]
KVMSwitch: [kvm, kvm切换器]
IPPhone: [ip电话, 电话机, voip phone, phone]
IPCamera: [摄像机, 摄像头, 监控摄像头, 网络摄像头, camera]
VideoConferenceTerminal: [视频会议, 视频会议设备, 会议终端]
PatchPanel: [配线架, 光纤配线架, odf, ddf]
UPS: [ups, ups电源, ups主机, 不间断电源, 不间断电源系统]
PDU: [pdu, 机柜pdu, 电源分配单元]
Generator: [发电机, 柴油发电机, 发电机组]
BatteryBank: [蓄电池, 电池, 电池组, ups电池, battery]
AirConditioner: [空调, 精密空调, 机房空调, 行间空调, 列间空调, crac, air conditioning, precision air conditioner]
EnvironmentSensor: [传感器, 温湿度传感器, 环境监控, 动环监控, sensor]
Rack: [机柜, 服务器机柜, 网络机柜, cabinet]
VirtualMachine: [虚拟机, 虚拟服务器, 虚机, vm, virtual server]
CloudInstance: [云主机, 云服务器, ecs, ec2]
RemoteTerminalUnit: [rtu, 远动机, 远动设备]
TimeServer: [时钟, 时钟服务器, 对时装置, ntp服务器, ntp server]
"""

SECRET: Final = re.compile(
    r"(?i)passw|passwd|pwd|passphrase|口令|密码|token|令牌|community|团体字|团体名|团体串|secret|密钥"
    r"|private[ _-]?key|api[ _-]?key|access[ _-]?key|licen[cs]e[ _-]?key|product[ _-]?key|credential"
)
"""Headers of columns that are never read, whatever a mapping says."""

FOOTER: Final = re.compile(
    r"(?i)\s*(?:(?:合\s*计|总\s*计|小\s*计|共\s*计|累\s*计|(?:grand |sub ?)?total|sum)(?![a-z])"
    r"|(?:制表|编制|填表|填报|审核|批准|复核|打印|导出|统计)(?:人|日期|时间|单位)?\s*[:：]|(?:备注|说明|注)\s*[:：])"
)
"""How a row below a table begins that is no device."""

_EMPTY: Final = r"""
/ \ // - -- --- — —— ― ／ * . ? ？ 无 暂无 没有 空 未知 不详 待定 待补 未填 不适用 n/a na n.a. null none nil
(null) <null> #n/a #ref! #value! #name? #div/0! unknown tbd
"""
EMPTY: Final = frozenset(_EMPTY.split())
"""What people write into a cell that has no value."""

PATTERNS: Final = {
    # Ralph: Rack.__str__ is "NAME (DATA CENTRE/SERVER ROOM)", AssetModel.__str__ "[CATEGORY] MAKER NAME"
    "rackstr": r"(?P<rack>.+?) \((?P<site>[^/()]+)/(?P<room>[^()]+)\)",
    "modelstr": r"(?:\[(?P<type>[^\]]+)\] *)?(?:None )?(?P<model>.*)",
}
"""Headers of columns that hold several things, and how they are taken apart."""

RALPH: Final = frozenset({"sn", "forcedepreciation"})
"""A header with both of these is Ralph's."""
RALPH_NUMBERS: Final = frozenset(
    {"model", "rack", "parent", "region", "warehouse", "serviceenv", "propertyof", "budgetinfo"}
    | {"configurationpath", "owner", "user"}
)
"""Ralph's columns that hold nothing but numbers of its own database."""
RALPH_HEADERS: Final = {"propertyofstr": "organisation"}
# By the order of DataCenterAssetStatus and BackOfficeAssetStatus in Ralph's sources; what changed its
# number between versions is not here.
RALPH_STATES: Final = {
    "slotno": {"1": "in_stock", "2": "in_use", "3": "idle", "4": "in_repair", "5": "scrapped"},
    "warehouse": {
        "1": "in_stock",
        "4": "in_use",
        "5": "on_loan",
        "6": "in_repair",
        "7": "scrapped",
        "8": "in_repair",
        "9": "in_use",
        "10": "idle",
    },
}

_SEPARATORS: Final = re.compile(r"->(?:friendly)?name$|[\s_\-.:*#·,、/\\'\"“”]+")
_UNIT: Final = re.compile(r"(?i)(?:单位\s*:?\s*)?(元|万元|[MGT]i?B)")
_ENCLOSED: Final = re.compile(r"[(\[【〔<]([^()\[\]【】〔〕<>]*)[)\]】〕>]")


def plain(text: str) -> str:
    """A header or word without what makes no difference."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text).lower())


def spellings(header: str) -> list[str]:
    """Plain forms to look a header up by, the most telling first.

    >>> spellings("序列号(S/N)")
    ['序列号(sn)', '序列号', 'sn']
    """
    header = unicodedata.normalize("NFKC", header)
    bare = _ENCLOSED.sub("", header)
    parts = [bare, *re.split(r"[/、|\n]", bare), *_ENCLOSED.findall(header)]
    return list(dict.fromkeys(filter(None, map(plain, (header, *parts)))))


def unit(header: str) -> str | None:
    """The unit that a header names: ``GB`` of ``内存(GB)`` or ``memory_gb``, ``万元`` of ``原值（万元）``."""
    text = unicodedata.normalize("NFKC", header)
    for inside in (*_ENCLOSED.findall(text), *re.split(r"[\s_]+", text)[1:]):
        if found := _UNIT.fullmatch(inside.strip()):
            return found[1].upper().replace("I", "")
    return None


@cache
def targets() -> dict[str, dict[str, int]]:
    """Target -> plain header -> its rank, in the order in which targets choose their columns."""
    table = yaml.safe_load(_HEADERS)
    return {t: {plain(str(h)): i for i, h in enumerate(headers)} for t, headers in table.items()}


@cache
def known_headers() -> frozenset[str]:
    """All plain headers that mean something."""
    return frozenset(h for headers in targets().values() for h in headers) | PATTERNS.keys()


@cache
def type_words() -> dict[str, str]:
    """Plain word for a kind of device -> record type; the model's own labels come on top."""
    return _turned(yaml.safe_load(_TYPES))


@cache
def state_words() -> dict[str, tuple[str, ...]]:
    """Plain word for a state -> states, the first of which that a type has is meant."""
    return {
        word: tuple(states.split()) for word, states in _turned(yaml.safe_load(_STATES)).items()
    }


def _turned(table: dict[str, list[Any]]) -> dict[str, str]:
    return {plain(str(word)): name for name, words in table.items() for word in words}
