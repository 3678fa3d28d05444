"""The canonical form of an entry of the audit log, over which its hash is computed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson

from utskick.domain.audit import canonical

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
ENTRY = {"number": 7, "action": "read-history", "at": AT, "digest": b"\x01\xff", "reason": None}


def test_every_member_counts() -> None:
    form = orjson.loads(canonical(ENTRY))
    assert form.keys() == ENTRY.keys()
    assert (form["digest"], form["reason"]) == ("01ff", None)
    for name, other in (("number", 8), ("action", "send"), ("at", AT + timedelta(microseconds=1))):
        assert canonical({**ENTRY, name: other}) != canonical(ENTRY), name


def test_an_entry_without_who_has_the_form_from_before_there_was_one() -> None:
    assert canonical({**ENTRY, "who": None}) == canonical(ENTRY)
    assert canonical({**ENTRY, "who": b"sealed"}) != canonical(ENTRY)
    assert canonical({**ENTRY, "who": b"sealed"}) != canonical({**ENTRY, "who": b"another"})


def test_the_order_of_members_and_the_zone_of_times_do_not_count() -> None:
    there = AT.astimezone(timezone(timedelta(hours=1)))
    assert canonical(dict(reversed({**ENTRY, "at": there}.items()))) == canonical(ENTRY)
