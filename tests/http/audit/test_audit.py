"""The audit trail: who did what is on disk before anybody is answered, and no entry can be changed
or taken out unseen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.http.conftest import Client, serving
from utskick.domain.audit import Action, AuditEntry, ChainLink
from utskick.domain.message import Caller
from utskick.http.operation import PUBLIC
from utskick.store.administration.audit import Audit, keep, sealed
from utskick.store.database import Database

SMS = {"mobileNumber": "+46701740605", "message": "Hemlig text"}
WHO = {"X_Sent_By": "joe01doe; type=adAccount", "x_origin": "Skolappen"}

#: Operations that tell nothing of a person and change nothing, or write their entry with the
#: message (those that send).
UNTRACED = {
    "getBatchStatus",
    "getMessageStatus",
    "getDeliveryStatus",
    "getBatchEvents",
    "getStatistics",
    "getDepartmentStatistics",
    "getDepartmentStatistics_1",
    "getStatisticsByDepartment",
}


async def trail(database: Database, municipality_id: str = "2281") -> list[dict[str, Any]]:
    """All but the tokens that the tests fetch."""
    rows = await database.pool.fetch(
        "SELECT * FROM audit_entries WHERE municipality_id = $1 AND action <> 'token'"
        " ORDER BY tx, id",
        municipality_id,
    )
    return await database.vault.callers.opened(rows)


async def test_what_is_sent_read_decided_and_changed_is_told_with_who_and_where_from(
    client: Client, database: Database
) -> None:
    party = str(uuid4())
    sent = (await client.post("/2281/sms", {**SMS, "party": {"partyId": party}}, **WHO)).json
    many = (
        await client.post(
            "/2281/sms/batch",
            {"message": "m", "parties": [{"mobileNumber": f"+4670174060{n}"} for n in (1, 2)]},
            **WHO,
        )
    ).json
    await client.get(f"/2281/conversation-history/{party}", **WHO)
    await client.get(f"/2281/messages/{sent['messageId']}")
    await client.call("PUT", f"/2281/parties/{party}", {"legalId": "190001018100"}, **WHO)
    await client.get(f"/2281/status/messages/{sent['messageId']}")
    assert (await client.get(f"/2281/messages/{uuid4()}")).status == 404
    told = await trail(database)
    assert [entry["action"] for entry in told] == [
        "send",
        "send",
        "read-history",
        "read-history",
        "change-directory",
        "not-found",
    ]
    assert told[0]["subject"] == {"type": "SMS", "batchId": sent["batchId"], "messages": 1}
    assert told[1]["subject"] == {"type": "SMS", "batchId": many["batchId"], "messages": 2}
    assert told[2]["subject"]["party"] == (await database.vault.index("2281", party)).hex()
    assert told[3]["subject"] == {"operation": "getMessage", "messageId": sent["messageId"]}
    assert {
        (entry["origin"], entry["issuer"]) for entry in told if entry["origin"] is not None
    } == {("Skolappen", "joe01doe")}
    assert {entry["address"] for entry in told} == {"127.0.0.1"}
    assert all(entry["request_id"] for entry in told)
    whole = repr(told)
    assert party not in whole
    assert "Hemlig" not in whole
    assert "190001018100" not in whole


async def test_nothing_is_read_where_it_cannot_be_traced(
    client: Client, database: Database
) -> None:
    await database.pool.execute("ALTER TABLE audit_entries RENAME TO away")
    try:
        assert (await client.get(f"/2281/conversation-history/{uuid4()}")).status == 500
    finally:
        await database.pool.execute("ALTER TABLE away RENAME TO audit_entries")


async def test_every_operation_is_traced_or_tells_nothing_of_anybody(client: Client) -> None:
    operations = client.running.operations
    sending = {o.name for o in operations if 201 in o.answers and "Sending" in o.tag}
    public = {o.name for o in operations if o.scope is PUBLIC}
    unaudited = {o.name for o in operations if o.audit is None}
    assert unaudited == sending | public | UNTRACED


def entry(number: int, municipality_id: str = "2281") -> AuditEntry:
    return AuditEntry(
        Action.SEND,
        Caller(municipality_id, "Skolappen", "joe01doe", f"r{number}", "c", "127.0.0.1"),
        datetime.now(UTC),
        {"n": number, "å": "ö"},
    )


async def chained(database: Database, count: int) -> Audit:
    audit = Audit(database)
    for number in range(count):
        await audit.note(entry(number))
    await audit.link()
    return audit


async def test_the_chain_holds_over_many_writers_and_late_commits(database: Database) -> None:
    audit = Audit(database)
    async with database.pool.acquire() as late, late.transaction():
        await keep(late, [await sealed(database.vault, entry(-1))])
        await asyncio.gather(
            *(
                audit.note(entry(n, municipality))
                for n in range(200)
                for municipality in ("2281", "2260")
            )
        )
        await asyncio.gather(audit.link(), Audit(database).link())
        held = await audit.verify("2281")
        assert (held.broken, held.head.number, held.waiting) == (None, 0, 200), (
            "nothing passes one that may still commit before it"
        )
    await asyncio.gather(audit.link(), Audit(database).link())
    for municipality, count in (("2281", 201), ("2260", 200)):
        found = await audit.verify(municipality)
        assert (found.broken, found.head.number, found.waiting) == (None, count, 0)
    first = await database.pool.fetchval(
        "SELECT request_id FROM audit_entries WHERE municipality_id = '2281' ORDER BY tx, id LIMIT 1"
    )
    assert first == "r-1"


async def test_the_trail_is_append_only(database: Database) -> None:
    await chained(database, 2)
    for statement in (
        "UPDATE audit_entries SET issuer = 'x'",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_links",
        "UPDATE audit_links SET number = 9",
    ):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await database.pool.execute(statement)


TAMPERED = [
    ("UPDATE audit_entries SET who = 'someone' WHERE request_id = 'r3'", 4, "changed"),
    ("UPDATE audit_entries SET subject = '{}' WHERE request_id = 'r3'", 4, "changed"),
    ("DELETE FROM audit_entries WHERE request_id = 'r3'", 4, "its entry is missing"),
    ("DELETE FROM audit_links WHERE number = 4", 4, "the link is missing"),
    ("UPDATE audit_links SET digest = sha256('x') WHERE number = 4", 4, "changed"),
    (
        "INSERT INTO audit_entries (tx, municipality_id, at, action, subject) SELECT tx, '2281', now(), 'send', '{}' FROM audit_entries"
        " WHERE request_id = 'r3'",
        5,
        "never linked",
    ),
    (
        "DELETE FROM audit_entries WHERE request_id = 'r9'; DELETE FROM audit_links WHERE number = 10",
        10,
        "shorter than it was",
    ),
]


@pytest.mark.parametrize(
    ("statement", "number", "what"), TAMPERED, ids=[statement[:40] for statement, *_ in TAMPERED]
)
async def test_the_first_broken_link_is_named(
    database: Database, statement: str, number: int, what: str
) -> None:
    """By somebody who may do everything to the database."""
    audit = await chained(database, 10)
    noted = (await audit.verify("2281")).head
    tables = ("audit_entries", "audit_links")
    for table in tables:
        await database.pool.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    try:
        await database.pool.execute(statement)
    finally:
        for table in tables:
            await database.pool.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")
    broken = (await audit.verify("2281", noted)).broken
    assert broken is not None
    assert broken.number == number
    assert what in broken.what


async def test_a_chain_that_was_written_anew_is_not_the_one_that_was_noted(
    database: Database,
) -> None:
    audit = await chained(database, 3)
    noted = ChainLink(2, bytes(32))
    assert (await audit.verify("2281")).broken is None
    broken = (await audit.verify("2281", noted)).broken
    assert broken is not None
    assert (broken.number, "written anew" in broken.what) == (2, True)


async def test_a_worker_links_by_itself(database: Database, tmp_path: Any) -> None:
    async with serving(database, tmp_path) as client:
        await client.post("/2281/sms", SMS)
        for _ in range(200):
            if (await Audit(database).verify("2281")).head.number == 2:
                break
            await asyncio.sleep(0.05)
    assert (await Audit(database).verify("2281")).head.number == 2, "a token and a message"
