"""Whole journeys: an HTTP call to the running service, and what a real server has received."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.channels.sms import smsc
from tests.channels.snail_mail.stage import files
from tests.contracts.provider import SECRET
from tests.http.pdf import encoded
from tests.http.receiver import receiving
from tests.journeys.conftest import SetUp
from tests.journeys.process import API, SERVE, WORKER
from tests.journeys.stage import Stage, eventually
from tests.real.handing_over import StorageServer
from tests.real.message_centre import MessageCentre
from tests.real.openssh import OpenSsh
from tests.real.postfix import Postfix
from tests.real.samba import Samba
from tests.real.server import LoginUser, SmallDisk

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

SENDER = {"name": "Kommunen", "address": "noreply@kommun.test"}


async def serve(stage: Stage, sections: Mapping[str, Any]) -> None:
    """Start the service with these sections of the channels, and nothing simulated."""
    await stage.stop_api()
    await stage.start(SERVE, stage.environment.variables(sections))
    await stage.wait_until_live()


def mail(recipient: str) -> dict[str, Any]:
    return {
        "emailAddress": f"{recipient}@kommun.test",
        "subject": "Biblioteket",
        "message": "Din bok finns att hämta.",
    }


async def test_mails_arrive_in_maildirs_and_each_refusal_is_told(
    set_up: SetUp, postfix: Postfix
) -> None:
    stage = await set_up()
    account = postfix.account("starttls")
    await serve(stage, {"email": {"sender": SENDER, "accounts": {"relay": account}}})
    accepted = {
        to: (await stage.post("email?async=true", mail(to))).delivery_id
        for to in ("anna", "rcpt.full", "rcpt.unknown", "rcpt.grey", "end.refused")
    }
    found = await stage.wait_for_lifecycle(accepted["anna"], "sent")
    assert found["attempts"] == 1
    await asyncio.to_thread(postfix.mail_to, "anna", accepted["anna"])
    for to, code in (
        ("rcpt.full", "mailbox-full"),
        ("rcpt.unknown", "unknown-recipient"),
        ("end.refused", "refused-content"),
    ):
        failed = await stage.wait_for_lifecycle(accepted[to], "failed")
        assert failed["reason"]["code"] == code

    async def waits() -> bool:
        grey = await stage.delivery(accepted["rcpt.grey"])
        return grey is not None and (grey.get("reason") or {}).get("code") == "greylisted"

    await eventually(waits, "the greylisted mail waits", 20)
    assert postfix.accepted(accepted["anna"]) == 1


async def test_a_synchronous_call_answers_what_the_mail_server_said(
    set_up: SetUp, postfix: Postfix
) -> None:
    stage = await set_up()
    account = postfix.account("tls")
    await serve(stage, {"email": {"sender": SENDER, "accounts": {"relay": account}}})
    answer = await stage.call("POST", "email", mail("anna"))
    assert answer.status == 201, answer
    assert answer.body["deliveries"][0]["status"] == "SENT"
    answer = await stage.call("POST", "email", mail("rcpt.unknown"))
    assert answer.status in (201, 502), answer


async def test_a_second_account_takes_over_when_the_first_one_may_not_relay(
    set_up: SetUp, postfix: Postfix
) -> None:
    stage = await set_up()
    accounts = {
        "first": postfix.account("no-relay", priority=1),
        "second": postfix.account("starttls", priority=2),
    }
    await serve(stage, {"email": {"sender": SENDER, "accounts": accounts}})
    body = {**mail("anna"), "emailAddress": "bo@elsewhere.test"}
    delivery = (await stage.post("email?async=true", body)).delivery_id
    found = await stage.wait_for_lifecycle(delivery, "sent")
    assert found["attempts"] == 2


@pytest.fixture(params=[OpenSsh, Samba])
def storage(request: pytest.FixtureRequest, user: LoginUser) -> Iterator[StorageServer]:
    with request.param(user) as server:
        server.uses += 1
        yield server


async def test_a_batch_of_letters_reaches_the_printing_house(
    set_up: SetUp, storage: StorageServer, inbox: Path
) -> None:
    stage = await set_up()
    account = {name: _plain(value) for name, value in storage.account(inbox).items()}
    await serve(stage, {"snail_mail": {"accounts": {"house": account}}})
    batch = str(uuid4())
    for number in range(3):
        answer = await stage.call("POST", f"snail-mail?batchId={batch}", letter(number))
        assert answer.status == 201, answer
    answer = await stage.call("POST", f"snail-mail/batch/{batch}")
    assert answer.status == 200, answer

    async def told() -> bool:
        return (await stage.counts(batch)).get("sent") == 3

    await eventually(told, "the letters are sent", 30)
    seen = files(inbox)
    assert len([name for name in seen if name.endswith("KLAR")]) == 1
    assert len([name for name in seen if name.endswith(".pdf")]) == 3


async def test_a_batch_that_may_not_be_written_stops_no_other(
    set_up: SetUp, storage: StorageServer, inbox: Path
) -> None:
    (inbox / "Kultur").mkdir()  # root's
    stage = await set_up()
    account = {name: _plain(value) for name, value in storage.account(inbox).items()}
    await serve(stage, {"snail_mail": {"accounts": {"house": account}}})
    batches = {department: str(uuid4()) for department in ("Kultur", "SBK")}
    for department, batch in batches.items():
        body = {**letter(1), "department": department}
        assert (await stage.call("POST", f"snail-mail?batchId={batch}", body)).status == 201
        assert (await stage.call("POST", f"snail-mail/batch/{batch}")).status == 200

    async def refused() -> bool:
        rows = await stage.environment.rows(
            "SELECT FROM deliveries WHERE status = 'deferred' AND reason_code = 'refused-access'"
        )
        return len(rows) == 1

    async def printed() -> bool:
        return (inbox / "SBK").is_dir()

    await eventually(refused, "one hand-over is deferred", 30)
    await eventually(printed, "the other batch is handed over", 30)
    shutil.chown(inbox / "Kultur", storage.user.name, storage.user.name)

    async def repeated() -> bool:
        return any((inbox / "Kultur").iterdir())

    await eventually(repeated, "the deferred one is repeated", 30)


async def test_letters_say_that_the_printing_house_is_read_only(
    set_up: SetUp, storage: StorageServer, inbox: Path
) -> None:
    stage = await set_up()
    with SmallDisk(inbox / "disk", 1024) as disk:
        disk.make_read_only()
        account = {name: _plain(value) for name, value in storage.account(disk.folder).items()}
        await serve(stage, {"snail_mail": {"accounts": {"house": account}}})
        batch = str(uuid4())
        made = await stage.call("POST", f"snail-mail?batchId={batch}", letter(1))
        await stage.call("POST", f"snail-mail/batch/{batch}")
        delivery = made.delivery_id

        async def told() -> bool:
            found = (await stage.call("GET", f"status/delivery/{delivery}")).body
            code = found.get("handOver", {}).get("reason", {}).get("code")
            return bool(found["lifecycle"] == "gathered" and code == "refused-access")

        await eventually(told, "the letter says that its hand-over fails", 30)
        disk.make_writable()

        async def printed() -> bool:
            found = (await stage.call("GET", f"status/delivery/{delivery}")).body
            return bool(found["lifecycle"] == "sent" and "handOver" not in found)

        await eventually(printed, "the letter is handed over", 30)
        assert len([name for name in files(disk.folder) if name.endswith("KLAR")]) == 1


def letter(number: int) -> dict[str, Any]:
    address = {"firstName": "Nils", "lastName": f"Ek {number}", "address": "Storgatan 1"}
    file = {"contentType": "application/pdf", "content": encoded(f"Hej {number}")}
    return {
        "department": "SBK",
        "address": {**address, "zipCode": "852 30", "city": "Sundsvall"},
        "attachments": [{**file, "filename": f"beslut-{number}.pdf"}],
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


async def test_an_sms_is_delivered_when_the_message_centre_says_so(
    set_up: SetUp,
) -> None:
    with MessageCentre() as centre:
        centre.uses += 1
        stage = await set_up()
        account = smsc.settings(
            centre.port, security="tls", ca_file=str(centre.ca_file), response_timeout=5
        )
        await serve(stage, {"sms": {"sender": "Utskick", "accounts": {"smpp": account}}})
        sms = {"message": "Din bok finns att hämta."}
        delivered = await stage.post("sms?async=true", {**sms, "mobileNumber": "+46701740605"})
        refused = await stage.post("sms?async=true", {**sms, "mobileNumber": "+46701740603"})
        await stage.wait_for_lifecycle(delivered.delivery_id, "delivered", 20)
        await stage.wait_for_lifecycle(refused.delivery_id, "failed", 20)
        assert [each["status"] for each in centre.of("deliver_sm_resp")] == [0]


async def test_a_persons_answers_are_told_to_the_municipality_of_their_number(
    set_up: SetUp,
) -> None:
    stage = await set_up()
    with MessageCentre() as centre:
        centre.uses += 1
        account = smsc.settings(
            centre.port, security="tls", ca_file=str(centre.ca_file), response_timeout=5
        )
        variables = stage.environment.variables(
            {"sms": {"sender": "Utskick", "accounts": {"smpp": account}}},
            WEBHOOKS='{"networks": ["127.0.0.0/8"]}',
            INBOUND='{"numbers": {"71456": "2262"}}',
        )
        await stage.stop_api()
        await stage.start(SERVE, variables)
        await stage.wait_until_live()
        async with receiving() as theirs, receiving() as others:
            for place, receiver in (("2262", theirs), ("2281", others)):
                wanted = {"url": receiver.url, "events": "inbound"}
                made = await stage.call("POST", f"/{place}/webhooks", wanted, x_origin="Byggr")
                assert made.status == 201, made
                receiver.secrets.append(made.body["secret"])
            sms = {"mobileNumber": "+46701740602", "message": "Hej"}
            assert (await stage.post("sms?async=true", sms)).status == 201
            told = await theirs.until(4, 20)
            texts = []
            for message in told:
                found = await stage.call("GET", f"/2262/inbound-messages/{message['id']}")
                assert (found.body["sender"], message["recipient"]) == ("+46701740602", "71456")
                texts.append(found.body["text"])
            written = {"Ja tack {€} åäö", "Да, å ä ö", "början slut å", "Som last: ö"}
            assert (set(texts), len(texts)) == (written, 4)
            listed = await stage.call("GET", "/2262/inbound-messages")
            assert [each["id"] for each in listed.body["messages"]] == [m["id"] for m in told]
            assert not others.raw


async def test_an_sms_of_several_parts_is_delivered_when_all_parts_are(set_up: SetUp) -> None:
    """The last digit of the number is what the message centre goes by (centre.js)."""
    stage = await set_up()
    with MessageCentre() as centre:
        centre.uses += 1
        account = {
            "provider": "smpp",
            "host": "127.0.0.1",
            "port": centre.port,
            "ca_file": str(centre.ca_file),
            "system_id": "municipality",
            "password": SECRET,
        }
        await serve(stage, {"sms": {"accounts": {"smsc": account}}})
        ids = {
            last: (
                await stage.post(
                    "sms?async=true",
                    {"mobileNumber": f"+4670174060{last}", "message": "Långt meddelande. " * 25},
                )
            ).delivery_id
            for last in "208"
        }
        for last, state in (("2", "delivered"), ("0", "delivered"), ("8", "failed")):
            await stage.wait_for_lifecycle(ids[last], state, 20)
        assert len(centre.of("submit_sm")) == 3 * 3 + 1


async def test_each_worker_binds_the_api_does_not_and_a_refused_bind_is_down_everywhere(
    set_up: SetUp,
) -> None:
    stage = await set_up()
    with MessageCentre() as centre:
        centre.uses += 1
        account = smsc.settings(
            centre.port, security="tls", ca_file=str(centre.ca_file), binds=2, response_timeout=5
        )
        good = stage.environment.variables({"sms": {"accounts": {"smsc": account}}})
        wrong = stage.environment.variables(
            {"sms": {"accounts": {"smsc": account | {"password": "wrong"}}}}
        )
        await stage.stop_api()
        await stage.start(API, good)
        await stage.wait_until_live()

        async def shown() -> dict[str, Any]:
            """Return the account as the process without a worker shows it."""
            answer = await stage.call("GET", "/health/ready")
            found = answer.body["components"].get("providers", {}).get("sms/smsc", {})
            return {"whole": answer.body["status"], **found}

        async def is_shown(status: str) -> bool:
            return (await shown()).get("status") == status

        assert await shown() == {"whole": "UP"}
        assert not centre.of("bind"), "nobody has bound"
        workers = [await stage.start(WORKER, good) for _ in range(2)]
        await eventually(lambda: is_shown("UP"), "the workers tell that they are bound", 30)
        await eventually(lambda: _has(centre, "bind", 4), "two workers bind twice", 30)
        refused = await stage.start(WORKER, wrong)
        await eventually(lambda: is_shown("DOWN"), "the refused bind is shown", 30)
        found = await shown()
        assert found["whole"] == "DEGRADED"
        assert found["detail"].startswith("the provider rejected the credentials (1 of ")
        await refused.kill()
        for worker in workers:
            worker.terminate()
        await eventually(lambda: _has(centre, "unbind", 4), "all of them unbind", 20)


async def _has(centre: MessageCentre, what: str, number: int) -> bool:
    return len([each for each in centre.of(what) if each.get("known", True)]) == number
