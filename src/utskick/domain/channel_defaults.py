"""Default implementations of what most channels do not need to implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from utskick.domain.attachment import Attachment
from utskick.domain.batch_policy import BatchPolicy
from utskick.domain.channel import ChannelQuery, Draft, ProviderCallback, RequestContext, Unsettled
from utskick.domain.errors import NotFound, Violation
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.notice import Notice
from utskick.domain.outcome import Outcome
from utskick.domain.preparation import READY, Prepared
from utskick.domain.receipt import Keep, Receipt


class ChannelDefaults:
    """Base class of channels: a channel inherits it and overrides what concerns it."""

    questions: tuple[ChannelQuery, ...] = ()
    legs: tuple[str, ...] = ()
    titled: bool = False
    history_facts: HistoryFacts = HistoryFacts()
    gathering: BatchPolicy | None = None
    ahead: int = 0
    failure_title: str | None = None
    unsettled: Unsettled = "continue"
    not_found: frozenset[str] = frozenset({"no-legal-id"})

    async def inspect(
        self,
        content: Mapping[str, Any],  # noqa: ARG002
        attachments: Sequence[Attachment],  # noqa: ARG002
        context: RequestContext,  # noqa: ARG002
    ) -> Sequence[Violation | Notice]:
        return []

    def completed(self, draft: Draft) -> Draft:
        return draft

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        return READY

    def destination(self, draft: Draft) -> str | None:  # noqa: ARG002
        return None

    def units(self, draft: Draft, account: str) -> int:  # noqa: ARG002
        return 1

    async def ask(
        self,
        draft: Draft,  # noqa: ARG002
        key: UUID,  # noqa: ARG002
        account: str,  # noqa: ARG002
        reference: str | None,  # noqa: ARG002
    ) -> Outcome | None:
        return None

    def read_receipt(self, hook: ProviderCallback) -> list[Receipt]:  # noqa: ARG002
        raise NotFound("this channel's providers report nothing")

    def report_to(self, keep: Keep) -> None:
        """Ignore it: the providers of most channels report over HTTP, or not at all."""

    async def start(self) -> None:
        """Do nothing: connections are opened when there is something to send."""

    async def close(self) -> None:
        """Do nothing: no connection is kept open."""
