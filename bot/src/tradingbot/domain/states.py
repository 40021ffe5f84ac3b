"""The five trading states, as bot and operator share them. Most restrictive wins, so they are ordered."""

from tradingbot_contract.states import State

__all__ = ["State"]
