"""Tests against real servers: collected only by ``make test-real``."""

import pytest

pytest.register_assert_rewrite("tests.real.handing_over")
