"""A decision as it is recorded: what was proposed, and what the gate said to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.effects import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradingbot.domain.denial import Denied
    from tradingbot.domain.orders import Side


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
