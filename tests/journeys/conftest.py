"""Journeys share the ground of their test process, and each has a stage of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from tests.journeys.database_cleanup import Ground
from tests.journeys.providers import Habits
from tests.journeys.stage import Stage, Wiring

SetUp = Callable[..., Awaitable[Stage]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ground() -> AsyncIterator[Ground]:
    found = Ground()
    yield found
    await found.close()


@pytest_asyncio.fixture(loop_scope="session")
async def set_up(ground: Ground) -> AsyncIterator[SetUp]:
    """``await set_up(habits, wiring)``: an empty database and the providers; processes of the
    service are the journey's to start."""
    stages: list[Stage] = []

    async def build(habits: Habits = Habits(), wiring: Wiring = Wiring()) -> Stage:
        stage = Stage(ground, habits, wiring)
        stages.append(stage)
        await stage.open()
        return stage

    yield build
    for stage in stages:
        await stage.close()
