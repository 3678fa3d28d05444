"""Parties, contact settings, delegates and subscriptions over HTTP."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.directory.stage import organization, person
from tests.http.conftest import Client, serving
from utskick.store.database import Database

SMS = {"contactMethod": "SMS", "alias": "mobil", "destination": "+46701740605"}
MAIL = {
    "contactMethod": "EMAIL",
    "alias": "jobbet",
    "destination": "Anna@example.se",
    "disabled": True,
}
ALL = {"attributeName": "*", "operator": "EQUALS", "attributeValue": "*"}


async def setting(client: Client, *channels: dict[str, Any], **members: Any) -> str:
    """The id of a new one."""
    members = members or {"partyId": str(uuid4())}
    made = await client.post(
        "/2281/settings", {**members, "alias": "mina", "contactChannels": list(channels)}
    )
    assert made.status == 201, made.text
    assert made.text == ""
    place = str(made.headers["Location"])
    assert place.startswith("/2281/settings/")
    return place.rpartition("/")[2]


async def delegate(client: Client, principal: str, agent: str, *rules: dict[str, str]) -> str:
    filters = [{"alias": "allt", "channel": "Mina sidor", "rules": list(rules) or [ALL]}]
    made = await client.post(
        "/2281/delegates", {"principalId": principal, "agentId": agent, "filters": filters}
    )
    assert made.status == 201, made.text
    return str(made.headers["Location"]).removeprefix("/2281/delegates/")


def violations(answer: Any) -> dict[str, list[str]]:
    assert answer.status == 400, answer.text
    found: dict[str, list[str]] = {}
    for violation in answer.json["violations"]:
        found.setdefault(violation["field"], []).append(violation["message"])
    return found


# -- contact settings ----------------------------------------


async def test_a_setting_is_made_read_changed_and_deleted(client: Client) -> None:
    party = str(uuid4())
    made = await setting(client, SMS, MAIL, partyId=party)
    found = (await client.get(f"/2281/settings/{made}")).json
    assert {
        k: found[k]
        for k in ("id", "partyId", "municipalityId", "alias", "virtual", "contactChannels")
    } == {
        "id": made,
        "partyId": party,
        "municipalityId": "2281",
        "alias": "mina",
        "virtual": False,
        "contactChannels": [{**SMS, "disabled": False}, MAIL],
    }
    assert datetime.fromisoformat(found["created"]).tzinfo is not None
    changed = await client.call("PATCH", f"/2281/settings/{made}", {"alias": "ny"})
    assert (changed.status, changed.json["alias"], len(changed.json["contactChannels"])) == (
        200,
        "ny",
        2,
    )
    changed = await client.call("PATCH", f"/2281/settings/{made}", {"contactChannels": []})
    assert (changed.json["alias"], changed.json["contactChannels"]) == ("ny", [])
    assert changed.json["modified"] > changed.json["created"]
    assert (await client.call("DELETE", f"/2281/settings/{made}")).status == 204
    assert (await client.get(f"/2281/settings/{made}")).status == 404
    assert (await client.call("DELETE", f"/2281/settings/{made}")).status == 404
    assert (await client.call("PATCH", f"/2281/settings/{made}", {})).status == 404


@pytest.mark.parametrize(
    ("method", "destination", "kept"),
    [
        ("SMS", "\u202d+46701740605\u202c", "+46701740605"),
        ("SMS", "+460701740605", "+46701740605"),
        ("EMAIL", "\u200banna@example.se\u00a0", "anna@example.se"),
        ("SMS", "46701740605.0", None),
        ("EMAIL", "anna@example.123", None),
        ("EMAIL", "anna\u202e@example.se", None),
    ],
)
async def test_a_destination_is_stored_as_it_is_sent_to(
    client: Client, method: str, destination: str, kept: str | None
) -> None:
    channel = {"contactMethod": method, "alias": "a", "destination": destination}
    if kept is None:
        body = {"partyId": str(uuid4()), "alias": "mina", "contactChannels": [channel]}
        found = violations(await client.post("/2281/settings", body))
        assert list(found) == ["contactChannels[0].destination"]
        return
    made = (await client.get(f"/2281/settings/{await setting(client, channel)}")).json
    assert [each["destination"] for each in made["contactChannels"]] == [kept]


async def test_a_party_with_an_unknown_month_of_birth_and_broken_lines_is_taken(
    client: Client,
) -> None:
    party = str(uuid4())
    body = {
        "legalId": "19150088\u20112392",
        "names": {"firstName": "A\u030asa", "lastName": "O\u0308berg"},
        "address": {"careOf": "c/o Bo\nEk", "address": "Storgatan 1\r\nlgh 1001"},
    }
    made = await client.call("PUT", f"/2281/parties/{party}", body)
    assert made.status in (200, 201, 204), made.text
    found = (await client.get(f"/2281/parties/{party}")).json
    assert found["names"] == {"firstName": "Åsa", "lastName": "Öberg"}
    assert found["address"] == {"careOf": "c/o Bo Ek", "address": "Storgatan 1 lgh 1001"}


async def test_a_party_has_one_setting_also_for_those_who_ask_at_once(client: Client) -> None:
    party = str(uuid4())
    made = await asyncio.gather(
        *(client.post("/2281/settings", {"partyId": party}) for _ in range(8))
    )
    assert sorted(answer.status for answer in made) == [201] + [409] * 7
    assert (await client.post("/2260/settings", {"partyId": party})).status == 201


async def test_every_broken_rule_is_told_in_the_contracts_words(client: Client) -> None:
    wrong = [
        {"contactMethod": "SMS", "alias": " ", "destination": "0701740605"},
        {"contactMethod": "EMAIL", "alias": "x", "destination": "å@b"},
        {"alias": "x", "destination": "x"},
        {"contactMethod": "SMS", "alias": "x"},
    ]
    told = violations(await client.post("/2281/settings", {"contactChannels": wrong}))
    assert told["createdById"] == ["One of partyId or createdById must be provided!"]
    assert told["contactChannels[0].alias"] == ["must not be blank"]
    assert told["contactChannels[0].destination"][0].startswith("must be a valid MSISDN")
    assert told["contactChannels[1].destination"] == ["must be a well-formed email address"]
    assert told["contactChannels[2].contactMethod"] == ["must not be null"]
    assert "must not be blank" in told["contactChannels[3].destination"]
    assert violations(await client.post("/2281/settings", {"partyId": "1-1-1-1-1"})) == {
        "partyId": ["not a valid UUID"]
    }
    assert violations(await client.post("/2281/settings", {"createdById": str(uuid4())}))[
        "createdById"
    ][0].startswith("there is no")
    assert (
        await client.post(
            "/2281/settings",
            {"partyId": str(uuid4()), "contactChannels": [{**SMS, "contactMethod": "FAX"}]},
        )
    ).status == 400
    assert violations(await client.get("/2281/settings/x")) == {"read.id": ["not a valid UUID"]}
    assert (await client.get("/2281/settings")).json[
        "detail"
    ] == "Required parameter 'partyId' is not present."
    assert violations(await client.get("/9999/settings?partyId=x")) == {
        "findByPartyIdAndQueryFilter.municipalityId": ["not a valid municipality ID"],
        "findByPartyIdAndQueryFilter.partyId": ["not a valid UUID"],
    }


async def test_push_is_a_way_to_be_reached_that_needs_no_destination(client: Client) -> None:
    made = await setting(client, {"contactMethod": "PUSH", "alias": "appen"})
    assert (await client.get(f"/2281/settings/{made}")).json["contactChannels"] == [
        {"contactMethod": "PUSH", "alias": "appen", "disabled": False}
    ]


async def test_virtual_settings_are_children_and_go_with_their_maker(client: Client) -> None:
    own = await setting(client, SMS)
    child = await setting(client, MAIL, createdById=own)
    found = (await client.get(f"/2281/settings/{own}/children")).json
    assert [(each["id"], each["virtual"], each["createdById"]) for each in found] == [
        (child, True, own)
    ]
    assert "partyId" not in found[0]
    assert (await client.get(f"/2260/settings/{own}/children")).status == 404
    await client.call("DELETE", f"/2281/settings/{own}")
    assert (await client.get(f"/2281/settings/{child}")).status == 404


@pytest.mark.parametrize("written", ["%2B46701740605", "+46701740605"])
async def test_settings_are_found_by_destination(client: Client, written: str) -> None:
    own = await setting(client, SMS)
    await setting(client, {**SMS, "destination": "+46701740606"})
    assert [
        each["id"]
        for each in (
            await client.get(f"/2281/settings/contact-channels?destination={written}")
        ).json
    ] == [own]
    assert (await client.get(f"/2260/settings/contact-channels?destination={written}")).json == []
    mail = await setting(client, MAIL)
    assert [
        e["id"]
        for e in (
            await client.get("/2281/settings/contact-channels?destination=anna@EXAMPLE.se")
        ).json
    ] == [mail]


async def test_those_of_delegates_are_found_where_a_filter_matches(client: Client) -> None:
    party = str(uuid4())
    own, friend = await setting(client, SMS, partyId=party), await setting(client, MAIL)
    facility = {"attributeName": "facilityId", "operator": "EQUALS", "attributeValue": "Abc"}
    await delegate(client, own, friend, facility)

    async def found(query: str, municipality: str = "2281") -> list[str]:
        return [
            each["id"]
            for each in (await client.get(f"/{municipality}/settings?partyId={party}{query}")).json
        ]

    assert await found("") == [own]
    assert await found("&facilityId=ABC") == [own, friend]
    assert await found("&facilityId=x&facilityId=abc") == [own, friend]
    assert await found("&other=abc") == [own]
    assert await found("&facilityId=ABC", "2260") == []


# -- delegates ----------------------------------------


async def test_a_delegate_is_made_found_and_deleted(client: Client) -> None:
    own, friend = await setting(client), await setting(client)
    made = await delegate(client, own, friend)
    found = (await client.get(f"/2281/delegates/{made}")).json
    assert (found["id"], found["principalId"], found["agentId"]) == (made, own, friend)
    assert [(f["alias"], f["channel"], f["rules"]) for f in found["filters"]] == [
        ("allt", "Mina sidor", [ALL])
    ]
    for query in (f"agentId={friend}", f"principalId={own}", f"agentId={friend}&principalId={own}"):
        assert [each["id"] for each in (await client.get(f"/2281/delegates?{query}")).json] == [
            made
        ]
        assert (await client.get(f"/2260/delegates?{query}")).json == []
    assert (await client.get(f"/2281/delegates?agentId={own}")).json == []
    assert list(violations(await client.get("/2281/delegates"))) == [
        "findByParameters.queryParameters"
    ]
    again = {"principalId": own, "agentId": friend, "filters": [{"rules": [ALL]}]}
    assert (await client.post("/2281/delegates", again)).status == 409
    assert (await client.call("DELETE", f"/2281/delegates/{made}")).status == 204
    assert (await client.get(f"/2281/delegates/{made}")).status == 404


async def test_a_delegate_needs_both_ends_and_a_filter(client: Client) -> None:
    own = await setting(client)
    told = violations(
        await client.post(
            "/2281/delegates",
            {"principalId": own, "agentId": str(uuid4()), "filters": [{"rules": [ALL]}]},
        )
    )
    assert list(told) == ["agentId"]
    assert violations(
        await client.post("/2281/delegates", {"principalId": own, "agentId": own, "filters": []})
    ) == {"filters": ["must not be empty"]}
    told = violations(
        await client.post(
            "/2281/delegates",
            {"filters": [{"rules": [{"attributeName": "", "operator": "EQUALS"}]}]},
        )
    )
    assert told == {
        "principalId": ["not a valid UUID"],
        "agentId": ["not a valid UUID"],
        "filters[0].rules[0].attributeName": ["must not be blank"],
        "filters[0].rules[0].attributeValue": ["must not be blank"],
    }


async def test_filters_are_added_changed_and_the_last_one_takes_the_delegate(
    client: Client,
) -> None:
    made = await delegate(client, await setting(client), await setting(client))
    first = (await client.get(f"/2281/delegates/{made}")).json["filters"][0]["id"]
    added = await client.post(
        f"/2281/delegates/{made}/filters", {"rules": [{**ALL, "attributeName": "a"}]}
    )
    assert added.status == 201
    place = str(added.headers["Location"])
    assert place.startswith(f"/2281/delegates/{made}/filters/")
    changed = await client.call(
        "PATCH", place, {"alias": "b", "rules": [{**ALL, "operator": "NOT_EQUALS"}]}
    )
    assert (changed.status, changed.json["rules"][0]["operator"]) == (200, "NOT_EQUALS")
    assert (await client.get(place)).json == changed.json
    assert (await client.call("DELETE", place)).status == 204
    assert (await client.get(place)).status == 404
    assert (await client.get(f"/2281/delegates/{made}")).status == 200
    assert (await client.call("DELETE", f"/2281/delegates/{made}/filters/{first}")).status == 204
    assert (await client.get(f"/2281/delegates/{made}")).status == 404


async def test_filters_are_bound_to_their_municipality_and_delegate(client: Client) -> None:
    made = await delegate(client, await setting(client), await setting(client))
    other = await delegate(client, await setting(client), await setting(client))
    filter_id = (await client.get(f"/2281/delegates/{made}")).json["filters"][0]["id"]
    for path in (
        f"/2260/delegates/{made}/filters/{filter_id}",
        f"/2281/delegates/{other}/filters/{filter_id}",
    ):
        for method, body in (("GET", None), ("PATCH", {"rules": [ALL]}), ("DELETE", None)):
            assert (await client.call(method, path, body)).status == 404, (method, path)
    assert (await client.post(f"/2260/delegates/{made}/filters", {"rules": [ALL]})).status == 404
    for method in ("GET", "DELETE"):
        assert (await client.call(method, f"/2260/delegates/{made}")).status == 404
    assert len((await client.get(f"/2281/delegates/{made}")).json["filters"]) == 1


async def test_settings_that_another_service_keeps_are_not_taken_here(
    database: Database, tmp_path: Path
) -> None:
    login = {
        "url": "http://127.0.0.1:1/c",
        "token_url": "http://127.0.0.1:1/t",
        "client_id": "u",
        "client_secret": "s",
    }
    async with serving(
        database, tmp_path, directory={"contacts": "remote", "remote": {"contact_settings": login}}
    ) as client:
        assert (await client.post("/2281/settings", {"partyId": str(uuid4())})).status == 409
        assert (await client.get(f"/2281/settings?partyId={uuid4()}")).status == 409
        assert (await client.get(f"/2281/delegates/{uuid4()}")).status == 409
        assert (await client.get(f"/2281/parties/{uuid4()}")).status == 404


# -- parties ----------------------------------------


async def test_a_party_is_put_and_never_shown_with_its_whole_number(client: Client) -> None:
    party, number = str(uuid4()), person(1).number
    body = {
        "legalId": f"{number[:8]}-{number[8:]}",
        "names": {"firstName": "Anna"},
        "address": {"address": "Storgatan 1", "city": "Ånge"},
    }
    made = await client.call("PUT", f"/2281/parties/{party}", body)
    assert (made.status, made.headers["Location"]) == (201, f"/2281/parties/{party}")
    shown = {
        "partyId": party,
        "type": "PRIVATE",
        "legalId": "19900101-****",
        "names": {"firstName": "Anna"},
        "address": {"address": "Storgatan 1", "city": "Ånge"},
        "protected": False,
    }
    assert made.json == (await client.get(f"/2281/parties/{party}")).json == shown
    again = await client.call("PUT", f"/2281/parties/{party}", {**body, "protected": True})
    assert again.status == 200
    assert "address" not in again.json
    assert (await client.call("PUT", f"/2281/parties/{uuid4()}", body)).status == 409
    assert (await client.get(f"/2260/parties/{party}")).status == 404
    assert (await client.call("DELETE", f"/2260/parties/{party}?scope=directory")).status == 404
    assert (await client.call("DELETE", f"/2281/parties/{party}?scope=directory")).status == 204
    assert (await client.get(f"/2281/parties/{party}")).status == 404


async def test_a_wrong_number_is_not_repeated_in_the_answer(client: Client) -> None:
    wrong = organization(1).number[:-1] + str((int(organization(1).number[-1]) + 1) % 10)
    answer = await client.call("PUT", f"/2281/parties/{uuid4()}", {"legalId": wrong})
    assert violations(answer) == {"legalId": ["has a wrong check digit"]}
    assert wrong not in answer.text
    assert violations(await client.call("PUT", f"/2281/parties/{uuid4()}", {})) == {
        "legalId": ["must not be blank"]
    }


# -- push ----------------------------------------


def webpush(endpoint: str = "https://push.example/abc") -> dict[str, Any]:
    keys = {
        "p256dh": urlsafe_b64encode(b"\x04" + bytes(64)).decode().rstrip("="),
        "auth": urlsafe_b64encode(bytes(16)).decode(),
    }
    return {"endpoint": endpoint, "expirationTime": None, "keys": keys}


async def test_a_device_is_added_once_listed_without_secrets_and_removed(client: Client) -> None:
    party = str(uuid4())
    made = await client.post(
        "/2281/push/subscriptions", {"party": {"partyId": party}, "webpush": webpush()}
    )
    assert (made.status, made.headers["Location"]) == (
        201,
        f"/2281/push/subscriptions/{made.json['id']}",
    )
    again = await client.post(
        "/2281/push/subscriptions", {"party": {"partyId": party}, "webpush": webpush()}
    )
    assert again.json == made.json
    app = await client.post(
        "/2281/push/subscriptions", {"party": {"partyId": party}, "fcm": {"token": "hemlig-token"}}
    )
    listed = await client.get(f"/2281/push/subscriptions?partyId={party}")
    assert [(each["id"], each["kind"]) for each in listed.json] == [
        (made.json["id"], "webpush"),
        (app.json["id"], "fcm"),
    ]
    assert "push.example" not in listed.text
    assert "hemlig-token" not in listed.text
    assert (await client.get(f"/2260/push/subscriptions?partyId={party}")).json == []
    assert (
        await client.call("DELETE", f"/2260/push/subscriptions/{made.json['id']}")
    ).status == 404
    assert (
        await client.call("DELETE", f"/2281/push/subscriptions/{made.json['id']}")
    ).status == 204
    assert [
        each["kind"]
        for each in (await client.get(f"/2281/push/subscriptions?partyId={party}")).json
    ] == ["fcm"]


async def test_what_is_no_device_is_refused(client: Client) -> None:
    party = {"party": {"partyId": str(uuid4())}}
    for body in (party, {**party, "webpush": webpush(), "fcm": {"token": "t"}}):
        assert violations(await client.post("/2281/push/subscriptions", body)) == {
            "fcm": ["exactly one of webpush and fcm must be provided"]
        }
    for endpoint in (
        "http://push.example/x",
        "ftp://push.example",
        "https://u:p@push.example/",
        "https:///x",
        "x",
        "https://[x",
    ):
        told = violations(
            await client.post("/2281/push/subscriptions", {**party, "webpush": webpush(endpoint)})
        )
        assert told["webpush.endpoint"] == ["must be an https address"], endpoint
    short = {**webpush(), "keys": {"p256dh": "AAAA", "auth": "å"}}
    told = violations(await client.post("/2281/push/subscriptions", {**party, "webpush": short}))
    assert told.keys() == {"webpush.keys.p256dh", "webpush.keys.auth"}
    assert violations(
        await client.post("/2281/push/subscriptions", {**party, "fcm": {"token": " "}})
    ) == {"fcm.token": ["must not be blank"]}


async def test_the_directory_describes_itself(client: Client) -> None:
    found = (await client.get("/openapi.json")).json
    for path in (
        "/settings",
        "/settings/{id}/children",
        "/delegates/{id}/filters/{filterId}",
        "/parties/{partyId}",
        "/push/subscriptions",
    ):
        assert "/{municipalityId}" + path in found["paths"]
    named = {
        name
        for path in found["paths"].values()
        for call in path.values()
        for name in str(call).split("#/components/schemas/")[1:]
    }
    assert {name.partition("'")[0] for name in named} <= found["components"]["schemas"].keys()
    assert set(found["paths"]["/{municipalityId}/settings/{id}"]["delete"]["responses"]) >= {
        "204",
        "404",
    }
