"""Journey: the embedded server is shared, left, killed, recovered and rejected."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import open_folder
from tests.journeys.conftest import SetUp
from tests.journeys.environment import free_port
from tests.journeys.process import SERVE, WORKER, Process
from tests.journeys.stage import Stage, eventually, numbers, sms_to
from utskick.store.embedded import Embedded

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-embedded"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield the path of a new data folder, and stop its server after the test."""
    outer = open_folder("utskick-embedded.")
    yield outer / "var"
    if (outer / "var" / "postgres").exists():
        last = Embedded(outer / "var")
        last.start()
        last.stop()
    shutil.rmtree(outer)


async def settle_here(stage: Stage, arguments: tuple[str, ...], folder: Path, port: int) -> Process:
    """Start a process of the service without a database URL in its settings."""
    environment = stage.environment.variables(
        stage.accounts(), DATA__FOLDER=str(folder), HTTP__PORT=str(port)
    )
    del environment["UTSKICK_DATABASE__URL"]
    return await stage.start(arguments, environment)


async def serve_here(stage: Stage, folder: Path) -> Process:
    """Start the service instead of the API process."""
    await stage.stop_api()
    service = await settle_here(stage, SERVE, folder, stage.environment.port)
    await stage.wait_until_live()
    return service


async def expect_all_delivered(stage: Stage) -> None:
    for delivery_id in stage.accepted:
        await stage.wait_for_lifecycle(delivery_id, "delivered", 60)
    verdict = await stage.compare()
    assert verdict.lost == verdict.unreported_duplicates == verdict.reported_duplicates == []


def server_of(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def runs(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_two_processes_share_a_data_folder_and_the_last_one_stops_the_server(
    set_up: SetUp, folder: Path
) -> None:
    stage = await set_up()
    first = await settle_here(stage, SERVE, folder, free_port())
    second = await serve_here(stage, folder)
    await stage.post("sms", sms_to(numbers(1)[0]))
    server = server_of(folder)
    first.terminate()
    assert await first.exit_status() == 0, first.log_text
    assert runs(server)
    answer = await stage.post("sms", sms_to(numbers(2)[1]))
    assert answer.body["deliveries"][0]["status"] == "SENT"
    await expect_all_delivered(stage)
    second.terminate()
    assert await second.exit_status() == 0, second.log_text
    assert not runs(server)


async def test_a_worker_joins_the_server_of_its_data_folder(set_up: SetUp, folder: Path) -> None:
    stage = await set_up()
    service = await serve_here(stage, folder)
    worker = await settle_here(stage, WORKER, folder, stage.environment.port)
    await stage.batch("sms", numbers(20))
    await expect_all_delivered(stage)
    await service.kill()
    await serve_here(stage, folder)
    assert worker.alive
    await expect_all_delivered(stage)


@pytest.mark.parametrize("server_too", [False, True], ids=["service", "service-and-server"])
async def test_all_data_survives_kill_9_of_the_last_process(
    set_up: SetUp, folder: Path, server_too: bool
) -> None:
    stage = await set_up()
    last = await serve_here(stage, folder)
    await stage.batch("sms", numbers(20))
    await expect_all_delivered(stage)
    server = server_of(folder)
    await last.kill()
    if server_too:
        os.kill(server, signal.SIGKILL)
        await asyncio.sleep(0.1)
    assert runs(server) is not server_too
    await serve_here(stage, folder)
    assert len(await stage.deliveries()) == 20
    await stage.post("sms", sms_to(numbers(21)[20]))
    await expect_all_delivered(stage)


async def post_until_accepted(stage: Stage, number: str) -> set[int]:
    """Post until accepted; return the statuses of the responses before."""
    found: set[int] = set()
    async with asyncio.timeout(60):
        while (
            answer := await stage.post(
                "sms?async=true", sms_to(number), Idempotency_Key=f"key-of-{number}"
            )
        ).status != 201:
            found.add(answer.status)
            assert int(answer.headers["Retry-After"]) > 0
            await asyncio.sleep(0.02)
    return found


async def test_a_server_that_is_killed_is_started_again_under_the_running_service(
    set_up: SetUp, folder: Path
) -> None:
    """Twice, and with two processes that watch it: one starts it, the other joins."""
    stage = await set_up()
    service = await serve_here(stage, folder)
    worker = await settle_here(stage, WORKER, folder, stage.environment.port)

    async def started() -> bool:
        return "worker-started" in worker.log_text

    await eventually(started, "the worker has started", 20)
    await stage.batch("sms", numbers(20))
    await stage.providers.wait_for_messages(5)
    refusals: set[int] = set()
    for series in (1, 2):
        server = server_of(folder)
        os.kill(server, signal.SIGKILL)
        for number in numbers(5, series):
            refusals |= await post_until_accepted(stage, number)
        assert server_of(folder) != server
        assert runs(server_of(folder))
    await expect_all_delivered(stage)
    assert len(stage.accepted) == 30
    assert refusals <= {503, 409}
    assert service.alive
    assert worker.alive
    restarts = service.log_text.count("embedded-database-restarted")
    assert restarts >= 2
    ready = await stage.call("GET", "/health/ready")
    assert ready.status == 200, ready


async def refused(stage: Stage, folder: Path) -> str:
    """Return the message with which the service exits."""
    service = await settle_here(stage, SERVE, folder, free_port())
    assert await service.exit_status(30) == 1, service.log_text
    assert "Traceback" not in service.log_text
    message = " ".join(service.log_text.split())
    assert message.startswith("utskick: ")
    return message


async def test_a_data_folder_of_another_user_is_rejected_with_a_message(
    set_up: SetUp, folder: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder that belongs to somebody else")
    stage = await set_up()
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    message = await refused(stage, folder)
    assert f"the data folder {folder} belongs to" in message
    assert "data.folder" in message
    assert folder.stat().st_uid == 65534, "and is left as it was"


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Yield a disk of 16 MB, less than an empty database needs, or of the parameter's size."""
    disk, size = open_folder("utskick-small."), getattr(request, "param", "16m")
    mounted = (
        os.geteuid() == 0
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=False
        ).returncode
        == 0
    )
    if not mounted:
        disk.rmdir()
        pytest.skip("only root can mount a small disk, and not everywhere")
    disk.chmod(0o755)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)
    disk.rmdir()


async def test_a_full_disk_is_reported_with_a_message(set_up: SetUp, small_disk: Path) -> None:
    stage = await set_up()
    message = await refused(stage, small_disk / "var")
    assert "is full" in message
    assert len(message) < 400
    assert not (small_disk / "var" / "postgres").exists(), "no half-made database is left"


@pytest.mark.parametrize("small_disk", ["300m"], indirect=True)
async def test_a_disk_that_fills_up_while_the_service_runs_is_down_and_then_up_again(
    set_up: SetUp, small_disk: Path
) -> None:
    stage, folder = await set_up(), small_disk / "var"
    service = await serve_here(stage, folder)
    await stage.post("sms", sms_to(numbers(1)[0]))
    try:
        with (small_disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(65_536))

        async def ready(status: int) -> bool:
            answer = await stage.call("GET", "/health/ready")
            return answer.status == status

        async def is_down() -> bool:
            return await ready(503)

        async def is_up() -> bool:
            return await ready(200)

        await eventually(is_down, "a full disk is DOWN", 20)
        for number in numbers(5, 1):
            answer = await stage.post("sms?async=true", sms_to(number))
            assert answer.status in (201, 503), answer
            assert answer.status == 201 or int(answer.headers["Retry-After"]) > 0
        (small_disk / "ballast").unlink()
        await eventually(is_up, "there is room again", 90)
        assert await post_until_accepted(stage, numbers(1, 2)[0]) <= {503}
        await expect_all_delivered(stage)
        assert service.alive
    finally:
        service.terminate()
        await service.exit_status(30)
