"""Errors that mean a broken promise inside the bot, or a configuration that cannot work."""

from __future__ import annotations


class TradingError(Exception):
    """Root of everything that this package raises on purpose."""


class BrokenInvariantError(TradingError):
    """Something that must hold does not. The process stops; a restart recovers from what was committed."""


class ConfigurationError(TradingError):
    """The configuration cannot work. `reason` is one of the contract's words, the message says what to write."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
