"""What municipalities, organisations and departments say of channels, over HTTP, and what citizens
then get."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.http.conftest import Client, serving
from tests.http.messages.test_letter import citizen, letter
from tests.http.tokens import client_of, fetched
from utskick.sandbox.digital_mail.citizens import number
from utskick.sandbox.server import sections
from utskick.store.database import Database

SMS = "/2281/configuration/sms"
SCHOOL = f"{SMS}?department=Skola"


def account(client: Client, provider: str = "46elks", **more: Any) -> dict[str, Any]:
    """One of the sandbox's gateways, as an account of a municipality's own."""
    assert client.running.place is not None
    found = next(
        a
        for a in sections(client.running.place)["sms"]["accounts"].values()
        if a["provider"] == provider
    )
    return {**found, **more}


async def sent(client: Client, to: str, municipality: str = "2281", **more: Any) -> dict[str, Any]:
    """The delivery's status."""
    answer = await client.post(f"/{municipality}/sms", {"mobileNumber": to, "message": "m", **more})
    assert answer.status == 201, answer.text
    [delivery] = answer.json["deliveries"]
    return dict(
        (await client.get(f"/{municipality}/status/delivery/{delivery['deliveryId']}")).json
    )


async def sender_of(client: Client, to: str, **more: Any) -> str:
    await sent(client, to, **more)
    [entry] = await client.received("sms", to)
    return str(entry["sender"])


async def test_the_narrowest_unit_says_whom_a_message_is_from(client: Client) -> None:
    assert await sender_of(client, "+46701740601") == "Utskick"
    assert (await client.call("PUT", SMS, {"sender": "Kommunen", "segment_limit": 2})).status == 201
    assert (await client.call("PUT", SCHOOL, {"sender": "Skolan"})).status == 201
    assert await sender_of(client, "+46701740602") == "Kommunen"
    assert await sender_of(client, "+46701740603", department="Skola") == "Skolan"
    assert await sender_of(client, "+46701740604", department="Teknik") == "Kommunen"
    assert (
        await sender_of(client, "+46701740605", department="Skola", sender="Rektorn") == "Rektorn"
    )
    assert await sender_of(client, "+46701740606", municipality="2260") == "Utskick"
    too_long = {"mobileNumber": "+46701740605", "message": "m" * 400, "department": "Skola"}
    assert "the limit is 2" in (await client.post("/2281/sms", too_long)).text, (
        "what the department does not say it takes from above"
    )
    assert (await client.call("DELETE", SCHOOL)).status == 204
    assert await sender_of(client, "+46701740607", department="Skola") == "Kommunen"
    assert (await client.call("DELETE", SCHOOL)).status == 404


async def test_it_is_told_who_says_what(client: Client) -> None:
    await client.call("PUT", SMS, {"sender": "Kommunen"}, X_Sent_By="joe01doe; type=adAccount")
    put = await client.call("PUT", SCHOOL, {"segment_limit": 3})
    assert put.headers["Location"] == SMS
    found = (await client.get(SCHOOL)).json
    assert found == put.json
    assert (found["department"], found["section"], found["value"]) == (
        "Skola",
        "sms",
        {"segment_limit": 3},
    )
    assert found["effective"]["sender"] == {
        "value": "Kommunen",
        "municipalityId": "2281",
        "source": "municipality",
    }
    assert found["effective"]["segment_limit"]["department"] == "Skola"
    theirs = found["effective"]["accounts"]
    assert theirs["source"] == "service"
    assert all(list(each) == ["provider"] for each in theirs["value"].values()), (
        "of the service's own accounts no more than this"
    )
    listed = (await client.get("/2281/configuration")).json
    assert [(each["section"], each.get("department"), each["usable"]) for each in listed] == [
        ("sms", None, True),
        ("sms", "Skola", True),
    ]
    assert listed[0]["setBy"] == "joe01doe"
    assert (await client.get("/2260/configuration")).json == []


async def test_a_municipality_sends_by_accounts_of_its_own_and_nobody_else_does(
    client: Client,
) -> None:
    own = account(client, receipt_secret="report-secret-one")
    put = await client.call("PUT", "/2260/configuration/sms", {"accounts": {"own": own}})
    assert put.status == 201, put.text
    assert "report-secret-one" not in put.text
    assert f'"{own["password"]}"' not in put.text
    assert put.json["value"]["accounts"]["own"]["password"] == "**********"
    theirs, ours = await sent(client, "+46701740611", "2260"), await sent(client, "+46701740612")
    assert theirs["status"] == ours["status"] == "SENT"
    assert {event["provider"] for event in theirs["events"] if "provider" in event} == {"own@2260"}
    assert all(event.get("provider") != "own@2260" for event in ours["events"])
    health = (await client.get("/health/ready")).json["components"]["providers"]
    assert health["sms/own@2260"]["status"] == "UP"
    refused = await client.call("POST", "/receipts/sms/own@2260/wrong", {})
    assert refused.status == 401


async def test_secrets_stay_when_their_masks_are_sent_back_unless_the_account_moves(
    client: Client, database: Database
) -> None:
    path = "/2260/configuration/sms"
    await client.call("PUT", path, {"accounts": {"own": account(client)}})
    shown = (await client.get(path)).json["value"]
    shown["sender"] = "Ange"
    assert (await client.call("PUT", path, shown)).status == 200
    assert (await sent(client, "+46701740621", "2260"))["status"] == "SENT", (
        "with the password that nobody sent again"
    )
    shown["accounts"]["own"]["url"] = "http://127.0.0.1:9"
    moved = await client.call("PUT", path, shown)
    assert moved.status == 400
    assert [v["field"] for v in moved.json["violations"]] == ["accounts.own.url"]
    shown["accounts"] = {"other": shown["accounts"]["own"]}
    renamed = (await client.call("PUT", path, shown)).json["violations"]
    assert {v["field"] for v in renamed} == {
        "accounts.other.password",
        "accounts.other.receipt_secret",
    }
    sealed = await database.pool.fetchval("SELECT value FROM configuration")
    assert b"46elks" not in sealed
    assert b"Ange" not in sealed


@pytest.mark.parametrize(
    ("section", "body", "faults"),
    [
        ("sms", {"sendr": "x"}, {"sendr": "must be one of the members"}),
        (
            "sms",
            {"public_url": "https://a.example"},
            {"public_url": "applies to the service as a whole"},
        ),
        ("sms", {"sender": "!"}, {"sender": ""}),
        ("sms", {"accounts": {"a@b": {}}}, {"accounts.a@b": "must not contain @"}),
        (
            "sms",
            {
                "accounts": {
                    "a": {"provider": "46elks", "url": "https://a.example", "username": "u"}
                }
            },
            {"accounts.a.password": "required"},
        ),
        (
            "sms",
            {
                "accounts": {
                    "a": {
                        "provider": "46elks",
                        "url": "http://10.0.0.1/a",
                        "username": "u",
                        "password": "hemligt",
                    }
                }
            },
            {"accounts.a.url": "must be on this machine: nothing leaves a sandbox"},
        ),
        (
            "sms",
            {
                "accounts": {
                    "a": {
                        "provider": "smpp",
                        "host": "169.254.169.254",
                        "port": 1,
                        "system_id": "u",
                        "password": "hemligt",
                    }
                }
            },
            {"accounts.a.host": "must be on this machine: nothing leaves a sandbox"},
        ),
        (
            "sms",
            {
                "accounts": {
                    "a": {
                        "provider": "smpp",
                        "host": "93.184.215.14",
                        "port": 1,
                        "system_id": "u",
                        "password": "hemligt",
                    }
                }
            },
            {"accounts.a.host": "must be on this machine: nothing leaves a sandbox"},
        ),
        (
            "slack",
            {"accounts": {"a": {"provider": "slack", "token": "hemligt"}}},
            {"accounts.a.url": "must be on this machine: nothing leaves a sandbox"},
        ),
        (
            "snail_mail",
            {"accounts": {"a": {"provider": "folder", "path": "/etc"}}},
            {"accounts.a.path": "must not name a file of the server"},
        ),
        (
            "email",
            {
                "sender": {"name": "a", "address": "a@example.se"},
                "dkim": {"example.se": {"selector": "s", "key_file": "/etc/passwd"}},
            },
            {"dkim.example.se.key_file": "must not name a file of the server"},
        ),
        ("limits", {"rate": 0}, {"rate": "greater than or equal to 1"}),
    ],
)
async def test_what_cannot_be_is_refused_by_name_and_nothing_is_kept(
    client: Client, section: str, body: dict[str, Any], faults: dict[str, str]
) -> None:
    answer = await client.call("PUT", f"/2281/configuration/{section}", body)
    assert answer.status == 400, answer.text
    found = {violation["field"]: violation["message"] for violation in answer.json["violations"]}
    assert found.keys() == faults.keys()
    assert all(text in found[field] for field, text in faults.items()), found
    assert "hemligt" not in answer.text
    assert (await client.get("/2281/configuration")).json == []


async def test_sections_and_units_that_there_cannot_be_are_refused(client: Client) -> None:
    for path in (
        "/2281/configuration/pigeon",
        f"{SMS}?organizationNumber=12",
        f"{SMS}?department=%20",
        "/9999/configuration/sms",
    ):
        assert (await client.call("PUT", path, {"sender": "Abc"})).status == 400, path
    assert (
        await client.call(
            "PUT", f"/2281/configuration/snail_mail?department={quote('Bygg')}", {"layout": {}}
        )
    ).status == 400
    assert (await client.call("PUT", SMS, [1])).status == 400


async def test_a_wider_change_that_would_break_a_narrower_one_is_refused(client: Client) -> None:
    address = {"name": "Kommunen", "address": "info@example.se"}
    mail = account_of_mail(client)
    assert (
        await client.call(
            "PUT", "/2281/configuration/email", {"sender": address, "domains": ["example.se"]}
        )
    ).status == 201
    assert (
        await client.call(
            "PUT", "/2281/configuration/email?department=Bygg", {"accounts": {"own": mail}}
        )
    ).status == 201
    answer = await client.post(
        "/2281/email",
        {"emailAddress": "anna@example.se", "subject": "s", "message": "m", "department": "Bygg"},
    )
    assert answer.json["deliveries"][0]["status"] == "SENT", answer.text
    [entry] = await client.received("email", "anna@example.se")
    assert "info@example.se" in str(entry), (
        "the sender of the municipality, by the department's account"
    )
    foreign = {
        "emailAddress": "a@b.se",
        "subject": "s",
        "message": "m",
        "sender": {"name": "x", "address": "x@else.se"},
    }
    assert (await client.post("/2281/email", foreign)).status == 400
    assert (await client.post("/2260/email", foreign)).status == 201


def account_of_mail(client: Client) -> dict[str, Any]:
    assert client.running.place is not None
    found = dict(next(iter(sections(client.running.place)["email"]["accounts"].values())))
    return {"ca": Path(found.pop("ca_file")).read_text(), **found}


async def test_a_letter_goes_as_its_organisation_and_department_say(client: Client) -> None:
    person = await citizen(client, number(21))
    assert (
        await client.call(
            "PUT", "/2281/configuration/letter?department=SBK", {"subject": "Från SBK"}
        )
    ).status == 201
    body = letter(person)
    del body["subject"]
    assert (await client.post("/2281/letter", body)).status == 201
    [entry] = await client.received("digital_mail", number(21))
    assert "Från SBK" in str(entry)
    found = await client.call(
        "PUT",
        "/2281/configuration/digital_mail?organizationNumber=2120002411",
        {"subject": "Från kommunen"},
    )
    assert found.status == 201, found.text
    mail = {"party": {"partyIds": [person]}, "contentType": "text/plain", "body": "b"}
    assert (await client.post("/2281/2120002411/digital-mail", mail)).status == 201
    assert any(
        "Från kommunen" in str(entry) for entry in await client.received("digital_mail", number(21))
    )


async def test_who_may_only_send_may_not_configure_and_no_other_municipality_may(
    client: Client, database: Database
) -> None:
    async with aiohttp.ClientSession() as session:
        await client_of(
            database, "sends", municipalities=["2281"], allowed=["sms:send", "history:read"]
        )
        await client_of(database, "other", municipalities=["2260"], allowed=["admin"])
        for name, status in (("sends", 403), ("other", 403)):
            token = await fetched(session, client.running.api_url, name)
            for method in ("GET", "PUT", "DELETE"):
                answer = await client.call(
                    method,
                    SMS,
                    {"sender": "Abc"} if method == "PUT" else None,
                    Authorization=f"Bearer {token}",
                )
                assert answer.status == status, (name, method)
    assert (await client.get("/2281/configuration")).json == []


async def test_a_municipality_has_a_limit_of_its_own(client: Client) -> None:
    assert (await client.get("/2260/configuration/limits")).json["effective"]["rate"] == {
        "value": 1000.0,
        "source": "service",
    }
    assert (await client.call("PUT", "/2260/configuration/limits", {"rate": 1})).status == 201
    answers = [await client.get("/2260/statistics") for _ in range(6)]
    assert {answer.status for answer in answers} == {200, 429}
    assert {(await client.get("/2281/statistics")).status for _ in range(6)} == {200}
    assert (
        await client.call("PUT", "/2281/configuration/limits?department=Skola", {"rate": 1})
    ).status == 400


async def test_changes_stand_in_the_trail_without_what_they_say(
    client: Client, database: Database
) -> None:
    await client.call("PUT", SCHOOL, {"sender": "Kanarie"}, X_Sent_By="joe01doe; type=adAccount")
    await client.call("DELETE", SCHOOL)
    rows = await database.pool.fetch(
        "SELECT * FROM audit_entries WHERE action = 'configure' ORDER BY id"
    )
    rows = await database.vault.callers.opened(rows)
    assert [row["subject"]["operation"] for row in rows] == [
        "putConfiguration",
        "deleteConfiguration",
    ]
    assert rows[0]["subject"] == {
        "operation": "putConfiguration",
        "section": "sms",
        "department": "Skola",
    }
    assert rows[0]["issuer"] == "joe01doe"


async def test_the_settings_speak_for_units_too_and_rows_win_over_them(
    database: Database, tmp_path: Path
) -> None:
    tables = {
        "2281": {
            "sms": {"sender": "Filen"},
            "departments": {"Skola": {"sms": {"sender": "Skolfilen"}}},
        }
    }
    async with serving(database, tmp_path, configuration=tables) as client:
        assert await sender_of(client, "+46701740631") == "Filen"
        await client.call("PUT", SMS, {"sender": "Raden"})
        assert await sender_of(client, "+46701740632") == "Raden"
        assert await sender_of(client, "+46701740633", department="Skola") == "Skolfilen", (
            "the narrower unit, whoever says it"
        )
        await client.call("PUT", SCHOOL, {"sender": "Skolraden"})
        assert await sender_of(client, "+46701740634", department="Skola") == "Skolraden"
        listed = (await client.get("/2281/configuration")).json
        assert [each["source"] for each in listed] == ["settings", "municipality"] * 2


async def test_who_has_read_what_is_no_longer_so_changes_nothing(client: Client) -> None:
    nothing = (await client.get(SMS)).headers["ETag"]
    assert nothing == '"0"'
    made = await client.call("PUT", SMS, {"sender": "Anna"}, If_Match=nothing)
    assert made.status == 201
    first = made.headers["ETag"]
    assert (await client.get(SMS)).headers["ETag"] == first
    late = await client.call("PUT", SMS, {"sender": "Bengt"}, If_Match=nothing)
    assert (late.status, late.json["code"]) == (412, "precondition-failed")
    changed = await client.call("PUT", SMS, {"sender": "Cecilia"}, If_Match=f'"other", {first}')
    assert changed.status == 200
    assert changed.headers["ETag"] not in (first, nothing)
    for seen in (first, nothing, f"W/{changed.headers['ETag']}"):
        assert (await client.call("PUT", SMS, {"sender": "David"}, If_Match=seen)).status == 412
        assert (await client.call("DELETE", SMS, If_Match=seen)).status == 412
    assert (await client.get(SMS)).json["value"] == {"sender": "Cecilia"}
    assert (await client.call("PUT", SMS, {"sender": "Cecilia"}, If_Match="*")).status == 200
    assert (
        await client.call("DELETE", SMS, If_Match=(await client.get(SMS)).headers["ETag"])
    ).status == 204
    assert (await client.call("PUT", SMS, {"sender": "Erik"}, If_Match="*")).status == 412, (
        "there is nothing to take the place of"
    )


@pytest.mark.parametrize("given", ["abc", '"a', '"a" "b"', '*, "a"', "W/*", ","])
async def test_what_is_no_etag_is_refused_by_name(client: Client, given: str) -> None:
    answer = await client.call("PUT", SMS, {"sender": "Anna"}, If_Match=given)
    assert (answer.status, [v["field"] for v in answer.json["violations"]]) == (
        400,
        ["putConfiguration.If-Match"],
    )
    assert (await client.get(SMS)).json["value"] == {}


async def test_a_sandbox_sends_by_no_account_elsewhere_that_its_database_brings_along(
    database: Database, tmp_path: Path
) -> None:
    """Such as a copy of the real one."""
    reach, own = (
        {"networks": ["192.0.2.0/24"]},
        {
            "provider": "46elks",
            "url": "http://192.0.2.7/a1",
            "username": "u",
            "password": "hemligt",
        },
    )
    async with serving(
        database,
        tmp_path,
        sandbox={"enabled": False},
        providers=reach,
        sms={"accounts": {"a": own}},
    ) as real:
        assert (await real.call("PUT", SMS, {"accounts": {"own": own}})).status == 201
        [said] = (await real.get("/2281/configuration")).json
        assert said["usable"]
    async with serving(database, tmp_path, providers=reach) as client:
        body = {"mobileNumber": "+46701740605", "message": "m"}
        refused = await client.post("/2281/sms", body)
        assert (refused.status, refused.json["code"]) == (503, "configuration-broken")
        [said] = (await client.get("/2281/configuration")).json
        assert not said["usable"]
        health = (await client.get("/health/ready")).json["components"]["providers"]
        assert health["sms/configuration@2281"]["status"] == "DOWN"
        assert await sender_of(client, "+46701740606", municipality="2260") == "Utskick", (
            "others are served by the sandbox"
        )
        assert (await client.call("DELETE", SMS)).status == 204
        assert await sender_of(client, "+46701740605") == "Utskick"


async def test_every_process_hears_of_a_change(database: Database, tmp_path: Path) -> None:
    async with serving(database, tmp_path / "a") as one, serving(database, tmp_path / "b") as other:
        await one.call("PUT", "/2260/configuration/sms", {"sender": "Ange"})
        for _ in range(100):
            if (found := (await other.get("/2260/configuration/sms")).json["value"]) != {}:
                break
            await asyncio.sleep(0.02)
        assert found == {"sender": "Ange"}


async def test_an_account_of_a_department_is_named_readably(
    client: Client, database: Database
) -> None:
    """In events, health and circuits; and a gateway may report to its readable or its stored name,
    which releases before had in the addresses that they gave to gateways."""
    own = account(client, receipt_secret="hemligt-hemligt-hemligt")
    assert (await client.call("PUT", SCHOOL, {"accounts": {"own": own}})).status == 201
    stored = "own@2281.." + sha256(b"Skola").hexdigest()[:8]
    delivery = await sent(client, "+46701740651", department="Skola")
    assert {e["provider"] for e in delivery["events"] if "provider" in e} == {"own@2281/Skola"}
    providers = (await client.get("/health/ready")).json["components"]["providers"]
    assert "sms/own@2281/Skola" in providers
    assert not [name for name in providers if stored in name]
    report = "id=s1&status=delivered"
    for name, status in (
        (stored, 200),
        ("own@2281.Skola", 200),
        ("own@2281.Bygg", 404),
        ("own@2281", 404),
    ):
        answer = await client.call("POST", f"/receipts/sms/{name}/hemligt-hemligt-hemligt", report)
        assert answer.status == status, name
    assert (await client.call("POST", "/receipts/sms/own@2281.Skola/wrong", report)).status == 401
    rows = await database.pool.fetch("SELECT account FROM receipts WHERE reference = 's1'")
    assert {row["account"] for row in rows} == {stored}, "as the attempt has it"


async def test_what_was_sealed_with_another_key_is_not_passed_over_in_silence(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path) as client:
        await client.call("PUT", SCHOOL, {"sender": "Skolan"})
        await database.pool.execute(
            "UPDATE configuration SET value = '\\x00', change = nextval('configuration_changes')"
        )
        await client.get(SMS)
        answer = await client.post(
            "/2281/sms", {"mobileNumber": "+46701740641", "message": "m", "department": "Skola"}
        )
        assert (answer.status, answer.json["code"]) == (503, "configuration-broken")
        assert await sender_of(client, "+46701740642") == "Utskick"
        health = (await client.get("/health/ready")).json["components"]["providers"]
        assert any(
            name == "sms/configuration@2281/Skola" and each["status"] == "DOWN"
            for name, each in health.items()
        )
        assert (await client.call("DELETE", SCHOOL)).status == 204
        assert await sender_of(client, "+46701740643", department="Skola") == "Utskick"


#: An account whose end is still to be written.
GATEWAY = '{"accounts": {"a": {"provider": "46elks", "username": "u", "password": "p", '
HUGE = '"rate": 1' + "0" * 40 + "}}}"


@pytest.mark.parametrize(
    "body",
    [
        '{"accounts": "x"}',
        '{"accounts": [1]}',
        '{"accounts": null}',
        '{"accounts": {"a": 1}}',
        '{"accounts": {"a": null}}',
        '{"accounts": {"": {}}}',
        '{"accounts": {"a": {"provider": ["46elks"]}}}',
        '{"sender": {"a": [1]}}',
        '{"sender": "\\ud800"}',
        '{"\\u0000": 1}',
        GATEWAY + '"url": "https://["}}}',
        GATEWAY + '"url": "https://192.0.2.1", ' + HUGE,
        '{"accounts": {"a": {"provider": "46elks", "url": "https://b\\u00fccher.invalid:99999", "username": "u", "password": "p"}}}',
        '{"accounts": ' + '{"a": ' * 40 + "1" + "}" * 41,
        "[]",
        "1",
        "{",
        '{"sender": NaN}',
        '{"segment_limit": 1e999}',
        '{"accounts": {"a": {"password": "**********"}}}',
        '{"sender": "**********"}',
        '{"accounts": {"a": ["**********"]}}',
        GATEWAY + '"url": "http://127.0.0.1:9", ' + HUGE,
    ],
)
async def test_no_odd_body_is_a_fault_of_ours(client: Client, body: str) -> None:
    answer = await client.call("PUT", SMS, body)
    assert answer.status == 400, (body[:80], answer.status, answer.text)
    assert (await client.get("/2281/configuration")).json == []
