"""Types of settings of what is called over HTTP: addresses, account names, secrets, files of certificates."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, SecretStr, StringConstraints


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a whole address, such as https://sms.example.se")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be an address without user, '?' and '#'; the login has settings of its own")
    return text.rstrip("/")


def _certificates(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(path))
    except (ssl.SSLError, OSError) as fault:
        raise ValueError("must be a file of certificates in PEM form that this process may read") from fault
    return path


Address = Annotated[str, AfterValidator(_address)]
AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
Secret = Annotated[SecretStr, Field(min_length=1)]
Filled = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A table of the settings; a key that it does not know is a fault, and what was found is never echoed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class HttpPeer(Section):
    """What everything that we call over HTTP has. Time-outs in seconds; ``ca_file``: further certificate authorities."""

    url: Address
    concurrency: int = Field(20, ge=1, le=1000)
    connect_timeout: float = Field(5.0, gt=0)
    read_timeout: float = Field(15.0, gt=0)
    ca_file: Annotated[FilePath, AfterValidator(_certificates)] | None = None

    def tls(self) -> ssl.SSLContext | None:
        """The public authorities and the account's own beside them; None where the public ones are enough."""
        if self.ca_file is None:
            return None
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=str(self.ca_file))
        return context


class HttpAccount(HttpPeer):
    """A provider account over HTTP. ``rate`` in calls a second; ``priority``: the lowest first."""

    priority: int = 1
    rate: float | None = Field(None, gt=0)
