"""Status, history and resolve."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from tests.http.conftest import Client
from utskick.domain.clock import SWEDEN

SMS = {"mobileNumber": "+46701740605", "message": "Skolan är stängd i dag."}


async def test_unknown_ids_are_404_with_a_problem_and_bad_ones_400(client: Client) -> None:
    for what, name in (
        ("batch", "getBatchStatus.batchId"),
        ("messages", "getMessageStatus.messageId"),
        ("delivery", "getDeliveryStatus.deliveryId"),
    ):
        missing = await client.get(f"/2281/status/{what}/{uuid4()}")
        assert missing.status == 404
        assert missing.json["title"] == "Not Found"
        bad = await client.get(f"/2281/status/{what}/1-1-1-1-1")
        assert bad.status == 400
        assert bad.json["violations"] == [{"field": name, "message": "not a valid UUID"}]


async def test_another_municipality_sees_nothing(client: Client) -> None:
    party = str(uuid4())
    sent = (await client.post("/2281/sms", {**SMS, "party": {"partyId": party}})).json
    for path in (
        f"status/batch/{sent['batchId']}",
        f"status/messages/{sent['messageId']}",
        f"status/delivery/{sent['deliveries'][0]['deliveryId']}",
    ):
        assert (await client.get(f"/2281/{path}")).status == 200
        assert (await client.get(f"/2260/{path}")).status == 404
    assert (await client.get(f"/2260/conversation-history/{party}")).json == []


async def test_a_delivery_tells_its_story(client: Client) -> None:
    sent = (
        await client.post(
            "/2281/sms", {**SMS, "mobileNumber": "+46700000006", "reference": "ärende 7"}
        )
    ).json
    found = (await client.get(f"/2281/status/delivery/{sent['deliveries'][0]['deliveryId']}")).json
    assert found["reference"] == "ärende 7"
    assert found["status"] == "SENT"
    assert found["attempts"] == 2
    told = [(event["status"], event.get("provider")) for event in found["events"]]
    assert told[:5] == [
        ("queued", None),
        ("sending", "link"),
        ("deferred", "link"),
        ("sending", "telia"),
        ("sent", "telia"),
    ]


async def test_history_shows_the_request_newest_first_with_local_time(client: Client) -> None:
    party = str(uuid4())
    before = datetime.now(SWEDEN).replace(tzinfo=None)
    for number in (1, 2):
        await client.post(
            "/2281/sms",
            {**SMS, "message": f"nr {number}", "party": {"partyId": party}, "department": "Skola"},
        )
    await client.post(
        "/2281/email",
        {"emailAddress": "a@b.se", "subject": "s", "message": "m", "party": {"partyId": party}},
    )
    found = (await client.get(f"/2281/conversation-history/{party.upper()}")).json
    assert [f["messageType"] for f in found] == ["EMAIL", "SMS", "SMS"]
    assert found[1]["content"] == {
        "party": {"partyId": party},
        "mobileNumber": "+46701740605",
        "message": "nr 2",
        "department": "Skola",
    }
    assert found[1]["sms"]["segments"] == 1
    assert before <= datetime.fromisoformat(found[0]["timestamp"]) <= before + timedelta(minutes=1)
    assert not any(key.startswith("_") for f in found for key in f["content"])


async def test_history_days_are_inclusive(client: Client) -> None:
    party = str(uuid4())
    await client.post("/2281/sms", {**SMS, "party": {"partyId": party}})
    today = datetime.now(SWEDEN).date()
    for query, count in (
        (f"from={today}&to={today}", 1),
        (f"from={today + timedelta(days=1)}", 0),
        (f"to={today - timedelta(days=1)}", 0),
    ):
        assert len((await client.get(f"/2281/conversation-history/{party}?{query}")).json) == count
    assert (await client.get(f"/2281/conversation-history/{party}?from=2024-13-40")).json[
        "detail"
    ] == ("Failed to convert 'from' with value: '2024-13-40'")
    for query in (
        "to=9999-12-31",
        "from=0001-01-01",
        "from=0001-01-01&to=9999-12-31",
    ):  # as far as a calendar goes
        assert len((await client.get(f"/2281/conversation-history/{party}?{query}")).json) == 1
    assert (await client.get("/2281/conversation-history/nobody")).json["violations"][0][
        "field"
    ] == "getConversationHistory.partyId"


async def test_a_held_delivery_is_resolved_by_a_person_once(client: Client) -> None:
    await client._session.post(
        f"{client.running.viewer_url}/faults", json={"fault": "drop", "recipient": "1740606"}
    )
    await client._session.post(
        f"{client.running.viewer_url}/faults",
        json={"fault": "report-never", "recipient": "1740606", "times": None},
    )
    held = (await client.post("/2281/sms", {**SMS, "mobileNumber": "+46701740606"})).json[
        "deliveries"
    ][0]
    assert held["status"] in ("AWAITING_FEEDBACK", "SENT")  # SENT where the report was quicker
    fresh = (await client.post("/2281/sms", SMS)).json["deliveries"][0]
    refused = await client.post(
        f"/2281/deliveries/{fresh['deliveryId']}/resolve", {"decision": "resend"}
    )
    assert refused.status == 409
    assert (
        await client.post(f"/2281/deliveries/{uuid4()}/resolve", {"decision": "resend"})
    ).status == 404
    assert (
        await client.post(f"/2281/deliveries/{fresh['deliveryId']}/resolve", {"decision": "kanske"})
    ).status == 400


async def test_health_tells_of_database_queue_workers_and_providers(client: Client) -> None:
    assert (await client.get("/health/live")).json == {"status": "UP"}
    found = (await client.get("/health/ready")).json
    assert found["status"] == "UP"
    assert found["components"].keys() == {
        "database",
        "queue",
        "workers",
        "providers",
        "circuits",
        "circuitEvents",
        "handOvers",
        "handOverEvents",
        "clock",
    }
    assert found["components"]["providers"]["sms/link"]["status"] == "UP"


async def test_the_api_describes_itself(client: Client) -> None:
    found = (await client.get("/openapi.json")).json
    assert found["openapi"].startswith("3.1")
    assert "SANDBOX" in found["info"]["description"]
    operations = [o["operationId"] for path in found["paths"].values() for o in path.values()]
    assert len(operations) == len(set(operations))
    assert {
        "sendSms",
        "sendSmsBatch",
        "sendEmail",
        "sendEmailBatch",
        "getBatchStatus",
        "getConversationHistory",
    } <= set(operations)
    as_yaml = await client.get("/api-docs")
    assert as_yaml.headers["Content-Type"].startswith("application/yaml")
    assert "/{municipalityId}/sms:" in as_yaml.text
    assert "swagger-ui" in (await client.get("/docs")).text


async def test_reports_need_the_secret(client: Client) -> None:
    report = '{"refId": "x", "id": "y", "resultCode": 1001}'
    assert (await client.post("/receipts/sms/link/wrong", report)).status == 401
    assert (await client.post("/receipts/sms/link", report)).status == 401
    assert (await client.post("/receipts/sms/nobody/sandbox", report)).status == 404
    assert (await client.post("/receipts/sms/link/sandbox-of-utskick", "not json")).status == 400
    assert (await client.post("/receipts/sms/link/sandbox-of-utskick", report)).status == 200


async def test_a_report_that_came_before_the_answer_is_in_the_synchronous_answer(
    client: Client,
) -> None:
    answer = await client.post("/2281/sms", {**SMS, "mobileNumber": "+46700000011"})
    [delivery] = answer.json["deliveries"]
    assert (delivery["status"], delivery["lifecycle"]) == ("SENT", "delivered")
    story = (await client.get(f"/2281/status/delivery/{delivery['deliveryId']}")).json["events"]
    assert [event["status"] for event in story] == ["queued", "sending", "sent", "delivered"]
    times = [event["timestamp"] for event in story]
    assert times == sorted(times)
