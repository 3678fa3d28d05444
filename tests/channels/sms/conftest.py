"""A scripted message centre, and the SMS channel bound to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.channels.sms.smsc import Desk, ScriptedCentre, channel_to, until
from utskick.channels.sms.channel import SmsChannel


@pytest.fixture
async def centre() -> AsyncIterator[ScriptedCentre]:
    centre = ScriptedCentre()
    await centre.start()
    yield centre
    await centre.close()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def channel(centre: ScriptedCentre, desk: Desk) -> AsyncIterator[SmsChannel]:
    channel = channel_to(centre.port)
    channel.report_to(desk.keep)
    await channel.start()
    await until(lambda: centre.binds == 1)
    yield channel
    await channel.close()
