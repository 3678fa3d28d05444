"""Users and addresses in the audit log end by decision, and the chain still verifies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.http.audit.test_audit import entry
from utskick.domain.audit import Action
from utskick.domain.audit_heads import verify_export
from utskick.domain.retention import AUDIT, OTHERS, RetentionRule
from utskick.domain.unit import Unit
from utskick.store.administration.audit import Audit
from utskick.store.administration.audit_heads import AuditHeads, AuditKeys, exported
from utskick.store.database import Database
from utskick.store.retention.callers import CallerRetention
from utskick.store.retention.log import Protocol

OLD, NEW = datetime(2024, 5, 31, 20, tzinfo=UTC), datetime(2024, 8, 2, tzinfo=UTC)
NOW = datetime(2024, 9, 2, tzinfo=UTC)
RULE = RetentionRule(AUDIT, 60, "KS 2026/9")


@pytest.fixture
async def audit(database: Database) -> Audit:
    """With callers of May and August; keys that earlier tests destroyed are no keys of these."""
    await database.pool.execute(
        "DELETE FROM vault_wraps WHERE period LIKE 'callers-2024%';"
        "DELETE FROM vault_keys WHERE period LIKE 'callers-2024%'"
    )
    found = Audit(database)
    for at in (OLD, NEW):
        await found.note(replace(entry(1), at=at))
    await found.link()
    return found


async def users(audit: Audit) -> list[str | None]:
    return [row["issuer"] for row in await audit.last("2281", 10, Action.SEND)]


async def test_no_user_or_address_is_in_the_table(database: Database, audit: Audit) -> None:
    rows = await database.pool.fetch("SELECT t::text AS row FROM audit_entries t")
    assert not any("joe01doe" in row["row"] or "127.0.0.1" in row["row"] for row in rows)
    assert await users(audit) == ["joe01doe", "joe01doe"]


async def test_by_decision_they_end_and_the_chain_is_valid(
    database: Database, audit: Audit
) -> None:
    await AuditHeads(database).sign(NOW)
    head = (await audit.verify("2281")).head
    assert await CallerRetention(database, [RULE]).step(NOW) == 1
    assert await CallerRetention(database, [RULE]).step(NOW) == 0
    assert await users(audit) == ["joe01doe", None]
    found = await audit.verify("2281", head)
    assert (found.broken, found.head) == (None, head)
    lines = [line async for line in exported(database, "2281")]
    [public] = (await AuditKeys(database).public()).values()
    assert verify_export(lines, public).last == head
    assert b"joe01doe" not in lines[1]
    _, [told, *_] = await Protocol(database).page("2281", 0, 10)
    assert (told.cause.message_type, told.cause.days, told.cause.decision) == (
        "AUDIT callers-2024-05",
        60,
        "KS 2026/9",
    )


@pytest.mark.parametrize(
    ("rules", "ended"),
    [
        ([], 0),
        ([RetentionRule(OTHERS, 1, "KS 1")], 0),
        ([RetentionRule(AUDIT, None, "KS 1")], 0),
        ([RetentionRule(AUDIT, 94, "KS 1")], 0),
        ([RetentionRule(AUDIT, 1, "KS 1")], 2),
        ([RULE, RetentionRule(AUDIT, None, "KS 1", unit=Unit("2281"))], 0),
        ([RULE, RetentionRule(AUDIT, None, "KS 1", unit=Unit("2260"))], 1),
    ],
    ids=["none", "all others", "preserve", "not yet", "both", "own", "anothers"],
)
async def test_which_rule_counts(
    database: Database, audit: Audit, rules: list[RetentionRule], ended: int
) -> None:
    assert await CallerRetention(database, rules).step(NOW) == ended
    assert (await users(audit)).count(None) == ended
