"""The server's settings: from options, the environment (``CMDB_…``) or a file (``CMDB_CONFIG``), in this order.

A mistake is one line that names the setting, where it was set, and what it takes; never a traceback.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from cmdb.store.opening import DEFAULT_URL
from schema.errors import CmdbError

PREFIX: Final = "CMDB_"
FILE_VARIABLE: Final = "CMDB_CONFIG"

Words = Annotated[list[str], NoDecode]
"""In the environment, words with commas between them."""


def _network(value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(value)
    except ValueError:
        raise ValueError(f"{value!r} is no network; write 10.1.0.0/16") from None


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class SettingsError(CmdbError):
    """Settings are wrong. Carries every mistake found."""

    code = "settings_invalid"

    def __init__(self, problems: list[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}", "`cmdb config` shows what is set where.")
        self.problems = tuple(problems)


class Settings(BaseSettings):
    """What an operator may set. docs/operations.md tells of each."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True
    )

    store: str = Field(DEFAULT_URL, description="URL of the store")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    tls_certificate: Path | None = Field(None, description="PEM file: the certificate, its chain")
    tls_key: Path | None = Field(None, description="PEM file: the key of the certificate")
    behind_proxy: bool = Field(False, description="a proxy in front does TLS")
    trusted_proxies: Words = Field(
        ["127.0.0.1", "::1"], description="addresses or networks whose X-Forwarded headers count"
    )
    hosts: Words = Field([], description="host names that requests may name; none: any")
    origins: Words = Field([], description="origins of other web pages that may ask")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="")
    log_format: Literal["json", "text"] = Field("json", description="")
    request_limit: int = Field(2 * 2**20, ge=1024, description="most bytes of a request")
    upload_limit: int = Field(64 * 2**20, ge=1024, description="most bytes of an attachment")
    observation_limit: int = Field(
        128 * 2**20, ge=1024, description="most bytes of observations in one request"
    )
    export_limit: int = Field(1_000_000, ge=1, description="most records of an export")
    graph_limit: int = Field(100_000, ge=1, description="most records of an exported graph")
    threads: int = Field(40, ge=1, le=1000, description="most requests that use the store at once")
    subscription_limit: int = Field(
        500, ge=0, description="most subscriptions of a process at once"
    )
    shutdown_seconds: int = Field(
        30, ge=0, description="how long requests may take to finish when the server stops"
    )
    introspection: bool = Field(True, description="GraphQL tells its schema")
    graphiql: bool = Field(True, description="the page to try GraphQL on, at /graphql")
    persisted_queries: Path | None = Field(
        None, description="folder of .graphql files: only these operations are run"
    )
    session_idle: timedelta = Field(
        timedelta(hours=8), gt=timedelta(0), description="a session ends when unused for so long"
    )
    session_lifetime: timedelta = Field(
        timedelta(days=7), gt=timedelta(0), description="a session ends after so long in any case"
    )
    audit_days: int = Field(400, ge=1, description="how long the audit is kept")
    files: Path | None = Field(
        None, description="folder of attachments; beside the file of an embedded store by default"
    )
    roles: Path | None = Field(None, description="file of roles, instead of the shipped ones")
    webhook_private_targets: Annotated[list[Network], NoDecode] = Field(
        [], description="private networks that webhooks may be sent to"
    )
    observation_secrets: dict[str, SecretStr] = Field(
        {}, description="source -> secret by which it signs its observations"
    )
    alert_limit: int = Field(8 * 2**20, ge=1024, description="most bytes of alerts in one request")
    alert_secrets: dict[str, SecretStr] = Field(
        {}, description="source -> secret by which it signs its alerts"
    )
    alert_rules: Path | None = Field(
        None, description="file of rules for alerts, laid over the shipped ones"
    )
    desk: bool = Field(
        True,
        description="take in alerts, look at incidents anew, and fire timers, if no other does",
    )
    metrics_token: SecretStr | None = Field(None, description="bearer token that /metrics asks for")
    otlp_endpoint: str = Field("", description="where traces go: http://collector:4318/v1/traces")

    @field_validator(
        "trusted_proxies", "hosts", "origins", "webhook_private_targets", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [word.strip() for word in value.split(",") if word.strip()]
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: list[str]) -> list[str]:
        for proxy in value:
            _network(proxy)
        return value

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            scheme, _, rest = origin.partition("://")
            if scheme not in ("http", "https") or not rest or "/" in rest or "*" in rest:
                raise ValueError(f"{origin!r} is no origin; write https://console.example.org")
        return value

    @field_validator("hosts", mode="after")
    @classmethod
    def _hosts(cls, value: list[str]) -> list[str]:
        return [host.lower() for host in value]

    @field_validator("tls_certificate", "tls_key", "roles", "alert_rules")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not (value.is_file() and os.access(value, os.R_OK)):
            raise ValueError(f"{value} is no file that can be read")
        return value

    @field_validator("persisted_queries")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError(f"{value} is no folder")
        return value

    @model_validator(mode="after")
    def _together(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: set both, or neither")
        if self.tls_certificate and self.behind_proxy:
            raise ValueError("behind_proxy says the proxy does TLS: unset it, or the certificate")
        return self

    @property
    def tls(self) -> bool:
        """Whether clients come by TLS: to this server, or to the proxy in front of it."""
        return self.tls_certificate is not None or self.behind_proxy


class Origin(NamedTuple):
    """A setting's value, and where it comes from."""

    value: Any
    source: str


def load_settings(
    options: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings in force.

    Parameters
    ----------
    options
        Of the command; None says nothing.
    environment
        Instead of that of the process.

    Raises
    ------
    SettingsError
    """
    return _read(options or {}, os.environ if environment is None else environment)[0]


def explain_settings(
    options: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, Origin]:
    """Every setting with where it comes from; secrets are masked.

    Raises
    ------
    SettingsError
    """
    settings, sources = _read(options or {}, os.environ if environment is None else environment)
    plain = settings.model_dump(mode="json")
    plain["store"] = masked_url(settings.store)
    return {name: Origin(value, sources.get(name, "default")) for name, value in plain.items()}


def masked_url(url: str) -> str:
    """A URL without the password in it."""
    scheme, separator, rest = url.partition("://")
    at = rest.rpartition("@")[0]
    user, colon, _ = at.partition(":")
    return f"{scheme}://{user}:**********{rest[len(at) :]}" if separator and colon else url


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that begin like ours and that nothing reads."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES
    ours = (name for name in environment if name.startswith(PREFIX))
    return sorted(name for name in ours if name not in known and not name.startswith("CMDB_TEST_"))


OTHER_VARIABLES: Final = frozenset(
    {
        FILE_VARIABLE,
        *(f"CMDB_{name}" for name in ("MODEL", "ACTOR", "DEBUG", "HYPOTHESIS", "REQUIRE_NEO4J")),
        *(f"CMDB_NEO4J_{name}" for name in ("USER", "PASSWORD", "PASSWORD_FILE")),
    }
)
"""Variables that are read elsewhere."""


def _read(
    options: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Settings, dict[str, str]]:
    file = environment.get(FILE_VARIABLE, "")
    given = {name: value for name, value in options.items() if value is not None}
    layers = [
        (f"{file}", _file(Path(file)) if file else {}),
        ("environment", _environment(environment)),
        ("option", given),
    ]
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers:
        values |= layer
        sources |= dict.fromkeys(layer, source)
    try:
        return Settings.model_validate(values), sources
    except ValidationError as error:
        raise SettingsError([_problem(e, sources) for e in error.errors()]) from None


def _environment(environment: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in environment.items()}
    try:
        return dict(source())
    except ValueError as error:
        raise SettingsError([f"{error}; write it as JSON."]) from None


def _file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise SettingsError([f"{FILE_VARIABLE}: {path}: {error.strerror}."]) from None
    except (yaml.YAMLError, ValueError) as error:
        what = " ".join(str(error).split())
        raise SettingsError([f"{path} is neither YAML nor TOML (.toml): {what}"]) from None
    if found is not None and not isinstance(found, dict):
        raise SettingsError([f"{path} holds no settings: write `name: value`, a line each."])
    return {str(name): value for name, value in (found or {}).items()}


def _problem(error: Any, sources: Mapping[str, str]) -> str:
    """One line about one mistake; the value is not told: it may be a secret."""
    name = ".".join(map(str, error["loc"][:1]))
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{name} ({sources.get(name, '')}): there is no such setting."
    where = f"{name} ({sources[name]}): " if name in sources else ""
    return f"{where}{message}."
