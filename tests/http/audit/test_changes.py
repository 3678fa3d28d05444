"""An operation changes something if and only if it leaves an audit entry, and the entry names the
person of the path, whatever headers and query come with the request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.audit.test_audit import trail
from tests.http.conftest import Client, serving
from tests.http.examples import EXAMPLES
from tests.http.messages.test_push import device
from utskick.domain.clock import utc_now
from utskick.domain.inbound import InboundPart
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database
from utskick.store.messages.inbound import InboundPlace, InboundRows

ORIGIN: Final = "Skolappen"
#: All that a request may change. Tallies and months' keys are the service's own.
WATCHED: Final = [
    "batches",
    "messages",
    "deliveries",
    "events",
    "print_batches",
    "webhooks",
    "parties",
    "contact_settings",
    "contact_channels",
    "delegates",
    "delegate_filters",
    "filter_rules",
    "push_subscriptions",
    "configuration",
    "retention_rules",
    "retention_protocol",
    "holds",
]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that succeeds by itself. ``party``: the person that it names; ``own``: its query."""

    method: str
    path: str
    body: Any = None
    party: UUID | None = None
    own: tuple[tuple[str, str], ...] = ()


Prepare = Callable[[Client, Database], Awaitable[Call]]


async def made(client: Client, path: str, body: Any) -> str:
    """The id of something new."""
    answer = await client.post(path, body, x_origin=ORIGIN)
    assert answer.status == 201, answer.text
    return str(answer.headers["Location"]).rpartition("/")[2]


async def setting(client: Client, party: UUID | None = None) -> str:
    body = {**EXAMPLES["ContactSettingCreateRequest"], "partyId": str(party or uuid4())}
    return await made(client, "/2281/settings", body)


async def delegate(client: Client) -> str:
    ends = {"principalId": await setting(client), "agentId": await setting(client)}
    return await made(client, "/2281/delegates", {**EXAMPLES["DelegateCreateRequest"], **ends})


async def filter_of(client: Client) -> str:
    one = await delegate(client)
    added = await made(client, f"/2281/delegates/{one}/filters", EXAMPLES["FilterBody"])
    return f"/2281/delegates/{one}/filters/{added}"


async def person(client: Client) -> UUID:
    party = uuid4()
    body = {"legalId": number(party.int % 5_000)}
    await client.call("PUT", f"/2281/parties/{party}", body)
    await device(client, "mobilen", str(party))
    return party


async def message(client: Client, party: UUID | None = None) -> dict[str, Any]:
    body = {**EXAMPLES["SmsRequest"], **({"party": {"partyId": str(party)}} if party else {})}
    return dict((await client.post("/2281/sms?async=true", body)).json)


async def letter(client: Client) -> dict[str, Any]:
    path = f"/2281/snail-mail?async=true&batchId={uuid4()}"
    return dict((await client.post(path, EXAMPLES["SnailmailRequest"])).json)


async def webhook(client: Client) -> str:
    body = {"url": "http://127.0.0.1:9/closed"}
    return f"/2281/webhooks/{await made(client, '/2281/webhooks', body)}"


async def create_webhook(_client: Client, database: Database) -> Call:
    await emptied(_client, database)
    return Call("POST", "/2281/webhooks", {"url": "http://127.0.0.1:9/closed"})


async def emptied(client: Client, database: Database) -> None:
    """No more than twenty webhooks of a system are allowed."""
    await database.pool.execute("DELETE FROM webhooks")


def plain(method: str, path: str, example: str | None = None) -> Prepare:
    async def prepare(client: Client, database: Database) -> Call:
        await emptied(client, database)
        return Call(method, path, EXAMPLES[example] if example else None)

    return prepare


def on_setting(method: str, end: str = "", example: str | None = None) -> Prepare:
    async def prepare(client: Client, _: Database) -> Call:
        body = EXAMPLES[example] if example else None
        return Call(method, f"/2281/settings/{await setting(client)}{end}", body)

    return prepare


def on_delegate(method: str, end: str = "", example: str | None = None) -> Prepare:
    async def prepare(client: Client, _: Database) -> Call:
        body = EXAMPLES[example] if example else None
        return Call(method, f"/2281/delegates/{await delegate(client)}{end}", body)

    return prepare


def on_filter(method: str, example: str | None = None) -> Prepare:
    async def prepare(client: Client, _: Database) -> Call:
        return Call(method, await filter_of(client), EXAMPLES[example] if example else None)

    return prepare


def on_party(method: str, form: str) -> Prepare:
    async def prepare(client: Client, _: Database) -> Call:
        party = await person(client)
        await message(client, party)
        return Call(method, form.format(party), party=party)

    return prepare


def on_message(form: str) -> Prepare:
    async def prepare(client: Client, _: Database) -> Call:
        return Call("GET", form.format((await message(client))["messageId"]))

    return prepare


def on_webhook(method: str, end: str = "") -> Prepare:
    async def prepare(client: Client, database: Database) -> Call:
        await emptied(client, database)
        return Call(method, await webhook(client) + end)

    return prepare


async def put_party(client: Client, _: Database) -> Call:
    party = uuid4()
    body = {"legalId": number(party.int % 5_000)}
    return Call("PUT", f"/2281/parties/{party}", body, party)


async def create_setting(_client: Client, _: Database) -> Call:
    party = uuid4()
    body = {**EXAMPLES["ContactSettingCreateRequest"], "partyId": str(party)}
    return Call("POST", "/2281/settings", body, party)


async def create_delegate(client: Client, _: Database) -> Call:
    ends = {"principalId": await setting(client), "agentId": await setting(client)}
    return Call("POST", "/2281/delegates", {**EXAMPLES["DelegateCreateRequest"], **ends})


async def find_delegates(client: Client, _: Database) -> Call:
    return Call("GET", "/2281/delegates", own=(("agentId", await setting(client)),))


async def find_settings(client: Client, _: Database) -> Call:
    party = uuid4()
    await setting(client, party)
    return Call("GET", "/2281/settings", party=party, own=(("partyId", str(party)),))


async def subscribe(_client: Client, _: Database) -> Call:
    party = uuid4()
    body = {**EXAMPLES["SubscriptionRequest"], "party": {"partyId": str(party)}}
    return Call("POST", "/2281/push/subscriptions", body, party)


async def unsubscribe(client: Client, _: Database) -> Call:
    one = await made(client, "/2281/push/subscriptions", EXAMPLES["SubscriptionRequest"])
    return Call("DELETE", f"/2281/push/subscriptions/{one}")


async def subscriptions(_client: Client, _: Database) -> Call:
    party = uuid4()
    own = (("partyId", str(party)),)
    return Call("GET", "/2281/push/subscriptions", party=party, own=own)


async def place_hold(_client: Client, _: Database) -> Call:
    party = uuid4()
    return Call("POST", "/2281/holds", {**EXAMPLES["HoldRequest"], "id": str(party)}, party)


def on_hold(method: str) -> Prepare:
    async def prepare(client: Client, _: Database) -> Call:
        body = {**EXAMPLES["HoldRequest"], "id": str(uuid4())}
        return Call(method, f"/2281/holds/{await made(client, '/2281/holds', body)}")

    return prepare


def resolve(prefix: str) -> Prepare:
    async def prepare(client: Client, database: Database) -> Call:
        sent = await message(client)
        delivery = sent["deliveries"][0]["deliveryId"]
        await database.pool.execute(
            "UPDATE deliveries SET status = 'uncertain' WHERE id = $1", UUID(delivery)
        )
        body = {"decision": "give-up"}
        return Call("POST", f"{prefix}/deliveries/{delivery}/resolve", body)

    return prepare


async def close_batch(client: Client, _: Database) -> Call:
    return Call("POST", f"/2281/snail-mail/batch/{(await letter(client))['batchId']}")


async def remove_rule(client: Client, _: Database) -> Call:
    path = "/2281/configuration/retention/SMS"
    await client.call("PUT", path, EXAMPLES["RetentionRequest"])
    return Call("DELETE", path)


async def remove_configuration(client: Client, _: Database) -> Call:
    await client.call("PUT", "/2281/configuration/limits", {"rate": 500})
    return Call("DELETE", "/2281/configuration/limits")


async def set_configuration(client: Client, _: Database) -> Call:
    await client.call("DELETE", "/2281/configuration/limits")
    return Call("PUT", "/2281/configuration/limits", {"rate": 500})


async def read_attachment(client: Client, _: Database) -> Call:
    path = f"/2281/messages/{(await letter(client))['messageId']}/attachments"
    return Call("GET", path, own=(("fileName", "beslut.pdf"),))


async def read_attachment_by_path(client: Client, database: Database) -> Call:
    return Call("GET", f"{(await read_attachment(client, database)).path}/beslut.pdf")


async def user_message(client: Client, _: Database) -> Call:
    sent = await client.post(
        "/2281/sms?async=true", EXAMPLES["SmsRequest"], X_Sent_By="joe01doe; type=adAccount"
    )
    return Call("GET", f"/2281/users/joe01doe/messages/{sent.json['messageId']}")


async def inbound_message(client: Client, database: Database) -> Call:
    place = InboundPlace("2281", "SMS", "smpp")
    await InboundRows(database).keep(place, InboundPart("+46701740605", "71456", "Ja"), utc_now())
    made = await database.pool.fetchval("SELECT id FROM inbound_messages LIMIT 1")
    return Call("GET", f"/2281/inbound-messages/{made}")


OPERATIONS: Final[dict[str, Prepare]] = {
    "sendSms": plain("POST", "/2281/sms?async=true", "SmsRequest"),
    "getConversationHistory": on_party("GET", "/2281/conversation-history/{}"),
    "getConversationHistoryShort": on_party("GET", "/{}/conversationHistory"),
    "getMessage": on_message("/2281/messages/{}"),
    "getMessageMetadata": on_message("/2281/messages/{}/metadata"),
    "readAttachment": read_attachment_by_path,
    "readAttachmentByRequestParameter": read_attachment,
    "getUserBatches": plain("GET", "/2281/users/joe01doe/batches"),
    "getUserMessages": plain("GET", "/2281/users/joe01doe/messages"),
    "getInboundMessage": inbound_message,
    "getInboundMessages": plain("GET", "/2281/inbound-messages"),
    "getUserMessage": user_message,
    "getParty": on_party("GET", "/2281/parties/{}"),
    "findContactSettings": find_settings,
    "findContactSettingsByDestination": plain(
        "GET", "/2281/settings/contact-channels?destination=%2B46701740605"
    ),
    "readContactSetting": on_setting("GET"),
    "readContactSettingChildren": on_setting("GET", "/children"),
    "findDelegates": find_delegates,
    "readDelegate": on_delegate("GET"),
    "readDelegateFilter": on_filter("GET"),
    "getSubscriptions": subscriptions,
    "getMailboxes": plain("POST", "/2281/2120002411/mailboxes", "MailboxesRequest"),
    "getHolds": plain("GET", "/2281/holds"),
    "getHold": on_hold("GET"),
    "resolveDelivery": resolve("/2281"),
    "resolveDeliveryShort": resolve(""),
    "createContactSetting": create_setting,
    "updateContactSetting": on_setting("PATCH", "", "ContactSettingUpdateRequest"),
    "deleteContactSetting": on_setting("DELETE"),
    "createDelegate": create_delegate,
    "deleteDelegate": on_delegate("DELETE"),
    "createDelegateFilter": on_delegate("POST", "/filters", "FilterBody"),
    "updateDelegateFilter": on_filter("PATCH", "FilterBody"),
    "deleteDelegateFilter": on_filter("DELETE"),
    "putParty": put_party,
    "createSubscription": subscribe,
    "deleteSubscription": unsubscribe,
    "getPartyExtract": on_party("GET", "/2281/parties/{}/extract"),
    "deleteParty": on_party("DELETE", "/2281/parties/{}"),
    "createHold": place_hold,
    "liftHold": on_hold("DELETE"),
    "triggerSnailMailBatchProcessing": close_batch,
    "getEvents": plain("GET", "/2281/events?limit=1"),
    "getAuditLog": plain("GET", "/2281/audit?limit=1"),
    "getEventsShort": plain("GET", "/events?after=latest"),
    "getWebhooks": plain("GET", "/2281/webhooks"),
    "getWebhook": on_webhook("GET"),
    "getRetentionRules": plain("GET", "/2281/configuration/retention"),
    "getRetentionProtocol": plain("GET", "/2281/configuration/retention/protocol"),
    "getConfigurations": plain("GET", "/2281/configuration"),
    "getConfiguration": plain("GET", "/2281/configuration/email"),
    "createWebhook": create_webhook,
    "deleteWebhook": on_webhook("DELETE"),
    "enableWebhook": on_webhook("POST", "/enable"),
    "rotateWebhookSecret": on_webhook("POST", "/rotate"),
    "pingWebhook": on_webhook("POST", "/ping"),
    "putRetentionRule": plain("PUT", "/2281/configuration/retention/SMS", "RetentionRequest"),
    "deleteRetentionRule": remove_rule,
    "putConfiguration": set_configuration,
    "deleteConfiguration": remove_configuration,
}
#: Written although the rows stay as they are: a call to a receiver, and decisions made again.
IDEMPOTENT: Final = {"pingWebhook", "triggerSnailMailBatchProcessing", "sendSms"}

TEXT: Final = st.text(st.characters(codec="latin-1", min_codepoint=33), max_size=20)
LONG: Final = st.builds(lambda text, times: text * times, TEXT, st.integers(1, 40))
NAMED: Final = st.sampled_from(["", ORIGIN, "x" * 255, "x" * 256, "å" * 256])
HEADERS: Final = st.dictionaries(
    st.sampled_from(["x-origin", "X-Sent-By", "x-issuer", "x-request-id", "If-Match", "Accept"]),
    NAMED | LONG | st.just("joe01doe; type=adAccount"),
    max_size=3,
)
QUERY: Final = st.dictionaries(
    st.sampled_from(
        [
            "partyId",
            "personId",
            "messageId",
            "id",
            "scope",
            "reference",
            "organizationNumber",
            "department",
            "messageType",
            "section",
            "page",
            "limit",
            "format",
            "files",
            "async",
            "municipalityId",
            "operation",
            "party",
        ]
    ),
    st.uuids().map(str) | st.sampled_from(["directory", "1", "true", "2120002411", ""]) | LONG,
    max_size=3,
)


async def test_every_audited_operation_is_here(client: Client) -> None:
    audited = {o.id for o in client.running.operations if o.audit is not None}
    assert OPERATIONS.keys() - {"sendSms"} == audited


@pytest.fixture
async def client_without_worker(database: Database, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(database, tmp_path, work=False) as found:
        yield found


async def watched(database: Database) -> dict[str, str]:
    """A digest of each table."""
    rows = "coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '')"
    parts = ", ".join(f"(SELECT {rows} FROM {table} t) AS {table}" for table in WATCHED)
    return dict(await database.pool.fetchrow(f"SELECT {parts}"))


@dataclass(frozen=True, slots=True)
class Noise:
    operation: str
    headers: dict[str, str]
    query: dict[str, str]


NOISE: Final = st.builds(Noise, st.sampled_from(sorted(OPERATIONS)), HEADERS, QUERY)


async def check(client: Client, database: Database, noise: Noise) -> int:
    call = await OPERATIONS[noise.operation](client, database)
    own = dict(call.own)
    query = urlencode([*call.own, *((k, v) for k, v in noise.query.items() if k not in own)])
    before, entries = await watched(database), len(await trail(database))
    answer = await client.call(
        call.method,
        f"{call.path}{'&' if '?' in call.path else '?'}{query}",
        call.body,
        **{"x-origin": ORIGIN, **noise.headers},
    )
    changed = [
        table for table, digest in (await watched(database)).items() if digest != before[table]
    ]
    new = (await trail(database))[entries:]
    if answer.status == 404:  # one by one up to twenty in a minute
        assert [entry["action"] for entry in new] in ([], ["not-found"]), noise
        assert changed == [], noise
        return answer.status
    assert len(new) == (1 if answer.status < 300 else 0), (noise, answer.status, answer.text)
    assert answer.status < 500, (noise, answer.text)
    if not new:
        assert changed == [], noise
        return answer.status
    [audit] = [o.audit for o in client.running.operations if o.id == noise.operation]
    reads = audit is not None and not audit.changes
    assert not (reads and changed), noise
    assert reads or changed or noise.operation in IDEMPOTENT, noise
    index = (await database.vault.index("2281", str(call.party))).hex() if call.party else None
    assert new[0]["subject"].get("party") == index, noise
    return answer.status


async def test_what_changes_is_traced_with_the_person_of_the_path(
    database: Database, tmp_path: Path
) -> None:
    """Every operation once as it should be, then all of them with whatever comes."""
    async with serving(database, tmp_path, work=False) as client:
        for operation in OPERATIONS:
            status = await check(client, database, Noise(operation, {}, {}))
            assert status in (200, 201, 204), operation
        for operation in ("putParty", "deleteParty", "createHold", "getParty", "liftHold"):
            await check(client, database, Noise(operation, {"x-origin": "x" * 256}, {}))
            await check(client, database, Noise(operation, {}, {"partyId": str(uuid4())}))


@settings(
    max_examples=60,
    deadline=timedelta(seconds=30),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
    derandomize=True,
)
@given(noise=NOISE)
async def test_whatever_headers_and_query_come_with_it(
    database: Database, client_without_worker: Client, noise: Noise
) -> None:
    await check(client_without_worker, database, noise)


async def test_an_entry_that_cannot_be_written_undoes_the_change(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, work=False) as client:
        for operation in (
            "putParty",
            "deleteParty",
            "createHold",
            "putConfiguration",
            "deleteRetentionRule",
            "rotateWebhookSecret",
            "resolveDelivery",
            "deleteDelegateFilter",
            "deleteContactSetting",
            "deleteSubscription",
        ):
            call = await OPERATIONS[operation](client, database)
            before = await watched(database)
            await database.pool.execute("ALTER TABLE audit_entries RENAME TO away")
            try:
                answer = await client.call(call.method, call.path, call.body, x_origin=ORIGIN)
            finally:
                await database.pool.execute("ALTER TABLE away RENAME TO audit_entries")
            assert answer.status == 500, operation
            assert await watched(database) == before, operation
