"""What holds for all tests: Hypothesis without a stop watch, since a slow example is not a wrong one on a shared
machine, and long tests first, so that not all workers wait for one of them in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Sort after everybody else has: whatever shuffled the tests."""
    yield
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
