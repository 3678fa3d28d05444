"""What is locked opens with the same key, for the same use, and for nothing else."""

from __future__ import annotations

import os
import stat
import sys
import threading
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from utskick.domain.errors import SettingsFault
from utskick.settings import VaultSection
from utskick.store.crypto.cipher import Cipher, Locked
from utskick.store.crypto.master_key import cipher_of, new_key

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


@given(st.binary(max_size=200))
def test_what_is_locked_is_unlocked(plain: bytes) -> None:
    cipher = Cipher([OLD])
    sealed = cipher.encrypt("2281", "legal-id", plain)
    assert cipher.decrypt("2281", "legal-id", sealed) == plain
    assert len(plain) < 4 or plain not in sealed
    assert cipher.encrypt("2281", "legal-id", plain) != sealed


@pytest.mark.parametrize(
    ("municipality", "purpose"), [("2260", "legal-id"), ("2281", "address"), ("228", "1legal-id")]
)
def test_nothing_opens_for_another_municipality_or_purpose(municipality: str, purpose: str) -> None:
    cipher = Cipher([OLD])
    with pytest.raises(Locked):
        cipher.decrypt(municipality, purpose, cipher.encrypt("2281", "legal-id", b"x"))
    assert cipher.find(municipality, purpose, "x") != cipher.find("2281", "legal-id", "x")


@given(st.integers(0, 28), st.integers(1, 255))
def test_one_changed_byte_is_seen(place: int, change: int) -> None:
    cipher = Cipher([OLD])
    sealed = bytearray(cipher.encrypt("2281", "legal-id", b"199001012385"))
    sealed[place] ^= change
    with pytest.raises(Locked, match=r"vault\.old_keys") as fault:
        cipher.decrypt("2281", "legal-id", bytes(sealed))
    assert "1990" not in str(fault.value)


@pytest.mark.parametrize("length", [0, 1, 13, 28, 29])
def test_what_is_too_short_is_locked(length: int) -> None:
    with pytest.raises(Locked):
        Cipher([OLD]).decrypt(
            "2281", "legal-id", Cipher([OLD]).encrypt("2281", "legal-id", b"x")[:length]
        )


def test_a_new_key_locks_and_the_old_one_still_unlocks_and_finds() -> None:
    before, after = Cipher([OLD]), Cipher([NEW, OLD])
    sealed = before.encrypt("2281", "legal-id", b"x")
    assert after.decrypt("2281", "legal-id", sealed) == b"x"
    assert before.find("2281", "legal-id", "x") in after.finds("2281", "legal-id", "x")
    assert (
        after.find("2281", "legal-id", "x")
        == after.finds("2281", "legal-id", "x")[0]
        != before.find("2281", "legal-id", "x")
    )
    with pytest.raises(Locked):
        before.decrypt("2281", "legal-id", after.encrypt("2281", "legal-id", b"x"))


def test_keys_with_the_same_id_are_told_apart() -> None:
    first = Cipher([OLD])
    wanted = first.encrypt("2281", "p", b"x")[0]
    twin = next(
        key
        for n in range(10_000)
        if Cipher([key := n.to_bytes(32, "big")]).encrypt("2281", "p", b"y")[0] == wanted
    )
    both = Cipher([twin, OLD])
    assert both.decrypt("2281", "p", first.encrypt("2281", "p", b"x")) == b"x"
    assert both.decrypt("2281", "p", Cipher([twin]).encrypt("2281", "p", b"y")) == b"y"


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, OLD[:31]]])
def test_a_safe_needs_whole_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Cipher(keys)


def test_an_embedded_database_gets_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    made = cipher_of(VaultSection(), tmp_path)
    file = tmp_path / "vault.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(b64decode(file.read_text())) == 32
    assert (
        cipher_of(VaultSection(), tmp_path).decrypt("2281", "p", made.encrypt("2281", "p", b"x"))
        == b"x"
    )
    assert os.listdir(tmp_path) == ["vault.key"]


def test_processes_that_start_together_use_one_key(tmp_path: Path) -> None:
    gate, found = threading.Barrier(8), list[bytes]()

    def start() -> None:
        gate.wait()
        found.append(cipher_of(VaultSection(), tmp_path).find("2281", "p", "x"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_another_database_needs_a_key_and_says_how_to_make_one() -> None:
    with pytest.raises(SettingsFault, match="utskick vault new-key"):
        cipher_of(VaultSection(), None)


def test_a_key_comes_from_the_settings_or_a_file(tmp_path: Path) -> None:
    text, file = new_key(), tmp_path / "key"
    file.write_text(text + "\n")
    locked = cipher_of(VaultSection(key=SecretStr(text)), None).encrypt("2281", "p", b"x")
    assert cipher_of(VaultSection(key_file=file), None).decrypt("2281", "p", locked) == b"x"
    rotated = cipher_of(VaultSection(key=SecretStr(new_key()), old_keys=(SecretStr(text),)), None)
    assert rotated.decrypt("2281", "p", locked) == b"x"


@pytest.mark.parametrize("text", ["", "hemligt", "a" * 43, "åäö"])
def test_a_wrong_key_is_refused_without_being_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    for section in (VaultSection(key=SecretStr(text)), VaultSection(key_file=tmp_path / "key")):
        with pytest.raises(SettingsFault, match="32 bytes in base64") as fault:
            cipher_of(section, None)
        assert not text or text not in fault.value.detail
    with pytest.raises(SettingsFault, match="cannot be read"):
        cipher_of(VaultSection(key_file=tmp_path / "none"), None)


# -- a key from a command ----------------------------------------


def command(tmp_path: Path, script: str) -> VaultSection:
    """A command as somebody would write it, which needs no shell."""
    (tmp_path / "key.py").write_text(script)
    return VaultSection(key_command=(sys.executable, str(tmp_path / "key.py"), "secret/utskick"))


def test_a_key_comes_from_a_command(tmp_path: Path) -> None:
    text = new_key()
    section = command(
        tmp_path,
        f"import sys\nassert sys.argv[1] == 'secret/utskick' and not sys.stdin.read()\nprint('{text}')\n",
    )
    locked = cipher_of(VaultSection(key=SecretStr(text)), None).encrypt("2281", "p", b"x")
    assert cipher_of(section, None).decrypt("2281", "p", locked) == b"x"


def test_a_command_that_tells_no_key_is_one_sentence_that_repeats_nothing_of_it(
    tmp_path: Path,
) -> None:
    for script, said in (
        ("print('hemligt')", "what vault.key_command prints: must be 32 bytes in base64"),
        ("import sys\nprint('hemligt', file=sys.stderr)\nsys.exit(3)", "ended with exit status 3"),
        ("import sys\nsys.stdout.buffer.write(bytes(range(256)))", "must be 32 bytes in base64"),
    ):
        with pytest.raises(SettingsFault, match=said) as fault:
            cipher_of(command(tmp_path, script), None)
        assert "hemligt" not in fault.value.detail
        assert "\n" not in fault.value.detail
    with pytest.raises(SettingsFault, match="cannot be run: No such file"):
        cipher_of(VaultSection(key_command=(str(tmp_path / "none"),)), None)


def test_a_command_that_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    section = command(tmp_path, "import time\ntime.sleep(60)\n")
    with pytest.raises(SettingsFault, match=r"printed no key within 0\.2 s"):
        cipher_of(section, None, patience=0.2)


def test_a_key_has_one_source(tmp_path: Path) -> None:
    for more in ({"key_file": tmp_path}, {"key_command": ["a"]}):
        with pytest.raises(ValueError, match="set one of key, key_file and key_command"):
            VaultSection.model_validate({"key": new_key(), **more})


def test_each_key_has_a_name_of_its_own_that_is_not_the_key() -> None:
    both = Cipher([NEW, OLD])
    assert list(both.apart) == [*Cipher([NEW]).apart, *Cipher([OLD]).apart]
    assert not any(name in key.hex() for name in both.apart for key in (OLD, NEW))
    assert (
        both.apart[next(iter(Cipher([OLD]).apart))].decrypt(
            "2281", "p", Cipher([OLD]).encrypt("2281", "p", b"x")
        )
        == b"x"
    )
