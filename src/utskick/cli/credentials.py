"""What the command line shows to the service: a token or a client of the environment, or the
sandbox's own client on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from utskick.auth import sandbox_client as kept_client
from utskick.domain.errors import SettingsFault
from utskick.settings import Data
from utskick_client import ClientCredentials, Token


def token_for(url: str) -> Token | None:
    """``UTSKICK_TOKEN``, else ``UTSKICK_CLIENT_ID`` and ``UTSKICK_CLIENT_SECRET``, else the kept
    client of a service on this machine."""
    if token := os.environ.get("UTSKICK_TOKEN"):
        return token
    client_id, secret = os.environ.get("UTSKICK_CLIENT_ID"), os.environ.get("UTSKICK_CLIENT_SECRET")
    if client_id and secret:
        return ClientCredentials(
            os.environ.get("UTSKICK_TOKEN_URL") or _token_url(url), client_id, secret
        )
    if client_id or secret:
        raise SettingsFault(
            "UTSKICK_CLIENT_ID and UTSKICK_CLIENT_SECRET belong together; one of them is not set"
        )
    folder = Path(os.environ.get("UTSKICK_DATA__FOLDER") or Data().folder)
    return (
        of_sandbox(url, folder)
        if urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        else None
    )


def of_sandbox(url: str, folder: Path) -> ClientCredentials | None:
    """By the client that ``utskick serve`` keeps in its data folder; None where there is none."""
    found = kept_client.read(folder.expanduser() / kept_client.FILE)
    return ClientCredentials(_token_url(url), *found) if found is not None else None


def _token_url(url: str) -> str:
    return f"{url.rstrip('/')}/oauth2/token"
