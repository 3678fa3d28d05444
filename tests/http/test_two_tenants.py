"""Two tenants: whatever the one asks, by the other's ids and names, it is answered as if they were
nobody's, and changes nothing there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.http.conftest import Answer, Client, serving
from tests.http.test_tenants import OURS, THEIRS, guarded, later
from tests.http.tokens import client_of, fetched
from utskick.domain.clock import utc_now
from utskick.domain.inbound import InboundPart
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database
from utskick.store.messages.inbound import InboundPlace, InboundRows

CANARY: Final = "Hemlig"
NUMBER, MAIL, LEGAL_ID, TOKEN = "+46701740605", "hemlig@example.se", "190001018100", "Hemlig-token"
#: What is told of refused calls, and what is counted by and by.
UNSEEN = ("audit_entries", "audit_links", "tallies", "watermarks")
WHO = {
    "X_Sent_By": "hem01lig; type=adAccount",
    "x_origin": "Hemligsystem",
    "Idempotency_Key": "Hemlig-nyckel",
}
#: What is made anew at each call, or is a part of what was sent: ids, times, secrets, dates of
#: birth.
_FRESH = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)|whsec_[\w+/=-]+|\d{8}-\*{4}"
    r'|(?<="next":")\d+-\d+'
)


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    query: tuple[str, ...]
    example: Any

    @property
    def inside(self) -> bool:
        """Of the municipality in its path; else of the default one."""
        return self.path.startswith("/{municipalityId}")

    @property
    def reads(self) -> bool:
        """A stream, which does not end while something waits, is left out."""
        return self.inside and self.method == "GET" and not self.path.endswith("{batchId}/events")


@dataclass
class Asked:
    """One call, and what it says."""

    operation: Operation
    path: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: Any

    def url(self, municipality_id: str) -> str:
        named = {name: quote(value, safe="") for name, value in self.path.items()}
        filled = self.operation.path.format(**named, municipalityId=municipality_id)
        return f"{filled}?{urlencode(self.query)}" if self.query else filled

    def instead(self, others: dict[str, str]) -> Asked:
        """The same call, with these values for those."""

        def swap(value: Any) -> Any:
            text = orjson.dumps(value).decode()
            for mine, nobodys in others.items():
                text = text.replace(mine, nobodys)
            return orjson.loads(text)

        return Asked(
            self.operation, swap(self.path), swap(self.query), swap(self.headers), swap(self.body)
        )

    @property
    def said(self) -> str:
        return orjson.dumps([self.path, self.query, self.headers, self.body]).decode()


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """All that ask for a token."""
    for path, item in document["paths"].items():
        for method, found in item.items():
            if "403" in found["responses"]:
                query = tuple(p["name"] for p in found["parameters"] if p["in"] == "query")
                body = found.get("requestBody", {}).get("content", {}).get("application/json", {})
                yield Operation(method.upper(), path, query, body.get("example"))


class Stage:
    """``known``: what the first tenant has, by the names of parameters and members; ``nobodys``:
    the same for what nobody has."""

    def __init__(self, client: Client, database: Database) -> None:
        self.client = client
        self.database = database
        self.known: dict[str, list[str]] = {}
        self.operations: list[Operation] = []
        self.tables: list[str] = []
        self.token = ""

    async def furnish(self) -> None:
        """Something of everything. Nothing is on its way: all of it is to be sent in a month, and
        no worker runs."""
        party, agent = str(uuid4()), str(uuid4())
        home = {"address": "Hemligvägen 1", "zipCode": "85230", "city": "Hemligstad"}
        for one in (party, agent):
            await self.made(
                "PUT",
                f"/parties/{one}",
                {"legalId": LEGAL_ID if one == party else "2120002411", "address": home},
            )
        said = {"message": "Hemligt", "department": "Hemlig avdelning", "sendAt": later()}
        files = [{"name": "Hemlig.txt", "content": "SGVtbGlnIHRleHQ="}]
        mail = {
            **said,
            "emailAddress": MAIL,
            "subject": "Hemligt",
            "party": {"partyId": party},
            "attachments": files,
        }
        sent = (await self.made("POST", "/email?async=true", mail, **WHO)).json
        batch = (
            await self.made(
                "POST",
                "/sms/batch",
                {**said, "parties": [{"mobileNumber": NUMBER, "party": {"partyId": party}}]},
            )
        ).json
        channels = [{"contactMethod": "SMS", "alias": "Hemlig", "destination": NUMBER}]
        contact = {"alias": "Hemligas", "contactChannels": channels}
        setting, friends = [
            await self.made("POST", "/settings", {**contact, "partyId": one})
            for one in (party, agent)
        ]
        every = [
            {
                "alias": "Hemligt",
                "rules": [
                    {"attributeName": "*", "operator": "EQUALS", "attributeValue": "Hemligt"}
                ],
            }
        ]
        delegate = await self.made(
            "POST",
            "/delegates",
            {"principalId": place(setting), "agentId": place(friends), "filters": every},
        )
        device = await self.made(
            "POST", "/push/subscriptions", {"party": {"partyId": party}, "fcm": {"token": TOKEN}}
        )
        held = {
            "kind": "message",
            "id": sent["messageId"],
            "reason": "Hemligt",
            "reference": "Hemlig 2026/17",
        }
        hold = await self.made("POST", "/holds", held)
        hook = (
            await self.made(
                "POST", "/webhooks", {"url": "http://127.0.0.1:9/hemlig", "description": "Hemlig"}
            )
        ).json
        await self.made(
            "POST", "/webhooks", {"url": "http://127.0.0.1:9/hemlig", "events": "inbound"}
        )
        reply = InboundPart(NUMBER, "71456", "Hemligt")
        await InboundRows(self.database).keep(InboundPlace(OURS, "SMS", "smpp"), reply, utc_now())
        replied = await self.database.pool.fetchval("SELECT id FROM inbound_messages")
        await self.made(
            "PUT", "/configuration/email", {"sender": {"name": "Hemligt AB", "address": MAIL}}
        )
        await self.made(
            "PUT", "/configuration/retention/SMS", {"days": 730, "decision": "Hemlig 2026/123"}
        )
        ids = [place(made) for made in (setting, friends, delegate, device, hold)]
        filters = (await self.client.get(f"/{OURS}/delegates/{ids[2]}")).json["filters"]
        self.known = {
            "id": [*ids, hook["id"], str(replied)],
            "filterId": [filters[0]["id"]],
            "partyId": [party, agent],
            "personId": [party],
            "agentId": ids[:2],
            "principalId": ids[:2],
            "messageId": [sent["messageId"]],
            "batchId": [sent["batchId"], batch["batchId"]],
            "deliveryId": [sent["deliveries"][0]["deliveryId"]],
            "userId": ["hem01lig"],
            "fileName": ["Hemlig.txt"],
            "department": ["Hemlig avdelning"],
            "destination": [NUMBER],
            "origin": ["Hemligsystem"],
            "mobileNumber": [NUMBER],
            "emailAddress": [MAIL],
            "legalId": [LEGAL_ID],
            "token": [TOKEN],
            "key": ["Hemlig-nyckel"],
        }

    async def made(self, method: str, path: str, body: Any, **headers: str) -> Answer:
        answer = await self.client.call(
            method, f"/{OURS}{path}", body, **{"x_origin": "Hemligsystem", **headers}
        )
        assert answer.status in (200, 201), (path, answer.text)
        return answer

    @property
    def nobodys(self) -> dict[str, str]:
        """For each value that the first tenant has, one of the same kind that nobody has."""
        named = {
            "hem01lig": "nob01ody",
            "Hemlig.txt": "Nobody.txt",
            "Hemlig avdelning": "Ingen avdelning",
            NUMBER: "+46701740699",
            "Hemligsystem": "Ingetsystem",
            MAIL: "ingen@example.se",
            LEGAL_ID: number(16, "25"),
            TOKEN: "token",
            "Hemlig-nyckel": "nyckel",
        }
        return {
            value: named.get(value) or str(uuid4())
            for values in self.known.values()
            for value in values
        }

    async def ask(self, asked: Asked, municipality_id: str) -> Answer:
        """As the second tenant."""
        headers = {**asked.headers, "Authorization": f"Bearer {self.token}"}
        return await self.client.call(
            asked.operation.method, asked.url(municipality_id), asked.body, **headers
        )

    async def own(self, asked: Asked) -> Answer:
        """What the first tenant itself is told, by the same path and by all that it has."""
        query = {name: self.known[name][0] for name in asked.operation.query if name in self.known}
        return await self.client.get(replace(asked, query=query).url(OURS), x_origin="Hemligsystem")

    async def prints(self) -> dict[str, str]:
        """Of all that the first tenant has, but for what is counted and traced."""
        queued = "SELECT md5(string_agg(id::text || status, ',' ORDER BY id)) FROM pgqueuer WHERE substring(payload FROM 17) = $1"
        found = {"pgqueuer": await self.database.pool.fetchval(queued, OURS.encode())}
        for table in self.tables:
            every = f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t WHERE municipality_id = $1"
            found[table] = await self.database.pool.fetchval(every, OURS)
        return found

    async def forget(self) -> None:
        """What the second tenant made."""
        async with self.database.transaction() as connection:
            await connection.execute("SET LOCAL session_replication_role = replica")
            for table in self.tables:
                await connection.execute(f"DELETE FROM {table} WHERE municipality_id = $1", THEIRS)


def place(answer: Answer) -> str:
    """The id in ``Location``."""
    return str(answer.headers["Location"].rpartition("/")[2])


@pytest.fixture
async def stage(database: Database, tmp_path: Path) -> AsyncIterator[Stage]:
    async with serving(
        database, tmp_path, work=False, http={"port": 0, "sync_wait": 0.1}
    ) as client:
        found = Stage(client, database)
        await found.furnish()
        found.operations = list(operations((await client.get("/openapi.json")).json))
        found.tables = [table for table in await guarded(database) if table not in UNSEEN]
        await client_of(database, "theirs", municipalities=[THEIRS])
        found.token = await fetched(client._session, client.running.api_url, "theirs")
        yield found


def drawn(stage: Stage, operation: Operation, data: st.DataObject) -> Asked:
    """A call with values of the first tenant wherever it has some; in the path sometimes of another
    kind."""

    def value(name: str) -> str:
        return data.draw(st.sampled_from(stage.known[name]), label=name)

    def inside(found: Any) -> Any:
        if isinstance(found, dict):
            return {
                name: value(name) if name in stage.known and isinstance(part, str) else inside(part)
                for name, part in found.items()
            }
        return [inside(part) for part in found] if isinstance(found, list) else found

    given_of = {"organizationNumber": "2120002411", "messageType": "SMS", "section": "sms"}
    path = {
        name: given_of.get(name) or value(name)
        for name in re.findall(r"{(\w+)}", operation.path)
        if name != "municipalityId"
    }
    query = {
        name: value(name)
        for name in operation.query
        if name in stage.known and data.draw(st.booleans(), label=f"with {name}")
    }
    if operation.path.endswith("{partyId}") and operation.method == "DELETE":
        query |= {"scope": "all", "reference": "x"}
    if "async" in operation.query:
        query["async"] = "true"
    headers = data.draw(st.sampled_from([{}, WHO]), label="headers")
    return Asked(operation, path, query, headers, inside(operation.example))


def compared(answer: Answer, swapped: dict[str, str]) -> tuple[int, str]:
    """What is told, without what is made anew at each call, and with one word for each value that
    was asked by."""
    text = answer.text + answer.headers.get("Location", "")
    for mine, nobodys in swapped.items():
        for word in (mine, nobodys, quote(mine), quote(nobodys)):
            text = text.replace(word, "<new>")
    return answer.status, _FRESH.sub("<new>", text)


@given(data=st.data())
@settings(
    max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
async def test_the_others_are_nobody(stage: Stage, data: st.DataObject) -> None:
    assert len(stage.operations) > 80
    before, nobodys, seen = await stage.prints(), stage.nobodys, ""
    for operation in stage.operations:
        asked = drawn(stage, operation, data)
        if operation.reads:
            own = await stage.own(asked)
            assert own.status in (200, 404), (asked, own.text)
            seen += own.text
        refused = await stage.ask(asked, OURS)
        assert refused.status == 403, (asked, refused.text)
        answers = [refused]
        if operation.inside:
            found = await stage.ask(asked, THEIRS)
            await stage.forget()
            other = await stage.ask(asked.instead(nobodys), THEIRS)
            await stage.forget()
            assert compared(found, nobodys) == compared(other, nobodys), (
                asked,
                compared(found, nobodys),
                compared(other, nobodys),
            )
            assert found.status not in (401, 403, 429), asked
            answers.append(found)
        for answer in answers:
            for canary in (CANARY, MAIL, NUMBER, LEGAL_ID):
                assert (
                    canary not in f"{answer.text}{dict(answer.headers)}" or canary in asked.said
                ), (asked, answer.text)
    assert all(canary in seen for canary in (CANARY, MAIL, NUMBER)), (
        "what is looked for is told to whose it is"
    )
    assert await stage.prints() == before
