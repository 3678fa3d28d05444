"""Fork server that has imported the service, to avoid two seconds of imports per process.

Run as a script, it reads a line of JSON per child (arguments, environment, log), and writes a line
for each child that has started or ended. Children survive its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import select
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Spawner:
    """Client of the fork server."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def spawn(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path
    ) -> tuple[int, asyncio.Future[int]]:
        """Start ``python`` with the arguments; return process id and future exit status.

        A negative exit status is the signal that ended the process.
        """
        async with self._lock:
            if self._process is None:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    __file__,
                    cwd=log.parent,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                )
                self._reading = asyncio.create_task(self._read(self._process))
            assert self._process.stdin is not None
            self._process.stdin.write(
                json.dumps([arguments, dict(environment), str(log)]).encode() + b"\n"
            )
            pid = await self._started.get()
            return pid, self._ends[pid]

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            message = json.loads(line)
            if "started" in message:
                self._ends[message["started"]] = asyncio.get_running_loop().create_future()
                self._started.put_nowait(message["started"])
            else:
                self._ends[message["ended"]].set_result(message["status"])

    async def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._process.wait()
        if self._reading is not None:
            await self._reading


def _run(arguments: list[str], environment: dict[str, str], log: str) -> None:
    """Run the arguments in the child, as if it had been started directly."""
    nothing, file = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
    )
    for number, target in ((0, nothing), (1, file), (2, file)):
        os.dup2(target, number)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(environment)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def _fork(line: bytes) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _run(*json.loads(line))
        status = 0
    except SystemExit as exited:
        status = exited.code if isinstance(exited.code, int) else int(exited.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, the log has it, and the process ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _report(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def main() -> None:
    """Serve until standard input is closed."""
    import utskick.bootstrap
    import utskick.cli.service  # noqa: F401 - that it is there for the children

    wakes, notify = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(notify)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    rest, open_ = b"", True
    while open_:
        ready, _, _ = select.select([0, wakes], [], [])
        if wakes in ready:
            os.read(wakes, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            _report({"ended": pid, "status": os.waitstatus_to_exitcode(status)})
        if 0 in ready:
            data = os.read(0, 1 << 20)
            open_ = bool(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                pid = _fork(line)
                signal.signal(signal.SIGCHLD, lambda *_: None)
                signal.set_wakeup_fd(notify)
                _report({"started": pid})


if __name__ == "__main__":
    main()
