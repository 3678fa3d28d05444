"""A real issuer for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.auth.issuers import Issuer, issuing


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as found:
        yield found
