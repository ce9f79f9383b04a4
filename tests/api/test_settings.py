"""Settings: which source counts, what mistakes are told, and that no secret is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from api.settings import Settings, SettingsError, explain_settings, load_settings
from cli.main import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CMDB_")]:
        monkeypatch.delenv(name)


def test_options_go_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    for name, text in (
        ("cmdb.yaml", "port: 1\nhost: 10.0.0.1\nlog_level: debug\ntrusted_proxies: [10.0.0.9]\n"),
        (
            "cmdb.toml",
            'port = 1\nhost = "10.0.0.1"\nlog_level = "debug"\ntrusted_proxies = ["10.0.0.9"]',
        ),
    ):
        file = tmp_path / name
        file.write_text(text)
        environment = {"CMDB_CONFIG": str(file), "CMDB_PORT": "2", "CMDB_HOST": "10.0.0.2"}
        found = explain_settings({"port": 3, "store": None}, environment)
        assert found["port"] == (3, "option")
        assert found["host"] == ("10.0.0.2", "environment")
        assert found["log_level"] == ("debug", str(file))
        assert found["trusted_proxies"].value == ["10.0.0.9"]
        assert found["store"] == ("sqlite:///cmdb.db", "default")


def test_lists_are_words_in_the_environment() -> None:
    settings = load_settings(
        environment={
            "CMDB_HOSTS": "CMDB.example.org, other",
            "CMDB_WEBHOOK_PRIVATE_TARGETS": "10.1.0.0/16",
            "CMDB_OBSERVATION_SECRETS": '{"nmap": "hush"}',
            "CMDB_SESSION_IDLE": "PT30M",
        }
    )
    assert settings.hosts == ["cmdb.example.org", "other"]
    assert str(settings.webhook_private_targets[0]) == "10.1.0.0/16"
    assert settings.observation_secrets["nmap"].get_secret_value() == "hush"
    assert settings.session_idle.total_seconds() == 1800


def test_secrets_are_masked() -> None:
    environment = {
        "CMDB_STORE": "neo4j://ann:hush1@db:7687/cmdb",
        "CMDB_METRICS_TOKEN": "hush2",
        "CMDB_OBSERVATION_SECRETS": '{"nmap": "hush3"}',
    }
    said = json.dumps(explain_settings(environment=environment))
    assert "hush" not in said
    assert "neo4j://ann:**********@db:7687/cmdb" in said


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"CMDB_PORT": "many"}, "port (environment)"),
        ({"CMDB_PORT": "70000"}, "65535"),
        ({"CMDB_BEHIND_PROXY": "perhaps"}, "behind_proxy (environment)"),
        ({"CMDB_TLS_CERTIFICATE": "/no/such"}, "no file that can be read"),
        ({"CMDB_ORIGINS": "*"}, "is no origin"),
        ({"CMDB_ORIGINS": "https://a/b"}, "is no origin"),
        ({"CMDB_WEBHOOK_PRIVATE_TARGETS": "here"}, "webhook_private_targets"),
        ({"CMDB_TRUSTED_PROXIES": "*"}, "trusted_proxies"),
        ({"CMDB_OBSERVATION_SECRETS": "{hush"}, "observation_secrets"),
        ({"CMDB_PERSISTED_QUERIES": "/no/such"}, "is no folder"),
        ({"CMDB_CONFIG": "/no/such.yaml"}, "No such file"),
        ({"CMDB_LOG_LEVEL": "hush"}, "log_level (environment)"),
    ],
)
def test_a_mistake_is_one_line(
    environment: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for command in ("config", "serve"):
        assert run([command]) == 2
        error = capsys.readouterr().err
        assert error.startswith("settings_invalid: ")
        assert error.count("\n") == 1
        assert told in error
        assert "hush" not in error


def test_every_mistake_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "cmdb.yaml").write_text("prot: 1\nhost: [1]\n")
    monkeypatch.setenv("CMDB_CONFIG", str(tmp_path / "cmdb.yaml"))
    monkeypatch.setenv("CMDB_PORT", "x")
    assert run(["config"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert any("prot" in line and "no such setting" in line for line in lines)


@pytest.mark.parametrize("text", ["- a\n", "a: [", "\x00", "a: b: c", "{"])
def test_a_file_that_holds_no_settings_is_told(text: str, tmp_path: Path) -> None:
    for suffix in ("yaml", "toml"):
        file = tmp_path / f"cmdb.{suffix}"
        file.write_text(text)
        with pytest.raises(SettingsError):
            load_settings(environment={"CMDB_CONFIG": str(file)})


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    file = tmp_path / "some.pem"
    file.write_text("")
    with pytest.raises(SettingsError, match="go together"):
        load_settings({"tls_certificate": file}, {})
    with pytest.raises(SettingsError, match="behind_proxy"):
        load_settings({"tls_certificate": file, "tls_key": file, "behind_proxy": True}, {})


def test_the_command_shows_values_and_where_they_come_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CMDB_PORT", "8443")
    monkeypatch.setenv("CMDB_PROT", "8443")
    monkeypatch.setenv("CMDB_METRICS_TOKEN", "hush")
    assert run(["config", "--json"]) == 0
    said = capsys.readouterr().out
    found = json.loads(said)
    assert found["settings"]["port"] == {"value": 8443, "source": "environment"}
    assert found["settings"].keys() == Settings.model_fields.keys()
    assert found["unknown_variables"] == ["CMDB_PROT"]
    assert run(["config"]) == 0
    table = capsys.readouterr().out
    assert "CMDB_PROT is set, and nothing reads it" in table
    assert "hush" not in said + table


def test_every_setting_is_documented() -> None:
    told = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name in Settings.model_fields:
        assert f"`{name}`" in told, name
