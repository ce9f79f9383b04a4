"""A Neo4j server as a child process: the real one, from its jars, with authentication on."""

from __future__ import annotations

import atexit
import contextlib
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from neo4j import GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

from tests.support.neo4j_library import fetch_jars, find_java
from tests.support.neo4j_server import Neo4jServer

USER = "neo4j"
FACTORY_PASSWORD = "neo4j"
HOST = "127.0.0.1"
OPENED_MODULES = ("java.nio", "sun.nio.ch", "java.io", "java.util.concurrent")

# A server that lives for minutes never earns back what the optimising compiler and the parallel
# collector take from the two cores that the tests have. Without that compiler there would be little
# room for code: after some minutes what is used would go, to be compiled again.
SHORT_LIVED = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:ReservedCodeCacheSize=240m",
)

# Nor is a statement planned anew because the last test left more or fewer records behind.
KEEP_PLANS = "dbms.cypher.min_replan_interval=1h\n"

# Ends the server when the process that started it is gone, however it went: its end of the pipe
# closes. (PR_SET_PDEATHSIG would not do: it follows the thread that started the server.)
GUARD = 'read -r _ || kill -KILL "$1"'

CONFIGURATION = """\
server.bolt.listen_address={host}:{port}
server.http.enabled=false
server.https.enabled=false
server.memory.pagecache.size={page_cache}
db.tx_log.rotation.retention_policy=keep_none
db.tx_log.rotation.size=16m
db.tx_log.preallocate=false
dbms.usage_report.enabled=false
dbms.security.auth_enabled=true
dbms.security.auth_max_failed_attempts=0
dbms.security.procedures.unrestricted=apoc.*
"""


class LocalNeo4j(Neo4jServer):
    """A local server with a home folder of its own.

    Parameters
    ----------
    home
        Where it keeps its data, and finds it again. By default a temporary folder, which goes
        when the server is stopped.
    port
        The port of Bolt; by default a free one. A restart keeps it.
    heap, page_cache
        Its memory, as Java writes sizes.
    apoc
        With the procedures of APOC core.
    short_lived
        Quick to start rather than fast in the long run: it is for a few minutes of tests.
    """

    def __init__(
        self,
        home: Path | None = None,
        port: int | None = None,
        *,
        heap: str = "1g",
        page_cache: str = "512m",
        apoc: bool = False,
        short_lived: bool = False,
    ) -> None:
        self._java, self._jars = find_java(), fetch_jars(apoc=apoc)
        self._temporary = home is None
        self.home = (home or Path(tempfile.mkdtemp(prefix="cmdb-neo4j-"))).resolve()
        self.port = port or free_port()
        self._heap, self._page_cache = heap, page_cache
        self._short_lived = short_lived
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._written = False
        super().__init__(f"bolt://{HOST}:{self.port}", USER, self._password())

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.home / "logs" / "console.log"

    @property
    def pid(self) -> int | None:
        """The server's process, while there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        if self._process is not None:
            return
        if not self._written:
            self._write_home()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(self.stop)
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        if self._process is not None and not self._temporary:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=60)
        self.kill()
        atexit.unregister(self.stop)
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)
            self._written = False

    def kill(self) -> None:
        if self._process is None or self._guard is None:
            return
        self._process.kill()
        # The guard is let go before the process is reaped: until then its id is nobody else's.
        self._guard.communicate(b"\n")
        self._process.wait()
        self._process = self._guard = None

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        return self._process.wait() if self._process else 0

    def _check_alive(self) -> None:
        if self._process is None or self._process.poll() is None:
            return
        said = "\n".join(
            log.read_text(errors="replace")[-4000:]
            for log in (self.log, self.home / "logs" / "neo4j.log")
            if log.exists()
        )
        raise RuntimeError(f"Neo4j ended with code {self._process.returncode}:\n{said}")

    def _answers(self) -> bool:
        # A bare connection first: the driver has much to say about a port where nobody listens.
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return super()._answers() or self._set_first_password()

    def _set_first_password(self) -> bool:
        try:
            with (
                GraphDatabase.driver(self.uri, auth=(USER, FACTORY_PASSWORD)) as driver,
                driver.session(database="system") as session,
            ):
                session.run(
                    "ALTER CURRENT USER SET PASSWORD FROM $old TO $new",
                    old=FACTORY_PASSWORD,
                    new=self.password,
                ).consume()
        except (DriverError, Neo4jError):
            return False
        return super()._answers()

    def _password(self) -> str:
        kept = self.home / "password"
        if not kept.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_hex(8))
        return kept.read_text()

    def _write_home(self) -> None:
        for folder in ("conf", "data", "logs", "plugins"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        settings = CONFIGURATION.format(host=HOST, port=self.port, page_cache=self._page_cache)
        if self._short_lived:
            settings += KEEP_PLANS
        (self.home / "conf" / "neo4j.conf").write_text(settings)
        for jar in self._jars.glob("apoc-*.jar"):
            link = self.home / "plugins" / jar.name
            link.unlink(missing_ok=True)
            link.symlink_to(jar)
        self._written = True

    def _command(self) -> list[str]:
        return [
            str(self._java),
            f"-Xms{self._heap}",
            f"-Xmx{self._heap}",
            *(SHORT_LIVED if self._short_lived else ()),
            *(f"--add-opens=java.base/{module}=ALL-UNNAMED" for module in OPENED_MODULES),
            "-cp",
            f"{self._jars}/*",
            "org.neo4j.server.CommunityEntryPoint",
            f"--home-dir={self.home}",
            f"--config-dir={self.home / 'conf'}",
        ]


def free_port() -> int:
    """A port nobody listens on, below those the system hands out to clients.

    A server that is down for a moment must find its port again. From the clients' range another
    connection could have it by then, even the very one that tries to reach the server.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(100):
        port = random.randrange(max(1024, lowest // 2), lowest)
        with socket.socket() as attempt:
            try:
                attempt.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found")
