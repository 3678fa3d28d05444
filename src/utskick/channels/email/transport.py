"""What the channel knows of an account: somebody who takes composed mail and says what became of
it."""

from __future__ import annotations

from typing import Protocol

from utskick.channels.email.mime import ComposedMail
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Outcome


class Carrier(Protocol):
    """One account."""

    @property
    def signs(self) -> bool:
        """Whether it signs for the sender's domain itself (DKIM), so that we do not."""
        ...

    @property
    def largest(self) -> int | None:
        """Bytes of the largest mail it takes; None where only the server itself can tell."""
        ...

    async def send(self, mail: ComposedMail) -> Outcome:
        """One attempt."""
        ...

    async def look(self) -> AccountHealth: ...

    async def close(self) -> None: ...
