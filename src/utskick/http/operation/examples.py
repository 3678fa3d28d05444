"""Examples of request bodies, by the name of the schema. The sandbox accepts all of them once the
parties in them are registered."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

_PARTY: Final = "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"
#: A PDF of one empty page.
_PDF: Final = b64encode(
    b"%PDF-1.4\n"
    b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>endobj\n"
    b"xref\n"
    b"0 4\n"
    b"0000000000 65535 f \n"
    b"0000000009 00000 n \n"
    b"0000000052 00000 n \n"
    b"0000000101 00000 n \n"
    b"trailer<</Size 4/Root 1 0 R>>\n"
    b"startxref\n"
    b"178\n"
    b"%%EOF\n"
).decode()
_ADDRESS: Final = {
    "firstName": "Anna",
    "lastName": "Andersson",
    "address": "Storgatan 1",
    "zipCode": "85230",
    "city": "Sundsvall",
}
_TEXT: Final = "Skolan är stängd i dag."

EXAMPLES: Final[dict[str, Any]] = {
    "ConfigurationRequest": {"sender": "Sundsvall", "segment_limit": 4},
    "ContactSettingCreateRequest": {
        "partyId": _PARTY,
        "alias": "Mina uppgifter",
        "contactChannels": [
            {"contactMethod": "SMS", "alias": "Mobilen", "destination": "+46701740605"}
        ],
    },
    "ContactSettingUpdateRequest": {
        "contactChannels": [
            {"contactMethod": "EMAIL", "alias": "Arbetet", "destination": "anna@example.se"}
        ]
    },
    "DelegateCreateRequest": {
        "principalId": "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c",
        "agentId": "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d",
        "filters": [
            {
                "alias": "Allt",
                "rules": [{"attributeName": "*", "operator": "EQUALS", "attributeValue": "*"}],
            }
        ],
    },
    "DigitalInvoiceRequest": {
        "party": {"partyId": _PARTY},
        "type": "INVOICE",
        "subject": "Faktura för barnomsorg",
        "reference": "Faktura 12345",
        "details": {
            "amount": 123.45,
            "dueDate": "2035-10-09",
            "paymentReferenceType": "SE_OCR",
            "paymentReference": "12345674",
            "accountType": "BANKGIRO",
            "accountNumber": "5050-1055",
        },
        "files": [{"contentType": "application/pdf", "content": _PDF, "filename": "faktura.pdf"}],
    },
    "DigitalMailRequest": {
        "party": {"partyIds": [_PARTY]},
        "subject": "Beslut",
        "contentType": "text/plain",
        "body": "Din ansökan är beviljad.",
        "attachments": [
            {"contentType": "application/pdf", "content": _PDF, "filename": "beslut.pdf"}
        ],
    },
    "EmailBatchRequest": {
        "parties": [
            {"emailAddress": "anna@example.se", "reference": "rad-1"},
            {"emailAddress": "nils@example.se", "reference": "rad-2"},
        ],
        "subject": "Skolan i dag",
        "message": _TEXT,
        "sender": {"name": "Sundsvalls kommun", "address": "noreply@example.se"},
    },
    "EmailRequest": {
        "emailAddress": "anna@example.se",
        "subject": "Skolan i dag",
        "message": _TEXT,
        "htmlMessage": b64encode("<p>Skolan är <b>stängd</b> i dag.</p>".encode()).decode(),
        "sender": {"name": "Sundsvalls kommun", "address": "noreply@example.se"},
    },
    "FilterBody": {
        "alias": "Allt",
        "rules": [{"attributeName": "*", "operator": "EQUALS", "attributeValue": "*"}],
    },
    "LetterRequest": {
        "party": {"partyIds": [_PARTY], "addresses": [_ADDRESS]},
        "subject": "Beslut",
        "contentType": "text/plain",
        "body": "Beslutet är bifogat.",
        "department": "SBK(Gatuavdelningen, Trafiksektionen)",
        "attachments": [
            {
                "deliveryMode": "ANY",
                "filename": "beslut.pdf",
                "contentType": "application/pdf",
                "content": _PDF,
            }
        ],
    },
    "HoldRequest": {
        "kind": "party",
        "id": _PARTY,
        "reason": "Begärd för tillsyn",
        "reference": "TR 2026/17",
    },
    "MailboxesRequest": [_PARTY],
    "MessageRequest": {
        "messages": [
            {
                "party": {"partyId": _PARTY},
                "subject": "Biblioteket",
                "message": "Din bok finns att hämta.",
            }
        ]
    },
    "PartyRequest": {
        "legalId": "2120002411",
        "names": {"organization": "Sundsvalls kommun"},
        "address": {"address": "Norrmalmsgatan 4", "zipCode": "85185", "city": "Sundsvall"},
    },
    "PushRequest": {
        "party": {"partyIds": [_PARTY]},
        "title": "Sopor",
        "message": "Sopkärlet töms i morgon.",
    },
    "ResolveRequest": {"decision": "give-up"},
    "ShortEmailBatchRequest": {
        "sender": "noreply@example.se",
        "subject": "Skolan i dag",
        "message": _TEXT,
        "parties": [{"emailAddress": "anna@example.se", "personId": "435rfret45"}],
    },
    "ShortEmailRequest": {
        "sender": "noreply@example.se",
        "emailAddress": "anna@example.se",
        "personId": "435rfret45",
        "subject": "Skolan i dag",
        "message": _TEXT,
    },
    "ShortSmsBatchRequest": {
        "sender": "Sundsvall",
        "message": _TEXT,
        "parties": [{"mobileNumber": "0701740605", "personId": "435rfret45"}],
    },
    "ShortSmsRequest": {
        "sender": "Sundsvall",
        "mobileNumber": "0701740605",
        "personId": "435rfret45",
        "message": _TEXT,
    },
    "SlackRequest": {"channel": "#drift", "message": "Driftstopp i kväll klockan 20."},
    "RetentionRequest": {"days": 730, "decision": "KS 2026/123"},
    "SmsBatchRequest": {
        "sender": "Sundsvall",
        "message": _TEXT,
        "parties": [
            {"mobileNumber": "+46701740605", "reference": "rad-1"},
            {"mobileNumber": "+46701740606", "reference": "rad-2"},
        ],
    },
    "SmsRequest": {"sender": "Sundsvall", "mobileNumber": "+46701740605", "message": _TEXT},
    "SnailmailRequest": {
        "address": _ADDRESS,
        "department": "SBK(Gatuavdelningen, Trafiksektionen)",
        "attachments": [
            {"filename": "beslut.pdf", "contentType": "application/pdf", "content": _PDF}
        ],
    },
    "SubscriptionRequest": {
        "party": {"partyId": _PARTY},
        "fcm": {"token": "the-token-that-the-app-was-given"},
    },
    "WebhookRequest": {
        "url": "https://receiver.example.se/utskick",
        "statuses": ["delivered", "failed"],
        "description": "Ärendesystemet",
    },
    "WebMessageRequest": {
        "party": {"externalReferences": [{"key": "flowInstanceId", "value": "12345"}]},
        "message": "Vi behöver en ritning till.",
        "sender": {"userId": "joe01doe"},
    },
}
