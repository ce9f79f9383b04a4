"""Scans by nmap: hosts that are up, what they are called, and what answers on their ports."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Link, Observation, Rejection
from importers.nmap import Counts, counts
from importers.reading import documents
from tests.support.observing import Observed, shared_data

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "discovery" / "nmap" / "scan.xml"

SCAN = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -A --script-args snmpcommunity=s3cret 10.3.0.0/24" version="7.93">
<hosthint><status state="up"/><address addr="10.3.0.8" addrtype="ipv4"/></hosthint>
<host><status state="up" reason="arp-response"/>
<address addr="10.3.0.7" addrtype="ipv4"/>
<address addr="00:1A:2B:03:04:05" addrtype="mac" vendor="Cisco Systems"/>
<hostnames><hostname name="alias.example" type="user"/>
<hostname name="WEB-01.corp.example" type="PTR"/></hostnames>
<ports><extraports state="closed" count="995"/>
<port protocol="tcp" portid="22"><state state="open"/>
<service name="ssh" product="OpenSSH" version="9.2p1" extrainfo="protocol 2.0"/>
<script id="ssh-brute" output="root:s3cret"/></port>
<port protocol="tcp" portid="443"><state state="open"/><service name="http" tunnel="ssl"/></port>
<port protocol="udp" portid="161"><state state="open|filtered"/><service name="snmp"/></port>
<port protocol="tcp" portid="80"><state state="filtered"/></port>
<port protocol="udp" portid="53"><state state="open"/></port></ports>
<os><osmatch name="Linux 5.0 - 5.4" accuracy="93"><osclass type="general purpose" accuracy="93"/></osmatch>
<osmatch name="Linux 4.15 - 5.6" accuracy="98"><osclass type="general purpose" accuracy="98"/></osmatch></os>
</host>
<host><status state="down" reason="no-response"/><address addr="10.3.0.9" addrtype="ipv4"/></host>
</nmaprun>
"""

HEAD = '<nmaprun scanner="nmap">'


def observed(folder: Path, text: str) -> Observed:
    path = folder / "scan.xml"
    path.write_text(text)
    return Observed("nmap", path)


def host(inner: str, address: str = "10.3.0.1", mac: str = "") -> str:
    hardware = f'<address addr="{mac}" addrtype="mac"/>' if mac else ""
    return (
        f'<host><status state="up"/><address addr="{address}" addrtype="ipv4"/>'
        f"{hardware}{inner}</host>"
    )


def service(port: int, transport: str, name: str, **attributes: str) -> Link:
    said = {"port": port, "transport": transport, "name": name, **attributes}
    return Link("EXPOSES", Observation("NetworkService", attributes=said))


def test_a_host_that_is_up_has_its_addresses_names_system_and_open_ports(tmp_path: Path) -> None:
    of = observed(tmp_path, SCAN).sound()
    assert of.observations == [
        Observation(
            "Host",
            "host/00:1a:2b:03:04:05",
            {
                "name": "web-01",
                "hostname": "web-01",
                "domain": "corp.example",
                "management_ip": "10.3.0.7",
                "chassis_mac": "00:1a:2b:03:04:05",
                "mac_addresses": ["00:1a:2b:03:04:05"],
                "vendor": "Cisco",
                "os_name": "Linux 4.15 - 5.6",
                "description": "nmap: Linux 4.15 - 5.6 (accuracy 98%)",
            },
            [
                service(22, "tcp", "ssh", product="OpenSSH", version="9.2p1"),
                service(443, "tcp", "ssl/http"),
                service(53, "udp", "53/udp"),
            ],
            "scan.xml host 1",
        )
    ]
    path = tmp_path / "scan.xml"
    assert counts(documents([str(path)])[0]) == Counts(hosts=2, up=1, open_ports=3)


def test_what_scripts_and_arguments_say_is_never_taken(tmp_path: Path) -> None:
    of = observed(tmp_path, SCAN).sound()
    assert not any("s3cret" in text for text in of.texts())


def test_a_real_scan_gives_what_answered() -> None:
    of = Observed("nmap", EXAMPLE).sound()
    assert of.observations == [
        Observation(
            "Host",
            "host/10.20.7.57",
            {
                "name": "build-07",
                "hostname": "build-07",
                "domain": "corp.example",
                "management_ip": "10.20.7.57",
            },
            [service(18080, "tcp", "http", product="SimpleHTTPServer", version="0.6")],
            "scan.xml host 1",
        )
    ]


def test_a_mac_address_that_answers_for_several_hosts_is_none_of_them(tmp_path: Path) -> None:
    mac = "00:1A:2B:03:04:05"
    text = HEAD + host("", "10.3.0.1", mac) + host("", "10.3.0.2", mac) + "</nmaprun>"
    of = observed(tmp_path, text).sound()
    assert [(o.key, dict(o.attributes)) for o in of.observations] == [
        ("host/10.3.0.1", {"name": "10.3.0.1", "management_ip": "10.3.0.1"}),
        ("host/10.3.0.2", {"name": "10.3.0.2", "management_ip": "10.3.0.2"}),
    ]


@pytest.mark.parametrize(
    ("classes", "type_"),
    [
        ([("printer", 100)], "Printer"),
        ([("switch", 95)], "Switch"),
        ([("switch", 94)], "Host"),
        ([("router", 97), ("router", 96)], "Router"),
        ([("router", 97), ("switch", 96)], "Host"),
        ([("router", 97), ("switch", 90)], "Router"),
        ([("general purpose", 100)], "Host"),
        ([("firewall", 100)], "Firewall"),
        ([("VoIP phone", 100)], "IPPhone"),
        ([("power-device", 100)], "PDU"),
        ([("storage-misc", 100)], "StorageArray"),
        ([("WAP", 100)], "AccessPoint"),
        ([("load balancer", 99)], "LoadBalancer"),
        ([("webcam", 99)], "IPCamera"),
        ([("media device", 100)], "Host"),
        ([], "Host"),
    ],
)
@pytest.mark.parametrize("nested", [True, False], ids=["nmap 6 and later", "nmap 5"])
def test_a_type_is_believed_only_where_nmap_is_sure_and_of_one_mind(
    classes: list[tuple[str, int]], type_: str, nested: bool, tmp_path: Path
) -> None:
    inner = "".join(f'<osclass type="{kind}" accuracy="{sure}"/>' for kind, sure in classes)
    match = '<osmatch name="Something 1.0" accuracy="96">'
    system = f"{match}{inner}</osmatch>" if nested else f"{inner}{match}</osmatch>"
    mac = "00:1a:2b:03:04:05"
    text = f"{HEAD}{host(f'<os>{system}</os>', mac=mac)}</nmaprun>"
    of = observed(tmp_path, text).sound()
    [found] = of.observations
    assert (found.type, found.key) == (type_, f"host/{mac}")
    assert found.attributes["management_ip"] == "10.3.0.1"


def test_a_host_of_ipv6_goes_by_its_address(tmp_path: Path) -> None:
    of = observed(
        tmp_path,
        HEAD
        + '<host><status state="up"/><address addr="FD00::0:7" addrtype="ipv6"/></host></nmaprun>',
    ).sound()
    [found] = of.observations
    assert (found.key, found.attributes["management_ip"]) == ("host/fd00::7", "fd00::7")


def test_odd_hosts_are_rejected_and_odd_ports_left_out(tmp_path: Path) -> None:
    ports = "".join(
        f'<port protocol="tcp" portid="{number}"><state state="open"/></port>'
        for number in ("80", "80", "-1", "65536", "99999999999", "x", "")
    )
    text = f"""{HEAD}<host><status state="up"/></host>
<host><status state="up"/><address addr="300.1.1.1" addrtype="ipv4"/></host>
<host/>{host(f"<ports>{ports}<port/></ports>")}</nmaprun>"""
    of = observed(tmp_path, text)
    assert of.unfit == []
    reason = "the host has neither a MAC nor an IP address"
    assert of.rejections == [
        Rejection("scan.xml host 1", reason),
        Rejection("scan.xml host 2", reason),
    ]
    [found] = of.observations
    assert found.links == [service(80, "tcp", "80/tcp")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nmap scan report for 10.0.0.1",
        "<inventory/>",
        "{}",
        SCAN[: len(SCAN) // 2],
        '<!DOCTYPE nmaprun [<!ENTITY a "b">]><nmaprun>&a;</nmaprun>',
        "<nmaprun>" + "<a>" * 400 + "</a>" * 400 + "</nmaprun>",
    ],
)
def test_what_is_no_scan_is_refused_in_one_sentence(text: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as refused:
        observed(tmp_path, text)
    assert str(refused.value).count("\n") <= 1


def test_mutilated_scans_give_observations_or_one_clear_error(tmp_path: Path) -> None:
    wrong = [SCAN[:cut] for cut in range(0, len(SCAN), 61)]
    for tag in ("status", "address", "hostnames", "ports", "state", "service", "os", "osmatch"):
        wrong += [SCAN.replace(f"<{tag} ", "<x ", 1), SCAN.replace(f"{tag}", "host")]
    for attribute in ("state", "addr", "addrtype", "name", "type", "portid", "accuracy", "vendor"):
        wrong += [
            SCAN.replace(f' {attribute}="', ' x="'),
            SCAN.replace(f'{attribute}="', f'{attribute}="\t中'),
        ]
    for one in wrong:
        try:
            of = observed(tmp_path, one)
        except SourceError:
            continue
        assert all(isinstance(item, Rejection) for item in of.rejections)


# hosts listed, hosts up, open ports; MAC addresses and operating systems of those that are up
SCANS = {
    "fullscan": (Counts(256, 2, 9), 0, 0),
    "full_sudo5": (Counts(256, 4, 11), 3, 2),
    "full_sudo6": (Counts(256, 4, 12), 3, 3),
    "os_scan6": (Counts(256, 3, 11), 2, 3),
    "2_hosts": (Counts(2, 2, 8), 0, 0),
    "2_hosts_version": (Counts(2, 2, 8), 0, 1),
    "2_null_hosts": (Counts(2, 2, 0), 0, 0),
    "1_os_banner_scripts": (Counts(1, 1, 8), 0, 0),
    "dionaea_scan": (Counts(1, 1, 16), 1, 1),
    "extra_ports": (Counts(1, 1, 16), 1, 1),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", SCANS)
def test_real_scans_give_what_answered_and_no_host_that_is_down(name: str) -> None:
    held, macs, systems = SCANS[name]
    path = shared_data("nmap-libnmap") / f"{name}.xml"
    assert counts(documents([str(path)])[0]) == held
    of = Observed("nmap", path).sound()
    assert len(of.observations) == held.up
    assert len(of.subjects("NetworkService", "part")) == held.open_ports
    assert sum("chassis_mac" in o.attributes for o in of.observations) == macs
    assert sum("os_name" in o.attributes or o.type != "Host" for o in of.observations) == systems


@pytest.mark.shared_data
def test_a_port_that_is_listed_but_filtered_is_no_service() -> None:
    path = shared_data("nmap-libnmap") / "2_hosts.xml"
    assert len(list(documents([str(path)])[0].xml().iter("port"))) == 9
    services = Observed("nmap", path).sound().subjects("NetworkService")
    assert len(services) == 8
