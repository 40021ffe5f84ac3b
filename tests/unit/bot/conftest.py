"""What a test of the bot leaves behind ends with it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from tradingbot.domain import secrecy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def logs_end_with_their_test() -> Iterator[None]:
    """Let go of the stream that a test gave to the logs: it is closed when the next one begins."""
    handlers = logging.getLogger().handlers[:]
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


@pytest.fixture(autouse=True)
def secrets_end_with_their_test() -> Iterator[None]:
    """Let a word that was a password in one test be a word in the next."""
    yield
    secrecy.forget()
