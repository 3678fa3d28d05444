"""When a database is held: every kind of restore, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.ids import new_id
from utskick.store.restore.identity import Marker, Observed, Remembered
from utskick.store.restore.verdict import AfterPromotion, Evidence, reason_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HERE = Observed(7, 5, 1, standby=False, synchronous=False, known=True)
ROW = Remembered(new_id(), 7, 5, 1, synchronous=False, ticks=100, seen_at=NOW)
MARKER = Marker(7, 5, ROW.incarnation, 100, NOW)
CHECK = AfterPromotion.CHECK
PROMOTED = replace(HERE, timeline=2)
SAFE = replace(ROW, synchronous=True)


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(HERE, None, None, ()),
        Evidence(HERE, ROW, None, ()),
        Evidence(HERE, ROW, MARKER, ()),
        Evidence(HERE, replace(ROW, ticks=101), MARKER, ()),
        Evidence(HERE, ROW, replace(MARKER, system=8, incarnation=new_id(), ticks=999), ()),
        Evidence(HERE, None, replace(MARKER, database=6), ()),
        Evidence(
            HERE,
            replace(ROW, incarnation=new_id(), ticks=1),
            MARKER,
            (MARKER.incarnation,),
        ),
        Evidence(replace(HERE, system=0), ROW, None, ()),
    ],
    ids=[
        "first start",
        "a new node",
        "the same",
        "others went on",
        "the node had another database",
        "a new database at the same address",
        "another node noticed the restore",
        "a user who may not read the identifier",
    ],
)
def test_a_database_that_was_not_restored_is_not_held(evidence: Evidence) -> None:
    assert reason_of(evidence, CHECK) is None


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(replace(HERE, system=8), ROW, None, ()),
        Evidence(replace(HERE, database=6), ROW, None, ()),
        Evidence(HERE, replace(ROW, ticks=99), MARKER, ()),
        Evidence(HERE, replace(ROW, incarnation=new_id()), MARKER, ()),
        Evidence(HERE, None, MARKER, ()),
        Evidence(PROMOTED, ROW, MARKER, ()),
        Evidence(PROMOTED, SAFE, None, ()),
        Evidence(PROMOTED, replace(SAFE, ticks=99), MARKER, ()),
    ],
    ids=[
        "a dump in another cluster",
        "a dump in another database",
        "files of an hour ago",
        "an earlier restore undone",
        "before the table was made",
        "an asynchronous standby",
        "a point in time, on a new node",
        "a standby that had lost something",
    ],
)
def test_a_restored_database_is_held(evidence: Evidence) -> None:
    assert reason_of(evidence, CHECK) is not None


def test_a_promotion_goes_by_the_setting_unless_something_is_missing() -> None:
    promoted, lost = Evidence(PROMOTED, SAFE, MARKER, ()), replace(SAFE, ticks=99)
    assert reason_of(promoted, CHECK) is None
    assert reason_of(promoted, AfterPromotion.HOLD) is not None
    unknown = Evidence(PROMOTED, ROW, None, ())
    assert reason_of(unknown, CHECK) is not None
    assert reason_of(unknown, AfterPromotion.CONTINUE) is None
    assert reason_of(Evidence(PROMOTED, lost, MARKER, ()), AfterPromotion.CONTINUE) is not None


@given(seen=st.integers(0, 50), restored_to=st.integers(0, 50))
def test_whatever_a_node_saw_and_the_database_lost_holds_it(seen: int, restored_to: int) -> None:
    evidence = Evidence(HERE, replace(ROW, ticks=restored_to), replace(MARKER, ticks=seen), ())
    assert (reason_of(evidence, CHECK) is not None) is (restored_to < seen)
