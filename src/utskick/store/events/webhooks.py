"""Webhooks as their owners see them: a calling system has up to twenty, and sees only its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from utskick.domain.audit import AuditEntry
from utskick.domain.feed import Position
from utskick.domain.ids import new_id
from utskick.domain.outcome import Reason
from utskick.domain.status import Status
from utskick.domain.webhook import OVERLAP, Stopped, WebhookKind, new_secret
from utskick.store.administration.audit import keep
from utskick.store.database import Database
from utskick.store.events.feed import FeedQuery
from utskick.store.events.webhook_sources import sources

#: The most of one calling system in one municipality.
MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Owner:
    """The calling system that owns webhooks: an ``x-origin`` of a client in a municipality.

    It is notified of deliveries of its own messages only, and of all inbound messages. ``client``:
    whose token it was; "" where none was required.
    """

    municipality_id: str
    origin: str
    client: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The parameters $1, $2 and $3 of a statement."""
        return self.municipality_id, self.origin, self.client

    def window(self, after: Position, statuses: tuple[Status, ...]) -> FeedQuery:
        """Return the events that it is notified of."""
        return FeedQuery(self.municipality_id, after, self.origin, self.client, statuses)


@dataclass(frozen=True, slots=True)
class WebhookDefinition:
    """The definition of a webhook.

    ``statuses``: empty for all; always empty for inbound messages.
    """

    url: str
    statuses: tuple[Status, ...]
    description: str | None
    kind: WebhookKind = WebhookKind.DELIVERIES


@dataclass(frozen=True, slots=True)
class WebhookFault:
    """The last fault. ``status``: of the receiver's answer, None where there was none."""

    at: datetime
    status: int | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook.

    ``reached``: up to there its events or messages have been put into calls. ``in_call``: how many
    the open call has.
    """

    id: UUID
    wanted: WebhookDefinition
    created: datetime
    stopped: Stopped | None
    stopped_at: datetime | None
    succeeded_at: datetime | None
    fault: WebhookFault | None
    reached: Position
    in_call: int


class Webhooks:
    """Reader and writer of webhooks.

    Every statement is bound to a municipality and to a calling system.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sources = sources(database)

    async def add(
        self, owner: Owner, wanted: WebhookDefinition, change: AuditEntry
    ) -> tuple[UUID, str] | None:
        """Insert a webhook and return its id and its secret.

        It receives what is committed from then on. None: there are ``MOST`` already.
        """
        vault, secret, made = self._database.vault, new_secret(), new_id()
        async with self._database.of(owner.municipality_id).transaction() as connection:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"webhooks {owner}"
            )
            added = await connection.fetchval(
                """
                INSERT INTO webhooks (municipality_id, origin, client, id, url, statuses,
                    description, secret, created_at, tx, event_id,
                    due_at, kind)
                SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, utskick_complete_tx(), 0, $9, $11
                WHERE (SELECT count(*) FROM webhooks WHERE municipality_id = $1 AND origin = $2
                    AND client = $3) < $10
                RETURNING true
                """,
                *owner.key,
                made,
                vault.encrypt(owner.municipality_id, wanted.url.encode()),
                [status.value for status in wanted.statuses],
                wanted.description,
                vault.encrypt(owner.municipality_id, secret.encode()),
                change.at,
                MOST,
                wanted.kind.value,
            )
            if added:
                await keep(connection, [change.about(id=str(made))])
        return (made, secret) if added else None

    async def listed(self, owner: Owner) -> list[Webhook]:
        """Return the webhooks, oldest first."""
        rows = await self._database.of(owner.municipality_id).fetch(
            f"{_SELECT} WHERE w.municipality_id = $1 AND w.origin = $2 AND w.client = $3 ORDER BY "
            "w.created_at, w.id",
            *owner.key,
        )
        return [self._webhook(owner, row) for row in rows]

    async def get(self, owner: Owner, webhook_id: UUID) -> Webhook | None:
        row = await self._database.of(owner.municipality_id).fetchrow(
            f"{_SELECT} WHERE w.municipality_id = $1 AND w.origin = $2 AND w.client = $3 AND w.id "
            "= $4",
            *owner.key,
            webhook_id,
        )
        return self._webhook(owner, row) if row else None

    async def waiting(self, owner: Owner, webhook: Webhook) -> tuple[int, bool]:
        """Return how many events or messages wait, and whether there are more than were counted."""
        count, more = await self._sources[webhook.wanted.kind].waiting(
            owner.window(webhook.reached, webhook.wanted.statuses)
        )
        return webhook.in_call + count, more

    async def delete(self, owner: Owner, webhook_id: UUID, change: AuditEntry) -> bool:
        """Delete a webhook. False: there was none."""
        return await self._changed(
            change,
            """
            DELETE FROM webhooks
            WHERE municipality_id = $1 AND origin = $2 AND client = $3 AND id = $4
            RETURNING true
            """,
            *owner.key,
            webhook_id,
        )

    async def enable(self, owner: Owner, webhook_id: UUID, change: AuditEntry) -> bool:
        """Resume where it stopped, at once and with all of its attempts. False: there is none."""
        return await self._changed(
            change,
            """
            WITH w AS (
                UPDATE webhooks SET stopped = NULL, stopped_at = NULL,
                    due_at = CASE WHEN claim IS NULL THEN $5::timestamptz ELSE due_at END
                WHERE municipality_id = $1 AND origin = $2 AND client = $3 AND id = $4
                    RETURNING municipality_id, id),
            c AS (UPDATE webhook_calls c SET failures = 0 FROM w
                WHERE c.municipality_id = w.municipality_id AND c.webhook_id = w.id)
            SELECT true FROM w
            """,
            *owner.key,
            webhook_id,
            change.at,
        )

    async def rotate(self, owner: Owner, webhook_id: UUID, change: AuditEntry) -> str | None:
        """Replace the secret and return the new one; the old one signs beside it for ``OVERLAP``.

        None: there is no such webhook.
        """
        secret = new_secret()
        found = await self._changed(
            change,
            """
            UPDATE webhooks SET old_secret = secret, old_secret_until = $6, secret = $5
            WHERE municipality_id = $1 AND origin = $2 AND client = $3 AND id = $4 RETURNING true
            """,
            *owner.key,
            webhook_id,
            self._database.vault.encrypt(owner.municipality_id, secret.encode()),
            change.at + OVERLAP,
        )
        return secret if found else None

    async def _changed(self, change: AuditEntry, statement: str, *values: Any) -> bool:
        """Run a statement that returns true where it changed something."""
        async with self._database.of(change.municipality_id).transaction() as connection:
            found = bool(await connection.fetchval(statement, *values))
            if found:
                await keep(connection, [change])
            return found

    async def secrets(self, owner: Owner, webhook_id: UUID, now: datetime) -> list[str]:
        """Return the secrets that sign now, the newest first."""
        row = await self._database.of(owner.municipality_id).fetchrow(
            """
            SELECT secret, old_secret, old_secret_until FROM webhooks
            WHERE municipality_id = $1 AND origin = $2 AND client = $3 AND id = $4
            """,
            *owner.key,
            webhook_id,
        )
        return opened(self._database, owner.municipality_id, row, now) if row else []

    def _webhook(self, owner: Owner, row: Any) -> Webhook:
        url = self._database.vault.decrypt(owner.municipality_id, row["url"]).decode()
        return Webhook(
            id=row["id"],
            wanted=WebhookDefinition(
                url,
                tuple(Status(word) for word in row["statuses"]),
                row["description"],
                WebhookKind(row["kind"]),
            ),
            created=row["created_at"],
            stopped=Stopped(row["stopped"]) if row["stopped"] else None,
            stopped_at=row["stopped_at"],
            succeeded_at=row["succeeded_at"],
            fault=_fault(row),
            reached=Position(row["tx"], row["event_id"]),
            in_call=row["events"],
        )


_SELECT: Final = """
    SELECT w.id, w.url, w.statuses, w.description, w.kind, w.created_at, w.stopped, w.stopped_at,
        w.succeeded_at, w.failed_at, w.fault, w.tx,
        w.event_id, coalesce(c.events, 0) AS events
    FROM webhooks w LEFT JOIN webhook_calls c ON c.municipality_id = w.municipality_id
        AND c.webhook_id = w.id
"""


def opened(database: Database, municipality_id: str, row: Any, now: datetime) -> list[str]:
    """Decrypt the secrets of a row that sign now. Raises ``Locked``."""
    sealed = [row["secret"]]
    if row["old_secret"] is not None and now < row["old_secret_until"]:
        sealed.append(row["old_secret"])
    return [database.vault.decrypt(municipality_id, each).decode() for each in sealed]


def _fault(row: Any) -> WebhookFault | None:
    if row["fault"] is None:
        return None
    fault = row["fault"]
    return WebhookFault(row["failed_at"], fault["status"], Reason(fault["code"], fault["message"]))
