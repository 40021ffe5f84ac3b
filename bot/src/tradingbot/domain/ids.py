"""Identifiers are functions of what they name: the same history gives the same identifiers, on any machine."""

from __future__ import annotations

import hashlib

RUN_DIGITS = 8
"""A time in milliseconds has so many digits in base 36, from 1972 to 2059."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number: int) -> str:
    """Write a non-negative integer with the digits 0-9a-z."""
    if number < 0:
        raise ValueError(f"base36 needs a number of at least 0, got {number}")
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


def bot_mark(bot: str) -> str:
    """Return 8 characters that stand for the bot (`namespace/name`) in order ids."""
    return hashlib.sha256(bot.encode()).hexdigest()[:8]


def client_id(bot: str, epoch: int, seq: int) -> str:
    """Return the client order id of the bot's `seq`-th intent in a fencing epoch; at most 32 characters."""
    return f"tb{bot_mark(bot)}-{base36(epoch)}-{base36(seq)}"


def is_of(bot: str, client_id: str) -> bool:
    """Tell whether a client order id is one of this bot's, in any epoch and from any of its processes."""
    return client_id.startswith(f"tb{bot_mark(bot)}-")


def kill_id(bot: str, run: int, seq: int) -> str:
    """Return the client order id of an order of `tradingbot kill`; `run` is the time of its start in milliseconds.

    The database, which gives epochs, may be gone, so the time takes their place. Read as an epoch it would be one
    beyond 10^13, so it is never the id of an intent.
    """
    return f"tb{bot_mark(bot)}-k{base36(run)}-{base36(seq)}"


def is_kill(bot: str, client_id: str) -> bool:
    """Tell whether an order was sent by `tradingbot kill` in this bot's place."""
    run = client_id.split("-")[1] if is_of(bot, client_id) else ""
    return run.startswith("k") and len(run) > RUN_DIGITS


def trade_id(order: str, number: int) -> str:
    """Return the id of the `number`-th fill of an order at the simulated exchange."""
    return f"{order}.{number}"
