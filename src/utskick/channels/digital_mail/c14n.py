"""XML written as it is signed: Canonical XML without prefixes, each namespace declared as the
default where it changes."""

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
    """Character data (Canonical XML 1.0, section 1.3.1); every line ends with LF, so that no parser
    changes what was signed."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return lines.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def element(name: str, text: str, namespace: str | None = None) -> str:
    """An element of text. ``namespace``: where it differs from that of the element around it."""
    declared = f' xmlns="{namespace}"' if namespace else ""
    return f"<{name}{declared}>{escaped(text)}</{name}>"


def optional(name: str, text: str | None, namespace: str | None = None) -> str:
    """The element, or nothing where there is nothing to say."""
    return element(name, text, namespace) if text else ""
