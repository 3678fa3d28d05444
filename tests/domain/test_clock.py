"""Times of requests: RFC 3339, or Swedish local time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.clock import SWEDEN, NotAMoment, read_moment


@given(st.datetimes(datetime(1950, 1, 1), datetime(9998, 1, 1)), st.integers(-1439, 1439))
def test_a_time_of_rfc_3339_is_that_time(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for text in (moment.isoformat(), moment.isoformat().replace("T", " ")):
        assert read_moment(text) == moment
    assert read_moment(naive.isoformat() + "Z") == naive.replace(tzinfo=UTC)
    assert read_moment(naive.isoformat() + "z") == naive.replace(tzinfo=UTC)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)))
def test_a_local_time_is_swedish_unless_there_is_none(naive: datetime) -> None:
    found = read_moment(naive.isoformat())
    local = naive.replace(tzinfo=SWEDEN)
    exists = local.astimezone(UTC).astimezone(SWEDEN).replace(tzinfo=None) == naive
    assert found == (local.astimezone(UTC) if exists else NotAMoment.GAP)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2035-10-09T08:00", datetime(2035, 10, 9, 6, tzinfo=UTC)),
        # Twice: before and after clocks are put back.
        ("2027-10-31T02:30", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
        ("2027-10-31T02:30:00+01:00", datetime(2027, 10, 31, 1, 30, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T00:59:60.5+01:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2035-10-09T08:00:00.1234567Z", datetime(2035, 10, 9, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2035-10-09T08:00:00-00:00", datetime(2035, 10, 9, 8, tzinfo=UTC)),
    ],
)
def test_the_odd_ones_are_decided(text: str, moment: datetime) -> None:
    assert read_moment(text) == moment


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("2035-10-09", NotAMoment.DAY),
        ("2035-10-09T24:00:00", NotAMoment.LAST_HOUR),
        ("2035-10-09T24:00:00Z", NotAMoment.LAST_HOUR),
        ("2016-12-31T22:59:60Z", NotAMoment.LEAP),
        ("2016-12-30T23:59:60Z", NotAMoment.LEAP),
        ("2027-03-28T02:30", NotAMoment.GAP),
        ("2027-03-28T02:00:00", NotAMoment.GAP),
        ("2035-02-30T08:00:00Z", NotAMoment.CALENDAR),
        ("2035-10-09T08:60:00Z", NotAMoment.CALENDAR),
        ("9999-12-31T23:59:59-23:59", NotAMoment.CALENDAR),
        ("0001-01-01T00:00", NotAMoment.CALENDAR),
        *(
            (value, NotAMoment.FORM)
            for value in (
                2068613400,
                2068613400.5,
                True,
                [],
                "2068613400",
                "",
                "tomorrow",
                "2035-10-09T08:00+02:00",
                "2035-10-09T08:00:00+0200",
                "2035-10-09T08:00:00+24:00",
                "2035-10-09T08:00:00 Europe/Stockholm",
                "20351009T080000Z",
                "2035-W41-2T08:00:00Z",
                "٢035-10-09T08:00:00Z",
                " 2035-10-09T08:00:00Z",
                "2035-10-09T08:00:00Z\n",
            )
        ),
    ],
)
def test_what_is_no_time_is_refused_by_its_kind(value: Any, why: NotAMoment) -> None:
    assert read_moment(value) is why
