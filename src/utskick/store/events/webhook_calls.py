"""Calls to webhooks: made from the feed of its kind with the webhook's position in it.

They are claimed for a while, and kept until they succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.feed import Position
from utskick.domain.ids import new_id
from utskick.domain.outcome import Reason
from utskick.domain.status import Status
from utskick.domain.webhook import Stopped, WebhookKind
from utskick.store.database import Database
from utskick.store.events.webhook_sources import WebhookSource, sources
from utskick.store.events.webhooks import Owner, opened

#: How long a claim is valid: longer than any call takes. A worker that dies delays its webhooks by
#: so long.
CLAIM: Final = timedelta(seconds=60)
#: Events or messages of one call.
EVENTS: Final = 100
#: Pages of the feed that are read for one call, where most events belong to others.
_PAGES: Final = 10


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that is made until it succeeds: id and body are the same at every attempt.

    ``failures``: attempts until now. The body has ids, statuses and reasons, and of inbound
    messages neither number nor text: nothing of it is personal.
    """

    id: UUID
    body: bytes
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A webhook that one worker alone serves for now.

    ``claim``: identifies the claim. ``call``: one that was made before.
    """

    id: UUID
    owner: Owner
    claim: UUID
    kind: WebhookKind
    statuses: tuple[Status, ...]
    reached: Position
    url: str
    secrets: Sequence[str]
    call: OpenCall | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt.

    ``due``: the next one, None where there is none, for the reason ``stopped``.
    """

    at: datetime
    status: int | None
    reason: Reason
    due: datetime | None
    stopped: Stopped | None = None


class WebhookCalls:
    """Reader and writer of calls.

    What follows a claim changes nothing when another worker has claimed the webhook since.
    ``label``: a provider account's stored name → the readable one.
    """

    def __init__(self, database: Database, label: Callable[[str], str] = str) -> None:
        self._database = database
        self._sources = sources(database, label)

    async def claim(self, now: datetime, room: int, busy: Sequence[Owner], share: int) -> list[Any]:
        """Claim due webhooks with something new; returns rows for ``read``.

        At most ``room``, and ``share`` of one owner. ``busy``: owners who have their share already.
        """
        return list(
            await self._database.pool.fetch(
                _CLAIM, now, now + CLAIM, room, share, new_id(), *_columns(busy)
            )
        )

    def read(self, row: Any, now: datetime) -> Claimed:
        """Decrypt a claimed row. Raises ``Locked``."""
        municipality_id, vault = row["municipality_id"], self._database.vault
        call = OpenCall(row["call_id"], row["body"], row["failures"]) if row["call_id"] else None
        return Claimed(
            id=row["id"],
            owner=Owner(municipality_id, row["origin"], row["client"]),
            claim=row["claim"],
            kind=WebhookKind(row["kind"]),
            statuses=tuple(Status(word) for word in row["statuses"]),
            reached=Position(row["tx"], row["event_id"]),
            url=vault.decrypt(municipality_id, row["url"]).decode(),
            secrets=opened(self._database, municipality_id, row, now),
            call=call,
        )

    async def make(self, claimed: Claimed, now: datetime) -> Claimed | None:
        """Return it with the next call, or as far as was read without one.

        None: another worker has claimed it.
        """
        source = self._sources[claimed.kind]
        for _ in range(_PAGES):
            window = claimed.owner.window(claimed.reached, claimed.statuses)
            page = await source.page(window, EVENTS)
            claimed = replace(claimed, reached=page.next)
            if page.told:
                call = OpenCall(new_id(), _body(source, claimed.owner, page.told, now))
                return (
                    replace(claimed, call=call)
                    if await self._keep(claimed, call, len(page.told), now)
                    else None
                )
            if not page.more:
                break
        return claimed

    async def _keep(self, claimed: Claimed, call: OpenCall, events: int, now: datetime) -> bool:
        """Store the call and the position that it reaches, both or neither."""
        municipality_id, reached = claimed.owner.municipality_id, claimed.reached
        done = await self._database.pool.fetchval(
            """
            WITH w AS (
                UPDATE webhooks SET tx = $4, event_id = $5, due_at = $6
                WHERE municipality_id = $1 AND id = $2 AND claim = $3 RETURNING municipality_id, id)
            INSERT INTO webhook_calls (municipality_id, webhook_id, id, body, events)
            SELECT municipality_id, id, $7, $8, $9 FROM w RETURNING true
            """,
            municipality_id,
            claimed.id,
            claimed.claim,
            reached.tx,
            reached.id,
            now + CLAIM,
            call.id,
            call.body,
            events,
        )
        return bool(done)

    async def succeeded(self, claimed: Claimed, call: OpenCall, now: datetime) -> bool:
        """Remove a call. False: another worker has claimed it, and may repeat the call."""
        done = await self._database.pool.fetchval(
            """
            WITH w AS (
                UPDATE webhooks SET succeeded_at = $4, due_at = $5 WHERE municipality_id = $1
                    AND id = $2 AND claim = $3
                RETURNING municipality_id, id)
            DELETE FROM webhook_calls c USING w WHERE c.municipality_id = w.municipality_id
                AND c.webhook_id = w.id AND c.id = $6
            RETURNING true
            """,
            claimed.owner.municipality_id,
            claimed.id,
            claimed.claim,
            now,
            now + CLAIM,
            call.id,
        )
        return bool(done)

    async def failed(self, claimed: Claimed, call: OpenCall, failure: Failure) -> None:
        """Record a failure. The call stays, and with it everything behind it."""
        fault = {
            "status": failure.status,
            "code": failure.reason.code,
            "message": failure.reason.sentence,
        }
        await self._database.pool.execute(
            """
            WITH w AS (
                UPDATE webhooks SET claim = NULL, failed_at = $4::timestamptz, fault = $5,
                    due_at = coalesce($6, due_at), stopped = $7,
                    stopped_at = CASE WHEN $7::text IS NOT NULL THEN $4::timestamptz END
                WHERE municipality_id = $1 AND id = $2 AND claim = $3 RETURNING municipality_id, id)
            UPDATE webhook_calls c SET failures = c.failures + 1 FROM w
            WHERE c.municipality_id = w.municipality_id AND c.webhook_id = w.id AND c.id = $8
            """,
            claimed.owner.municipality_id,
            claimed.id,
            claimed.claim,
            failure.at,
            fault,
            failure.due,
            failure.stopped.value if failure.stopped else None,
            call.id,
        )

    async def release(self, claimed: Claimed, due: datetime) -> None:
        """End a claim without a call: it may be claimed again from then on."""
        await self._database.pool.execute(
            """
            UPDATE webhooks SET claim = NULL, tx = $4, event_id = $5, due_at = $6
            WHERE municipality_id = $1 AND id = $2 AND claim = $3
            """,
            claimed.owner.municipality_id,
            claimed.id,
            claimed.claim,
            claimed.reached.tx,
            claimed.reached.id,
            due,
        )


def _columns(owners: Sequence[Owner]) -> list[list[str]]:
    return [list(column) for column in zip(*(owner.key for owner in owners), strict=True)] or [
        [],
        [],
        [],
    ]


def _body(
    source: WebhookSource, owner: Owner, told: Sequence[Mapping[str, Any]], now: datetime
) -> bytes:
    return orjson.dumps(
        {
            "type": source.call_type,
            "timestamp": now.isoformat().replace("+00:00", "Z"),
            "data": {"municipalityId": owner.municipality_id, source.member: told},
        }
    )


#: Whether there is something new is checked before its owner is known: an event, or an inbound
#: message, behind its position, or a call that was made. ORDER BY: else a server without statistics
#: takes another index of inbound messages, and reads all of the municipality's.
_CLAIM: Final = """
WITH able AS (
    SELECT w.municipality_id, w.id, row_number() OVER (PARTITION BY w.municipality_id, w.origin,
        w.client ORDER BY w.due_at) AS turn
    FROM webhooks w
    WHERE w.stopped IS NULL AND w.due_at <= $1
        AND (w.municipality_id, w.origin, w.client) NOT IN (SELECT *
            FROM unnest($6::text[], $7::text[], $8::text[]))
        AND (EXISTS (SELECT FROM webhook_calls c WHERE c.municipality_id = w.municipality_id
            AND c.webhook_id = w.id)
            OR (w.kind = 'deliveries' AND EXISTS (SELECT FROM events e
                WHERE e.municipality_id = w.municipality_id
                AND (e.tx, e.id) > (w.tx, w.event_id)
                AND e.tx < utskick_complete_tx()))
            OR (w.kind = 'inbound' AND (SELECT i.tx FROM inbound_messages i
                WHERE i.municipality_id = w.municipality_id
                AND (i.tx, i.number) > (w.tx, w.event_id)
                AND i.tx < utskick_complete_tx()
                ORDER BY i.tx, i.number LIMIT 1) IS NOT NULL))),
due AS (
    SELECT w.municipality_id, w.id FROM webhooks w JOIN able USING (municipality_id, id)
    WHERE able.turn <= $4 AND w.stopped IS NULL AND w.due_at <= $1
    ORDER BY w.due_at LIMIT $3::bigint FOR UPDATE OF w SKIP LOCKED)
UPDATE webhooks w SET claim = $5, due_at = $2
FROM due LEFT JOIN webhook_calls c ON c.municipality_id = due.municipality_id
    AND c.webhook_id = due.id
WHERE w.municipality_id = due.municipality_id AND w.id = due.id
RETURNING w.municipality_id, w.id, w.origin, w.client, w.claim, w.kind, w.statuses, w.tx,
    w.event_id, w.url, w.secret, w.old_secret,
    w.old_secret_until, c.id AS call_id, c.body, c.failures
"""
