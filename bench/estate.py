"""A layered estate of any size, always the same for the same seed.

It is made of *cells*: an organisation with its site, from the power feed to the terminals::

    (terminal)-[:ACCESSES]->(business service)-[:DELIVERED_BY]->(application)-[:RUNS_ON]->(vm)
    (vm)-[:RUNS_ON]->(server)-[:POWERED_BY]->(pdu)-[:POWERED_BY]->(ups)-[:POWERED_BY]->(power feed)
    (server)-[:UPLINKED_TO]->(switch), (site)-[:CONTAINS]->(room)-[:CONTAINS]->(rack)-[:CONTAINS]->(server)

Cells hang in the organisations' tree: terminals and applications also use what runs one level up.
A cell is about 510 records with 1,350 relationships, and only one is in memory at a time, with the
services of those above whose cells are still to come.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from cmdb.change_sets import Create, Operation, Relate

CELL: Final = 510
"""Records of one cell, about."""
RACKS: Final = 10
SERVERS_A_RACK: Final = 6
VMS: Final = 144
DATABASES: Final = 15
APPLICATIONS: Final = 60
SERVICES: Final = 8
FIXED: Final = (
    9 + 1 + 3 * RACKS + 12 + RACKS * SERVERS_A_RACK + VMS + DATABASES + APPLICATIONS + SERVICES
)
"""Records of a cell without its terminals."""

LEVELS: Final = ("Headquarters", "ProvinceCompany", "CityCompany", "CountyCompany")
LEVEL_NAMES: Final = ("总部", "省电力公司", "市供电公司", "县供电公司")
SERVER_MODELS: Final = (
    ("Inspur", "NF5280M6"), ("Huawei", "RH2288H V5"), ("Lenovo", "SR650"), ("H3C", "R4900 G5"),
)  # fmt: skip
SWITCH_MODELS: Final = (("Huawei", "S6730-H48X6C"), ("H3C", "S6520X-54QC"), ("Ruijie", "S6120"))
TERMINAL_MODELS: Final = (("Lenovo", "M920t"), ("HP", "ProDesk 600"), ("Dell", "OptiPlex 7090"))
ENVIRONMENTS: Final = ("production", "production", "production", "staging", "test")
CRITICALITIES: Final = ("critical", "high", "medium", "low")
STATES: Final = (
    "in_use",
    "in_use",
    "in_use",
    "in_use",
    "in_use",
    "in_use",
    "in_stock",
    "in_repair",
)
DAYS: Final = tuple((date(2016, 1, 1) + timedelta(days=n)).isoformat() for n in range(3_600))


class Shared(NamedTuple):
    """What the cells below use of a cell."""

    organisation: str
    applications: list[str]
    services: list[str]


def operations(size: int, seed: int = 1) -> Iterator[Operation]:
    """The creations and relationships of an estate, each after what it names.

    Parameters
    ----------
    size
        Records in it; exactly so from about 350 on.
    seed
        Another one gives other ids and values, in the same structure.
    """
    cells = max(1, round(size / CELL))
    terminals = max(0, size - cells * FIXED)
    fan_out = 3
    while 1 + fan_out + fan_out**2 + fan_out**3 < cells:
        fan_out += 1
    maker = _Maker(seed)
    shared: dict[int, Shared] = {}
    for number in range(cells):
        above = (number - 1) // fan_out
        shared.pop(above - 1, None)
        share = terminals * (number + 1) // cells - terminals * number // cells
        cell = _Cell(maker, number, shared.get(above), share)
        yield from cell.operations(_depth(number, fan_out))
        if number * fan_out + 1 < cells:
            shared[number] = cell.shared()


def _depth(number: int, fan_out: int) -> int:
    depth = 0
    while number:
        number, depth = (number - 1) // fan_out, depth + 1
    return depth


class _Maker:
    """Ids that ascend as those of real records do, and values."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._count = (0x019A_0000_0000 + seed * 0x1000_0000) << 12

    def id(self) -> str:
        self._count += 16
        digits = f"{self._count >> 12:012x}7{self._count & 0xFFF:03x}{1 << 63 | self.random.getrandbits(62):016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def serial(self, prefix: str) -> str:
        return f"{prefix}{self.random.getrandbits(40):010X}"


class _Cell:
    """One organisation and its site."""

    def __init__(self, maker: _Maker, number: int, above: Shared | None, terminals: int) -> None:
        self._maker, self._random = maker, maker.random
        self._number, self._above, self._terminals = number, above, terminals
        self._code = f"{number:05d}"
        self._organisation = ""
        self._addresses = 0
        self._applications: list[str] = []
        self._services: list[str] = []
        self._racks: list[tuple[str, str, str]] = []
        self._switches: list[str] = []
        self._servers: list[str] = []
        self._vms: list[str] = []
        self._made: list[Operation] = []

    def shared(self) -> Shared:
        return Shared(self._organisation, self._applications, self._services)

    def operations(self, depth: int) -> Iterator[Operation]:
        self._organise(depth)
        for layer in (
            self._place,
            self._compute,
            self._virtualise,
            self._serve,
            self._furnish,
        ):
            layer()
            yield from self._made
            self._made = []

    # -- layers -----------------------------------------------------------------------------------

    def _organise(self, depth: int) -> None:
        name = f"{LEVEL_NAMES[min(depth, 3)]}{self._code}"
        attributes = {"name": name, "code": f"ORG-{self._code}"}
        self._organisation = self._maker.id()
        self._made.append(Create(LEVELS[min(depth, 3)], attributes, self._organisation))
        if self._above:
            self._relate(self._organisation, "PART_OF", self._above.organisation)

    def _place(self) -> None:
        """(room)-[:CONTAINS]->(rack), (pdu)-[:POWERED_BY]->(ups)-[:POWERED_BY]->(feed)."""
        address = f"{self._code}号院 {self._random.randrange(1, 999)}"
        site = self._create("Site", f"站点-{self._code}", address=address)
        rooms = [self._create("Room", f"机房-{self._code}-{n}", room_grade="b") for n in (1, 2)]
        feeds = [self._equipment("PowerFeed", n, voltage=380) for n in (1, 2)]
        units = [self._equipment("UPS", n, rated_power=120) for n in (1, 2)]
        coolers = [self._equipment("AirConditioner", n, cooling_capacity=60) for n in (1, 2)]
        for contained in (*rooms, *feeds):
            self._relate(site, "CONTAINS", contained)
        for room, unit, cooler in zip(rooms, units, coolers, strict=True):
            self._relate(room, "CONTAINS", unit)
            self._relate(room, "CONTAINS", cooler)
        for feed in feeds:
            for unit in units:
                self._relate(unit, "POWERED_BY", feed)
        for room in rooms:
            for cooler in coolers:
                self._relate(room, "COOLED_BY", cooler)
        for n in range(RACKS):
            serial = self._maker.serial("RK")
            rack = self._create(
                "Rack", f"机柜-{self._code}-{n:02d}", rack_units=42, serial_number=serial
            )
            self._relate(rooms[n % 2], "CONTAINS", rack)
            pdus = [self._equipment("PDU", 2 * n + side, outlet_count=24) for side in (0, 1)]
            for pdu, unit in zip(pdus, units, strict=True):
                self._relate(rack, "CONTAINS", pdu)
                self._relate(pdu, "POWERED_BY", unit)
            self._racks.append((rack, *pdus))  # type: ignore[arg-type]

    def _compute(self) -> None:
        """(server)-[:UPLINKED_TO]->(switch)-[:UPLINKED_TO]->(core switch), all with two power supplies."""
        cores = [self._switch(f"CORE{n}", self._racks[n], 41) for n in (0, 1)]
        for n, rack in enumerate(self._racks):
            switch = self._switch(f"ACC{n:02d}", rack, 40)
            self._switches.append(switch)
            for core in cores:
                self._relate(switch, "UPLINKED_TO", core)
        for n in range(RACKS * SERVERS_A_RACK):
            rack = self._racks[n % RACKS]
            server = self._server(n)
            self._install(server, rack, 2 + 2 * (n // RACKS))
            self._relate(server, "UPLINKED_TO", self._switches[n % RACKS])
            self._relate(server, "UPLINKED_TO", self._switches[n % RACKS - 1])
            self._servers.append(server)

    def _virtualise(self) -> None:
        """(vm)-[:RUNS_ON]->(server)."""
        for n in range(VMS):
            host = f"vm-{self._code}-{n:03d}"
            vm = self._create(
                "VirtualMachine",
                host,
                hostname=host,
                system_uuid=f"{self._random.getrandbits(128):032x}",
                management_ip=self._address(),
                cpu_count=self._random.choice((2, 4, 8, 16)),
                memory_mib=self._random.choice((4_096, 8_192, 16_384, 65_536)),
                environment=self._random.choice(ENVIRONMENTS),
                lifecycle_state="in_use",
            )
            self._relate(vm, "RUNS_ON", self._servers[n % 48])
            self._vms.append(vm)

    def _serve(self) -> None:
        """(service)-[:DELIVERED_BY]->(application)-[:DEPENDS_ON]->(database), (application)-[:CALLS]->(application)."""
        databases = []
        for n in range(DATABASES):
            database = self._software("DatabaseInstance", f"db-{self._code}-{n:02d}", port=5432)
            self._relate(database, "RUNS_ON", self._vms[n])
            databases.append(database)
        called = self._above.applications if self._above else self._applications
        for n in range(APPLICATIONS):
            code = f"APP-{self._code}-{n:02d}"
            name = f"{('营销', '生产', '调度', '财务', '物资')[n % 5]}系统-{code}"
            application = self._software("Application", name, application_code=code, port=8080)
            self._relate(application, "RUNS_ON", self._vms[DATABASES + 2 * n], group="nodes")
            self._relate(application, "RUNS_ON", self._vms[DATABASES + 2 * n + 1], group="nodes")
            self._relate(application, "DEPENDS_ON", databases[n % DATABASES])
            if called:
                self._relate(application, "CALLS", self._random.choice(called), protocol="https")
            self._applications.append(application)
        for n in range(SERVICES):
            service = self._create(
                "BusinessService",
                f"业务服务-{self._code}-{n}",
                service_code=f"SVC-{self._code}-{n}",
                criticality=self._random.choice(CRITICALITIES),
                lifecycle_state="in_use",
            )
            for application in self._random.sample(self._applications, 3):
                self._relate(service, "DELIVERED_BY", application)
            self._services.append(service)

    def _furnish(self) -> None:
        """(terminal)-[:ACCESSES]->(business service), (terminal)-[:UPLINKED_TO]->(switch)."""
        elsewhere = self._above.services if self._above else self._services
        for n in range(self._terminals):
            vendor, model = self._random.choice(TERMINAL_MODELS)
            host = f"pc-{self._code}-{n:04d}"
            terminal = self._device(
                "DesktopComputer",
                host,
                "PC",
                vendor,
                model,
                hostname=host,
                management_ip=self._address(),
                memory_mib=self._random.choice((8_192, 16_384)),
            )
            self._relate(terminal, "UPLINKED_TO", self._random.choice(self._switches))
            self._relate(terminal, "ACCESSES", self._services[n % SERVICES])
            other = elsewhere[(n + 1) % SERVICES]
            self._relate(terminal, "ACCESSES", other)

    # -- records ----------------------------------------------------------------------------------

    def _server(self, n: int) -> str:
        vendor, model = self._random.choice(SERVER_MODELS)
        host = f"srv-{self._code}-{n:03d}"
        return self._device(
            "Server",
            host,
            "SV",
            vendor,
            model,
            hostname=host,
            management_ip=self._address(),
            cpu_count=2,
            core_count=self._random.choice((32, 48, 64)),
            memory_mib=self._random.choice((131_072, 262_144, 524_288)),
            environment=self._random.choice(ENVIRONMENTS),
            criticality=self._random.choice(CRITICALITIES),
            rack_height=2,
        )

    def _switch(self, name: str, rack: tuple[str, str, str], position: int) -> str:
        vendor, model = self._random.choice(SWITCH_MODELS)
        host = f"sw-{self._code}-{name}"
        mac = f"{self._random.getrandbits(46) << 2:012x}"
        switch = self._device(
            "Switch",
            host,
            "SW",
            vendor,
            model,
            hostname=host,
            management_ip=self._address(),
            chassis_mac=":".join(mac[i : i + 2] for i in range(0, 12, 2)),
            port_count=48,
        )
        self._install(switch, rack, position)
        return switch

    def _device(
        self, type_: str, name: str, prefix: str, vendor: str, model: str, **attributes: Any
    ) -> str:
        day = self._random.randrange(len(DAYS) - 1_100)
        return self._create(
            type_,
            name,
            serial_number=self._maker.serial(prefix),
            asset_number=f"{prefix}-{self._code}-{name[-8:]}-{self._random.getrandbits(24):06x}",
            vendor=vendor,
            model=model,
            lifecycle_state=self._random.choice(STATES),
            purchase_date=DAYS[day],
            warranty_until=DAYS[day + 1_095],
            **attributes,
        )

    def _equipment(self, type_: str, n: int, **attributes: Any) -> str:
        return self._create(
            type_,
            f"{type_}-{self._code}-{n}",
            serial_number=self._maker.serial(type_[:2].upper()),
            vendor="Vertiv",
            model=f"{type_}-20",
            management_ip=self._address(),
            lifecycle_state="in_use",
            **attributes,
        )

    def _software(self, type_: str, name: str, **attributes: Any) -> str:
        version = f"{self._random.randrange(1, 9)}.{self._random.randrange(20)}"
        return self._create(
            type_,
            name,
            version=version,
            environment="production",
            criticality=self._random.choice(CRITICALITIES),
            commissioned_on=self._random.choice(DAYS),
            lifecycle_state="in_use",
            **attributes,
        )

    def _create(self, type_: str, name: str, **attributes: Any) -> str:
        attributes["name"], attributes["organisation"] = name, self._organisation
        id = self._maker.id()
        self._made.append(Create(type_, attributes, id))
        return id

    def _install(self, device: str, rack: tuple[str, str, str], position: int) -> None:
        self._relate(rack[0], "CONTAINS", device, rack_position=position)
        self._relate(device, "POWERED_BY", rack[1], group="psu")
        self._relate(device, "POWERED_BY", rack[2], group="psu")

    def _relate(self, source: str, type_: str, target: str, **attributes: Any) -> None:
        self._made.append(Relate(source, type_, target, attributes or NOTHING))

    def _address(self) -> str:
        """Addresses begin anew in each cell, as private ones do; /16 of it tells cells apart."""
        self._addresses += 1
        return f"10.{self._number % 250}.{self._addresses // 250}.{self._addresses % 250 + 1}"


NOTHING: Final[Mapping[str, Any]] = {}
