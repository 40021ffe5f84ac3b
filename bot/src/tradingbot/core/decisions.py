"""A decision as it is recorded: what was proposed, and what the gate said to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.effects import Decision
from tradingbot.domain.money import mul, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from tradingbot.domain.orders import Intent, Side

MANUAL = "manual"
"""The strategy's name in orders and decisions of people."""


def entry_facts(intent: Intent, price: Decimal, confidence: Decimal | None) -> tuple[tuple[str, str], ...]:
    """Say of an approved entry what it amounts to; `price` in quote currency."""
    facts = (
        ("quantity", f"{intent.quantity:f}"),
        ("value", f"{mul(intent.quantity, price):f}"),
        ("stop_loss", f"{intent.stop_loss:f}"),
        ("take_profit", f"{intent.take_profit:f}"),
    )
    return facts if confidence is None else (*facts, ("confidence", plain(confidence)))


def with_confidence(denied: Denied, confidence: Decimal | None) -> Denied:
    """Let a denial say how confident the strategy was, where the gate did not."""
    if confidence is None or denied.code in (DenialCode.LOW_CONFIDENCE, DenialCode.DATA_INVALID):
        return denied
    return Denied(denied.code, (*denied.facts, ("confidence", plain(confidence))))


def decision(
    symbol: str,
    ts: int,
    strategy: str,
    action: str,
    side: Side,
    reason: str,
    denied: Denied | None,
    client_id: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> Decision:
    """Make a decision without its number; a denial brings its own facts."""
    return Decision(
        seq=0,
        ts=ts,
        symbol=symbol,
        strategy=strategy,
        action=action,
        side=side,
        approved=denied is None,
        code=str(denied.code) if denied is not None else "",
        facts=denied.facts if denied is not None else tuple(facts),
        reason=reason,
        client_id=client_id,
    )
