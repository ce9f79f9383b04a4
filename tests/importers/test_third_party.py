"""Importers of other packages: installed beside this one, found by their entry point, used like ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = '''\
"""Reads lines of ``name,serial``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from cmdb.reconciliation.observations import Item, Observation, Rejection
from importers.contract import Importer, Options
from importers.reading import Document


class AcmeOptions(Options):
    """What the lines do not say."""

    vendor: str = Field(default="", description="Vendor of all devices.")
    racks: int = Field(default=0, ge=0, description="How many racks there are.")


class Acme(Importer[AcmeOptions]):
    """Lines of Acme's inventory."""

    name: ClassVar[str] = "acme"
    title: ClassVar[str] = "Inventory of Acme"
    title_zh: ClassVar[str] = "Acme 资产清单"
    precedence: ClassVar[int] = 33
    suffixes: ClassVar[Sequence[str]] = (".acme",)
    options_type: ClassVar[type[Options]] = AcmeOptions

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            for number, line in enumerate(document.text().splitlines(), start=1):
                name, comma, serial = line.partition(",")
                place = f"{document.name} line {number}"
                if not comma:
                    yield Rejection(place, "has no comma")
                    continue
                attributes = {"name": name, "serial_number": serial, "vendor": self.options.vendor}
                yield Observation("Server", f"serial/{serial}", attributes, (), place)
'''
PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "cmdb-acme"
version = "1.2.3"
dependencies = ["graph-cmdb"]

[project.entry-points."cmdb.importers"]
acme = "cmdb_acme:Acme"

[tool.hatch.build.targets.wheel]
only-include = ["cmdb_acme.py"]
"""


def distribution(site: Path, package: str, entry_points: dict[str, str], module: str = "") -> None:
    """A package as it stands in a folder of installed ones."""
    name = package.replace("-", "_")
    if module:
        (site / f"{name}.py").write_text(module, encoding="utf-8")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entry_points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[cmdb.importers]", *lines]) + "\n")


class Installation:
    """The command, run as people run it, with other packages installed in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        self.site.mkdir()

    def cmdb(self, *words: str, code: int = 0) -> str:
        """What a command prints, on standard error if it must fail with a code."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.site),
            "CMDB_STORE": f"sqlite:///{self.folder}/cmdb.db",
            "CMDB_ACTOR": "tester",
            "COLUMNS": "200",
        }
        environment.pop("CMDB_MODEL", None)
        done = subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", *words],
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env=environment,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if code else done.stdout


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def install(project: Path, site: Path) -> None:
    """Build and install a project into a folder, without asking any index."""
    words = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *words, "--target", str(site)]
    subprocess.run([*command, str(project)], check=True, capture_output=True)


@pytest.mark.slow
def test_an_installed_package_brings_an_importer(
    installation: Installation, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (project / "cmdb_acme.py").write_text(MODULE, encoding="utf-8")
    install(project, installation.site)
    listed = {i["name"]: i for i in json.loads(installation.cmdb("importers", "--json"))}
    assert {"acme", "nmap", "ledger"} <= listed.keys()
    assert (listed["acme"]["title_zh"], listed["acme"]["precedence"]) == ("Acme 资产清单", 33)
    assert listed["acme"]["options"].keys() == {"vendor", "racks"}
    shown = installation.cmdb("importers")
    assert "Inventory of Acme" in shown
    assert "vendor: Vendor of all devices." in shown

    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "hall.acme").write_text("srv-1,ACME0001\nsrv-2,ACME0002\nodd\n", encoding="utf-8")
    (folder / "notes.txt").write_text("not,read\n", encoding="utf-8")
    installation.cmdb("init")
    words = ("import", "acme", str(folder), "--option", "vendor=Acme", "--json")
    plan = json.loads(installation.cmdb(*words, "--apply"))
    assert (plan["counts"]["created"], plan["counts"]["rejected"]) == (2, 1)
    found = json.loads(installation.cmdb("show", "srv-1", "--json"))
    assert found["attributes"]["vendor"] == "Acme"
    assert found["attributes"]["serial_number"] == "ACME0001"
    [source] = json.loads(installation.cmdb("sources", "--json"))
    assert (source["name"], source["importer"], source["precedence"]) == ("acme", "acme", 33)
    again = json.loads(installation.cmdb(*words, "--apply"))
    assert (again["revisions"], again["counts"]["unchanged"]) == ([], 2)


def test_options_of_a_package_are_checked_like_ours(installation: Installation) -> None:
    distribution(installation.site, "cmdb-acme", {"acme": "cmdb_acme:Acme"}, MODULE)
    installation.cmdb("init")
    file = installation.folder / "hall.acme"
    file.write_text("srv-1,ACME0001\n", encoding="utf-8")
    for option, said in (
        ("color=red", "Option color of acme"),
        ("racks=many", "Option racks of acme"),
        ("racks=-1", "Option racks of acme"),
    ):
        [line] = installation.cmdb("import", "acme", str(file), "-o", option, code=2).splitlines()
        assert line.startswith(f"importer: {said}")


BROKEN = {
    "gone": ("cmdb_gone:Gone", "", "cannot be loaded (ModuleNotFoundError"),
    "torn": ("cmdb_torn:Torn", "import no_such_library\n", "cannot be loaded (ModuleNotFoundError"),
    "rash": ("cmdb_rash:Rash", "raise RuntimeError('no licence')\n", "(RuntimeError: no licence)"),
    "nameless": ("cmdb_nameless:Nameless", "x = 1\n", "cannot be loaded (AttributeError"),
    "other": ("cmdb_other:x", "x = 1\n", "is not an importer"),
}


def test_broken_packages_say_so_and_keep_nobody_else_from_working(
    installation: Installation,
) -> None:
    for name, (value, module, _) in BROKEN.items():
        distribution(installation.site, f"cmdb-{name}", {name: value}, module)
    distribution(installation.site, "cmdb-acme", {"acme": "cmdb_acme:Acme"}, MODULE)
    listed = {i["name"]: i for i in json.loads(installation.cmdb("importers", "--json"))}
    shown = installation.cmdb("importers")
    assert "problem" not in listed["acme"]
    installation.cmdb("init")
    file = installation.folder / "hall.acme"
    file.write_text("srv-1,ACME0001\n", encoding="utf-8")
    for name, (_, _, said) in BROKEN.items():
        assert said in listed[name]["problem"]
        assert f"cmdb-{name}" in listed[name]["problem"]
        assert name in shown
        [line] = installation.cmdb("import", name, str(file), "--apply", code=2).splitlines()
        assert line.startswith("importer: ")
        assert said in line
    plan = json.loads(installation.cmdb("import", "acme", str(file), "--apply", "--json"))
    assert plan["counts"]["created"] == 1


def test_an_importer_that_is_not_there_is_said_not_to_be(installation: Installation) -> None:
    installation.cmdb("init")
    [line] = installation.cmdb("import", "acme", ".", "--apply", code=6).splitlines()
    assert line == "unknown_name: There is no importer 'acme'. `cmdb importers` lists them."
