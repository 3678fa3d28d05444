"""What is said of schemas and of their members, in one place: a member means the same wherever it
stands, or says here that it does not."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Description(NamedTuple):
    """Of a member: what it is (Markdown), and a value that it may have."""

    text: str
    example: Any = None


_PARTY: Final = "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"
_BATCH: Final = "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
_MESSAGE: Final = "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d"
_DELIVERY: Final = "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3e"
_BASE64: Final = "SGVqIQ=="
_LOCAL: Final = "2026-02-25T15:54:39.254123"
_ZONED: Final = "2026-02-25T15:54:39.254123+01:00"

MEMBERS: Final[dict[str, Description]] = {
    "DEPARTMENT": Description(
        "The department; `Ej kategoriserad` where none was given",
        "SBK(Gatuavdelningen, Trafiksektionen)",
    ),
    "DEPARTMENT_STATISTICS": Description("Of each department"),
    "DIGITAL_INVOICE": Description("Digital invoices"),
    "DIGITAL_MAIL": Description("Digital mail"),
    "EMAIL": Description("E-mail"),
    "LETTER": Description("Letters"),
    "MESSAGE": Description("Messages that went by contact settings"),
    "ORIGIN": Description(
        "The calling system (`x-origin`); `Other` where none was given", "CASEDATA"
    ),
    "PUSH": Description("Push messages"),
    "SLACK": Description("Slack messages"),
    "SMS": Description("SMS"),
    "SNAIL_MAIL": Description("Physical letters"),
    "UNDELIVERABLE": Description(
        "Messages to people who have no contact setting, or want no contact", 2
    ),
    "WEB_MESSAGE": Description("Web messages"),
    "_meta": Description("Which page this is"),
    "accountNumber": Description(
        "The account that is to be paid to, with or without hyphen", "5050-1055"
    ),
    "accountType": Description("What kind of account it is", "BANKGIRO"),
    "actor": Description("Who did it, where a person did"),
    "address": Description("Street and number, or box", "Storgatan 1"),
    "RegisteredParty.address": Description(
        "Where they live; told of nobody whose identity is protected"
    ),
    "addresses": Description("Plain addresses; each gets a copy on paper"),
    "agentId": Description("The contact setting of the one who is told, too", _PARTY),
    "awaitingFeedback": Description("Of how many it is not known yet whether they went out", 0),
    "alias": Description("A name of your own for it", "Arbetet"),
    "amount": Description("What is to be paid, in kronor, with at most two decimals", 123.45),
    "apartmentNumber": Description("The number of the apartment", "1101"),
    "attachmentCount": Description("How many files were attached", 1),
    "attachments": Description("Files"),
    "attempt": Description("Which attempt it was", 1),
    "attempts": Description("How many attempts have been made", 1),
    "attributeName": Description("The query parameter that the rule looks at", "category"),
    "attributeValue": Description("The value that it is held against; `*` is any", "SCHOOL"),
    "auth": Description("The browser's secret, 16 bytes in base64url", "AAAAAAAAAAAAAAAAAAAAAA"),
    "base64Data": Description("The file, in BASE64", _BASE64),
    "batchId": Description("The batch: all messages of one request", _BATCH),
    "batches": Description("One entry for each batch"),
    "body": Description("The text; in BASE64 where `contentType` is `text/html`", "Hej!"),
    "careOf": Description("Care of", "c/o Andersson"),
    "channel": Description("A channel that the filter is for", "SMS"),
    "characters": Description("How many characters the text has, as the encoding counts them", 23),
    "city": Description("The post town", "Sundsvall"),
    "code": Description("A word that stays the same, for programs", "not-found"),
    "contactChannels": Description("The ways to reach the party, first choice first"),
    "contactMethod": Description("Which way it is", "SMS"),
    "content": Description("The file, in BASE64", _BASE64),
    "contentType": Description("The media type", "application/pdf"),
    "DigitalMailRequest.contentType": Description("What `body` is", "text/plain"),
    "LetterRequest.contentType": Description("What `body` is", "text/plain"),
    "count": Description("How many entries are on this page", 13),
    "counts": Description("How many deliveries are in each life-cycle status"),
    "country": Description("The country", "Sverige"),
    "coverPage": Description(
        "A page with the address is put before the PDFs, for a windowed envelope", False
    ),
    "created": Description("When it was made", _ZONED),
    "createdById": Description("Of a virtual setting, the setting that made it", _PARTY),
    "decision": Description(
        "`resend`: once more, knowing that it may be the second copy. `give-up`: leave it", "resend"
    ),
    "delivered": Description("Whether the receiver took it", True),
    "days": Description("So many days after a message was to be sent it is removed", 730),
    "deliveries": Description("One for each channel that was, or is, tried"),
    "deliveryId": Description("The delivery", _DELIVERY),
    "deliveryMode": Description("By which way the file may go", "ANY"),
    "department": Description(
        "The department and unit that is billed, and counted in statistics",
        "SBK(Gatuavdelningen, Trafiksektionen)",
    ),
    "RetentionRequest.decision": Description("The reference number of the decision", "KS 2026/123"),
    "RetentionRule.decision": Description("The reference number of the decision", "KS 2026/123"),
    "description": Description("Words of your own for it", "Ärendesystemet"),
    "destination": Description(
        "A number in E.164 or an e-mail address; none for PUSH", "+46701740605"
    ),
    "detail": Description("What happened this time, in a sentence", "No message found"),
    "details": Description("What is to be paid, when, and to which account"),
    "deviation": Description("What is unusual about how it is to be printed", "A3 Ritning"),
    "disabled": Description("Whether the party wants no contact this way", False),
    "Webhook.disabled": Description("Since when it is not called, and why"),
    "NewWebhook.disabled": Description("Since when it is not called, and why"),
    "ListedWebhook.disabled": Description("Since when it is not called, and why"),
    "dueDate": Description("The last day to pay", "2035-10-09"),
    "duplicates": Description(
        "How many entries of the request were exact duplicates of others: each is delivered once", 1
    ),
    "email": Description("For e-mail"),
    "emailAddress": Description("The recipient's e-mail address", "anna@example.se"),
    "encoding": Description("How the text goes over the air", "GSM-7"),
    "endpoint": Description("The address at the push service", "https://push.example.com/send/abc"),
    "envelopeType": Description(
        "`WINDOWED`: the PDF carries the address itself. `PLAIN`, also when absent: it does not",
        "PLAIN",
    ),
    "eventId": Description("This message's number within the case", "2"),
    "eventType": Description("What kind of event in the case it is", "Beslut"),
    "erased": Description(
        "`true` where what was said has been made unreadable: the key of its month was destroyed"
    ),
    "events": Description("The story of the delivery, oldest first"),
    "externalReferences": Description("Pairs of your own, kept with the message"),
    "failed": Description("How many failed", 2),
    "fcm": Description("An app, by Firebase Cloud Messaging"),
    "field": Description(
        "Where: the member as the request writes it, or `operation.parameter`",
        "parties[0].mobileNumber",
    ),
    "fileName": Description("The name of the file", "beslut.pdf"),
    "filename": Description("The name of the file", "beslut.pdf"),
    "files": Description("The invoice as PDF"),
    "filters": Description("When the delegate is told: one of them must match"),
    "Message.filters": Description(
        "Which of the party's delegates are told, too: names with values that their filters are held against"
    ),
    "firstName": Description("The first name", "Anna"),
    "folderName": Description(
        "The name of the folder that the printing house sorts it into", "Sundsvalls kommun"
    ),
    "headerReference": Description(
        "A reference that mailbox operators and the recipient may see", "Dnr 2026-123"
    ),
    "headers": Description(
        "E-mail headers that keep a thread together, each with its values: `Message-ID`, `In-Reply-To`, `References`, `Auto-Submitted`",
        {"Auto-Submitted": ["auto-generated"]},
    ),
    "htmlMessage": Description("The HTML text of an e-mail, in BASE64", "PHA+SGVqITwvcD4="),
    "id": Description("Its id", _PARTY),
    "OfficialMatter.id": Description("The number of the case", "2026-123"),
    "instance": Description("Where it went wrong"),
    "issuer": Description("The user who sent it (`X-Sent-By`)", "joe01doe"),
    "key": Description("Its name", "flowInstanceId"),
    "keys": Description("What the browser gave to encrypt with"),
    "kind": Description("A browser or an app", "webpush"),
    "HoldRequest.kind": Description(
        "What is held: all of a person, one message, or all of a batch", "party"
    ),
    "HoldRequest.id": Description("The id of the party, the message or the batch", _PARTY),
    "HoldRequest.reason": Description("Why, for people", "Begärd för tillsyn"),
    "HoldRequest.reference": Description("The case or the decision", "TR 2026/17"),
    "Hold.kind": Description("What is held", "party"),
    "Hold.id": Description("Its id", _MESSAGE),
    "Hold.reason": Description("Why; absent when what it held is gone", "Begärd för tillsyn"),
    "Hold.reference": Description("The case or the decision", "TR 2026/17"),
    "RetentionEntry.kind": Description("By a rule, or by an order to erase a person", "retention"),
    "RetentionEntry.reference": Description("The case that the order belongs to", "TR 2026/17"),
    "RetentionEntry.messages": Description("How many messages", 400),
    "RetentionEntry.deliveries": Description("How many deliveries", 412),
    "RetentionEntry.batches": Description("How many batches, with their last message", 17),
    "RetentionEntry.files": Description("How many files, to which nothing referred any more", 3),
    "preserve": Description("`true`: never removed"),
    "lastName": Description("The last name", "Andersson"),
    "lastFault": Description("The last call that was not taken: when, and what came back"),
    "lastSuccess": Description("When a call was last taken", _ZONED),
    "legalId": Description(
        "A Swedish personal, coordination or organisation number; it never comes out whole",
        "2120002411",
    ),
    "lifecycle": Description("Our own word for how it stands, finer than `status`", "delivered"),
    "limit": Description("How many entries a page has at most", 15),
    "message": Description("The text", "Skolan är stängd i dag."),
    "Reason.message": Description("The reason in a sentence", "the number is not in use"),
    "Violation.message": Description("The rule that is broken", "must not be blank"),
    "SlackRequest.message": Description(
        "The text in mrkdwn; `& < >` are escaped by the caller", "Driftstopp i kväll"
    ),
    "messageId": Description("The message: what one recipient is told", _MESSAGE),
    "messageReference": Description(
        "Your own word for the message, which comes back (here `reference` is the invoice's)",
        "rad-17",
    ),
    "messageType": Description("The channel, or the form of request", "SMS"),
    "messages": Description("One entry for each message"),
    "mimeType": Description("The media type", "application/pdf"),
    "mobileNumber": Description("A number in E.164", "+46701740605"),
    "modified": Description("When it was last changed", _ZONED),
    "municipalityId": Description("The municipality", "2281"),
    "name": Description("The name that the recipient sees", "Sundsvall"),
    "EmailAttachment.name": Description("The name of the file", "beslut.pdf"),
    "names": Description("A person's names, or an organisation's"),
    "notice": Description("What to think of: which characters cost extra", None),
    "notSent": Description("How many a provider declined politely", 0),
    "oepInstance": Description(
        "Which Open-E: the one for citizens (`EXTERNAL`, also when absent) or the one for staff",
        "EXTERNAL",
    ),
    "officialMatter": Description(
        "The case that the message belongs to, as Mina Meddelanden knows it"
    ),
    "operator": Description("How it is compared", "EQUALS"),
    "organization": Description("The name of an organisation", "Sundsvalls kommun"),
    "organizationName": Description(
        "The name of an organisation that the letter is to", "Exempelbolaget AB"
    ),
    "organizationNumber": Description("Its organisation number", "2120002411"),
    "origin": Description("The calling system (`x-origin`)", "CASEDATA"),
    "p256dh": Description("The browser's public key, 65 bytes in base64url"),
    "originalMessageType": Description("The form of request"),
    "page": Description("Which page, from 1", 1),
    "parties": Description("The recipients"),
    "party": Description("Whom it concerns"),
    "partyId": Description("A person or an organisation, by its party id", _PARTY),
    "partyIds": Description("People and organisations, by their party ids"),
    "payable": Description("Whether there is something to pay", True),
    "paymentReference": Description("The OCR number, or a tenant's reference", "12345674"),
    "paymentReferenceType": Description("What kind of reference it is", "SE_OCR"),
    "pending": Description("How many are on their way", 0),
    "personId": Description("A person, by any id of yours", "435rfret45"),
    "Recipient.personId": Description(
        "The recipient's personal or organisation number, where the directory knows it",
        "2120002411",
    ),
    "phoneNumber": Description("Where to ring", "060-191000"),
    "precedingEventId": Description("The number of an earlier message of the case", "1"),
    "principalId": Description("The contact setting of the one whose messages are told on", _PARTY),
    "priority": Description("`HIGH` goes before others", "NORMAL"),
    "protected": Description(
        "Whether the identity is protected: the address is then told to nobody", False
    ),
    "provider": Description("The provider account that it went by", "link"),
    "providerCode": Description("The provider's own code", "2104"),
    "providerReference": Description("The provider's own id of it", "abc-123"),
    "reachable": Description("Whether a message can be put there", True),
    "reason": Description("Why it is where it is"),
    "Mailbox.reason": Description("Why not, where it cannot be reached", "No mailbox found"),
    "receiptRequest": Description("Which receipt is asked for", "NOT"),
    "recipientCount": Description("How many recipients there are", 15),
    "recipients": Description("One for each delivery"),
    "reference": Description(
        "Your own word for it, which comes back in answers, status, history and events", "rad-17"
    ),
    "DigitalInvoiceRequest.reference": Description("The reference of the invoice", "Faktura 12345"),
    "reply": Description("Whether the recipient may, or is asked to, reply", "NOT_ALLOWED"),
    "replyTo": Description("Where replies go", "svar@example.se"),
    "routedTo": Description("What a delivery that chose among channels came to"),
    "rules": Description("All of them must match"),
    "segments": Description("How many parts it is sent, and paid, as", 1),
    "sendAsOwner": Description(
        "In the name of the owner of the case: then either `party.partyId` or `sender.userId`",
        False,
    ),
    "sendAt": Description(
        "Not before this time. Without a zone it is Swedish time", "2035-10-09T08:00:00+02:00"
    ),
    "sender": Description("Who it is from; without it the settings' default"),
    "SmsRequest.sender": Description(
        "The name that the recipient sees: å and ä become a, ö becomes o", "Sundsvall"
    ),
    "SmsBatchRequest.sender": Description(
        "The name that the recipient sees: å and ä become a, ö becomes o", "Sundsvall"
    ),
    "ShortSmsRequest.sender": Description(
        "The name that the recipient sees: å and ä become a, ö becomes o", "Sundsvall"
    ),
    "ShortSmsBatchRequest.sender": Description(
        "The name that the recipient sees: å and ä become a, ö becomes o", "Sundsvall"
    ),
    "ShortEmailRequest.sender": Description("The address that it is from", "noreply@example.se"),
    "ShortEmailBatchRequest.sender": Description(
        "The address that it is from", "noreply@example.se"
    ),
    "sent": Description("When it was sent, Swedish time", _LOCAL),
    "StatisticsCounter.sent": Description("How many were sent", 13),
    "sms": Description("Encoding and segments of an SMS"),
    "MessageSender.sms": Description("For SMS"),
    "state": Description("Whether it is called", "enabled"),
    "status": Description("How it stands", "SENT"),
    "Problem.status": Description("The HTTP status", 404),
    "ConstraintViolationProblem.status": Description("The HTTP status", 400),
    "DeliveryEvent.status": Description("The life-cycle status that it came to", "sent"),
    "OfficialMatter.status": Description("Who began it, or that it is closed", "senderinitiative"),
    "Batch.status": Description("How many messages arrived, and how many did not"),
    "statuses": Description("Of which life-cycle statuses it is told; absent: of all"),
    "subject": Description("The subject", "Skolan i dag"),
    "successful": Description("Messages of which at least one delivery was sent", 13),
    "supplier": Description("The operator of the mailbox", "Kivra"),
    "supportInfo": Description("Whom the recipient can ask"),
    "text": Description("What the recipient is told of whom to ask", "Ring oss om du undrar något"),
    "SnailmailRequest.text": Description(
        "A text that is set as a letter, beside or instead of PDFs", "Hej!"
    ),
    "timestamp": Description("When, Swedish time without zone", _LOCAL),
    "title": Description("What kind of fault it is", "Not Found"),
    "ConstraintViolationProblem.title": Description(
        "What kind of fault it is", "Constraint Violation"
    ),
    "PushRequest.title": Description("The heading", "Skolan i dag"),
    "token": Description(
        "A bot's token; without one the municipality's own is used. It is never stored in the clear and never shown"
    ),
    "FcmBody.token": Description("The registration token of the app"),
    "topic": Description("A newer message of the same topic takes the place of an older", "skolan"),
    "totalPages": Description("How many pages there are", 7),
    "totalRecords": Description("How many entries there are on all pages", 98),
    "ttl": Description("For how many seconds the push service keeps it", 86400),
    "type": Description("A URI that names the kind of fault; absent for `about:blank`"),
    "DigitalInvoiceRequest.type": Description("An invoice or a reminder", "INVOICE"),
    "RegisteredParty.type": Description("A person or an organisation", "PRIVATE"),
    "unsuccessful": Description("Messages of which no delivery was sent", 2),
    "urgency": Description("How much the device's battery is worth waking for", "normal"),
    "Webhook.url": Description("The address that is called", "https://receiver.example.se/utskick"),
    "NewWebhook.url": Description(
        "The address that is called", "https://receiver.example.se/utskick"
    ),
    "ListedWebhook.url": Description(
        "The address that is called", "https://receiver.example.se/utskick"
    ),
    "WebhookRequest.url": Description(
        "The address to call: https, and public", "https://receiver.example.se/utskick"
    ),
    "url": Description("Where to read more", "https://example.se"),
    "userId": Description("A user of Open-E", "joe01doe"),
    "validUntil": Description(
        "Not after this time. Without a zone it is Swedish time", "2035-10-10T08:00:00+02:00"
    ),
    "value": Description("Its value", "12345"),
    "violations": Description("Every broken rule"),
    "virtual": Description("Whether it was made by another, for delegates", False),
    "webpush": Description("A browser, by what its `PushSubscription.toJSON()` gives"),
    "zipCode": Description("The postal code", "85230"),
}
