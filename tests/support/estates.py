"""The shared sample inputs as sources: which importer reads what, and importing them for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cmdb.reconciliation.observations import Observation, Portion, Rejection
from cmdb.reconciliation.planning import Entry
from cmdb.reconciliation.runs import Run, Summary
from cmdb.reconciliation.statements import Reader, Statement
from cmdb.store import GraphStore
from importers.reading import Document, documents
from importers.registry import make, portions
from tests.support.nautobot_dump import write_api_files
from tests.support.observing import shared_data, shipped_model


@dataclass
class Estate:
    """A source: what one importer reads in one run."""

    source: str
    importer: str
    paths: list[Path]
    options: dict[str, str] = field(default_factory=dict)

    def portions(self) -> Iterator[Portion]:
        importer = make(self.importer, self.options)
        return portions(importer, self.documents())

    def documents(self) -> list[Document]:
        return documents(
            [str(path) for path in self.paths], make(self.importer, self.options).suffixes
        )

    def run_into(self, store: GraphStore) -> tuple[Summary, list[Entry]]:
        lines: list[Entry] = []
        importer = make(self.importer, self.options)
        run = Run(
            store,
            self.source,
            actor="tester",
            importer=self.importer,
            precedence=importer.precedence,
            apply=True,
            report=lines.append,
        )
        return run.run(self.portions()), lines

    def said(self) -> tuple[list[Statement], list[Rejection]]:
        """The statements, and what the importer or the model rejects, without any store."""
        statements: list[Statement] = []
        rejections: list[Rejection] = []
        reader = Reader(shipped_model())
        for portion in self.portions():
            for item in portion.items():
                if isinstance(item, Observation):
                    statement = reader.statement(item)
                    statements.append(statement)
                    rejections += statement.rejections
                else:
                    rejections.append(item)
        return statements, rejections


def estates(importer: str, scratch: Path) -> list[Estate]:
    """All sources for an importer among the shared inputs; the test is skipped without them.

    Where the files of a folder are several scans or walks of the same things, or tell of things that
    have nothing to do with each other, each is a source of its own.
    """
    if importer == "netbox":
        folder = scratch / "nautobot"
        folder.mkdir()
        write_api_files(shared_data("nautobot-demo") / "nautobot_1.5.16.sql.gz", folder)
        return [Estate("nautobot-demo", importer, [folder])]
    return [
        Estate(f"{folder} {name}".strip(), importer, paths, options)
        for folder, name, paths, options in _SOURCES[importer]()
    ]


Source = tuple[str, str, list[Path], dict[str, str]]


def _whole(*folders: str) -> Iterator[Source]:
    for folder in folders:
        yield folder, "", [shared_data(folder)], {}


def _each(folder: str, *patterns: str, without: tuple[str, ...] = ()) -> Iterator[Source]:
    root = shared_data(folder)
    for path in sorted(p for pattern in patterns for p in root.rglob(pattern) if p.is_file()):
        if path.name not in without:
            yield folder, path.relative_to(root).as_posix(), [path], {}


def _dmidecode() -> Iterator[Source]:
    yield "hw-netbox-agent", "", [shared_data("hw-netbox-agent") / "dmidecode"], {}
    folder = shared_data("hw-linuxhw-dmi")
    dumps = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "LICENSE"]
    yield "hw-linuxhw-dmi", "", dumps, {}
    yield "cmd-jc", "", [shared_data("cmd-jc") / "centos-7.7" / "dmidecode.out"], {}


def _lshw() -> Iterator[Source]:
    yield "hw-lshw-ironic", "", sorted(shared_data("hw-lshw-ironic").glob("*.json")), {}


def _lldp() -> Iterator[Source]:
    yield from _whole("lldp-suzieq")
    yield "lldp-ntc-templates", "", sorted(shared_data("lldp-ntc-templates").rglob("*.raw")), {}
    for folder, name, paths, _ in _each("lldp-napalm", "expected_result.json"):
        asked = "-".join(name.split("/")[:-1])
        yield folder, asked, paths, {"device": asked}
    yield "hw-netbox-agent", "lldp", [shared_data("hw-netbox-agent") / "lldp"], {}
    yield from _each("l1-batfish", "*layer1_topology.json")


def _ledger() -> Iterator[Source]:
    folder = shared_data("ledger-ralph")
    types = {
        "management_ip_blank": "",
        "management_ip_existing": "",
        "back_office_assets": "Laptop",
        "rack": "Rack",
        "server_room": "Room",
    }
    for name, type_ in types.items():
        options = {"type": type_} if type_ else {}
        yield "ledger-ralph", name, [folder / f"{name}.csv"], options


def _terraform() -> Iterator[Source]:
    refused = ("empty.json", "invalid_version_state.json")
    yield from _each("tf-inframap", "*.json", "*.tfstate", without=refused)
    yield from _whole("tf-driftctl")


def _ldap() -> Iterator[Source]:
    yield from _whole("ldif-planetexpress")
    yield from _each("ldif-openldap", "*.ldif")


_SOURCES: dict[str, Callable[[], Iterator[Source]]] = {
    "nmap": lambda: _each("nmap-libnmap", "*.xml"),
    "dmidecode": _dmidecode,
    "lshw": _lshw,
    "lldp": _lldp,
    "aws": lambda: _whole("aws-cloudmapper-demo", "aws-custodian-placebo"),
    "kubernetes": lambda: _whole(
        "k8s-online-boutique", "k8s-bookinfo", "k8s-train-ticket", "k8s-openshift-api"
    ),
    "terraform": _terraform,
    "compose": lambda: _whole("otel-demo"),
    "cyclonedx": lambda: _each("sbom-cyclonedx", "bom*.json", "bom*.xml"),
    "ldap": _ldap,
    "glpi": lambda: _each("inventory-glpi", "*.json"),
    "ledger": _ledger,
    "snmp": lambda: _whole("snmp-snmpsim-data"),
}
WITH_SHARED_DATA = ("netbox", *_SOURCES)
