"""What the Recipient service and the operators answer: SOAP read without trust, and what it comes
to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from lxml import etree

from utskick.channels.digital_mail.c14n import (
    COMMON_3,
    RECIPIENT,
    RECIPIENT_3,
    SERVICE,
    SERVICE_3,
    SOAP,
)
from utskick.domain.outcome import Deferred, Outcome, Reason, Rejected, Sent, Uncertain
from utskick.outgoing.http_client import Answer, by_status
from utskick.outgoing.parsing import taken

_TRUE: Final = ("true", "1")
_CALL_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,50}\Z")


@dataclass(frozen=True, slots=True)
class ApplicationFault:
    """Common.xsd v3: ``code`` 1–9998, whose meanings no schema tells; ``call_id``: what to name
    when one asks the other side."""

    code: int
    call_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What the register says of one recipient (Recipient.xsd, ReachabilityStatus). ``supplier``
    None: no operator is named."""

    type: str
    pending: bool
    accepted: bool
    supplier: str | None = None
    supplier_name: str = ""
    address: str = ""


def tree_of(body: bytes) -> Any | None:
    """The root element; None for what is no XML or has a document type. Nothing is fetched, no
    entity is put in (XXE, bombs)."""
    if b"<!DOCTYPE" in body[:65_536] or b"\0" in body[:65_536]:
        return None
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        return None
    return root


def standings(answer: Answer) -> Mapping[str, Standing] | ApplicationFault | Outcome:
    """The answer to isReachable, by recipient. What the answer does not name is missing here
    too."""
    root = tree_of(answer.body)
    found = (
        root.find(f"{{{SOAP}}}Body/{{{RECIPIENT_3}}}isReachableResponse")
        if root is not None
        else None
    )
    if found is None or not taken(answer):
        return _other(answer, root)
    read = {}
    for one in found.iterfind(f"{{{RECIPIENT_3}}}return"):
        status = one.find(f"{{{RECIPIENT}}}AccountStatus")
        recipient = _text(status, "RecipientId") if status is not None else ""
        if recipient:
            read[recipient] = _standing(status, _text(one, "SenderAccepted"))
    return read


def _standing(status: Any, accepted: str) -> Standing:
    supplier = status.find(f"{{{RECIPIENT}}}ServiceSupplier")
    bare = Standing(_text(status, "Type"), _text(status, "Pending") in _TRUE, accepted in _TRUE)
    if supplier is None:
        return bare
    return replace(
        bare,
        supplier=_text(supplier, "Id"),
        supplier_name=_text(supplier, "Name"),
        address=_text(supplier, "ServiceAdress"),
    )


def _text(element: Any, name: str) -> str:
    return str(element.findtext(f"{{{RECIPIENT}}}{name}") or "").strip()


def delivered(answer: Answer, recipient: str) -> ApplicationFault | Outcome:
    """The answer to deliverSecure: ``Delivered`` false in a successful answer is a no (Service.xsd,
    DeliveryResult)."""
    root = tree_of(answer.body)
    result = (
        root.find(f"{{{SOAP}}}Body/{{{SERVICE_3}}}deliverSecureResponse/{{{SERVICE_3}}}return")
        if root is not None
        else None
    )
    if result is None or not taken(answer):
        return _other(answer, root)
    reference = (result.findtext(f"{{{SERVICE}}}TransId") or "").strip() or None
    said = {
        (status.findtext(f"{{{SERVICE}}}RecipientId") or "").strip(): (
            status.findtext(f"{{{SERVICE}}}Delivered") or ""
        ).strip()
        for status in result.iterfind(f"{{{SERVICE}}}Status")
    }
    if said.get(recipient) in _TRUE:
        return Sent(reference, delivered=True)
    if said.get(recipient) in ("false", "0"):
        return Rejected(
            Reason(
                "not-delivered",
                "the mailbox operator did not put the message into the mailbox",
                reference,
            ),
            polite=True,
        )
    return Uncertain(
        Reason("garbage", "the operator's answer does not say whether the message was delivered")
    )


def _other(answer: Answer, root: Any | None) -> ApplicationFault | Outcome:
    """A SOAP fault (section 4.4 of SOAP 1.1), else what the HTTP status says."""
    fault = root.find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault") if root is not None else None
    if fault is None:
        return by_status(answer)
    named = fault.find(f"detail/{{{COMMON_3}}}applicationFault")
    if named is not None:
        return _application_fault(named)
    if (fault.findtext("faultcode") or "").rpartition(":")[2].partition(".")[0] == "Client":
        return Rejected(
            Reason(
                "refused",
                "the operator found the message wrong in itself (SOAP fault Client)",
                "Client",
            )
        )
    return Deferred(
        Reason(
            "provider-fault", "the provider had a fault of its own (SOAP fault Server)", "Server"
        ),
        answer.retry_after,
    )


def _application_fault(named: Any) -> ApplicationFault:
    code = (named.findtext(f"{{{COMMON_3}}}ErrorCode") or "").strip()
    call_id = (named.findtext(f"{{{COMMON_3}}}CallId") or "").strip()
    return ApplicationFault(
        int(code) if re.fullmatch(r"[0-9]{1,4}", code) else 0,
        call_id if _CALL_ID.match(call_id) else "unreadable",
    )
