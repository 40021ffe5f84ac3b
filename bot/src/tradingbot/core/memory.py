"""What strategies remember, written into the engine's state and read back from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.core.snapshot import EngineState
    from tradingbot.strategy.base import Strategy


def write(state: EngineState, strategies: Mapping[str, Strategy[Any, Any]], key: str) -> None:
    """Write down what each strategy remembers; `key` changes when the strategy or its parameters do."""
    state.strategy_key = key
    for symbol, strategy in strategies.items():
        state.strategies[symbol] = msgspec.Raw(msgspec.json.encode(strategy.state))


def read(state: EngineState, strategies: Mapping[str, Strategy[Any, Any]], key: str) -> set[str]:
    """Let strategies go on where they were; return the symbols of those that do."""
    if state.strategy_key != key:
        state.strategies = {}
    restored = set()
    for symbol, strategy in strategies.items():
        saved = state.strategies.get(symbol)
        if saved is None:
            continue
        try:
            strategy.state = msgspec.json.decode(saved, type=type(strategy.state))
        except msgspec.MsgspecError:
            # Another version of the strategy remembers other things: it is warmed up like a new one.
            continue
        restored.add(symbol)
    return restored
