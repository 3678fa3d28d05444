"""SOAP 1.1 messages of the simulator."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4
from xml.sax.saxutils import escape

from lxml import etree

from utskick.sandbox.digital_mail.signature import InvalidDelivery

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
COMMON_3: Final = "http://minameddelanden.gov.se/schema/Common/v3"


def body_of(envelope: bytes, operation: str) -> Any:
    """Return the only element of the SOAP body, named ``{namespace}name``.

    Raises ``InvalidDelivery``.
    """
    root = parse(envelope)
    if root.tag != f"{{{SOAP}}}Envelope" or [
        child.tag for child in root if child.tag != f"{{{SOAP}}}Header"
    ] != [f"{{{SOAP}}}Body"]:
        raise InvalidDelivery("not a SOAP 1.1 envelope")
    content = list(root.find(f"{{{SOAP}}}Body"))
    if [element.tag for element in content] != [operation]:
        raise InvalidDelivery(f"the SOAP body must hold exactly {operation}")
    return content[0]


def parse(document: bytes) -> Any:
    """Parse a document and return its root.

    Raises ``InvalidDelivery`` for malformed XML, document types, comments and processing
    instructions.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise InvalidDelivery("not well-formed XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise InvalidDelivery("a document type is not allowed")
    if (
        any(not isinstance(node.tag, str) for node in root.iter())
        or root.getprevious() is not None
        or root.getnext() is not None
    ):
        raise InvalidDelivery("comments and processing instructions are not allowed")
    return root


def envelope(content: str) -> bytes:
    """Return a SOAP envelope with the operators' prefixes."""
    body = f"<soap:Body>{content}</soap:Body>"
    return f'<soap:Envelope xmlns:soap="{SOAP}">{body}</soap:Envelope>'.encode()


def application_fault(code: int, description: str) -> bytes:
    """Return a SOAP fault with an applicationFault (Common.xsd v3)."""
    return envelope(
        f"<soap:Fault><faultcode>soap:Server</faultcode><faultstring>{escape(description)}</faultstring><detail>"
        "<applicationFault "
        f'xmlns="{COMMON_3}"><ErrorCode>{code}</ErrorCode><Description>{escape(description)}</Description>'
        f"<CallId>{uuid4()}</CallId></applicationFault></detail></soap:Fault>"
    )


def client_fault(text: str) -> bytes:
    """Return a Client fault for an invalid message (SOAP 1.1 section 4.4.1)."""
    return envelope(
        f"<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{escape(text)}</faultstring></soap:Fault>"
    )
