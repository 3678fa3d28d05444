"""What is sealed opens for the same municipality, month and column, whole and unchanged, and in no
other way."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.month import Month, month_of, parse_month, written
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.columns import (
    CHUNK,
    FORM,
    SEALED_CHUNK,
    Column,
    FileKey,
    LastingKey,
    MonthKey,
    month_of_value,
)

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
MONTH = Month(2026 * 12)


@given(
    st.binary(max_size=300),
    st.sampled_from(Column),
    st.text(min_size=1, max_size=8),
    st.integers(0, 9999 * 12 + 11),
)
def test_any_bytes_come_back(plain: bytes, column: Column, municipality: str, number: int) -> None:
    key = MonthKey(municipality, Month(number), KEY)
    sealed = key.seal(column, plain)
    assert key.open(column, sealed) == plain
    assert month_of_value(sealed) == number
    assert sealed != key.seal(column, plain)
    assert len(plain) < 4 or plain not in sealed


@given(
    st.binary(max_size=60),
    st.sampled_from(Column),
    st.sampled_from(Column),
    st.text(max_size=6),
    st.integers(0, 30_000),
)
def test_a_value_that_is_copied_elsewhere_does_not_open(
    plain: bytes, column: Column, other_column: Column, municipality: str, number: int
) -> None:
    """With one key for all, so that nothing but what is bound to the value tells them apart."""
    sealed = MonthKey("2281", MONTH, KEY).seal(column, plain)
    there = MonthKey(municipality, Month(number), KEY)
    if (municipality, number, other_column) == ("2281", MONTH, column):
        assert there.open(other_column, sealed) == plain
    else:
        with pytest.raises(Locked):
            there.open(other_column, sealed)


@pytest.mark.parametrize(
    ("municipality", "month", "column"),
    [
        ("2260", MONTH, Column.PARTY),
        ("2281", Month(MONTH + 1), Column.PARTY),
        ("2281", MONTH, Column.FILES),
        ("228", MONTH, Column.PARTY),
    ],
)
def test_each_of_what_is_bound_counts_alone(
    municipality: str, month: Month, column: Column
) -> None:
    with pytest.raises(Locked):
        MonthKey(municipality, month, KEY).open(
            column, MonthKey("2281", MONTH, KEY).seal(Column.PARTY, b"x")
        )


@given(st.binary(max_size=60), st.data())
def test_a_flipped_bit_and_a_missing_end_are_noticed(plain: bytes, data: st.DataObject) -> None:
    key = MonthKey("2281", MONTH, KEY)
    sealed = key.seal(Column.CONTENT, plain)
    place = data.draw(st.integers(4, len(sealed) - 1))
    flipped = bytearray(sealed)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    for broken in (bytes(flipped), sealed[:place], sealed + b"\0"):
        with pytest.raises(Locked) as fault:
            key.open(Column.CONTENT, broken)
        assert len(plain) < 4 or repr(plain) not in str(fault.value)
    with pytest.raises(Locked):
        MonthKey("2281", MONTH, OTHER).open(Column.CONTENT, sealed)


@given(st.text(max_size=50))
def test_no_text_is_taken_for_an_encrypted_value(text: str) -> None:
    with pytest.raises(Locked, match="not encrypted"):
        month_of_value(text.encode())


# -- files ----------------------------------------


def file_of(data: bytes, key: bytes = KEY) -> tuple[FileKey, list[bytes]]:
    made = LastingKey(key).file_key(sha256(data).digest(), len(data))
    return made, [made.seal(n, data[n * CHUNK : (n + 1) * CHUNK]) for n in range(made.pieces)]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_each_piece_of_a_file_opens_alone(size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    key, pieces = file_of(data)
    assert b"".join(key.open(n, piece) for n, piece in enumerate(pieces)) == data
    assert all(len(piece) == SEALED_CHUNK for piece in pieces[:-1])
    assert key.open(len(pieces) - 1, pieces[-1]) == data[(len(pieces) - 1) * CHUNK :]


def test_pieces_that_are_moved_cut_or_of_another_file_are_noticed() -> None:
    data = bytes(3 * CHUNK)  # all pieces are equal: only their places tell them apart
    key, pieces = file_of(data)
    with pytest.raises(Locked):
        key.open(0, pieces[1])
    with pytest.raises(Locked):
        key.open(2, pieces[2][:-1])
    with pytest.raises(Locked):
        key.open(0, b"")
    shorter = LastingKey(KEY).file_key(
        sha256(data).digest(), 2 * CHUNK
    )  # its last piece taken away, and the size told accordingly
    assert shorter.pieces == 2
    with pytest.raises(Locked):
        shorter.open(1, pieces[1])
    for stranger in (file_of(data + b"x")[0], file_of(data, OTHER)[0]):
        with pytest.raises(Locked):
            stranger.open(0, pieces[0])


def test_where_a_file_and_a_party_stand_cannot_be_told_without_the_key() -> None:
    digest = sha256(b"%PDF").digest()
    mine, other = LastingKey(KEY), LastingKey(OTHER)
    assert mine.file(digest) not in (digest, other.file(digest), mine.request(digest))
    assert mine.party("A1B2") == mine.party("a1b2") != other.party("a1b2")
    assert "2281" not in repr(mine) + repr(MonthKey("2281", MONTH, KEY))


# -- months ----------------------------------------


def test_a_month_is_that_of_the_wall_clock_in_sweden() -> None:
    assert written(month_of(datetime(2026, 7, 31, 21, 59, tzinfo=UTC))) == "2026-07"
    assert written(month_of(datetime(2026, 7, 31, 22, 0, tzinfo=UTC))) == "2026-08"
    assert written(month_of(datetime(2026, 12, 31, 23, 0, tzinfo=UTC))) == "2027-01"


@given(st.integers(0, 9999 * 12 + 11))
def test_a_month_is_read_as_it_is_written(number: int) -> None:
    assert parse_month(written(Month(number))) == number


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-1", "2026-01-01", "index", "٢٠٢٦-01"]
)
def test_what_is_no_month_is_none(text: str) -> None:
    assert parse_month(text) is None


def test_the_form_is_no_beginning_of_text() -> None:
    with pytest.raises(UnicodeDecodeError):
        FORM.decode()
