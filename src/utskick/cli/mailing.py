"""Mailing: one content for a list of recipients, split into batches of the contract's size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from utskick.channels.sms.requests import MOST_PARTIES
from utskick.cli.payloads import MessageContent, send_batch
from utskick.cli.recipients_csv import ListKind
from utskick.domain.recipient import Recipient
from utskick_client import AsyncUtskickClient, BatchResult, EmailBatch, SendOptions, SmsBatch
from utskick_client.wire import encoded

#: Maximum number of recipients in a batch (contract sections 4.2 and 4.4).
MAX_RECIPIENTS: Final = MOST_PARTIES


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Batch request with its Idempotency-Key."""

    body: SmsBatch | EmailBatch
    key: str


@dataclass(frozen=True, slots=True)
class Mailing:
    """Content and recipients; ``key`` is the user's Idempotency-Key, or None to derive one."""

    kind: ListKind
    content: MessageContent
    recipients: tuple[Recipient, ...]
    key: str | None = None

    @property
    def batches(self) -> int:
        return -(-len(self.recipients) // MAX_RECIPIENTS)

    def requests(self) -> Iterator[BatchRequest]:
        """Yield the batches.

        The same list, content and options give the same keys, so a repeated command finds what an
        interrupted one has already sent.
        """
        for number in range(self.batches):
            body = self.content.to_many(
                self.recipients[number * MAX_RECIPIENTS : (number + 1) * MAX_RECIPIENTS]
            )
            yield BatchRequest(body, self._key(number, body))

    def _key(self, number: int, body: SmsBatch | EmailBatch) -> str:
        if self.key is None:
            return f"{self.kind.channel}-{sha256(encoded(body)).hexdigest()}"
        return f"{self.key}.{number + 1}" if self.batches > 1 else self.key


async def post(client: AsyncUtskickClient, request: BatchRequest) -> BatchResult:
    """Post a batch; ``replayed`` in the result means that it had been accepted before."""
    return await send_batch(client, request.body, SendOptions(request.key))
