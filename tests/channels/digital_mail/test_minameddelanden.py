"""Mina Meddelanden: the provider contract, the answers one by one, the request as it is on the wire, and repeats equal to the byte."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from tests.channels.digital_mail.pki import ORGANIZATION, Authority
from tests.channels.digital_mail.stage import (
    ANNA,
    KIVRA,
    NUMBER,
    OTHER,
    TRANS_ID,
    Stage,
    fault,
    plain_fault,
    result,
    soap,
    text,
)
from tests.contracts.provider import SECRET, ProviderContract
from utskick.domain.attachment import Attachment
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Sent, Uncertain
from utskick.domain.preparing import Ready

BO, CARIN = "6a5c3d04-412d-11ec-973a-0242ac130004", "6a5c3d04-412d-11ec-973a-0242ac130005"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = await Stage(tmp_path).open()
    yield stage
    await stage.close()


class TestMinaMeddelanden(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: Stage) -> Stage:
        return stage


# -- the operator's answers -------------------------------------------------------------------------------------------


async def test_the_trans_id_is_kept(stage: Stage) -> None:
    assert await stage.send(new_id()) == Sent(TRANS_ID, delivered=True)


async def test_not_delivered_in_a_successful_answer_is_a_polite_no(stage: Stage) -> None:
    await stage.misbehave("refuse")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Rejected)
    assert (outcome.polite, outcome.reason.provider_code) == (True, TRANS_ID)


async def test_after_a_no_the_register_is_asked_anew(stage: Stage) -> None:
    await stage.misbehave("refuse")
    await stage.send(new_id())
    await stage.send(new_id())
    assert len(stage.questions) == 2


async def test_a_fault_is_logged_with_its_code_and_call_id_and_nothing_personal(stage: Stage) -> None:
    await stage.misbehave("temporary")
    with structlog.testing.capture_logs() as lines:
        outcome = await stage.send(new_id())
    assert isinstance(outcome, Deferred)
    assert outcome.reason.provider_code == "5000"
    assert [(line["code"], line["call_id"]) for line in lines] == [(5000, TRANS_ID)]
    assert NUMBER not in str(lines)
    assert "Hej" not in str(lines)


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fault(5000), Deferred),
        (fault(4999), Deferred),
        (fault(call_id="<script>"), Deferred),  # no XML any more; HTTP's 500 says the same
        (plain_fault("Server"), Deferred),
        (plain_fault("Client"), Rejected),
        (result("perhaps"), Uncertain),
        (result("true", recipient="190001010000"), Uncertain),
        (soap("<a/>"), Uncertain),
        (text(200, ""), Uncertain),
        (text(200, BOMB), Uncertain),
        (text(500, "<html>"), Deferred),
        (text(503, "closed"), Deferred),
        (text(502, ""), Uncertain),
        (text(504, ""), Uncertain),
        (text(404, ""), Misconfigured),
        (text(413, ""), Rejected),
        (lambda: web.Response(status=302, headers={"Location": "https://127.0.0.1:1/"}), Misconfigured),
    ],
)  # fmt: skip
async def test_every_answer_has_its_class(stage: Stage, answer: Any, kind: type) -> None:
    stage.answers["well"] = answer
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert NUMBER not in repr(outcome)


async def test_an_entity_from_outside_is_not_fetched(stage: Stage, tmp_path: Path) -> None:
    """XXE: the file's content would say that it was delivered."""
    secret = tmp_path / "secret"
    secret.write_text("true")
    said = result("&x;")().body
    assert isinstance(said, bytes)
    hostile = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]>'.encode() + said
    stage.answers["well"] = lambda: web.Response(body=hostile)
    assert isinstance(await stage.send(new_id()), Uncertain)


async def test_ten_megabytes_of_answer_are_not_read(stage: Stage) -> None:
    stage.answers["well"] = lambda: web.Response(body=b"<a>" + b" " * 10_000_000 + b"</a>")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.code == "oversized-answer"


# -- the request ------------------------------------------------------------------------------------------------------


async def test_the_request_is_soap_1_1_with_an_empty_action(stage: Stage) -> None:
    key = new_id()
    await stage.send(key)
    assert stage.headers[0]["Content-Type"] == "text/xml; charset=utf-8"
    assert stage.headers[0]["SOAPAction"] == '""'
    sent = stage.envelopes[0].decode()
    today = datetime.now(UTC).date()
    for words in (f"<Id>{key}</Id>", ">162120002411<", ">Sundsvalls kommun<", f">{NUMBER}<", ">svSE<", ">SGVq<"):
        assert words in sent, words
    sealed = re.search(r"<ReceivedTime[^>]*>(\d{4}-\d{2}-\d{2})(\+0[12]:00)<", sent)
    assert sealed
    assert abs((datetime.fromisoformat(sealed[1]).date() - today).days) <= 1


# -- repeats ----------------------------------------------------------------------------------------------------------


async def test_a_repeat_is_the_same_to_the_byte_whatever_changed_meanwhile(stage: Stage) -> None:
    key = new_id()
    await stage.misbehave("timeout")
    assert isinstance(await stage.send(key), Uncertain)
    stage.clock.now += timedelta(days=1)
    stage.standings[NUMBER] = {"type": "Not"}
    sender = {"name": "Kommunen", "municipality": "2281", **stage.files, "support_info": {"text": "En annan text"}}
    changed = stage.channel_with(senders={ORGANIZATION: sender})
    await stage.misbehave("well")
    assert isinstance(await stage.send(key, channel=changed), Sent)
    assert stage.envelopes[0] == stage.envelopes[1]


async def test_a_new_certificate_sends_what_is_new_and_the_former_one_repeats_what_was_begun(stage: Stage, tmp_path: Path) -> None:
    begun = new_id()
    await stage.misbehave("drop")
    await stage.send(begun)
    fresh = stage.authority.sender(tmp_path / "new", which=1)
    sender = {"name": "Sundsvalls kommun", "municipality": "2281", **fresh, "former": [stage.files]}
    renewed = stage.channel_with(senders={ORGANIZATION: sender})
    await stage.misbehave("well")
    assert isinstance(await stage.send(begun, channel=renewed), Sent)
    assert stage.envelopes[0] == stage.envelopes[1]
    assert isinstance(await stage.send(new_id(), channel=renewed), Sent)
    assert signed_by(stage.envelopes[2]) != signed_by(stage.envelopes[1])


def signed_by(envelope: bytes) -> bytes:
    found = re.search(rb"<X509Certificate>([^<]+)<", envelope)
    assert found
    return found[1]


async def test_what_would_differ_by_a_byte_is_not_sent_again(stage: Stage, tmp_path: Path) -> None:
    key = new_id()
    await stage.misbehave("timeout")
    await stage.send(key)
    fresh = stage.authority.sender(tmp_path / "new", which=1)
    renewed = stage.channel_with(senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **fresh}})
    await stage.misbehave("well")
    for channel, draft in ((renewed, None), (None, stage.draft(body="Något annat"))):
        outcome = await stage.send(key, draft, channel)
        assert isinstance(outcome, Uncertain)
        assert outcome.reason.code == "changed-since-first-attempt"
    assert len(stage.envelopes) == 1


async def test_what_is_frozen_is_small(stage: Stage) -> None:
    file = Attachment.of("a.pdf", None, b"%PDF-" + b"x" * 900_000)
    described = [{"filename": "a.pdf", "digest": file.digest.hex()}]
    prepared = await stage.channel.prepare(replace(stage.draft(attachments=described), attachments=(file,)), new_id())
    assert isinstance(prepared, Ready)
    assert prepared.frozen is not None
    assert len(prepared.frozen) < 1000
    assert stage.envelopes == []


@pytest.mark.parametrize(("deduplicates", "rule"), [(True, "resend"), (False, "hold")])
async def test_an_uncertain_message_is_sent_again_only_where_its_operator_knows_a_repeat(
    stage: Stage, deduplicates: bool, rule: str
) -> None:
    host = f"127.0.0.1:{stage.port}"
    operators = {
        KIVRA: {"name": "Kivra", "hosts": [host], "deduplicates": deduplicates},
        OTHER: {"name": "Min myndighetspost", "hosts": [host], "deduplicates": not deduplicates},
    }
    channel = stage.channel_with(operators=operators)
    prepared = await channel.prepare(stage.draft(), new_id())
    assert isinstance(prepared, Ready)
    assert channel.when_uncertain("mm", replace(stage.draft(), frozen=prepared.frozen)) == rule
    assert channel.when_uncertain("mm") == "hold"
    one = stage.channel_with(operators={KIVRA: operators[KIVRA]})
    assert one.when_uncertain("mm") == rule


# -- who can be reached -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "Not", "supplier": "", "accepted": "false"}, "no-mailbox"),
        ({"supplier": ""}, "no-mailbox"),
        ({"pending": "true", "accepted": "false"}, "pending"),
        ({"accepted": "false"}, "sender-blocked"),
        ({"supplier": OTHER, "name": "Kivra"}, "unsupported-operator"),
        ({"address": ""}, "no-service-address"),
        ({"omitted": "yes"}, "not-in-register"),
    ],
)
async def test_who_cannot_be_reached_is_told_apart(stage: Stage, changes: dict[str, str], code: str) -> None:
    stage.standings[NUMBER] = changes
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Rejected)
    assert (outcome.reason.code, outcome.polite) == (code, True)
    assert stage.envelopes == []


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/Service/v3",
        "https://169.254.169.254/latest",
        "https://localhost:{port}/Service/v3",
        "https://127.0.0.1/Service/v3",
        "https://127.0.0.1:{port}@evil.example/",
        "https://user:x@127.0.0.1:{port}/Service/v3",
        "https://127.0.0.1:{port}#@evil.example/",
        "https://127.0.0.1:{port}\\@evil.example/",
        "https://127.0.0.1:99999/",
        "file:///etc/passwd",
        "//127.0.0.1:{port}/Service/v3",
    ],
)
async def test_an_address_that_is_not_on_the_list_is_not_called(stage: Stage, address: str) -> None:
    stage.standings[NUMBER] = {"address": address.format(port=stage.port)}
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "address-not-allowed"
    assert stage.envelopes == []


async def test_an_address_that_was_struck_off_the_list_is_not_called_at_a_repeat(stage: Stage) -> None:
    key = new_id()
    await stage.misbehave("temporary")
    await stage.send(key)
    stricter = stage.channel_with(operators={KIVRA: {"name": "Kivra", "hosts": ["mm.kivra.com"]}})
    assert isinstance(await stage.send(key, channel=stricter), Misconfigured)
    assert len(stage.envelopes) == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [("201012240000", "minor"), ("201012840000", "minor"), ("200811250000", None), ("200811260000", "minor"), ("165568402266", None)],
)
async def test_minors_have_no_mailbox(stage: Stage, number: str, code: str | None) -> None:
    stage.clock.now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    stage.people.known[ANNA] = number if not number.startswith("16") else number[2:]
    prepared = await stage.channel.prepare(stage.draft(), new_id())
    assert (prepared.reason.code if isinstance(prepared, Rejected) else None) == code


async def test_a_party_without_legal_id_is_a_no_and_a_directory_that_is_away_is_none(stage: Stage) -> None:
    for draft in (stage.draft(BO), stage.draft(None)):
        outcome = await stage.send(new_id(), draft)
        assert isinstance(outcome, Rejected)
        assert outcome.reason.code == "no-legal-id"
    stage.people.away = Deferred(Reason("away", "away"), timedelta(seconds=7))
    assert await stage.send(new_id()) == stage.people.away


async def test_deliveries_that_wait_together_are_looked_up_together(stage: Stage) -> None:
    people = {f"6a5c3d04-412d-11ec-973a-{n:012d}": f"19000101{n:04d}" for n in range(1500)}
    stage.people.known = people
    prepared = await asyncio.gather(*(stage.channel.prepare(stage.draft(party), new_id()) for party in people))
    assert all(isinstance(one, Ready) for one in prepared)
    assert [len(group) for group in stage.people.asked] == [1000, 500]
    assert sorted(map(len, stage.questions), reverse=True)[0] <= 1000
    assert len(stage.questions) <= 4
    assert sorted(number for group in stage.questions for number in group) == sorted(people.values())


async def test_the_same_recipient_is_asked_for_once_and_remembered_for_a_while(stage: Stage) -> None:
    await asyncio.gather(*(stage.send(new_id()) for _ in range(5)))
    await stage.send(new_id())
    assert stage.questions == [[NUMBER]]
    forgetful = stage.channel_with(reachable_seconds=0)
    for _ in range(2):
        await stage.send(new_id(), channel=forgetful)
    assert len(stage.questions) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (text(503, ""), Deferred, "provider-fault"),
        (text(200, "<html>"), Deferred, "register-silent"),
        (text(200, BOMB), Deferred, "register-silent"),
        (fault(5001), Deferred, "register-fault"),
        (plain_fault("Client"), Misconfigured, "register-refuses"),
        (text(403, ""), Misconfigured, "refused-login"),
        (text(429, "", Retry_After="30"), Deferred, "throttled"),
    ],
)
async def test_a_register_that_does_not_answer_has_sent_nothing(stage: Stage, answer: Any, kind: type[Outcome], code: str) -> None:
    stage.register = answer
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert outcome.reason.code == code  # type: ignore[union-attr]


async def test_an_answer_that_is_too_long_is_asked_for_in_halves(stage: Stage) -> None:
    stage.people.known = {ANNA: "190001010001", BO: "190001010002", CARIN: "190001010003"}
    stage.standings["190001010002"] = {"name": "x" * 400_000}
    stage.standings["190001010003"] = {"name": "x" * 700_000}
    prepared = await asyncio.gather(*(stage.channel.prepare(stage.draft(party), new_id()) for party in (ANNA, BO, CARIN)))
    assert all(isinstance(one, Ready) for one in prepared)
    assert list(map(len, stage.questions)) == [3, 1, 2, 1, 1]


# -- certificates -----------------------------------------------------------------------------------------------------


async def test_an_expired_certificate_is_ours_and_nothing_is_called(stage: Stage, tmp_path: Path) -> None:
    expired = stage.authority.sender(tmp_path / "old", days=-1)
    channel = stage.channel_with(senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **expired}})
    outcome = await stage.send(new_id(), channel=channel)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "certificate-expired"
    assert stage.questions == []
    (health,) = await channel.look()
    assert not health.ok
    assert "expired on" in health.sentence


class Doorman:
    """A server that ends the handshake with the alert that TLS has for a wrong certificate, as real ones do (asyncio's just hangs up)."""

    def __init__(self, folder: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "server.pem")
        self._tls.load_verify_locations(folder / "ca.pem")
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.read = b""
        self.refusals = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                try:
                    with self._tls.wrap_socket(caller, server_side=True) as line:
                        self.read += line.recv(100_000)
                except ssl.SSLError:
                    self.refusals += 1
                    caller.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(2)


@pytest.fixture
def doorman(stage: Stage, tmp_path: Path) -> Iterator[Doorman]:
    doorman = Doorman(tmp_path)
    yield doorman
    doorman.close()


@pytest.mark.parametrize("which", ["strange", "expired"])
async def test_a_certificate_that_an_operator_does_not_take_is_ours_and_nothing_was_sent(
    stage: Stage, doorman: Doorman, tmp_path: Path, which: str
) -> None:
    stage.standings[NUMBER] = {"address": f"https://127.0.0.1:{doorman.port}/Service/v3"}
    operators = {KIVRA: {"name": "Kivra", "hosts": [f"127.0.0.1:{doorman.port}"]}}
    key = new_id()
    prepared = await stage.channel_with(operators=operators).prepare(stage.draft(), key)
    assert isinstance(prepared, Ready)
    files = Authority().sender(tmp_path / "new") if which == "strange" else stage.authority.sender(tmp_path / "new", days=-1)
    sender = {"name": "Sundsvalls kommun", "municipality": "2281", **files, "former": [stage.files]}
    stage.clock.now -= timedelta(days=2)  # our own clock is late: only the operator sees that it expired
    channel = stage.channel_with(operators=operators, senders={ORGANIZATION: sender})
    outcome = await channel.send(replace(stage.draft(), frozen=prepared.frozen), key, "mm")
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "tls"
    await asyncio.to_thread(doorman.close)
    assert (doorman.refusals, doorman.read) == (1, b"")


async def test_a_handshake_that_is_just_broken_off_has_sent_nothing_either(stage: Stage, tmp_path: Path) -> None:
    strange = Authority().sender(tmp_path / "strange")
    channel = stage.channel_with(senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **strange}})
    outcome = await stage.send(new_id(), channel=channel)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.code == "unreachable"
    assert (stage.questions, stage.envelopes) == ([], [])


async def test_a_server_that_nobody_vouches_for_gets_nothing(stage: Stage, tmp_path: Path) -> None:
    channel = stage.channel_with(ca_file=None)
    outcome = await stage.send(new_id(), channel=channel)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "tls"
    assert stage.questions == []


@pytest.mark.parametrize(("days", "words"), [(31, "certificate until"), (29.5, "expires in 29 days"), (0.5, "expires in 0 days")])
async def test_a_look_warns_thirty_days_ahead(stage: Stage, tmp_path: Path, days: float, words: str) -> None:
    files = stage.authority.sender(tmp_path / "soon", days=days)
    channel = stage.channel_with(senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **files}})
    (health,) = await channel.look()
    assert health.ok
    assert words in health.sentence
    assert stage.questions == [[]]


async def test_a_look_finds_a_register_that_is_gone(stage: Stage) -> None:
    await stage.misbehave("gone")
    (health,) = await stage.channel.look()
    assert (health.account, health.ok) == ("mm", False)
    assert SECRET not in health.sentence


async def test_a_pkcs12_file_will_do_and_files_that_will_not_are_told(stage: Stage, tmp_path: Path) -> None:
    def of(files: dict[str, str]) -> Any:
        return stage.channel_with(senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **files}})

    assert isinstance(await stage.send(new_id(), channel=of(stage.authority.pkcs12(tmp_path))), Sent)
    other = Authority().sender(tmp_path / "other", which=1)
    wrong = [
        {**stage.files, "password": "wrong"},
        {**stage.files, "key_file": other["key_file"]},
        {**stage.files, "key_file": str(tmp_path / "nothing-there")},
        {**stage.files, "certificate_file": stage.files["key_file"]},
    ]
    for files in wrong:
        outcome = await stage.send(new_id(), channel=of(files))
        assert isinstance(outcome, Misconfigured)
        assert outcome.reason.code == "certificate"
        assert SECRET not in repr(outcome)


async def test_an_organisation_of_another_municipality_is_no_sender(stage: Stage) -> None:
    outcome = await stage.send(new_id(), replace(stage.draft(), municipality_id="2260"))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "no-sender"
