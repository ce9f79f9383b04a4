"""`cmdb serve` as it is run: what it refuses, that it serves, and that it ends well."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from api.serving import accounts, loopback
from cli.main import run
from cmdb.queries import Query
from cmdb.store import create_store, open_store
from schema.model import Model
from tests.support.api_process import PATIENCE, served


@pytest.fixture
def store_url(tmp_path: Path, model: Model) -> str:
    """A store without accounts."""
    url = f"sqlite:///{tmp_path}/store.db"
    create_store(url, model).close()
    return url


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "0.0.0.0"], "there is no TLS"),
        (["--host", "::"], "--behind-proxy"),
        (["--host", "cmdb.example.org"], "listen on 127.0.0.1"),
        (["--host", "0.0.0.0", "--behind-proxy"], "no accounts"),
        (["--behind-proxy"], "no accounts"),
        (["--port", "-1"], "port"),
        (["--tls-cert", "/no/such"], "tls_certificate"),
        (["--log-level", "loud"], "log_level"),
    ],
)
def test_what_would_be_an_open_door_is_refused_in_a_line(
    words: list[str], told: str, store_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--store", store_url, *words]) in (2, 13)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error


def test_elsewhere_no_store_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    assert run(["serve", "--store", url, "--host", "0.0.0.0", "--behind-proxy"]) == 8
    assert capsys.readouterr().err.startswith("store_not_found")
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_told(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run(["serve", "--store", store_url, "--port", str(port)]) == 13
    assert "in use" in capsys.readouterr().err


def test_certificates_that_are_none_are_told(
    store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.pem"
    file.write_text("no certificate")
    words = ["--tls-cert", str(file), "--tls-key", str(file), "--port", "0"]
    assert run(["serve", "--store", store_url, *words]) == 13
    assert "PEM" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil", "", "0")],
)
def test_what_the_loopback_is(host: str, own: bool) -> None:
    assert loopback(host) is own


def test_a_model_without_accounts_has_none(store_url: str) -> None:
    with open_store(store_url) as store:
        assert accounts(store) == 0


def test_it_finishes_what_was_begun_before_it_ends(tmp_path: Path) -> None:
    """The new store is made; a request that is half there when it is told to stop is served to its end."""
    body = b'{"type": "Server", "key": "a", "attributes": {"name": "web-01"}}\n' * 2
    stamp = str(int(time.time()))
    mac = hmac.new(b"hush", f"m.{stamp}.".encode() + body, hashlib.sha256).digest()
    head = (
        f"POST /observations/scan?apply=true HTTP/1.1\r\nhost: localhost\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\nwebhook-id: m\r\n"
        f"webhook-timestamp: {stamp}\r\n"
        f"webhook-signature: v1,{base64.b64encode(mac).decode()}\r\n\r\n"
    )
    environment = {"CMDB_OBSERVATION_SECRETS": '{"scan": "hush"}'}
    with served(tmp_path, environment=environment) as server:
        assert server.said[0] == "Made a new store: cmdb.db"
        ready = httpx.get(f"{server.url}/readyz")
        assert ready.json()["ready"] is True
        assert "server" not in ready.headers
        named = {"host": "rebound.example"}
        assert httpx.get(f"{server.url}/openapi.json", headers=named).status_code == 400
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as begun:
            begun.sendall(head.encode() + body[:-1])
            assert httpx.get(f"{server.url}/healthz").status_code == 200
            server.process.terminate()
            _until_refused(server.port)
            begun.sendall(body[-1:])
            answer = b"".join(iter(lambda: begun.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["counts"]["created"] == 1
        assert server.process.wait(PATIENCE) == 0
        log = server.log.read_text()
    assert "Traceback" not in log
    assert "hush" not in log
    assert [json.loads(line)["message"] for line in log.splitlines()][-1] == "stopped"
    with open_store(f"sqlite:///{tmp_path}/cmdb.db") as store:
        assert [r.name for r in store.find(Query("Server")).records] == ["web-01"]
    assert not (tmp_path / "cmdb.db-wal").exists()


def _until_refused(port: int) -> None:
    """Wait until nobody is let in any more."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return
    raise AssertionError("It went on accepting.")


def test_it_serves_by_tls(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("There is no openssl to make a certificate with.")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    words += " -addext subjectAltName=DNS:localhost"
    made = ["openssl", *words.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    trusted = ssl.create_default_context(cafile=str(certificate))
    with served(tmp_path, "--tls-cert", str(certificate), "--tls-key", str(key)) as server:
        assert server.url.startswith("https://")
        answer = httpx.get(f"https://localhost:{server.port}/healthz", verify=trusted)
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert server.stop() == 0
