"""The project's own set-up: what a list in one place says is true in the others."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = {
    canonicalize_name(name): Version(version)
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, flags=re.MULTILINE)
}


def test_every_package_is_shipped_and_under_the_layer_contracts() -> None:
    tools = {"bench", "docs", "examples", "tests"}
    packages = {init.parent.name for init in ROOT.glob("*/__init__.py")} - tools
    assert packages <= set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages == set(PROJECT["tool"]["importlinter"]["root_packages"])


def test_the_lock_satisfies_what_is_declared() -> None:
    project = PROJECT["project"]
    groups = [project["dependencies"], PROJECT["build-system"]["requires"]]
    groups += project["optional-dependencies"].values()
    for requirement in map(Requirement, itertools.chain.from_iterable(groups)):
        assert LOCKED[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_lock_holds_nothing_but_versions_and_their_hashes() -> None:
    for line in LOCK.splitlines():
        assert re.fullmatch(
            r"|#.*|[\w.-]+==[\w.+!]+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    #.*", line
        ), f"unexpected line: {line}\nWrite the lock with make lock."
        assert "://" not in line
