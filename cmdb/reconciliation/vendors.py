"""What makers are called: the many ways sources write one name."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

_VENDORS = """
Dell: [dell inc., dell inc, dell computer corporation, dell emc, dell technologies, 戴尔]
HPE: [hp, hewlett-packard, hewlett packard, hewlett packard enterprise, "hewlett-packard company", 惠普]
Lenovo: [lenovo group limited, ibm/lenovo, 联想]
IBM: [international business machines, ibm corp., ibm corporation]
Huawei: [huawei technologies co., "huawei technologies co., ltd.", "huawei technologies co., ltd", 华为]
H3C: [new h3c, hangzhou h3c technologies, "new h3c technologies co., ltd.", "hangzhou h3c technologies co., ltd.", hangzhou h3c tech. co., 新华三]
Inspur: [inspur electronic information industry co., 浪潮]
Sugon: [dawning, 曙光]
ZTE: [zte corporation, 中兴]
Cisco: [cisco systems, "cisco systems, inc.", "cisco systems inc", cisco systems inc., 思科]
Juniper: [juniper networks, "juniper networks, inc."]
Arista: [arista networks]
Supermicro: [super micro computer, "super micro computer, inc.", super micro]
QCT: [quanta computer inc, quanta cloud technology inc., quanta]
Intel: [intel corporation, intel corp., intel(r) corporation, genuineintel]
AMD: [advanced micro devices, "advanced micro devices [amd]", "advanced micro devices, inc.", authenticamd]
Samsung: [samsung electronics]
Micron: [micron technology]
"SK hynix": [hynix, hynix semiconductor, sk hynix inc., hyundai]
Seagate: [seagate technology]
"Western Digital": [wdc, western digital corporation]
APC: [american power conversion, apc by schneider electric, schneider electric (apc)]
VMware: ["vmware, inc.", vmware inc.]
QEMU: [qemu corporation]
Microsoft: [microsoft corporation]
Google: [google inc., google llc]
Topsec: [天融信, 北京天融信]
Venustech: [启明星辰]
NSFOCUS: [绿盟, 绿盟科技]
Sangfor: [深信服, sangfor technologies]
DPtech: [迪普, 迪普科技]
Hillstone: [山石网科, hillstone networks]
Ruijie: [锐捷, ruijie networks, 锐捷网络]
Nari: [南瑞, 国电南瑞, nari technology]
Hikvision: [海康威视]
Dahua: [大华, 大华股份]
Great Wall: [长城, 中国长城]
Phytium: [飞腾]
Kylin: [麒麟, kylinsoft, 麒麟软件]
Amazon: [amazon ec2, amazon.com]
"""


@lru_cache(maxsize=1)
def _vendor_names() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, others in yaml.safe_load(_VENDORS).items():
        found |= {other.lower(): name for other in (*others, name)}
    return found


def vendor(value: Any) -> str | None:
    """A maker's usual short name; one that is not known stays as it is."""
    text = " ".join(str(value).split()) if value else ""
    return _vendor_names().get(text.lower(), text) or None
