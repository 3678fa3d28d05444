"""Tests of ``utskick directory import``."""

from __future__ import annotations

import asyncio
import stat
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from tests.cli.conftest import Command
from tests.directory.stage import MID, SAFE, organization, person
from utskick.directory.database import DatabaseDirectory, LocalDirectory, tables_of
from utskick.domain.directory_ports import Hidden, PostalAddress
from utskick.domain.outcome import Deferred
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database

ANNA, BO = person(1).number, person(2).number
FIRM = organization(1).number
ANNA_WRITTEN = f"{ANNA[:8]}-{ANNA[8:]}"
FILE = f"""Personnummer;Förnamn;Efternamn;c/o;Adress;Lgh;Postnr;Ort;Skyddad;Mobil;E-post
{ANNA_WRITTEN};Åsa;Öberg;Bo Ek;Storgatan 1;1102;85230;Sundsvall;nej;070-174 06 05;asa@example.se
{BO[2:8]}-{BO[8:]};Bo;Ek;;Hemliga vägen 3;;85230;Sundsvall;Ja;;bo@example.se
"""


@pytest.fixture
def database_cli(server: str, utskick: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command runner with an empty database and a key in the environment."""

    async def empty() -> None:
        connection = await asyncpg.connect(server)
        await connection.execute("TRUNCATE parties, contact_settings CASCADE")
        await connection.close()

    asyncio.run(empty())
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(bytes(32)).decode())
    return utskick


def query_directory(server: str, query: Callable[[DatabaseDirectory], Awaitable[object]]) -> object:
    async def run() -> object:
        database = Database(server, size=2, vault=Vault(SAFE))
        await database.open()
        try:
            return await query(tables_of(database, database.vault.directory_cipher))
        finally:
            await database.close()

    return asyncio.run(run())


async def known(tables: DatabaseDirectory) -> dict[str, UUID]:
    async with tables.parties._database.transaction() as connection:
        return await tables.parties.by_number(
            connection, MID, [person(n) for n in range(1, 30)] + [organization(1)]
        )


async def reached(tables: DatabaseDirectory, number: str) -> list[tuple[str, str]]:
    found = await LocalDirectory(tables).contacts(MID, str((await known(tables))[number]), {})
    assert not isinstance(found, Deferred)
    return [(contact.method or "", contact.destination) for contact in found]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ","])
def test_a_file_becomes_people(
    database_cli: Command, server: str, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(FILE.replace(";", delimiter).encode(encoding))
    done = database_cli("directory", "import", file)
    assert done.code == 0, done.err
    assert "│ 2 " in done.out

    async def look(tables: DatabaseDirectory) -> None:
        ids, directory = await known(tables), LocalDirectory(tables)
        assert set(ids) == {ANNA, BO}
        assert ids[ANNA].version == 7
        assert await directory.address(MID, str(ids[ANNA])) == PostalAddress(
            "Åsa", "Öberg", None, "Bo Ek", "Storgatan 1", "1102", "852 30", "Sundsvall"
        )
        assert await directory.address(MID, str(ids[BO])) is Hidden.PROTECTED
        party = await tables.parties.get(MID, ids[BO])
        assert party is not None
        assert party.address == PostalAddress(
            "Bo", "Ek"
        )  # the address of a protected person is not stored
        assert await reached(tables, ANNA) == [("SMS", "+46701740605"), ("EMAIL", "asa@example.se")]

    query_directory(server, look)


def test_the_same_file_twice_changes_nothing_and_a_changed_one_keeps_the_ids(
    database_cli: Command, server: str, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(FILE)
    database_cli("directory", "import", file)
    before = query_directory(server, known)
    again = database_cli("directory", "import", file)
    assert again.code == 0
    assert query_directory(server, known) == before
    file.write_text(
        FILE.replace("070-174 06 05", "070-174 06 06").replace("Storgatan 1", "Kajen 9")
    )
    database_cli("directory", "import", file)
    assert query_directory(server, known) == before
    assert query_directory(server, lambda tables: reached(tables, ANNA)) == [
        ("SMS", "+46701740606"),
        ("EMAIL", "asa@example.se"),
    ]


def test_english_names_and_organisations_and_ids_of_ones_own(
    database_cli: Command, server: str, tmp_path: Path
) -> None:
    mine = "81471222-5798-11e9-ae24-57fa13b361e1"
    file = tmp_path / "firms.csv"
    file.write_text(
        f"legalId,partyId,Organization,street,postal_code,City\n{FIRM},{mine.upper()},Bygg "
        "AB,Kajen 1,852 30,Sundsvall\n"
    )
    assert database_cli("directory", "import", file).code == 0
    assert query_directory(server, known) == {FIRM: UUID(mine)}
    file.write_text(f"orgnr,partyId\n{FIRM},81471222-5798-11e9-ae24-57fa13b361e2\n")
    assert "the number belongs to another party id" in database_cli("directory", "import", file).out


def test_invalid_rows_are_reported_by_line_and_never_by_number(
    database_cli: Command, server: str, tmp_path: Path
) -> None:
    wrong = ANNA[:-1] + str((int(ANNA[-1]) + 1) % 10)
    rows = [
        f"{wrong};;;;x",
        "19900231-1234;;;;x",
        "tolv;;;;x",
        ";;;;x",
        f"{BO};;;;x",
        f"{BO[:8]}-{BO[8:]};;;;x",
        f"{person(3).number};;x;;x",
        f"{person(4).number};kanske;;;x",
        f"{person(5).number};;;12345678901;x",
    ]
    file, rejected = tmp_path / "people.csv", tmp_path / "wrong.csv"
    file.write_text("\n".join(["pnr;skyddad;postnr;mobil;namn", *rows]))
    done = database_cli("directory", "import", file, "--rejected", rejected)
    assert done.code == 0
    values = rejected.read_text(encoding="utf-8-sig").splitlines()
    assert values == [
        "line;reason",
        "2;the number has a wrong check digit",
        "3;the number holds no real date of birth",
        "4;the number is not written as a personal or organisation number",
        "5;the number is missing",
        "7;the same number is on line 6",
        "8;postal code: is not five digits",
        "9;protected: must be ja or nej",
        "10;mobile: is not a phone number: it begins neither with a country code nor with 0",
    ]
    assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    for text in (done.out, done.err, rejected.read_text()):
        assert not any(part in text for part in (wrong, wrong[8:], "1234", "tolv", "kanske", BO))
    assert set(query_directory(server, known)) == {BO}  # type: ignore[call-overload]


def test_a_dry_run_needs_no_database_and_changes_nothing(utskick: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(FILE)
    done = utskick("directory", "import", file, "--dry-run")
    assert done.code == 0
    assert "Dry run" in done.out
    assert "person: Personnummer" in done.out


def test_an_unusable_file_is_reported_in_one_sentence(
    database_cli: Command, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("namn;ort\nAnna;Ånge\n")
    assert "personnummer" in database_cli("directory", "import", file).err
    file.write_text("")
    assert "empty" in database_cli("directory", "import", file).err
    assert "9999" in database_cli("directory", "import", file, "--municipality", "9999").err
    assert "cannot be read" in database_cli("directory", "import", tmp_path / "none").err


def test_a_key_is_made_for_the_settings(utskick: Command) -> None:
    done = utskick("vault", "new-key")
    assert len(b64decode(done.out.strip(), validate=True)) == 32
    assert done.out != utskick("vault", "new-key").out
