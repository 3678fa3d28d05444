"""What is locked opens with the same key, for the same use, and for nothing else."""

from __future__ import annotations

import os
import stat
import threading
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from utskick.domain.errors import SettingsFault
from utskick.settings import VaultSection
from utskick.store.keyring import new_key, safe_of
from utskick.store.safe import Locked, Safe

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


@given(st.binary(max_size=200))
def test_what_is_locked_is_unlocked(plain: bytes) -> None:
    safe = Safe([OLD])
    sealed = safe.lock("2281", "legal-id", plain)
    assert safe.unlock("2281", "legal-id", sealed) == plain
    assert len(plain) < 4 or plain not in sealed
    assert safe.lock("2281", "legal-id", plain) != sealed


@pytest.mark.parametrize(("municipality", "purpose"), [("2260", "legal-id"), ("2281", "address"), ("228", "1legal-id")])
def test_nothing_opens_for_another_municipality_or_purpose(municipality: str, purpose: str) -> None:
    safe = Safe([OLD])
    with pytest.raises(Locked):
        safe.unlock(municipality, purpose, safe.lock("2281", "legal-id", b"x"))
    assert safe.find(municipality, purpose, "x") != safe.find("2281", "legal-id", "x")


@given(st.integers(0, 28), st.integers(1, 255))
def test_one_changed_byte_is_seen(place: int, change: int) -> None:
    safe = Safe([OLD])
    sealed = bytearray(safe.lock("2281", "legal-id", b"199001012385"))
    sealed[place] ^= change
    with pytest.raises(Locked, match=r"vault\.old_keys") as fault:
        safe.unlock("2281", "legal-id", bytes(sealed))
    assert "1990" not in str(fault.value)


@pytest.mark.parametrize("length", [0, 1, 13, 28, 29])
def test_what_is_too_short_is_locked(length: int) -> None:
    with pytest.raises(Locked):
        Safe([OLD]).unlock("2281", "legal-id", Safe([OLD]).lock("2281", "legal-id", b"x")[:length])


def test_a_new_key_locks_and_the_old_one_still_unlocks_and_finds() -> None:
    before, after = Safe([OLD]), Safe([NEW, OLD])
    sealed = before.lock("2281", "legal-id", b"x")
    assert after.unlock("2281", "legal-id", sealed) == b"x"
    assert before.find("2281", "legal-id", "x") in after.finds("2281", "legal-id", "x")
    assert after.find("2281", "legal-id", "x") == after.finds("2281", "legal-id", "x")[0] != before.find("2281", "legal-id", "x")
    with pytest.raises(Locked):
        before.unlock("2281", "legal-id", after.lock("2281", "legal-id", b"x"))


def test_keys_with_the_same_id_are_told_apart() -> None:
    first = Safe([OLD])
    wanted = first.lock("2281", "p", b"x")[0]
    twin = next(key for n in range(10_000) if Safe([key := n.to_bytes(32, "big")]).lock("2281", "p", b"y")[0] == wanted)
    both = Safe([twin, OLD])
    assert both.unlock("2281", "p", first.lock("2281", "p", b"x")) == b"x"
    assert both.unlock("2281", "p", Safe([twin]).lock("2281", "p", b"y")) == b"y"


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, OLD[:31]]])
def test_a_safe_needs_whole_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Safe(keys)


def test_an_embedded_database_gets_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    made = safe_of(VaultSection(), tmp_path)
    file = tmp_path / "vault.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(b64decode(file.read_text())) == 32
    assert safe_of(VaultSection(), tmp_path).unlock("2281", "p", made.lock("2281", "p", b"x")) == b"x"
    assert os.listdir(tmp_path) == ["vault.key"]


def test_processes_that_start_together_use_one_key(tmp_path: Path) -> None:
    gate, found = threading.Barrier(8), list[bytes]()

    def start() -> None:
        gate.wait()
        found.append(safe_of(VaultSection(), tmp_path).find("2281", "p", "x"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_another_database_needs_a_key_and_says_how_to_make_one() -> None:
    with pytest.raises(SettingsFault, match="utskick vault new-key"):
        safe_of(VaultSection(), None)


def test_a_key_comes_from_the_settings_or_a_file(tmp_path: Path) -> None:
    text, file = new_key(), tmp_path / "key"
    file.write_text(text + "\n")
    locked = safe_of(VaultSection(key=SecretStr(text)), None).lock("2281", "p", b"x")
    assert safe_of(VaultSection(key_file=file), None).unlock("2281", "p", locked) == b"x"
    rotated = safe_of(VaultSection(key=SecretStr(new_key()), old_keys=(SecretStr(text),)), None)
    assert rotated.unlock("2281", "p", locked) == b"x"


@pytest.mark.parametrize("text", ["", "hemligt", "a" * 43, "åäö"])
def test_a_wrong_key_is_refused_without_being_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    for section in (VaultSection(key=SecretStr(text)), VaultSection(key_file=tmp_path / "key")):
        with pytest.raises(SettingsFault, match="32 bytes in base64") as fault:
            safe_of(section, None)
        assert not text or text not in fault.value.detail
    with pytest.raises(SettingsFault, match="cannot be read"):
        safe_of(VaultSection(key_file=tmp_path / "none"), None)
