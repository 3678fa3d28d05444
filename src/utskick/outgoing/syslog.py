"""Syslog over TLS: messages of RFC 5424, framed by octet counting (RFC 5425 section 4.3).

The protocol has no acknowledgement. ``deliver`` closes each connection as section 4.4 says: both
sides send close_notify, the receiver after it has read everything. Only then is it delivered.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_APP: Final = "utskick"
#: "log audit" (13), severity "informational" (6): RFC 5424 section 6.2.1.
_PRIORITY: Final = 13 * 8 + 6
#: Structured data of our own: a name with a private enterprise number (section 6.3.2), that of
#: documentation (RFC 5612) for want of one.
_ELEMENT: Final = "audit@32473"
_LIMIT: Final = 10.0


@dataclass(frozen=True, slots=True)
class SyslogServer:
    """A receiver. ``ca_file``: who signs its certificate; None: the system's authorities.

    ``certificate``, ``key``: files with which this side proves who it is.
    """

    host: str
    port: int = 6514
    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context. Raises ``OSError`` for files that cannot be used."""
        found = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        found.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            found.load_cert_chain(self.certificate, self.key)
        return found


def message(at: datetime, kind: str, members: Mapping[str, str], text: str) -> bytes:
    """Return a message of RFC 5424. ``kind``: its MSGID; ``members``: its structured data."""
    host = "".join(c for c in socket.gethostname() if "!" <= c <= "~")[:255] or "-"
    stamp = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    data = "".join(f' {name}="{_escaped(value)}"' for name, value in members.items())
    head = f"<{_PRIORITY}>1 {stamp} {host} {_APP} - {kind[:32]} [{_ELEMENT}{data}] "
    return head.encode() + b"\xef\xbb\xbf" + text.encode()  # the BOM says that it is UTF-8


def _escaped(value: str) -> str:
    """Escape a value (section 6.3.3)."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def framed(messages: Sequence[bytes]) -> bytes:
    return b"".join(b"%d %b" % (len(one), one) for one in messages)


async def deliver(server: SyslogServer, messages: Sequence[bytes]) -> None:
    """Deliver messages; returns when the receiver has read all of them. Raises ``OSError``.

    After a failure nothing is known of any of them: they are delivered again.
    """
    await asyncio.to_thread(_deliver, server, framed(messages))


def _deliver(server: SyslogServer, data: bytes) -> None:
    with socket.create_connection((server.host, server.port), timeout=_LIMIT) as plain:
        plain.settimeout(_LIMIT)
        with server.context().wrap_socket(plain, server_hostname=server.host) as secure:
            secure.sendall(data)
            try:
                secure.unwrap()  # sends close_notify, and waits for the receiver's
            except ssl.SSLEOFError:
                # Some receivers end the connection without a close_notify of their own. Had they
                # not read everything, the kernel would have reset it.
                with suppress(OSError):
                    secure.close()
