"""The conversation with a mail server, by what the server does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes
from typing import Any

import pytest
from pydantic import ValidationError

from tests.channels.email.wire import (
    CLOSE,
    SECRET,
    SILENCE,
    ScriptedServer,
    channel_to,
    draft,
    until,
)
from tests.contracts.provider import ProviderContract
from utskick.channels.email.channel import EmailChannel
from utskick.domain.ids import new_id
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Rejected,
    Sent,
    Uncertain,
)

MISBEHAVIOUR: dict[str, dict[str, str]] = {
    "throttle": {"RCPT": "450 4.7.1 too fast for anna@example.com"},
    "temporary": {".": "451 4.3.0 disk"},
    "login": {"AUTH": f"535 5.7.8 not with {SECRET}"},
    "refuse": {"RCPT": "550 5.1.1 no anna@example.com"},
    "timeout": {".": SILENCE},
    "drop": {".": CLOSE},
    "garbage": {".": "<html>250</html>"},
    "oversized": {".": "250 " + "x" * 100_000},
    "well": {},
}


class SmtpStage:
    carries_key = True
    names_retry_time = False

    def __init__(self) -> None:
        self.server = ScriptedServer()

    async def start(self) -> None:
        await self.server.start()
        self.channel = channel_to(self.server.port)

    @property
    def keys(self) -> list[str]:
        return [str(message_from_bytes(m)["Message-ID"]) for m in self.server.messages]

    async def misbehave(self, how: str) -> None:
        if how == "gone":
            await self.server.close()
            return
        self.server.replies = {**ScriptedServer().replies, **MISBEHAVIOUR[how]}

    async def send(self, key: Any) -> Outcome:
        outcome = await self.channel.send(draft(), key, "relay")
        assert "anna" not in repr(outcome)
        return outcome

    async def close(self) -> None:
        await self.channel.close()
        await self.server.close()


class TestSmtp(ProviderContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[SmtpStage]:
        stage = SmtpStage()
        await stage.start()
        yield stage
        await stage.close()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def channel(server: ScriptedServer) -> AsyncIterator[EmailChannel]:
    channel = channel_to(server.port)
    yield channel
    await channel.close()


async def send(channel: EmailChannel, **content: Any) -> Outcome:
    return await channel.send(draft(**content), new_id(), "relay")


async def test_the_reference_is_what_the_server_called_the_message(channel: EmailChannel) -> None:
    assert await send(channel) == Sent("Ok: queued as 4F1B2C")


async def test_a_reference_is_short_and_printable(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    server.replies["."] = "250 2.0.0 \x01" + "q" * 300
    outcome = await send(channel)
    assert isinstance(outcome, Sent)
    assert outcome.reference == "?" + "q" * 199


async def test_many_messages_share_one_connection(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    for _ in range(5):
        assert isinstance(await send(channel), Sent)
    assert server.connections == 1
    assert server.commands.count("RSET") == 4
    assert len(server.messages) == 5


async def test_a_connection_is_changed_after_its_number_of_messages(server: ScriptedServer) -> None:
    channel = channel_to(server.port, messages_per_connection=2)
    for _ in range(4):
        assert isinstance(await send(channel), Sent)
    await channel.close()
    assert server.connections == 2
    assert server.commands.count("QUIT") == 2


async def test_an_idle_connection_is_closed_politely(server: ScriptedServer) -> None:
    channel = channel_to(server.port, idle_seconds=0.05)
    await send(channel)
    await until(lambda: not server.open)
    assert server.commands[-1] == "QUIT"
    await channel.close()


async def test_no_more_conversations_at_a_time_than_the_account_allows(
    server: ScriptedServer,
) -> None:
    channel = channel_to(server.port, concurrency=2)
    outcomes = await asyncio.gather(*(send(channel) for _ in range(10)))
    assert all(isinstance(o, Sent) for o in outcomes)
    assert server.connections <= 2
    await channel.close()


async def test_a_connection_that_was_closed_meanwhile_is_replaced(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    await send(channel)
    server.hang_up()
    assert isinstance(await send(channel), Sent)
    assert server.connections == 2


@pytest.mark.parametrize(
    ("verb", "last_words"),
    [("RSET", CLOSE), ("RSET", SILENCE), ("RSET", "421 4.4.2 idle"), ("MAIL", CLOSE)],
)
async def test_a_stale_connection_is_replaced_once(
    server: ScriptedServer, verb: str, last_words: str
) -> None:
    channel = channel_to(server.port, connect_timeout=0.3)
    await send(channel)
    server.replies[verb] = [last_words, server.replies[verb]]
    assert isinstance(await send(channel), Sent)
    assert server.connections == 2
    assert len(server.messages) == 2
    await channel.close()


@pytest.mark.parametrize("last_words", [CLOSE, "421 4.3.2 closing", SILENCE])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_a_connection_lost_before_the_message_left_defers(
    channel: EmailChannel, server: ScriptedServer, verb: str, last_words: str
) -> None:
    server.replies[verb] = last_words
    assert isinstance(await send(channel), Deferred)
    assert server.messages == []


async def test_a_message_of_unknown_fate_is_not_sent_again_by_itself(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    await send(channel)
    server.replies["."] = [CLOSE, "250 2.0.0 Ok"]
    assert isinstance(await send(channel), Uncertain)
    assert len(server.messages) == 2


async def test_a_late_answer_is_not_taken_for_that_of_the_next_message(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    server.replies["."] = [SILENCE, "550 5.7.1 spam"]
    assert isinstance(await send(channel), Uncertain)
    assert isinstance(await send(channel), Rejected)
    assert server.connections == 2


async def test_a_refused_recipient_does_not_cost_the_connection(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    server.replies["RCPT"] = ["550 5.1.1 no", "250 2.1.5 yes"]
    assert isinstance(await send(channel), Rejected)
    assert isinstance(await send(channel), Sent)
    assert server.connections == 1


async def test_a_message_larger_than_the_server_takes_is_rejected_unsent(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    server.extensions = ("SIZE 1000", "AUTH PLAIN")
    outcome = await send(channel, message="x" * 2000)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "too-large"
    assert not any(c.startswith("MAIL") for c in server.commands)


async def test_an_international_address_needs_a_server_that_carries_it(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    async def to_ake() -> Outcome:
        return await channel.send(draft("åke@exempel.se"), new_id(), "relay")

    assert isinstance(await to_ake(), Sent)
    assert "RCPT TO:<åke@exempel.se>" in server.commands
    assert any(c.endswith("SMTPUTF8 BODY=8BITMIME") for c in server.commands)
    server.hang_up()
    server.extensions = ("AUTH PLAIN",)
    assert isinstance(await to_ake(), Rejected)


async def test_an_international_domain_needs_nothing(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    server.extensions = ("AUTH PLAIN",)
    assert isinstance(await channel.send(draft("anna@räksmörgås.se"), new_id(), "relay"), Sent)
    assert "RCPT TO:<anna@xn--rksmrgs-5wao1o.se>" in server.commands


async def test_lines_that_begin_with_a_dot_arrive(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    await send(channel, message=".\r\n..\r\n.x\r\n")
    assert message_from_bytes(server.messages[0]).get_payload(decode=True) == b".\r\n..\r\n.x\r\n"


async def test_a_stripped_starttls_stops_everything(server: ScriptedServer) -> None:
    channel = channel_to(server.port, security="starttls")
    outcome = await send(channel)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "tls"
    assert [c.split(" ")[0] for c in server.commands] == ["EHLO"]
    await channel.close()


async def test_a_server_that_speaks_no_tls_is_our_mistake(server: ScriptedServer) -> None:
    channel = channel_to(server.port, security="tls")
    outcome = await send(channel)
    assert isinstance(outcome, Misconfigured)
    assert server.messages == []


async def test_a_ca_file_that_is_missing_is_our_mistake(
    server: ScriptedServer, tmp_path: Any
) -> None:
    channel = channel_to(server.port, security="starttls", ca_file=tmp_path / "none.pem")
    assert isinstance(await send(channel), Misconfigured)
    assert server.connections == 0


@pytest.mark.parametrize(
    "greeting", ["554 5.3.2 not you", "421 4.3.2 later", "HTTP/1.1 400", CLOSE]
)
async def test_a_server_that_will_not_begin_is_never_uncertain(
    channel: EmailChannel, server: ScriptedServer, greeting: str
) -> None:
    server.greeting = greeting
    assert isinstance(
        await send(channel), Misconfigured if greeting.startswith("554") else Deferred
    )


async def test_a_login_that_is_down_for_the_moment_defers(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    server.replies["AUTH"] = "454 4.7.0 try later"
    assert isinstance(await send(channel), Deferred)


async def test_a_refused_login_is_tried_once(channel: EmailChannel, server: ScriptedServer) -> None:
    server.replies["AUTH"] = "535 5.7.8 no"
    await send(channel)
    assert sum(c.startswith("AUTH") for c in server.commands) == 1


async def test_an_account_without_login_shows_none(server: ScriptedServer) -> None:
    channel = channel_to(server.port, username=None)
    assert isinstance(await send(channel), Sent)
    assert not any(c.startswith("AUTH") for c in server.commands)
    await channel.close()


async def test_a_cancelled_send_leaves_no_conversation_behind(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    server.replies["."] = [SILENCE, "250 2.0.0 Ok"]
    task = asyncio.create_task(send(channel))
    await until(lambda: len(server.messages) == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: not server.open)
    assert isinstance(await send(channel), Sent)


async def test_a_look_tells_whether_the_server_answers(
    channel: EmailChannel, server: ScriptedServer
) -> None:
    [health] = await channel.look()
    assert health.ok
    assert not health.warns
    assert server.commands[-4:] == [
        "MAIL FROM:<noreply@sundsvall.se>",
        "RCPT TO:<noreply@sundsvall.se>",
        "RSET",
        "QUIT",
    ]
    server.replies["AUTH"] = f"535 5.7.8 {SECRET}"
    [health] = await channel.look()
    assert not health.ok
    assert SECRET not in health.sentence


async def test_an_account_that_left_the_settings_sends_nothing(channel: EmailChannel) -> None:
    assert isinstance(await channel.send(draft(), new_id(), "gone"), Misconfigured)


@pytest.mark.parametrize(
    ("verb", "reply", "ok", "warns"),
    [
        ("MAIL", "550 5.7.1 sender not allowed", False, False),
        ("MAIL", "451 4.3.0 disk", False, False),
        ("RCPT", "550 5.1.1 no such user", True, True),
        ("RCPT", "450 4.2.0 greylisted", True, True),
        ("RCPT", "554 5.7.1 relay access denied", False, False),
    ],
)
async def test_a_look_offers_the_default_sender_and_never_sends(
    channel: EmailChannel, server: ScriptedServer, verb: str, reply: str, ok: bool, warns: bool
) -> None:
    server.replies[verb] = reply
    [health] = await channel.look()
    assert (health.ok, health.warns) == (ok, warns)
    assert "DATA" not in server.commands


async def test_a_greeting_has_a_time_out_of_its_own(server: ScriptedServer) -> None:
    server.greeting = SILENCE
    channel = channel_to(server.port, banner_timeout=0.1)
    outcome = await send(channel)
    await channel.close()
    assert isinstance(outcome, Deferred)
    assert outcome.reason.code == "no-greeting"


async def test_a_late_greeting_is_waited_for_longer_than_for_a_connection(
    server: ScriptedServer,
) -> None:
    server.greeting_delay = 0.4
    channel = channel_to(server.port, connect_timeout=0.2, banner_timeout=30)
    assert isinstance(await send(channel), Sent)
    await channel.close()


@pytest.mark.parametrize("verp", [False, True])
async def test_bounces_are_returned_to_the_envelope_sender(
    server: ScriptedServer, verp: bool
) -> None:
    channel = channel_to(
        server.port, section={"envelope_sender": "bounces@sundsvall.se", "verp": verp}
    )
    key = new_id()
    assert isinstance(await channel.send(draft(), key, "relay"), Sent)
    await channel.close()
    expected = f"bounces+{key.hex}@sundsvall.se" if verp else "bounces@sundsvall.se"
    assert [c.split(" ")[1] for c in server.commands if c.startswith("MAIL")] == [
        f"FROM:<{expected}>"
    ]
    assert "noreply@sundsvall.se" in str(message_from_bytes(server.messages[0])["From"])


@pytest.mark.parametrize(
    "section",
    [
        {"envelope_sender": "no-mailbox"},
        {"envelope_sender": "å@sundsvall.se"},
        {"verp": True},
        {"envelope_sender": "b" * 32 + "@sundsvall.se", "verp": True},
    ],
)
def test_an_envelope_sender_that_no_server_takes_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        channel_to(1, section=section)
