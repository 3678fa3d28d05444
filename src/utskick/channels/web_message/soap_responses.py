"""Open-E's SOAP responses mapped to outcomes; parsed without DTD, entities and network."""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

from utskick.channels.web_message.soap_request import NAMESPACE, SOAP
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason, Rejected, Sent
from utskick.outgoing.http_client import HttpResponse, by_status
from utskick.outgoing.parsing import is_success
from utskick.outgoing.provider_words import with_words

_ID: Final = re.compile(r"\s*(-?[0-9]{1,10})\s*\Z")

UNKNOWN_CASE: Final = "unknown-case"

#: Outcomes by the name of the element in ``detail``.
FAULTS: Final[dict[str, Outcome]] = {
    "FlowInstanceNotFoundFault": Rejected(
        Reason(UNKNOWN_CASE, "the case does not exist in Open-E", "FlowInstanceNotFoundFault")
    ),
    "AccessDeniedFault": Misconfigured(
        Reason(
            "refused-access",
            "Open-E does not allow the account, or the message's author, to write in the case",
            "AccessDeniedFault",
        ),
        Concern.RECIPIENT,
    ),
}
#: Outcomes by fault code (SOAP 1.1 section 4.4.1), where ``detail`` has no known element.
CODES: Final[dict[str, Outcome]] = {
    "Client": Rejected(Reason("refused-content", "Open-E cannot parse the message", "Client")),
    "VersionMismatch": Misconfigured(
        Reason("wrong-address", "the configured address uses another SOAP", "VersionMismatch")
    ),
    "MustUnderstand": Misconfigured(
        Reason("wrong-address", "the configured address uses another SOAP", "MustUnderstand")
    ),
}


def read(answer: HttpResponse, operation: str) -> Outcome:
    """Map the response to ``operation`` to an outcome."""
    element = _body(answer.body)
    if element is None:
        return by_status(answer)
    if element.tag == f"{{{SOAP}}}Fault":
        return _by_fault(element)
    if is_success(answer) and element.tag == f"{{{NAMESPACE}}}{operation}Response":
        match = _ID.match(element.findtext(f"{{{NAMESPACE}}}messageID") or "")
        if match:
            return Sent(match[1], delivered=True)
    return by_status(answer)


def _by_fault(fault: Any) -> Outcome:
    """Map a fault by its code, with its text, in which personal data is masked."""
    return with_words(_by_name(fault), (fault.findtext("faultstring") or "").strip())


def _by_name(fault: Any) -> Outcome:
    detail = fault.find("detail")
    for named in detail if detail is not None else ():
        name = etree.QName(named)
        if name.namespace == NAMESPACE and name.localname in FAULTS:
            return FAULTS[name.localname]
    code = (fault.findtext("faultcode") or "").strip().rpartition(":")[2].partition(".")[0]
    return CODES.get(code, Deferred(Reason("provider-fault", "internal error at Open-E", "Server")))


def _body(data: bytes) -> Any | None:
    """Return the single element of the SOAP body; None for anything else.

    A document with a DTD is refused (SOAP 1.1 section 3).
    """
    if b"<!DOCTYPE" in data or b"\x00" in data:
        return None
    # One parser per document: lxml's parsers must not be shared between threads.
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
