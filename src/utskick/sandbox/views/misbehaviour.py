"""How the sandbox's providers misbehave right now, and which recipients make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from utskick.sandbox import kivra, open_e, slack
from utskick.sandbox.api import magic_table
from utskick.sandbox.digital_mail import citizens as digital_mail_people
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.push import fcm as push_fcm
from utskick.sandbox.push import web as push_web
from utskick.sandbox.views.layout import PageLayout

FAULTS: Final[dict[ProviderFault, str]] = {
    ProviderFault.REFUSE: "säger nej, för gott",
    ProviderFault.THROTTLE: "ber oss sakta ner",
    ProviderFault.TEMPORARY: "har ett tillfälligt fel",
    ProviderFault.TIMEOUT: "tar emot men svarar aldrig",
    ProviderFault.DROP: "tar emot men bryter förbindelsen",
    ProviderFault.GARBAGE: "tar emot men svarar obegripligt",
    ProviderFault.LOGIN: "godtar inte inloggningen",
    ProviderFault.REPORT_LATE: "kvitterar sent",
    ProviderFault.REPORT_TWICE: "kvitterar två gånger",
    ProviderFault.REPORT_EARLY: "kvitterar före svaret",
    ProviderFault.REPORT_NEVER: "kvitterar aldrig",
    ProviderFault.REPORT_FAILED: "kvitterar att det inte kom fram",
}


async def misbehaviour(layout: PageLayout, faults: Faults, request: web.Request) -> web.Response:
    rules = [
        {"number": r.number, "provider": r.provider or "alla", "recipient": r.recipient or "alla"}
        | told(r.fault, r.times)
        for r in faults.rules
    ]
    return layout.page(
        request,
        "misbehaviour",
        title="Störningar",
        rules=rules,
        some=bool(rules),
        magic=list(magic()),
    )


def magic() -> Iterator[dict[str, Any]]:
    """Every recipient that carries a fault in its own name, as people write it."""
    for row in magic_table():
        yield {"channel": row["channel"], "recipient": row["recipient"]} | told(
            row["fault"], row["times"]
        )
    yield from _rows("digital_mail", "personnummer som slutar på {}", digital_mail_people.MAGIC)
    yield from _rows("digital_invoice", "personnummer med {} före kontrollsiffran", kivra.MAGIC)
    yield from _rows(
        "web_message",
        "ärende {}",
        {
            **dict.fromkeys(open_e.REFUSING, FaultRule(ProviderFault.REFUSE, times=None)),
            **open_e.MAGIC,
        },
    )
    yield from _rows(
        "slack",
        "{}",
        {
            **dict.fromkeys(slack.MISSING, FaultRule(ProviderFault.REFUSE, times=None)),
            **slack.MAGIC,
        },
    )
    yield from _rows("push", "enhet {} eller {}-…", push_web.MAGIC | push_fcm.MAGIC)


def _rows(channel: str, written: str, rules: Mapping[str, FaultRule]) -> Iterator[dict[str, Any]]:
    for name, rule in rules.items():
        yield {"channel": channel, "recipient": written.replace("{}", name)} | told(
            rule.fault, rule.times
        )


def told(fault: ProviderFault, times: int | None) -> dict[str, str]:
    often = "alltid" if times is None else "en gång" if times == 1 else f"{times} gånger"
    return {"fault": fault.value, "told": FAULTS[fault], "times": often}
