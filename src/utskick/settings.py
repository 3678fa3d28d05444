"""Settings: a TOML file, the environment over it, secrets from files. Read once, checked whole, all
faults reported together."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
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
    TomlConfigSettingsSource,
)
from pydantic_settings.sources import NestedSecretsSettingsSource

from utskick.domain.errors import SettingsFault
from utskick.domain.retention import MOST_DAYS, OTHERS, TYPES, RetentionRule
from utskick.domain.unit import Unit

Municipality = Annotated[str, StringConstraints(pattern=r"^\d{4}$")]


class SettingsTable(BaseModel):
    """A table of the file. A key that it does not know is a fault: most are typing errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(SettingsTable):
    """Where the embedded database lives."""

    folder: Path = Path("var")


class DatabaseSection(SettingsTable):
    """``url``: a PostgreSQL of your own (14 or later). Without it, an embedded one is started in
    ``data.folder``."""

    url: SecretStr | None = None
    connections: int = Field(default=12, ge=4, le=200)


class VaultSection(SettingsTable):
    """The key that wraps the keys of personal data: 32 bytes in base64, a file that holds them, or
    a command that prints them.

    ``old_keys`` still unwrap. Without one, the embedded database gets a key of its own in
    ``data.folder``.
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
        """Whether the settings say where the key is."""
        return bool(self.key or self.key_file or self.key_command)


class Http(SettingsTable):
    """Where the API listens, and how long (s) a synchronous call waits for its delivery to settle.

    ``sync_waits``: synchronous calls that wait at a time, in one process; further ones are answered
    at once, with ``PENDING``. ``streams``: listeners to live progress at a time. ``rate``: calls a
    second of one client. ``public_url``: address of the API for its clients, default
    ``auth.issuer``, else where it listens. ``contact_name``, ``contact_url``, ``contact_email``,
    ``terms``: whom to ask and the terms of use, in the API description.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    sync_wait: float = Field(default=15.0, gt=0, le=120)
    sync_waits: int = Field(default=1000, ge=0, le=100_000)
    rate: float = Field(default=1000.0, ge=1, le=1_000_000)
    streams: int = Field(default=200, ge=1, le=10_000)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")
    contact_name: str = Field(default="Utskick", min_length=1)
    contact_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    contact_email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    terms: str | None = Field(default=None, pattern=r"^https?://\S+$")


class WorkerSection(SettingsTable):
    """``patience`` (s): a worker silent for so long loses its jobs to another. ``grace`` (s):
    running sends may finish after SIGTERM."""

    patience: float = Field(default=30.0, ge=1, le=600)
    grace: float = Field(default=10.0, ge=0, le=300)
    poll: float = Field(default=1.0, gt=0, le=60)


class RetrySection(SettingsTable):
    """Seconds: first wait, longest wait, and the wait after a fault of our own configuration."""

    first: float = Field(default=2.0, gt=0)
    ceiling: float = Field(default=900.0, gt=0)
    misconfigured: float = Field(default=60.0, gt=0)


class WebhooksSection(SettingsTable):
    """``networks``: of our own, in which webhooks may be called, by http too; otherwise they are
    called by https in the open internet."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()


class ProvidersSection(SettingsTable):
    """``networks``: of our own, in which providers may lie whose accounts are set over the API;
    others lie in the open internet."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()


class LimitsSection(SettingsTable):
    """What a municipality may set of limits that are no channel's. ``rate``: calls a second of one
    client."""

    rate: float | None = Field(default=None, ge=1, le=1_000_000)


class RetentionRuleTable(SettingsTable):
    """How long requests of a type are kept: ``days``, or ``preserve``. ``decision``: the reference
    number of the decision."""

    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    preserve: bool = False
    decision: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]

    @model_validator(mode="after")
    def _one_time(self) -> RetentionRuleTable:
        if (self.days is None) is not self.preserve:
            raise ValueError("set days, or preserve = true")
        return self


class RetentionSection(SettingsTable):
    """For who has no rules of its own: ``days`` (absent: keep everything), and others by
    ``types``."""

    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    decision: str | None = None
    types: dict[str, RetentionRuleTable] = {}

    @model_validator(mode="after")
    def _whole(self) -> RetentionSection:
        if self.days is not None and not (self.decision or "").strip():
            raise ValueError("decision is needed with days: the reference number of the decision")
        if unknown := self.types.keys() - set(TYPES):
            raise ValueError(f"types: there is no message type named {', '.join(sorted(unknown))}")
        return self

    def rules(self, unit: Unit | None = None) -> list[RetentionRule]:
        """``unit``: whose they are, where they are not everybody's."""
        found = [
            RetentionRule(name, rule.days, rule.decision, unit=unit)
            for name, rule in self.types.items()
        ]
        return (
            [*found, RetentionRule(OTHERS, self.days, self.decision or "", unit=unit)]
            if self.days is not None
            else found
        )


class Log(SettingsTable):
    """JSON lines for machines, or text for people."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "text"


class SandboxSection(SettingsTable):
    """Simulated providers on loopback. ``enabled`` unset: on, unless a channel has accounts of its
    own in the settings."""

    enabled: bool | None = None
    http_port: int = Field(default=8081, ge=0, le=65535)
    smtp_port: int = Field(default=2525, ge=0, le=65535)
    https_port: int = Field(default=8443, ge=0, le=65535)
    sftp_port: int = Field(default=2222, ge=0, le=65535)

    @property
    def ports(self) -> tuple[int, ...]:
        return self.http_port, self.smtp_port, self.https_port, self.sftp_port


class Settings(BaseSettings):
    """Everything that can be set. Channels add a section each."""

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
    configuration: dict[Municipality, dict[str, Any]] = {}
    retention: RetentionSection = RetentionSection()
    log: Log = Log()
    sandbox: SandboxSection = SandboxSection()

    @model_validator(mode="after")
    def _default_is_served(self) -> Settings:
        if self.default_municipality not in self.municipalities:
            raise ValueError(
                f"default_municipality {self.default_municipality} is not among municipalities"
            )
        if strangers := self.configuration.keys() - set(self.municipalities):
            raise ValueError(f"configuration.{min(strangers)}: it is not among municipalities")
        return self

    @property
    def patience(self) -> timedelta:
        return timedelta(seconds=self.worker.patience)

    def section(self, channel: str) -> Any:
        """A channel's own section, of the type that the channel gave."""
        return getattr(self, channel)


def read(
    path: Path | None,
    sections: Mapping[str, type[BaseModel]],
    *,
    over: Mapping[str, Any] | None = None,
) -> Settings:
    """``path``: the TOML file, None for defaults and environment alone; ``sections``: channel → its
    model; ``over``: wins over all.

    Raises ``SettingsFault`` with every fault, each with its place and what was found.
    """
    if path is not None and not path.is_file():
        raise SettingsFault(f"there is no settings file at {path}")
    model = _sourced(path, sections)
    try:
        return model(**(over or {}))
    except ValidationError as fault:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}{_found(e)}"
            for e in fault.errors(include_url=False)
        ]
        where = f"{path} and the environment" if path else "the environment"
        raise SettingsFault(
            f"the settings ({where}) have {len(lines)} fault(s):\n" + "\n".join(lines)
        ) from None
    except tomllib.TOMLDecodeError as fault:
        raise SettingsFault(f"{path} is not TOML: {fault}") from None


def _sourced(path: Path | None, sections: Mapping[str, type[BaseModel]]) -> type[Settings]:
    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
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
    made: type[Settings] = create_model("UtskickSettings", __base__=Sourced, **fields)
    return made


def _secrets_folder() -> Path | None:
    """Files named like ``sms__accounts__link__password``: as systemd's credentials or a mounted
    secret give them."""
    named = os.environ.get("UTSKICK_SECRETS_DIR") or os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(named) if named else None


def _found(error: Any) -> str:
    """Not of what may be a secret, nor of a key that nobody knows: it may be a mistyped
    ``password``."""
    named = any(
        word in str(part)
        for part in error["loc"]
        for word in ("password", "secret", "url", "key", "token")
    )
    secret = named or error["type"] == "extra_forbidden"
    value = error.get("input")
    return (
        ""
        if secret or isinstance(value, dict | list | BaseModel) or value is None
        else f" (found {value!r})"
    )
