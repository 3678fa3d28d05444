"""A mailing: one content to a list of recipients, in as many batches as the contract's limit asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from utskick.channels.sms.requests import MOST_PARTIES
from utskick.cli.bodies import Content, to_many
from utskick.cli.client import Client, Posting
from utskick.cli.recipients import Kind
from utskick.cli.results import BatchResult, read_batch
from utskick.domain.recipient import Recipient

#: Recipients of one batch (contract sections 4.2 and 4.4).
MOST: Final = MOST_PARTIES


@dataclass(frozen=True, slots=True)
class Mailing:
    """``key``: the user's own Idempotency-Key; None: it is made of all that is sent."""

    kind: Kind
    content: Content
    recipients: tuple[Recipient, ...]
    key: str | None = None

    @property
    def batches(self) -> int:
        return -(-len(self.recipients) // MOST)

    def postings(self) -> Iterator[Posting]:
        """The same list, content and options give the same keys, so a repeated command finds what an interrupted one has sent."""
        path = f"{self.kind.channel}/batch"
        for number in range(self.batches):
            body = to_many(self.kind, self.content, self.recipients[number * MOST : (number + 1) * MOST])
            yield Posting(path, body, self._key(number, body))

    def _key(self, number: int, body: bytes) -> str:
        if self.key is None:
            return f"{self.kind.channel}-{sha256(body).hexdigest()}"
        return f"{self.key}.{number + 1}" if self.batches > 1 else self.key


@dataclass(frozen=True, slots=True)
class Posted:
    """A batch that the service has accepted. ``again``: it had been before, and nothing new was sent."""

    batch: BatchResult
    again: bool


async def hand_in(client: Client, posting: Posting) -> Posted:
    accepted = await client.post(posting)
    return Posted(read_batch(accepted.members), accepted.replayed)
