"""What a local Neo4j is run from: a Java, and the jars from Maven Central, fetched once."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = "5.26.18"
POM = Path(__file__).parent / "neo4j" / "pom.xml"
JAVA_VERSIONS = (17, 21)
DOWNLOAD_TIMEOUT = 900


class Neo4jUnavailableError(Exception):
    """There is no Neo4j to test against, and none can be made here."""


def cache_folder() -> Path:
    """Where the jars are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "graph-cmdb" / f"neo4j-{VERSION}"


def find_java() -> Path:
    """The Java to run Neo4j with: ``JAVA_HOME``, or the ``java`` on the path."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        raise Neo4jUnavailableError("there is no java")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found[1]) not in JAVA_VERSIONS:
        wanted = " or ".join(map(str, JAVA_VERSIONS))
        raise Neo4jUnavailableError(f"{java} is not Java {wanted}")
    return Path(java)


def fetch_jars(*, apoc: bool = False) -> Path:
    """The folder with the server's jars; the first time they are fetched, which takes a minute.

    Any number of processes may ask at once: one fetches, the others wait. The folder appears
    whole or not at all.

    Parameters
    ----------
    apoc
        Also the procedures of APOC core.
    """
    folder = cache_folder() / ("lib-apoc" if apoc else "lib")
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _download(folder, apoc=apoc)
    return folder


def _download(folder: Path, *, apoc: bool) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Neo4jUnavailableError("there is no mvn to fetch Neo4j with")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch:
        fetched = Path(scratch) / "lib"
        command = [maven, "-q", "-B", "-f", str(POM), *(["-Papoc"] if apoc else [])]
        command += ["dependency:copy-dependencies", "-DincludeScope=runtime"]
        command += [f"-DoutputDirectory={fetched}", f"-Dneo4j.version={VERSION}"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise Neo4jUnavailableError("fetching Neo4j with mvn took too long") from None
        if done.returncode != 0:
            reason = (done.stdout + done.stderr).strip()[-2000:]
            raise Neo4jUnavailableError(f"mvn could not fetch Neo4j:\n{reason}")
        fetched.rename(folder)
