"""The namespaces of Mina Meddelanden (WSDL and schemas, version 3) and of what it stands on."""

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
