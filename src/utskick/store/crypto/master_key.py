"""Sources of the settings' key: the settings, a file, a command, or the data folder.

The data folder is that of an embedded database; its key is made once.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from utskick.domain.errors import SettingsFault
from utskick.settings import VaultSection
from utskick.store.crypto.cipher import KEY, Cipher

FILE: Final = "vault.key"
_ADVICE: Final = "`utskick vault new-key` prints a new one"
#: Seconds that a command may take to print the key.
_PATIENCE: Final = 30.0


def new_key() -> str:
    """Return a new master key as the settings hold it: 32 random bytes in base64."""
    return b64encode(secrets.token_bytes(KEY)).decode("ascii")


def cipher_of(section: VaultSection, folder: Path | None, *, patience: float = _PATIENCE) -> Cipher:
    """Read the keys of the settings. Raises ``SettingsFault``.

    ``folder``: the data folder where the database is the embedded one, None where it is not.
    ``patience``: seconds that a command may take.
    """
    old = [_read(key.get_secret_value(), "vault.old_keys") for key in section.old_keys]
    if section.key is not None:
        first = _read(section.key.get_secret_value(), "vault.key")
    elif section.key_file is not None:
        first = _of_file(section.key_file)
    elif section.key_command:
        first = _of_command(section.key_command, patience)
    elif folder is not None:
        first = _of_folder(folder / FILE)
    else:
        raise SettingsFault(
            "personal data is encrypted in the database, and there is no key: set vault.key, "
            f"vault.key_file or vault.key_command; {_ADVICE}. "
            "Every process needs the same one, and without it the data cannot be read: keep a copy "
            "apart from the database's backup"
        )
    return Cipher([first, *old])


def _read(text: str, where: str) -> bytes:
    try:
        key = b64decode(text.strip(), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if len(key) != KEY:
        raise SettingsFault(f"{where}: must be {KEY} bytes in base64; {_ADVICE}")
    return key


def _of_file(path: Path) -> bytes:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsFault(
            f"the key file {path} cannot be read: "
            f"{getattr(fault, 'strerror', None) or 'it is not text'}"
        ) from None
    return _read(text, str(path))


def _of_command(command: Sequence[str], patience: float) -> bytes:
    """Run the command. Its error output may hold anything, and is not repeated."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        raise SettingsFault(
            f"vault.key_command: {command[0]} printed no key within {patience:g} s"
        ) from None
    except (OSError, ValueError) as fault:
        raise SettingsFault(
            f"vault.key_command: {command[0]} cannot be run: "
            f"{getattr(fault, 'strerror', None) or fault}"
        ) from None
    if done.returncode != 0:
        raise SettingsFault(
            f"vault.key_command: {command[0]} ended with exit status {done.returncode}; run it by "
            "hand to see why"
        )
    return _read(done.stdout.decode("ascii", "replace"), "what vault.key_command prints")


def _of_folder(path: Path) -> bytes:
    """Read the key of the data folder, made where there is none.

    Several processes may start at once: the file appears complete, and the first one counts.
    """
    with suppress(FileNotFoundError):
        path.lstat()
        return _of_file(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            with suppress(FileExistsError):
                os.link(partial, path)
        finally:
            partial.unlink()
        _sync(path.parent)
    except OSError as fault:
        raise SettingsFault(
            f"no key could be made at {path}: {fault.strerror}; set vault.key, vault.key_file or "
            "vault.key_command"
        ) from fault
    return _of_file(path)


def _sync(folder: Path) -> None:
    """Write a folder to disk, and with it the names of its files (fsync(2))."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
