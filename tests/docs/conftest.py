"""The tutorial needs a running service: the one that the command-line tests start."""

from __future__ import annotations

from tests.cli.conftest import service  # noqa: F401 - the fixture
