"""A message centre that delivers what people write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.channels.sms.smsc import DELIVER, ScriptedCentre, until

OK, UDH = 0x00, 0x40


@pytest.fixture
async def centre() -> AsyncIterator[ScriptedCentre]:
    centre = ScriptedCentre()
    await centre.start()
    yield centre
    await centre.close()


async def written(centre: ScriptedCentre, text: bytes, **members: Any) -> int:
    """Deliver a message of a person. The status of the answer."""
    before = len(centre.answered(DELIVER))
    centre.deliver(text, before + 1, **{"esm_class": 0, "source_addr_ton": 1, **members})
    await until(lambda: len(centre.answered(DELIVER)) > before)
    return centre.answered(DELIVER)[-1][1]
