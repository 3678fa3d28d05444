"""The journal: what was accepted, several files long, with whatever a crash left in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from utskick.domain.channel import Plan, Recipient
from utskick.domain.ids import new_id
from utskick.domain.message import Caller, NumberedRequest
from utskick.store.restore.journal import AcceptanceJournal

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def accepted(at: datetime) -> NumberedRequest:
    return NumberedRequest(
        batch_id=new_id(),
        caller=Caller("2281"),
        channel="sms",
        message_type="SMS",
        plan=Plan({}, (Recipient("+46701740605"),), (0,)),
        ids=[(new_id(), new_id())],
        created_at=at,
        due_at=at,
        expires_at=at,
        awaited=False,
        types={},
    )


def test_what_was_accepted_since_is_found_again(tmp_path: Path) -> None:
    journal = AcceptanceJournal(tmp_path / "node")
    requests = [accepted(NOW + timedelta(seconds=i)) for i in range(5)]
    for request in requests:
        journal.note(request)
    with (tmp_path / "node" / "accepted.csv").open("a") as file:
        file.write("2026-11-30T12:00:09+00:00,2281,s")
    found = list(AcceptanceJournal(tmp_path / "node").since(NOW + timedelta(seconds=2)))
    assert [each.batch_id for each in found] == [request.batch_id for request in requests[2:]]
    assert found[0].recipients == 1


def test_a_long_journal_begins_a_new_file_and_keeps_the_one_before(tmp_path: Path) -> None:
    journal = AcceptanceJournal(tmp_path)
    request = accepted(NOW)
    for _ in range(250_000):
        journal.note(request)
    files = sorted(tmp_path.glob("accepted*.csv"))
    assert len(files) == 2
    assert sum(1 for _ in journal.since(NOW)) == 250_000


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = AcceptanceJournal(tmp_path / "file")
    journal.note(accepted(NOW))
    journal.note(accepted(NOW))
    assert list(AcceptanceJournal(tmp_path / "nothing").since(NOW)) == []
