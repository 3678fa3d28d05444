"""docs/reference/sandbox.md against the simulators: every magic recipient, page and provider that there is
stands in it, as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from utskick.sandbox import kivra, open_e, slack
from utskick.sandbox.digital_mail import citizens as digital_mail_people
from utskick.sandbox.faults import FaultRule
from utskick.sandbox.push import fcm as push_fcm
from utskick.sandbox.push import web as push_web
from utskick.sandbox.viewer import SHELVES
from utskick.sandbox.views.misbehaviour import magic

GUIDE = (Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md").read_text("utf-8")


def rows(title: str) -> dict[str, tuple[str, str]]:
    """The table below a heading: first cell without its ticks → (second cell, third cell)."""
    section = GUIDE.split(f"### {title}\n")[1].split("\n##")[0]
    return {
        found[1]: (found[2], found[3])
        for found in re.finditer(r"^\| `…?([^`]+)` \| ([^|]+) \| (\w+) \|", section, re.M)
    }


MAGIC: dict[str, tuple[str, Mapping[str, FaultRule]]] = {
    "digital mail": (
        "Personal numbers: digital mail, by the last two digits",
        digital_mail_people.MAGIC,
    ),
    "kivra": ("Personal numbers: invoices, by the two digits before the check digit", kivra.MAGIC),
    "open-e": ("Cases in Open-E", open_e.MAGIC),
    "slack": ("Channels of Slack", slack.MAGIC),
    "devices": ("Devices", push_fcm.MAGIC | push_web.MAGIC),
}
OTHERS = {
    "digital mail": {
        *digital_mail_people.MAILBOXES,
        digital_mail_people.MINOR,
        digital_mail_people.CRASH,
    },
    "kivra": {kivra.ABSENT},
    "open-e": set(open_e.REFUSING),
    "slack": set(slack.MISSING),
    "devices": {"offline"},
}


@pytest.mark.parametrize("kind", MAGIC)
def test_the_guide_lists_every_magic_recipient_as_it_is(kind: str) -> None:
    title, rules = MAGIC[kind]
    listed = rows(title)
    assert listed.keys() == rules.keys() | OTHERS[kind]
    for name, rule in rules.items():
        told, times = listed[name]
        assert told.startswith(f"`{rule.fault.value}`"), name
        assert times == ("always" if rule.times is None else str(rule.times)), name


def test_the_guide_names_every_list_of_the_viewer() -> None:
    named = set(re.findall(r"^\| `(/[a-z]*)` \|", GUIDE, re.M))
    assert named == {"/", "/print", "/misbehaviour", *(shelf.kind.path for shelf in SHELVES)}


def test_the_viewer_lists_the_magic_of_every_channel() -> None:
    listed = list(magic())
    assert {row["channel"] for row in listed} >= {
        "sms",
        "email",
        *(shelf.kind.channel for shelf in SHELVES),
    } - {"snail_mail"}
    assert len(listed) == len({(row["channel"], row["recipient"]) for row in listed})
