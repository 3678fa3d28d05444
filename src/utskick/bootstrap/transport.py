"""Ways in and out that must be encrypted: the link to the database, and the address of the API."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from utskick.domain.errors import SettingsFault
from utskick.settings import Settings

#: Modes of TLS in which the server proves who it is (PostgreSQL's manual, 34.19.1).
_VERIFIED: Final = ("verify-full", "verify-ca")


def is_loopback(host: str) -> bool:
    """Return whether the address is reachable only from this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def database_link(settings: Settings) -> str | None:
    """Return why the link to the database is not protected, None where it is.

    Raises ``SettingsFault`` for an URL that cannot be read.
    """
    if settings.database.url is None:
        return None
    hosts, mode = _hosts_and_mode(settings.database.url.get_secret_value())
    remote = [host for host in hosts if not _stays_here(host)]
    if not remote or mode in _VERIFIED:
        return None
    how = f"sslmode={mode}" if mode else "no sslmode"
    return (
        f"database.url leads to {', '.join(remote)} with {how}: whoever is on the way can read and "
        "change everything, and log in. Add sslmode=verify-full&sslrootcert=/path/to/ca.pem to "
        "database.url (docs/reference/settings.md)"
    )


def check_database_link(settings: Settings) -> None:
    """Require verified TLS to a database on another machine. Raises ``SettingsFault``."""
    if not settings.database.insecure and (fault := database_link(settings)) is not None:
        raise SettingsFault(f"{fault}; or set database.insecure = true")


def open_api(settings: Settings) -> str | None:
    """Return why the API may be reached without TLS, None where it cannot."""
    http = settings.http
    if is_loopback(http.host) or http.trusted_proxies:
        return None
    return (
        f"http.host is {http.host}, and the service itself has no TLS: tokens and contents would "
        "cross the network readable. Put a proxy with TLS in front and name it in "
        "http.trusted_proxies"
    )


def check_api(settings: Settings) -> None:
    """Require a proxy with TLS in front of an API that others reach. Raises ``SettingsFault``."""
    if not settings.http.insecure and (fault := open_api(settings)) is not None:
        raise SettingsFault(
            f"{fault}, listen on 127.0.0.1, or set http.insecure = true where something else "
            "encrypts"
        )


def _hosts_and_mode(url: str) -> tuple[list[str], str | None]:
    """Return the hosts that a URL of libpq's form leads to, and its ``sslmode``."""
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise SettingsFault("database.url is not a URL") from None
    place = parts.netloc.rpartition("@")[2]
    listed = [_host(each) for each in place.split(",")] if place else []
    # libpq: the query wins over the place, and the address over the name
    for name in ("host", "hostaddr"):
        if given := query.get(name):
            listed = [_host(each) for each in given[-1].split(",")]
    if not any(listed):
        listed = [_host(each) for each in os.environ.get("PGHOST", "").split(",")]
    mode = query.get("sslmode", [os.environ.get("PGSSLMODE") or None])[-1]
    return listed, mode


def _host(place: str) -> str:
    """Return the host of ``host:port`` and ``[address]:port``."""
    text = unquote(place)
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text if text.count(":") > 1 or text.startswith("/") else text.partition(":")[0]


def _stays_here(host: str) -> bool:
    """Return whether it is a socket on this machine, or its loopback address."""
    return host == "" or host.startswith(("/", "@")) or is_loopback(host)
