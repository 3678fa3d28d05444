"""Settings from a TOML file, the environment and secret files, validated as a whole."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)
from pydantic_settings.sources import NestedSecretsSettingsSource

from utskick.domain.errors import SettingsFault
from utskick.retention_settings import RetentionSection
from utskick.settings_table import SettingsTable

Municipality = Annotated[str, StringConstraints(pattern=r"^\d{4}$")]


class Data(SettingsTable):
    """Section ``[data]``: folder of the embedded database."""

    folder: Path = Path("var")


class DatabaseSection(SettingsTable):
    """Section ``[database]``.

    ``url``: an external PostgreSQL (14 or later). Without it, an embedded one is started in
    ``data.folder``. ``connections``: pool size. ``after_promotion``: what follows when the server's
    timeline has changed (a standby was promoted, or it was recovered to a point in time).
    ``insecure``: a database on another machine may be reached without verified TLS.
    """

    url: SecretStr | None = None
    connections: int = Field(default=12, ge=4, le=200)
    after_promotion: Literal["check", "hold", "continue"] = "check"
    insecure: bool = False


class VaultSection(SettingsTable):
    """Section ``[vault]``: the master key, which wraps the keys of personal data.

    32 bytes in base64, a file with them, or a command that prints them. ``old_keys`` are used for
    unwrapping only. Without a key, the embedded database gets a generated one in ``data.folder``.
    """

    key: SecretStr | None = None
    key_file: Path | None = None
    key_command: tuple[str, ...] = ()
    old_keys: tuple[SecretStr, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> VaultSection:
        if sum(map(bool, (self.key, self.key_file, self.key_command))) > 1:
            raise ValueError("set one of key, key_file and key_command")
        return self

    @property
    def named(self) -> bool:
        """Whether the settings name a key."""
        return bool(self.key or self.key_file or self.key_command)


class Http(SettingsTable):
    """Section ``[http]``: address of the API, and its limits.

    ``sync_waits``: synchronous calls that wait at a time, in one process; further ones are answered
    at once, with ``PENDING``. ``database_timeout``: seconds a request waits for the database; 503
    after it. ``streams``: listeners to live progress at a time. ``connections``: of all
    clients at a time, in one process; ``connections_per_address``: of one. ``memory``: bytes of
    bodies and answers in flight. ``rate``: calls a second of one client. ``public_url``: address of
    the API for its clients, default ``auth.issuer``, else where it listens. ``contact_name``,
    ``contact_url``, ``contact_email``, ``terms``: whom to ask and the terms of use, in the API
    description. ``docs``: whether the description is served, with its page. ``trusted_proxies``:
    whose ``forwarded_header`` says where a call came from. ``insecure``: others may reach the API
    without a proxy among them.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    sync_wait: float = Field(default=15.0, gt=0, le=120)
    sync_waits: int = Field(default=1000, ge=0, le=100_000)
    database_timeout: float = Field(default=5.0, ge=0.5, le=120)
    rate: float = Field(default=1000.0, ge=1, le=1_000_000)
    streams: int = Field(default=200, ge=1, le=10_000)
    connections: int = Field(default=4000, ge=10, le=100_000)
    connections_per_address: int = Field(default=1000, ge=5, le=100_000)
    memory: int = Field(default=512 * 1_048_576, ge=16 * 1_048_576)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")
    contact_name: str = Field(default="Utskick", min_length=1)
    contact_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    contact_email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    terms: str | None = Field(default=None, pattern=r"^https?://\S+$")
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    insecure: bool = False
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    docs: bool = True


class WorkerSection(SettingsTable):
    """Section ``[worker]``.

    ``patience``: seconds without a heartbeat until a worker's jobs are taken over. ``grace``:
    seconds that running sends may take after SIGTERM. ``poll``: seconds between polls.
    """

    patience: float = Field(default=30.0, ge=1, le=600)
    grace: float = Field(default=10.0, ge=0, le=300)
    poll: float = Field(default=1.0, gt=0, le=60)


class RetrySection(SettingsTable):
    """Section ``[retry.…]``: seconds of the first and the longest wait, and after Misconfigured."""

    first: float = Field(default=2.0, gt=0)
    ceiling: float = Field(default=900.0, gt=0)
    misconfigured: float = Field(default=60.0, gt=0)


class WebhooksSection(SettingsTable):
    """Section ``[webhooks]``.

    ``networks``: the operator's own, where webhooks may be called, also by http; elsewhere only
    public addresses by https.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()


class ProvidersSection(SettingsTable):
    """Section ``[providers]``.

    ``networks``: the operator's own, where providers of accounts set over the API may be; elsewhere
    only public addresses.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()


class InboundSection(SettingsTable):
    """Section ``[inbound]``.

    ``numbers``: the municipality of what people write to a number of ours. Number: as the message
    centre delivers it. Messages to others belong to the municipality of the account.
    """

    numbers: dict[Annotated[str, StringConstraints(min_length=1)], Municipality] = {}


class AuditSection(SettingsTable):
    """Section ``[audit]``: the syslog server that gets the audit log over TLS (RFC 5424, 5425)."""

    syslog_host: str | None = Field(default=None, min_length=1)
    syslog_port: int = Field(default=6514, ge=1, le=65535)
    syslog_ca_file: Path | None = None
    syslog_certificate_file: Path | None = None
    syslog_key_file: Path | None = None


class LimitsSection(SettingsTable):
    """Limits of a municipality that belong to no channel. ``rate``: calls per second per client."""

    rate: float | None = Field(default=None, ge=1, le=1_000_000)


class Log(SettingsTable):
    """Section ``[log]``: JSON lines, or text."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "text"


class SandboxSection(SettingsTable):
    """Section ``[sandbox]``: simulated providers on loopback.

    ``enabled``: default true, unless a channel has accounts of its own. ``simulate``: *missing*,
    the channels without accounts; *all*, every channel, and the accounts of the settings are left
    unused. With accounts that are not on this machine, *missing* does not start.
    """

    enabled: bool | None = None
    simulate: Literal["missing", "all"] = "missing"
    http_port: int = Field(default=8081, ge=0, le=65535)
    smtp_port: int = Field(default=2525, ge=0, le=65535)
    https_port: int = Field(default=8443, ge=0, le=65535)
    sftp_port: int = Field(default=2222, ge=0, le=65535)

    @model_validator(mode="after")
    def _is_one_thing(self) -> SandboxSection:
        if self.enabled is False and self.simulate == "all":
            raise ValueError('enabled = false and simulate = "all" contradict each other')
        return self

    @property
    def ports(self) -> tuple[int, ...]:
        return self.http_port, self.smtp_port, self.https_port, self.sftp_port


class Settings(BaseSettings):
    """All settings. Each channel adds a section."""

    model_config = SettingsConfigDict(
        env_prefix="UTSKICK_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    municipalities: tuple[Municipality, ...] = ("2281", "2262", "2260")
    default_municipality: Municipality = "2281"
    data: Data = Data()
    database: DatabaseSection = DatabaseSection()
    vault: VaultSection = VaultSection()
    http: Http = Http()
    worker: WorkerSection = WorkerSection()
    retry: dict[str, RetrySection] = {}
    webhooks: WebhooksSection = WebhooksSection()
    providers: ProvidersSection = ProvidersSection()
    inbound: InboundSection = InboundSection()
    configuration: dict[Municipality, dict[str, Any]] = {}
    retention: RetentionSection = RetentionSection()
    log: Log = Log()
    audit: AuditSection = AuditSection()
    sandbox: SandboxSection = SandboxSection()

    @model_validator(mode="after")
    def _default_is_served(self) -> Settings:
        if self.default_municipality not in self.municipalities:
            raise ValueError(
                f"default_municipality {self.default_municipality} is not among municipalities"
            )
        if unknown := self.configuration.keys() - set(self.municipalities):
            raise ValueError(f"configuration.{min(unknown)}: it is not among municipalities")
        for number, municipality_id in self.inbound.numbers.items():
            if municipality_id not in self.municipalities:
                raise ValueError(
                    f"inbound.numbers.{number}: {municipality_id} is not among municipalities"
                )
        return self

    @property
    def patience(self) -> timedelta:
        return timedelta(seconds=self.worker.patience)

    def section(self, channel: str) -> Any:
        """Return the section of a channel, of the channel's own type."""
        return getattr(self, channel)


def read(
    path: Path | None,
    sections: Mapping[str, type[BaseModel]],
    *,
    over: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings.

    ``path``: the TOML file, None for defaults and environment only. ``sections``: models by name.
    ``over``: values that override all others. Raises ``SettingsFault`` with every fault, its place
    and its input.
    """
    if path is not None and not path.is_file():
        raise SettingsFault(f"the settings file {path} does not exist")
    model = _with_sources(path, sections)
    try:
        return model(**(over or {}))
    except ValidationError as fault:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}{_input(e)}"
            for e in fault.errors(include_url=False)
        ]
        where = f"{path} and the environment" if path else "the environment"
        raise SettingsFault(
            f"the settings ({where}) have {len(lines)} fault(s):\n" + "\n".join(lines)
        ) from None
    except tomllib.TOMLDecodeError as fault:
        raise SettingsFault(f"{path} is not valid TOML: {fault}") from None
    except SettingsError as fault:  # a table in the environment or in a file that is not JSON
        raise SettingsFault(_unreadable(fault)) from None
    except UnicodeDecodeError:
        where = " or ".join(str(place) for place in (path, _secrets_folder()) if place)
        raise SettingsFault(f"{where} holds a file that is not UTF-8 text") from None
    except OSError as fault:
        raise SettingsFault(f"{fault.filename} cannot be read: {fault.strerror}") from None


def _unreadable(fault: SettingsError) -> str:
    """Describe a value that pydantic-settings cannot parse, without the value."""
    field = re.search(r'field "(\w+)" from source "(\w+)"', str(fault))
    if field is None:
        return f"the settings cannot be read: {fault}"
    source = "the environment" if field[2].startswith("Env") else "the files of secrets"
    return (
        f"{field[1]}, from {source}: must be JSON, or one value for each of its settings "
        f"(UTSKICK_{field[1].upper()}__…)"
    )


def _with_sources(path: Path | None, sections: Mapping[str, type[BaseModel]]) -> type[Settings]:
    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the signature is pydantic-settings')
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
            if (folder := _secrets_folder()) is not None:
                sources.append(
                    NestedSecretsSettingsSource(
                        file_secret_settings,
                        secrets_dir=folder,
                        secrets_prefix="",
                        secrets_nested_delimiter="__",
                    )
                )
            if path is not None:
                sources.append(TomlConfigSettingsSource(settings_cls, path))
            return tuple(sources)

    fields: dict[str, Any] = {name: (section, section()) for name, section in sections.items()}
    model: type[Settings] = create_model("UtskickSettings", __base__=Sourced, **fields)
    return model


def _secrets_folder() -> Path | None:
    """Return the folder of files named like ``sms__accounts__link__password``.

    systemd's credentials and mounted secrets have this form.
    """
    folder = os.environ.get("UTSKICK_SECRETS_DIR") or os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


def _input(error: Any) -> str:
    """Describe the input, unless it may be a secret, or a mistyped key such as ``password``."""
    names_secret = any(
        word in str(part)
        for part in error["loc"]
        for word in ("password", "secret", "url", "key", "token")
    )
    is_secret = names_secret or error["type"] == "extra_forbidden"
    value = error.get("input")
    return (
        ""
        if is_secret or isinstance(value, dict | list | BaseModel) or value is None
        else f" (found {value!r})"
    )
