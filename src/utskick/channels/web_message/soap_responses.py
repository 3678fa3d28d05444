"""Open-E's answers: a message id, or a SOAP 1.1 fault with its reason in ``detail``. Read without
DTD, entities and network."""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

from utskick.channels.web_message.soap_request import NAMESPACE, SOAP
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Sent
from utskick.outgoing.http_client import Answer, by_status
from utskick.outgoing.parsing import taken

_ID: Final = re.compile(r"\s*(-?[0-9]{1,10})\s*\Z")

UNKNOWN_CASE: Final = "unknown-case"

#: By the name of the element in ``detail``.
FAULTS: Final[dict[str, Outcome]] = {
    "FlowInstanceNotFoundFault": Rejected(
        Reason(UNKNOWN_CASE, "Open-E knows no such case", "FlowInstanceNotFoundFault")
    ),
    "AccessDeniedFault": Misconfigured(
        Reason(
            "refused-access",
            "Open-E does not let our login, or the user whom the message names, write in the case",
            "AccessDeniedFault",
        )
    ),
}
#: By the fault code (SOAP 1.1 section 4.4.1), where ``detail`` says nothing that is known.
CODES: Final[dict[str, Outcome]] = {
    "Client": Rejected(Reason("refused-content", "Open-E cannot read the message", "Client")),
    "VersionMismatch": Misconfigured(
        Reason("wrong-address", "what answers there speaks another SOAP", "VersionMismatch")
    ),
    "MustUnderstand": Misconfigured(
        Reason("wrong-address", "what answers there speaks another SOAP", "MustUnderstand")
    ),
}


def read(answer: Answer, operation: str) -> Outcome:
    """What became of a message that was handed over by ``operation``."""
    said = _body(answer.body)
    if said is None:
        return by_status(answer)
    if said.tag == f"{{{SOAP}}}Fault":
        return _by_fault(said)
    if taken(answer) and said.tag == f"{{{NAMESPACE}}}{operation}Response":
        found = _ID.match(said.findtext(f"{{{NAMESPACE}}}messageID") or "")
        if found:
            return Sent(found[1], delivered=True)
    return by_status(answer)


def _by_fault(fault: Any) -> Outcome:
    """The fault's own words are not repeated: they may speak of people."""
    detail = fault.find("detail")
    for named in detail if detail is not None else ():
        name = etree.QName(named)
        if name.namespace == NAMESPACE and name.localname in FAULTS:
            return FAULTS[name.localname]
    code = (fault.findtext("faultcode") or "").strip().rpartition(":")[2].partition(".")[0]
    return CODES.get(
        code, Deferred(Reason("provider-fault", "Open-E had a fault of its own", "Server"))
    )


def _body(data: bytes) -> Any | None:
    """The element in the SOAP body; None for everything else, and for a document with a DTD, which
    SOAP forbids (section 3)."""
    if b"<!DOCTYPE" in data or b"\x00" in data:
        return None
    # a parser serves one document: lxml's are not to be shared between threads
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root.getroottree().docinfo.doctype or root.tag != f"{{{SOAP}}}Envelope":
        return None
    body = root.find(f"{{{SOAP}}}Body")
    return body[0] if body is not None and len(body) == 1 and isinstance(body[0].tag, str) else None
