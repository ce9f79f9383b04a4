"""What network devices print for ``show lldp neighbors`` and ``show cdp neighbors``, by ntc-templates.

Which platform and command an output is of is said by an option, by a prompt in the text, or by the
names of the file and its folders: ``cisco_ios_show_lldp_neighbors_detail.raw`` as ntc-templates
itself names them, ``cisco_nxos/leaf01/show_cdp_neighbors.txt``, ``sw01_arista_eos_show_lldp_neighbors``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ntc_templates.parse import (  # type: ignore[import-untyped]
    ParsingException,
    parse_output,
)
from textfsm.clitable import Error as TableError  # type: ignore[import-untyped]
from textfsm.parser import Error as TemplateError  # type: ignore[import-untyped]

from cmdb.reconciliation.observations import Rejection
from importers.lldp.sightings import Device, Neighbour, Port, capabilities, device, port, text

PLATFORMS: Final = {
    **{
        name: name
        for name in (
            *("cisco_ios", "cisco_nxos", "cisco_xr", "cisco_s300", "cisco_wlc_ssh", "arista_eos"),
            *("juniper_junos", "huawei_vrp", "hp_comware", "hp_procurve", "aruba_aoscx"),
            *("brocade_fastiron", "brocade_netiron", "alcatel_aos", "allied_telesis_awplus"),
            *("broadcom_icos", "ciena_saos", "paloalto_panos", "ipinfusion_ocnos"),
        )
    },
    **dict.fromkeys(("ios", "iosxe", "ios-xe", "cisco_xe", "cisco_iosxe"), "cisco_ios"),
    **dict.fromkeys(("nxos", "nxos_ssh", "nx-os"), "cisco_nxos"),
    **dict.fromkeys(("iosxr", "iosxr_netconf", "ios-xr", "cisco_iosxr"), "cisco_xr"),
    **dict.fromkeys(("eos", "arista"), "arista_eos"),
    **dict.fromkeys(("junos", "junos-qfx", "junos-mx", "junos-ex", "junos-es"), "juniper_junos"),
    **dict.fromkeys(("vrp", "huawei", "huawei_vrpv8"), "huawei_vrp"),
    **dict.fromkeys(("comware", "h3c", "h3c_comware"), "hp_comware"),
    **dict.fromkeys(("panos",), "paloalto_panos"),
}
"""Platforms by what ntc-templates, NAPALM, Netmiko and suzieq call them."""

_COMMAND: Final = re.compile(
    r"(?:show|display)[ _](?:ap[ _])?(?:lldp|cdp)[ _]"
    r"(?:neighbou?rs?(?:-info(?:rmation)?)?|info[ _]remote-device|remote-device|remote-system|table)"
    r"(?:[ _](?:detail|verbose|list|all)(?![a-z]))?",
    re.I,
)
_PROMPT: Final = re.compile(
    r"(?m)^[<\[]?(?:[\w/]+:|\w+@)?([A-Za-z][\w.-]*)(?:\([\w-]+\))?[#>\]] ?"
    r"((?:sh\w*|dis\w*) +(?:ap +)?(?:lldp|cdp)\b[^\r\n|]*)[^\r\n]*$"
)
_GENERIC: Final = re.compile(
    r"lldp(?:ctl|cli)?|cdp|neighbou?rs?|details?|verbose|list|brief|show|display|get|test|outputs?|out"
    r"|raw|text|json|keyvalue|expected|results?|napalm|getters|mocked|data|topology|layer|stdin|\d*",
    re.I,
)
"""Words of file and folder names that name no device."""


class Origin(NamedTuple):
    """What names say an output is of; empty for what they do not say."""

    platform: str = ""
    command: str = ""
    device: str = ""


def origin(name: str) -> Origin:
    """What the path of a file says: its own name first, then its folders from the nearest."""
    *folders, file = name.split("/")
    parts = [
        re.sub(r"\.(?:json|txt|raw|out|output|log|cli)$", "", file, flags=re.I),
        *reversed(folders),
    ]
    found = Origin()
    for part in parts:
        said = _said_by(part)
        found = Origin(*(known or new for known, new in zip(found, said, strict=True)))
    return found


def _said_by(part: str) -> Origin:
    command = _COMMAND.search(part)
    rest = part.replace(command[0], "_") if command else part
    words = [word for word in rest.split("_") if word]
    platform = ""
    for length in range(min(3, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            known = PLATFORMS.get("_".join(words[start : start + length]).lower())
            if known and not platform:
                platform = known
                del words[start : start + length]
    words = [
        word
        for word in words
        if not _GENERIC.fullmatch(word.rstrip("0123456789"))
        or (len(words) == 1 and word.isdecimal())
    ]
    if (command or platform) and all(word.isdecimal() for word in words):
        words = []  # the number of a sample
    return Origin(
        platform, " ".join(command[0].split("_")).lower() if command else "", "_".join(words)
    )


class Section(NamedTuple):
    """The output of one command; the name is the prompt's, if there was one."""

    device: str
    command: str
    content: str


def sections(content: str) -> list[Section]:
    """A session log cut into the outputs of its commands; an output alone as it is."""
    prompts = list(_PROMPT.finditer(content))
    found = []
    for prompt in prompts:
        after = content[prompt.end() :]
        start = prompt[0][: prompt.start(2) - prompt.start()].rstrip()
        end = re.search(rf"(?m)^{re.escape(start)}", after)
        found.append(Section(prompt[1], prompt[2].strip(), after[: end.start() if end else None]))
    return found or [Section("", "", content)]


def rows(platform: str, command: str, content: str) -> list[dict[str, Any]]:
    """The table ntc-templates makes of an output.

    Raises
    ------
    ValueError
        There is no template for it, or the output does not fit.
    """
    try:
        found = parse_output(platform=platform, command=command, data=content)
    except ParsingException:
        raise ValueError(f"ntc-templates knows no {command!r} of {platform}") from None
    except (TemplateError, TableError, ValueError, IndexError):
        raise ValueError(f"it is not what {command!r} prints on {platform}") from None
    return [row for row in found if isinstance(row, dict)]


def neighbours(
    platform: str, command: str, content: str, place: str
) -> Iterator[tuple[Device | None, Neighbour | Rejection]]:
    """Whom an output names, and who sees them if that is not the device that was asked (access points)."""
    protocol = "cdp" if "cdp" in command else "lldp"
    cut = platform == "cisco_ios" and protocol == "lldp" and not re.search(r" det\w*$", command)
    for number, row in enumerate(rows(platform, command, content), 1):
        at = f"{place} neighbour {number}"
        if "ap_name" in row:
            yield _access_point(row, at)
            continue
        far = _device(row, protocol, cut)
        id_, description = _port(row)
        local = port(_first(row, "local_interface", "local_port"))
        yield None, Neighbour(local, far, port(id_, description), at)


def _access_point(row: dict[str, Any], place: str) -> tuple[Device, Neighbour]:
    """A line of ``show ap cdp neighbors``: which switch an access point hangs on."""
    able = frozenset(("wlan",))
    near = device(name=row["ap_name"], managed_at=[row.get("ap_ip")], able=able)
    far = device(name=row.get("neighbor_name"), managed_at=[row.get("neighbor_ip")])
    return near, Neighbour(Port(""), far, port(row.get("neighbor_port")), place, uplink=True)


def _device(row: dict[str, Any], protocol: str, cut: bool) -> Device:
    able = _first(row, "capabilities", "capabilities_enabled", "remote_capabilities")
    name = _first(row, "neighbor_name", "neighbor", "remote_system_name")
    chassis = _first(row, "chassis_id", "remote_chassis_id")
    if protocol == "cdp" and (chassis.startswith(name) or not name):
        name = chassis or name  # CDP's device id: the name, on NX-OS with the serial number
    return device(
        name=name,
        chassis=chassis,
        managed_at=[
            row.get(k) for k in ("mgmt_address", "management_ip", "interface_ip", "management_ipv6")
        ],
        description=row.get("neighbor_description") or row.get("system_description"),
        model=_first(row, "platform", "model_name"),
        maker=row.get("manufacturer"),
        serial_number=row.get("serial"),
        firmware=_first(row, "fw_revision", "firmware_revision"),
        able=capabilities(able, protocol),
        cut=cut,
    )


def _port(row: dict[str, Any]) -> tuple[str, str]:
    """Port id and description. Where a template has an id, its ``neighbor_interface`` is the description."""
    id_ = _first(row, "neighbor_port_id", "remote_port")
    described = _first(row, "neighbor_port_description", "neighbor_interface_description")
    interface = _first(row, "neighbor_interface")
    return (id_, described or interface) if id_ else (interface, described)


def _first(row: dict[str, Any], *names: str) -> str:
    return next((said for name in names if (said := text(row.get(name)))), "")
