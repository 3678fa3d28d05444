"""Fixtures of the journeys: an environment per test process, and a stage per journey."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from tests.journeys.environment import JourneyEnvironment
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, Stage

SetUp = Callable[..., Awaitable[Stage]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def environment() -> AsyncIterator[JourneyEnvironment]:
    found = JourneyEnvironment()
    yield found
    await found.close()


@pytest_asyncio.fixture(loop_scope="session")
async def set_up(environment: JourneyEnvironment) -> AsyncIterator[SetUp]:
    """Return a function that prepares an empty database and the providers.

    The journey starts the processes of the service.
    """
    stages: list[Stage] = []

    async def build(
        behaviour: ProviderBehaviour = ProviderBehaviour(),
        account_settings: AccountSettings = AccountSettings(),
    ) -> Stage:
        stage = Stage(environment, behaviour, account_settings)
        stages.append(stage)
        await stage.open()
        return stage

    yield build
    for stage in stages:
        await stage.close()
