"""What every provider adapter must do, written once; a provider's test inherits it and says only
how its wire misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

import pytest

from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain

#: Must occur in every account's credentials, so that a leak into a sentence is seen.
SECRET = "correct-horse-battery"

#: Time-outs (s) of an account whose provider is a server of the test: silence is waited out, and a
#: busy machine is not taken for it.
CONNECTING, SILENT = 8.0, 1.5
PATIENCE = {"connect_timeout": CONNECTING, "read_timeout": SILENT}


class Stage(Protocol):
    """A real channel, built from settings, whose one provider is a server of the test on
    127.0.0.1."""

    #: Whether the protocol carries the delivery's id; then ``keys`` tells what came over the wire,
    #: call by call.
    carries_key: bool
    #: Whether a throttling answer can name a time (HTTP Retry-After).
    names_retry_time: bool
    keys: list[str]

    async def misbehave(self, how: str) -> None:
        """From now on: ``throttle`` (Retry-After 30), ``temporary``, ``login``, ``refuse``,
        ``gone`` (nothing listens), ``timeout`` (accepts the request, says nothing), ``drop``
        (accepts, closes), ``garbage``, ``oversized``, ``well``."""

    async def send(self, key: object) -> Outcome: ...


class ProviderContract:
    """Inherit, and give a fixture ``stage``."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        raise NotImplementedError
        yield  # noqa: PT022 - makes it a generator, as those of the heirs are

    async def test_an_accepted_message_is_sent(self, stage: Stage) -> None:
        assert isinstance(await stage.send(new_id()), Sent)

    async def test_throttling_defers_until_the_time_the_provider_named(self, stage: Stage) -> None:
        await stage.misbehave("throttle")
        outcome = await stage.send(new_id())
        assert isinstance(outcome, Deferred)
        if stage.names_retry_time:
            assert outcome.retry_after == timedelta(seconds=30)

    async def test_a_temporary_error_defers(self, stage: Stage) -> None:
        await stage.misbehave("temporary")
        assert isinstance(await stage.send(new_id()), Deferred)

    async def test_a_refused_login_is_our_mistake(self, stage: Stage) -> None:
        await stage.misbehave("login")
        outcome = await stage.send(new_id())
        assert isinstance(outcome, Misconfigured)
        assert SECRET not in repr(outcome)

    async def test_a_refused_recipient_is_rejected(self, stage: Stage) -> None:
        await stage.misbehave("refuse")
        assert isinstance(await stage.send(new_id()), Rejected)

    async def test_a_provider_that_is_gone_defers(self, stage: Stage) -> None:
        await stage.misbehave("gone")
        assert isinstance(await stage.send(new_id()), Deferred)

    @pytest.mark.parametrize("how", ["timeout", "drop", "garbage", "oversized"])
    async def test_an_unknown_answer_is_uncertain(self, stage: Stage, how: str) -> None:
        await stage.misbehave(how)
        assert isinstance(await stage.send(new_id()), Uncertain)

    async def test_the_key_is_the_same_on_every_attempt(self, stage: Stage) -> None:
        key = new_id()
        await stage.misbehave("temporary")
        await stage.send(key)
        await stage.misbehave("well")
        await stage.send(key)
        if stage.carries_key:
            assert len(stage.keys) == 2
            assert all(str(key) in seen for seen in stage.keys)

    async def test_recovery_after_a_drop(self, stage: Stage) -> None:
        await stage.misbehave("drop")
        await stage.send(new_id())
        await stage.misbehave("well")
        assert isinstance(await stage.send(new_id()), Sent)
