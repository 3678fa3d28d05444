"""Canonical XML writer: no prefixes, each namespace declared as default where it changes."""

from __future__ import annotations

from typing import Final

_SCHEMA: Final = "http://minameddelanden.gov.se/schema"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
RECIPIENT: Final = f"{_SCHEMA}/Recipient"
RECIPIENT_3: Final = f"{_SCHEMA}/Recipient/v3"
SERVICE: Final = f"{_SCHEMA}/Service"
SERVICE_3: Final = f"{_SCHEMA}/Service/v3"
MESSAGE: Final = f"{_SCHEMA}/Message"
MESSAGE_2: Final = f"{_SCHEMA}/Message/v2"
MESSAGE_3: Final = f"{_SCHEMA}/Message/v3"
SENDER: Final = f"{_SCHEMA}/Sender"
COMMON_3: Final = f"{_SCHEMA}/Common/v3"
MATTER_3: Final = f"{_SCHEMA}/OfficialMatter/v3"
DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"


def escaped(text: str) -> str:
    """Escape character data (Canonical XML 1.0 section 1.3.1) and normalise line ends to LF.

    Parsers normalise line ends too, which would otherwise break the signature.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return lines.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def element(name: str, text: str, namespace: str | None = None) -> str:
    """Write a text element. ``namespace``: only where it differs from the parent's."""
    declaration = f' xmlns="{namespace}"' if namespace else ""
    return f"<{name}{declaration}>{escaped(text)}</{name}>"


def optional(name: str, text: str | None, namespace: str | None = None) -> str:
    """Write a text element, or nothing if the text is empty."""
    return element(name, text, namespace) if text else ""
