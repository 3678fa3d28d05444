"""Folders that nobody else could have made, or can look into."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


class NotPrivate(Exception):
    """A folder belongs to somebody else, or is open to others. The sentence says which."""


def take(folder: Path, uid: int, gid: int) -> None:
    """Give a folder of ours to a user, and close it to others (0700). Raises ``NotPrivate``.

    What is checked is what is changed: the folder is opened once, and a link in its place is not
    followed.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        raise NotPrivate(f"{folder} is a link, or no folder") from None
    try:
        found = os.fstat(handle)
        if found.st_uid not in (os.geteuid(), uid):
            raise NotPrivate(f"{folder} belongs to user {found.st_uid}")
        if os.geteuid() == 0:
            os.fchown(handle, uid, gid)
        os.fchmod(handle, 0o700)
    finally:
        os.close(handle)


def socket_folder(note: Path, uid: int, gid: int, longest: int) -> Path:
    """Return a short folder for sockets, the same at every call.

    Its path is in the file ``note``, whose own folder is private: the name cannot be guessed, so
    that nobody can make it first. It is made anew where it is gone or not private any more; calls
    at the same time are the caller's to prevent.
    """
    with suppress(OSError, NotPrivate, UnicodeDecodeError):
        known = Path(note.read_text())
        if _is_private(known, uid):
            return known
    made = Path(tempfile.mkdtemp(prefix="utskick-", dir=_base(longest)))
    take(made, uid, gid)
    partial = note.with_name(f"{note.name}.new")
    partial.write_text(str(made))
    partial.replace(note)
    return made


def _is_private(folder: Path, uid: int) -> bool:
    found = folder.lstat()
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == uid
        and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
    )


def _base(longest: int) -> Path:
    """Return where to make it: systemd's or the session's runtime folder, else that of temporary.

    As root the latter: PostgreSQL's user could not enter the others.
    """
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR") if os.geteuid() != 0 else ():
        base = Path(os.environ.get(name, "").partition(":")[0])
        with suppress(OSError):
            if (
                base.is_absolute()
                and len(str(base)) + len("/utskick-12345678") <= longest
                and os.access(base, os.W_OK | os.X_OK)
            ):
                return base
    return Path(tempfile.gettempdir())
