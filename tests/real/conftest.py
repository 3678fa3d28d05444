"""Fixtures of the tests against real servers: one of each for the whole run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import environment, set_up
from tests.real import server
from tests.real.postfix import Postfix
from tests.real.server import LoginUser
from utskick.domain.ids import new_id

__all__ = ["environment", "set_up"]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let servers tell on the terminal that they have been started and stopped."""
    capture = session.config.pluginmanager.get_plugin("capturemanager")

    def announce(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n  [{line}]\n")

    if capture is not None:
        server.announce = announce


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.exit("make test-real starts servers that change their user: run it as root", 1)


@pytest.fixture(scope="session")
def running_postfix() -> Iterator[Postfix]:
    with Postfix() as running:
        yield running


@pytest.fixture
def postfix(running_postfix: Postfix) -> Postfix:
    running_postfix.uses += 1
    return running_postfix


@pytest.fixture(scope="session")
def user() -> Iterator[LoginUser]:
    with LoginUser() as made:
        yield made


@pytest.fixture
def inbox(user: LoginUser) -> Iterator[Path]:
    """A folder of the user's, where a printing house finds letters."""
    folder = user.home / f"inbox-{new_id().hex}"
    folder.mkdir()
    shutil.chown(folder, user.name, user.name)
    yield folder
    shutil.rmtree(folder)
