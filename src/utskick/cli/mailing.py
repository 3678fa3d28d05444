"""A mailing: one content to a list of recipients, in as many batches as the contract's limit asks
for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from utskick.channels.sms.requests import MOST_PARTIES
from utskick.cli.payloads import MessageContent, send_batch
from utskick.cli.recipients_csv import ListKind
from utskick.domain.recipient import Recipient
from utskick_client import AsyncUtskickClient, BatchResult, EmailBatch, Manner, SmsBatch
from utskick_client.wire import encoded

#: Recipients of one batch (contract sections 4.2 and 4.4).
MOST: Final = MOST_PARTIES


@dataclass(frozen=True, slots=True)
class Posting:
    """A batch that is to be handed in, and its Idempotency-Key."""

    body: SmsBatch | EmailBatch
    key: str


@dataclass(frozen=True, slots=True)
class Mailing:
    """``key``: the user's own Idempotency-Key; None: it is made of all that is sent."""

    kind: ListKind
    content: MessageContent
    recipients: tuple[Recipient, ...]
    key: str | None = None

    @property
    def batches(self) -> int:
        return -(-len(self.recipients) // MOST)

    def postings(self) -> Iterator[Posting]:
        """The same list, content and options give the same keys, so a repeated command finds what
        an interrupted one has sent."""
        for number in range(self.batches):
            body = self.content.to_many(self.recipients[number * MOST : (number + 1) * MOST])
            yield Posting(body, self._key(number, body))

    def _key(self, number: int, body: SmsBatch | EmailBatch) -> str:
        if self.key is None:
            return f"{self.kind.channel}-{sha256(encoded(body)).hexdigest()}"
        return f"{self.key}.{number + 1}" if self.batches > 1 else self.key


async def hand_in(client: AsyncUtskickClient, posting: Posting) -> BatchResult:
    """``replayed``: it had been accepted before, and nothing new was sent."""
    return await send_batch(client, posting.body, Manner(posting.key))
