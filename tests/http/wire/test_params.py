"""Every rule of path and query (contract section 1.1) with its words, and what cannot be read at
all (section 1.3)."""

from __future__ import annotations

from tests.http.conftest import Client
from tests.http.examples import EXAMPLES
from tests.http.wire.test_validators import BLANK, PARTY, UUID, meant, violations, with_fault

MUNICIPALITY = "not a valid municipality ID"
ORGANIZATION = r"must match the regular expression ^([1235789][\d][2-9]\d{7})$"
COUNTED = "must be greater than or equal to 1 and less than or equal to 2147483647"
TRIMMED = "text is not null or not empty or has starting or trailing spaces"

#: Calls without a body, each with everything wrong at once; and each fault's message.
PARAMETERS: list[tuple[str, dict[str, str]]] = [
    (
        "/1234/status/batch/x",
        {"getBatchStatus.municipalityId": MUNICIPALITY, "getBatchStatus.batchId": UUID},
    ),
    (
        "/abc/status/messages/1-1-1-1-1",
        {"getMessageStatus.municipalityId": MUNICIPALITY, "getMessageStatus.messageId": UUID},
    ),
    (
        "/22810/status/delivery/%20",
        {"getDeliveryStatus.municipalityId": MUNICIPALITY, "getDeliveryStatus.deliveryId": UUID},
    ),
    (
        "/1234/conversation-history/x",
        {
            "getConversationHistory.municipalityId": MUNICIPALITY,
            "getConversationHistory.partyId": UUID,
        },
    ),
    ("/1234/messages/x", {"getMessage.municipalityId": MUNICIPALITY, "getMessage.messageId": UUID}),
    (
        "/1234/messages/x/metadata",
        {"getMessageMetadata.municipalityId": MUNICIPALITY, "getMessageMetadata.messageId": UUID},
    ),
    (
        "/1234/messages/x/attachments/a",
        {"readAttachment.municipalityId": MUNICIPALITY, "readAttachment.messageId": UUID},
    ),
    (
        "/1234/messages/x/attachments?fileName=%20",
        {
            "readAttachmentByRequestParameter.municipalityId": MUNICIPALITY,
            "readAttachmentByRequestParameter.messageId": UUID,
            "readAttachmentByRequestParameter.fileName": BLANK,
        },
    ),
    (
        "/1234/users/anna/batches?page=0&limit=-1",
        {
            "getUserBatches.municipalityId": MUNICIPALITY,
            "getUserBatches.page": COUNTED,
            "getUserBatches.limit": COUNTED,
        },
    ),
    (
        "/1234/users/anna/messages?batchId=x&page=0&limit=0",
        {
            "getUserMessages.municipalityId": MUNICIPALITY,
            "getUserMessages.batchId": UUID,
            "getUserMessages.page": COUNTED,
            "getUserMessages.limit": COUNTED,
        },
    ),
    (
        "/1234/users/anna/messages/x",
        {"getUserMessage.municipalityId": MUNICIPALITY, "getUserMessage.messageId": UUID},
    ),
    ("/1234/statistics", {"getStatistics.municipalityId": MUNICIPALITY}),
    ("/1234/statistics/departments", {"getDepartmentStatistics.municipalityId": MUNICIPALITY}),
    ("/1234/statistics/departments/a", {"getDepartmentStatistics.municipalityId": MUNICIPALITY}),
    (
        "/1234/statistics/delivery-status?department=",
        {
            "getStatisticsByDepartment.municipalityId": MUNICIPALITY,
            "getStatisticsByDepartment.department": TRIMMED,
        },
    ),
    (
        "/2281/statistics/delivery-status?department=%20a",
        {"getStatisticsByDepartment.department": TRIMMED},
    ),
]

#: The prefix of a call's faults, and the query that it needs.
SENDING = {
    "/sms": ("sendSms", "SmsRequest"),
    "/sms/batch": ("sendSmsBatch", "SmsBatchRequest"),
    "/email": ("sendEmail", "EmailRequest"),
    "/email/batch": ("sendEmailBatch", "EmailBatchRequest"),
    "/webmessage": ("sendWebMessage", "WebMessageRequest"),
    "/digital-mail": ("sendDigitalMailDeprecated", "DigitalMailRequest"),
    "/digital-invoice": ("sendDigitalInvoice", "DigitalInvoiceRequest"),
    "/messages": ("sendMessages", "MessageRequest"),
    "/letter": ("sendLetter", "LetterRequest"),
    "/slack": ("sendToSlack", "SlackRequest"),
}


async def test_every_rule_of_a_parameter_has_its_words(client: Client) -> None:
    for path, expected in PARAMETERS:
        assert violations(await client.get(path)) == meant("", expected), path
    for path, (prefix, example) in SENDING.items():
        assert violations(await client.post(f"/1234{path}", EXAMPLES[example])) == {
            f"{prefix}.municipalityId": [MUNICIPALITY]
        }, path
    letter = EXAMPLES["SnailmailRequest"]
    assert violations(await client.post("/1234/snail-mail?batchId=1-1-1-1-1", letter)) == {
        "addSnailMailToBatch.municipalityId": [MUNICIPALITY],
        "addSnailMailToBatch.batchId": [UUID],
    }
    assert violations(await client.post("/1234/snail-mail/batch/x")) == {
        "triggerSnailMailBatchProcessing.municipalityId": [MUNICIPALITY],
        "triggerSnailMailBatchProcessing.batchId": [UUID],
    }


WRONG_NUMBERS = (
    "211",
    "21200024110",
    "4120002411",
    "2110002411",
    "212000241A",
    "212000-2411",
    "٢١٢٠٠٠٢٤١١",
)


async def test_an_organisation_number_has_ten_digits_of_which_three_are_bound(
    client: Client,
) -> None:
    calls = (
        ("digital-mail", "sendDigitalMail", EXAMPLES["DigitalMailRequest"]),
        ("mailboxes", "getMailboxes", [PARTY]),
    )
    for number in WRONG_NUMBERS:
        for path, operation, body in calls:
            assert violations(await client.post(f"/2281/{number}/{path}", body)) == {
                f"{operation}.organizationNumber": [ORGANIZATION]
            }


# -- what cannot be read (section 1.3) ----------------------------------------

UNREADABLE = [
    ("/sms", "{"),
    ("/sms", ""),
    ("/sms", "null"),
    ("/sms", "[]"),
    ("/sms", b"\xff"),
    ("/sms", '{"mobileNumber": {}}'),
    ("/2120002411/mailboxes", "{}"),
    ("/sms", ("SmsRequest", "priority", "URGENT")),
    ("/sms", ("SmsRequest", "priority", "high")),
    ("/letter", ("LetterRequest", "attachments[0].deliveryMode", "EMAIL")),
    ("/digital-invoice", ("DigitalInvoiceRequest", "type", "BILL")),
    ("/digital-invoice", ("DigitalInvoiceRequest", "details.accountType", "IBAN")),
    ("/digital-invoice", ("DigitalInvoiceRequest", "details.paymentReferenceType", "OCR")),
    ("/digital-invoice", ("DigitalInvoiceRequest", "details.dueDate", "2035-13-40")),
    ("/digital-invoice", ("DigitalInvoiceRequest", "details.amount", "mycket")),
    ("/messages", ("MessageRequest", "messages", {})),
    ("/email", ("EmailRequest", "attachments", "a")),
]


async def test_what_cannot_be_read_is_told_without_violations(client: Client) -> None:
    for path, given in UNREADABLE:
        body = (
            with_fault(EXAMPLES[given[0]], given[1], given[2])
            if isinstance(given, tuple)
            else given
        )
        answer = await client.post(f"/2281{path}", body)
        said = {"title": "Bad Request", "status": 400, "detail": "Failed to read request"}
        assert answer.status == 400, (path, given)
        assert said.items() <= answer.json.items(), (path, given, answer.text)
        assert "violations" not in answer.json


UNCONVERTED = [
    (
        "/conversation-history/" + PARTY + "?from=2024-13-40",
        "Failed to convert 'from' with value: '2024-13-40'",
    ),
    (
        "/conversation-history/" + PARTY + "?to=20240101",
        "Failed to convert 'to' with value: '20240101'",
    ),
    ("/users/anna/batches?page=abc", "Failed to convert 'page' with value: 'abc'"),
    ("/users/anna/messages?limit=1.5", "Failed to convert 'limit' with value: '1.5'"),
    ("/users/anna/messages?page=2147483648", "Failed to convert 'page' with value: '2147483648'"),
    (
        "/statistics?messageType=not-valid-type",
        "Failed to convert 'messageType' with value: 'not-valid-type'",
    ),
    ("/statistics?messageType=sms", "Failed to convert 'messageType' with value: 'sms'"),
    ("/statistics/departments?from=x", "Failed to convert 'from' with value: 'x'"),
    ("/status/batch/" + PARTY + "?messages=foo", "Failed to convert 'messages' with value: 'foo'"),
    ("/messages/" + PARTY + "/attachments", "Required parameter 'fileName' is not present."),
]


async def test_a_parameter_that_cannot_be_read_is_named(client: Client) -> None:
    for path, detail in UNCONVERTED:
        answer = await client.get(f"/2281{path}")
        assert (answer.status, answer.json["title"], answer.json["detail"]) == (
            400,
            "Bad Request",
            detail,
        )
        assert "violations" not in answer.json


async def test_a_call_that_sends_names_its_parameters_too(client: Client) -> None:
    answer = await client.post("/2281/sms?async=foo", EXAMPLES["SmsRequest"])
    assert answer.json["detail"] == "Failed to convert 'async' with value: 'foo'"
    answer = await client.post("/2281/snail-mail", EXAMPLES["SnailmailRequest"])
    assert answer.json["detail"] == "Required parameter 'batchId' is not present."
    assert (await client.post("/2281/sms?async=", EXAMPLES["SmsRequest"])).json["deliveries"][0][
        "status"
    ] == "SENT"
