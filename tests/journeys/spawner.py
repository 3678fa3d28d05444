"""A process that has imported the service and forks: what it bears are processes like any other,
without two seconds of imports each.

Run as a file it is that process: it reads a line of JSON for each child (arguments, environment,
log), and writes a line for each that was born and for each that has ended. Children go on when it
is gone.
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


class Nursery:
    """The test process's side of it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._born: asyncio.Queue[int] = asyncio.Queue()
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def bear(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path
    ) -> tuple[int, asyncio.Future[int]]:
        """``python`` + arguments as a process: its id, and its exit status when it has ended
        (negative: the signal that ended it)."""
        async with self._turn:
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
            pid = await self._born.get()
            return pid, self._ends[pid]

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            said = json.loads(line)
            if "born" in said:
                self._ends[said["born"]] = asyncio.get_running_loop().create_future()
                self._born.put_nowait(said["born"])
            else:
                self._ends[said["ended"]].set_result(said["status"])

    async def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._process.wait()
        if self._reading is not None:
            await self._reading


def _run(arguments: list[str], environment: dict[str, str], log: str) -> None:
    """The child: as if it had been started."""
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
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, the log has it, and the process ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _tell(said: dict[str, Any]) -> None:
    os.write(1, json.dumps(said).encode() + b"\n")


def main() -> None:
    """Until nobody writes any more."""
    import utskick.bootstrap
    import utskick.cli.service  # noqa: F401 - that it is there for the children

    wakes, told = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(told)
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
            _tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})
        if 0 in ready:
            data = os.read(0, 1 << 20)
            open_ = bool(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                pid = _fork(line)
                signal.signal(signal.SIGCHLD, lambda *_: None)
                signal.set_wakeup_fd(told)
                _tell({"born": pid})


if __name__ == "__main__":
    main()
