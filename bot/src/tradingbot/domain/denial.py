"""Why something was not done: a closed list of codes, from which documentation, metrics and the API are made."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class DenialCode(StrEnum):
    """Every reason for which the gate can say no. The value is what a person reads first."""

    STATE_BLOCKS_ENTRIES = "STATE_BLOCKS_ENTRIES"
    STATE_BLOCKS_EXITS = "STATE_BLOCKS_EXITS"
    DATA_INVALID = "DATA_INVALID"
    DATA_STALE = "DATA_STALE"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    SHORT_NOT_POSSIBLE = "SHORT_NOT_POSSIBLE"
    STOP_ON_WRONG_SIDE = "STOP_ON_WRONG_SIDE"
    RISK_REWARD_TOO_LOW = "RISK_REWARD_TOO_LOW"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    RISK_PER_TRADE = "RISK_PER_TRADE"
    DRAWDOWN_LIMIT = "DRAWDOWN_LIMIT"
    DAILY_LOSS_LIMIT = "DAILY_LOSS_LIMIT"
    MAX_OPEN_POSITIONS = "MAX_OPEN_POSITIONS"
    POSITION_EXISTS = "POSITION_EXISTS"
    NO_POSITION = "NO_POSITION"
    PRICE_COLLAR = "PRICE_COLLAR"
    ORDER_VALUE = "ORDER_VALUE"
    ORDER_TOO_SMALL = "ORDER_TOO_SMALL"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    ORDER_RATE = "ORDER_RATE"
    DUPLICATE_INTENT = "DUPLICATE_INTENT"
    CONFIRMATION_REQUIRED = "CONFIRMATION_REQUIRED"
    CONFIRMATION_EXPIRED = "CONFIRMATION_EXPIRED"
    CONFIRMATION_REFUSED = "CONFIRMATION_REFUSED"


MEANING: dict[DenialCode, str] = {
    DenialCode.STATE_BLOCKS_ENTRIES: "the trading state allows no new positions",
    DenialCode.STATE_BLOCKS_EXITS: "the trading state allows the strategy no orders at all",
    DenialCode.DATA_INVALID: "a price or size is missing, not a number, zero or negative",
    DenialCode.DATA_STALE: "the last price is too old, or candles are missing right before it",
    DenialCode.UNKNOWN_SYMBOL: "the symbol is not among the configured ones",
    DenialCode.SHORT_NOT_POSSIBLE: "a spot market has no short positions, or a feature flag forbids them",
    DenialCode.STOP_ON_WRONG_SIDE: "stop-loss and take-profit do not lie on the two sides of the price",
    DenialCode.RISK_REWARD_TOO_LOW: "reward after costs is less than the required multiple of the risk after costs",
    DenialCode.LOW_CONFIDENCE: "the signal is weaker than is required, or the strategy does not say how strong it is",
    DenialCode.RISK_PER_TRADE: "at its stop-loss the order would lose more than one trade may",
    DenialCode.DRAWDOWN_LIMIT: "equity fell from its peak by the permitted maximum",
    DenialCode.DAILY_LOSS_LIMIT: "the loss of the UTC day reached its limit",
    DenialCode.MAX_OPEN_POSITIONS: "as many positions and entry orders are open as are permitted",
    DenialCode.POSITION_EXISTS: "the symbol already has a position or an entry order",
    DenialCode.NO_POSITION: "there is no position to close, or its close is already under way",
    DenialCode.PRICE_COLLAR: "the price is too far from the last traded one",
    DenialCode.ORDER_VALUE: "the order is worth more than one position may be",
    DenialCode.ORDER_TOO_SMALL: "the size that the limits allow is below the exchange's minimum",
    DenialCode.INSUFFICIENT_FUNDS: "the worst case of the order costs more than is available",
    DenialCode.ORDER_RATE: "the permitted number of orders per minute is used up",
    DenialCode.DUPLICATE_INTENT: "the same order was already decided on for this candle",
    DenialCode.CONFIRMATION_REQUIRED: "the order may not be sent unseen: a person has to confirm it",
    DenialCode.CONFIRMATION_EXPIRED: "nobody confirmed the order in time",
    DenialCode.CONFIRMATION_REFUSED: "a person refused the order",
}


class Denied(NamedTuple):
    """A refusal with the figures that led to it, each as plain text."""

    code: DenialCode
    facts: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """Write it as `CODE: key=value …`."""
        facts = " ".join(f"{key}={value}" for key, value in self.facts)
        return f"{self.code}: {facts}" if facts else str(self.code)
