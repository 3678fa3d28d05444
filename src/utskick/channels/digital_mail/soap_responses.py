"""SOAP responses of the Recipient service and the operators, parsed as untrusted input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.outgoing.http_client import HttpResponse, by_status
from utskick.outgoing.parsing import is_success
from utskick.outgoing.provider_words import call_id, with_words

_TRUE: Final = ("true", "1")
#: Words for a sender without permission, in English and Swedish: the codes have no published
#: meaning. The outcome is repeated either way, so that a wrong guess loses nothing.
_NO_PERMISSION: Final = re.compile(
    r"un-?authori[sz]ed|not authori[sz]ed|permission|access (?:is )?denied|forbidden"
    r"|obehörig|behörig"
    r"|(?:sender|avsändare\w*)\b.{0,60}\b(?:not|unknown|missing|blocked|inte|ej|saknas?|okänd)\b",
    re.IGNORECASE,
)


def sender_refused(code: str) -> Misconfigured:
    """Return the outcome for a sender without permission. Other senders need not wait for it."""
    sentence = "the sending organisation has no permission there"
    return Misconfigured(Reason("sender-refused", sentence, code), Concern.OURSELVES)


@dataclass(frozen=True, slots=True)
class ApplicationFault:
    """Application fault (Common.xsd v3).

    ``code``: 1–9998, undocumented in the schemas. ``call_id``: identifies the call to the operator.
    ``description``: as received; it may hold personal data.
    """

    code: int
    call_id: str | None
    description: str = field(default="", repr=False)

    @property
    def names_permission(self) -> bool:
        """Whether the description says that the sender lacks a permission."""
        return _NO_PERMISSION.search(self.description) is not None

    def outcome(self, plain: Outcome) -> Outcome:
        """Return the outcome with the words of the fault.

        ``plain``: what it is unless the description says that the sender lacks a permission.
        """
        return self.worded(sender_refused(str(self.code)) if self.names_permission else plain)

    def worded(self, outcome: Outcome) -> Outcome:
        """Return the outcome with the description and the call id in its reason."""
        return with_words(outcome, self.description, self.call_id)


@dataclass(frozen=True, slots=True)
class ReachabilityStatus:
    """Status of one recipient (Recipient.xsd, ReachabilityStatus).

    ``supplier``: id of the mailbox operator, None if there is none.
    """

    type: str
    pending: bool
    accepted: bool
    supplier: str | None = None
    supplier_name: str = ""
    address: str = ""


def tree_of(body: bytes) -> Any | None:
    """Parse XML without fetching anything or expanding entities (XXE, XML bombs).

    Returns the root element, or None for anything that is not XML or has a document type.
    """
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


def parse_reachability(
    answer: HttpResponse,
) -> Mapping[str, ReachabilityStatus] | ApplicationFault | Outcome:
    """Parse the response to isReachable: status by recipient, without those it omits."""
    root = tree_of(answer.body)
    response = (
        root.find(f"{{{SOAP}}}Body/{{{RECIPIENT_3}}}isReachableResponse")
        if root is not None
        else None
    )
    if response is None or not is_success(answer):
        return _other(answer, root)
    statuses = {}
    for entry in response.iterfind(f"{{{RECIPIENT_3}}}return"):
        status = entry.find(f"{{{RECIPIENT}}}AccountStatus")
        recipient = _text(status, "RecipientId") if status is not None else ""
        if recipient:
            statuses[recipient] = _status(status, _text(entry, "SenderAccepted"))
    return statuses


def _status(status: Any, accepted: str) -> ReachabilityStatus:
    supplier = status.find(f"{{{RECIPIENT}}}ServiceSupplier")
    bare = ReachabilityStatus(
        _text(status, "Type"), _text(status, "Pending") in _TRUE, accepted in _TRUE
    )
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


def parse_delivery(answer: HttpResponse, recipient: str) -> ApplicationFault | Outcome:
    """Parse the response to deliverSecure (Service.xsd, DeliveryResult).

    ``Delivered`` false in a successful response is a rejection.
    """
    root = tree_of(answer.body)
    result = (
        root.find(f"{{{SOAP}}}Body/{{{SERVICE_3}}}deliverSecureResponse/{{{SERVICE_3}}}return")
        if root is not None
        else None
    )
    if result is None or not is_success(answer):
        return _other(answer, root)
    reference = (result.findtext(f"{{{SERVICE}}}TransId") or "").strip() or None
    delivered = {
        (status.findtext(f"{{{SERVICE}}}RecipientId") or "").strip(): (
            status.findtext(f"{{{SERVICE}}}Delivered") or ""
        ).strip()
        for status in result.iterfind(f"{{{SERVICE}}}Status")
    }
    if delivered.get(recipient) in _TRUE:
        return Sent(reference, delivered=True)
    if delivered.get(recipient) in ("false", "0"):
        return Rejected(
            Reason(
                "not-delivered",
                "the mailbox operator did not deliver the message to the mailbox",
                reference,
            ),
            polite=True,
        )
    return Uncertain(
        Reason("garbage", "the operator's response does not say whether the message was delivered")
    )


def _other(answer: HttpResponse, root: Any | None) -> ApplicationFault | Outcome:
    """Map a SOAP fault (SOAP 1.1 section 4.4), else the HTTP status."""
    fault = root.find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault") if root is not None else None
    if fault is None:
        return by_status(answer)
    application_fault = fault.find(f"detail/{{{COMMON_3}}}applicationFault")
    if application_fault is not None:
        return _application_fault(application_fault)
    words = (fault.findtext("faultstring") or "").strip()
    if (fault.findtext("faultcode") or "").strip().rpartition(":")[2].partition(".")[0] == "Client":
        sentence = "the call was rejected as invalid (SOAP fault Client)"
        return with_words(Rejected(Reason("refused", sentence, "Client")), words)
    if _NO_PERMISSION.search(words):
        return with_words(sender_refused("Server"), words)
    sentence = "internal error at the provider (SOAP fault Server)"
    return with_words(
        Deferred(Reason("provider-fault", sentence, "Server"), answer.retry_after), words
    )


def _application_fault(element: Any) -> ApplicationFault:
    code = (element.findtext(f"{{{COMMON_3}}}ErrorCode") or "").strip()
    return ApplicationFault(
        int(code) if re.fullmatch(r"[0-9]{1,4}", code) else 0,
        call_id((element.findtext(f"{{{COMMON_3}}}CallId") or "").strip()),
        (element.findtext(f"{{{COMMON_3}}}Description") or "").strip(),
    )
