"""Requests that no client should make: each is answered as a problem, and none is a fault of
ours."""

from __future__ import annotations

import re

from tests.http.conftest import Client
from tests.http.examples import EXAMPLES
from tests.http.wire.test_validators import violations

PARTY = "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"
NUL = "must not contain the character NUL"


async def test_a_method_that_an_address_does_not_take_is_told_with_all_that_it_does(
    client: Client,
) -> None:
    for method, path, allowed in (
        ("GET", "/2281/sms", {"POST"}),
        ("PATCH", "/2281/settings", {"GET", "HEAD", "POST"}),
        ("POST", f"/2281/parties/{PARTY}", {"GET", "HEAD", "PUT", "DELETE"}),
        ("OPTIONS", "/openapi.json", {"GET", "HEAD"}),
    ):
        answer = await client.call(method, path)
        assert (answer.status, answer.json["status"], answer.json["title"]) == (
            405,
            405,
            "Method Not Allowed",
        ), path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert set(answer.headers["Allow"].split(", ")) == allowed, path


async def test_every_path_has_its_own_methods_and_no_others(client: Client) -> None:
    """A path without placeholders is not also what one with placeholders is."""
    document = (await client.get("/openapi.json")).json
    wrong = []
    for path, item in document["paths"].items():
        own = {method.upper() for method in item}
        own |= {"HEAD"} if "GET" in own else set()
        at = re.sub(r"\{\w+\}", PARTY, path.replace("{municipalityId}", "2281"))
        for method in ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE"):
            answer = await client.call(method, at) if method not in own else None
            if answer is None:
                continue
            allowed = set(answer.headers.get("Allow", "").split(", "))
            if (answer.status, allowed) != (405, own):
                wrong.append((method, path, answer.status, allowed))
    assert wrong == []
    for method in ("PUT", "PATCH"):
        for path in ("/nowhere", "/2281/nowhere", "/2281/sms/x/y/z"):
            assert (await client.call(method, path)).status == 404, path


async def test_every_json_answer_ends_with_a_line_feed(client: Client) -> None:
    """For those who read it in a terminal."""
    sent = await client.post("/2281/sms", EXAMPLES["SmsRequest"])
    batch = await client.post("/2281/sms/batch?async=true", EXAMPLES["SmsBatchRequest"])
    for answer in (
        sent,
        batch,
        await client.get(f"/2281/status/batch/{batch.json['batchId']}"),
        await client.get(f"/2281/status/messages/{sent.json['messageId']}"),
        await client.get(f"/2281/conversation-history/{PARTY}"),
        await client.get("/2281/users/joe01doe/messages"),
        await client.get("/2281/statistics"),
        await client.get("/health/ready"),
        await client.get("/nowhere"),
        await client.get("/2281/sms"),
        await client.post("/2281/sms", {}),
        await client.get("/2281/sms", Authorization="Bearer x"),
        await client.get("/2281/statistics", Authorization="Bearer x"),
    ):
        assert answer.text.endswith("}\n") or answer.text.endswith("]\n"), answer.text[-80:]
        assert not answer.text.endswith("\n\n")


async def test_head_is_get_without_the_body(client: Client) -> None:
    whole, head = (
        await client.get("/2281/statistics"),
        await client.call("HEAD", "/2281/statistics"),
    )
    assert (head.status, head.text) == (200, "")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert (await client.call("HEAD", "/2281/sms")).status == 405


async def test_an_address_that_nobody_knows_is_a_problem(client: Client) -> None:
    for path in (
        "/",
        "/nowhere",
        "/2281/",
        "/2281/sms/",
        "/2281/statistics/",
        "/docs/x",
        "/2281/users/a%2Fb/batches",
    ):
        answer = await client.get(path)
        assert (answer.status, answer.json["title"]) == (404, "Not Found"), path
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_nul_in_a_parameter_is_refused_before_the_database_sees_it(client: Client) -> None:
    for path, field in (
        ("/2281/users/a%00/batches", "getUserBatches.userId"),
        ("/2281/users/%00/messages", "getUserMessages.userId"),
        ("/2281/statistics/departments?origin=%00", "getDepartmentStatistics.origin"),
        ("/2281/statistics/departments/%00", "getDepartmentStatistics.department"),
        ("/2281/statistics/delivery-status?department=%00", "getStatisticsByDepartment.department"),
        (
            f"/2281/messages/{PARTY}/attachments?fileName=%00",
            "readAttachmentByRequestParameter.fileName",
        ),
    ):
        assert violations(await client.get(path)) == {field: [NUL]}, path


async def test_names_that_could_not_be_counted_by_are_refused(client: Client) -> None:
    """An index of PostgreSQL holds 2700 bytes of an entry: a longer name would stop the statistics
    of everybody."""
    too_long, at_most = "å" * 256, "å" * 255
    size = "size must be between 0 and 255"
    path, sms = "/2281/sms?async=true", EXAMPLES["SmsRequest"]
    assert violations(await client.post(path, {**sms, "department": too_long})) == {
        "department": [size]
    }
    assert violations(
        await client.post(path, sms, x_origin=too_long, X_Sent_By=f"{too_long}; type=x")
    ) == {"x-origin": [size], "X-Sent-By": [size]}
    assert violations(await client.post(path, sms, x_issuer=too_long)) == {"x-issuer": [size]}
    taken = await client.post(
        path, {**sms, "department": at_most}, x_origin=at_most, X_Sent_By=f"{at_most}; type=x"
    )
    assert taken.status == 201
    assert (await client.get(f"/2281/users/{at_most}/batches")).json["_meta"]["totalRecords"] == 1


async def test_a_letter_in_html_must_be_base64(client: Client) -> None:
    letter = {
        **EXAMPLES["LetterRequest"],
        "contentType": "text/html",
        "body": "Beslutet är bifogat.",
    }
    assert violations(await client.post("/2281/letter", letter)) == {
        "body": ["not a valid BASE64-encoded string"]
    }
