"""Page of the simulated faults: the script, and the magic recipients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from utskick.sandbox import kivra, open_e, slack
from utskick.sandbox.api import magic_table
from utskick.sandbox.digital_mail import citizens
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.push import fcm
from utskick.sandbox.push import web as web_push
from utskick.sandbox.views.layout import PageLayout

FAULTS: Final[dict[ProviderFault, str]] = {
    ProviderFault.REFUSE: "säger nej, för gott",
    ProviderFault.THROTTLE: "ber oss sakta ner",
    ProviderFault.TEMPORARY: "har ett tillfälligt fel",
    ProviderFault.FULL: "har fullt hos mottagaren",
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
        | fault_members(r.fault, r.times)
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
    """Yield every magic recipient with its fault."""
    for row in magic_table():
        yield {"channel": row["channel"], "recipient": row["recipient"]} | fault_members(
            row["fault"], row["times"]
        )
    yield from _rows("digital_mail", "personnummer som slutar på {}", citizens.MAGIC)
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
    yield from _rows("push", "enhet {} eller {}-…", web_push.MAGIC | fcm.MAGIC)


def _rows(channel: str, label: str, rules: Mapping[str, FaultRule]) -> Iterator[dict[str, Any]]:
    for name, rule in rules.items():
        yield {"channel": channel, "recipient": label.replace("{}", name)} | fault_members(
            rule.fault, rule.times
        )


def fault_members(fault: ProviderFault, times: int | None) -> dict[str, str]:
    often = "alltid" if times is None else "en gång" if times == 1 else f"{times} gånger"
    return {"fault": fault.value, "description": FAULTS[fault], "times": often}
