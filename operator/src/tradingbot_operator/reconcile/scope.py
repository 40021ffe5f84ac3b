"""What one pass over one TradingBot knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1 import TradingBot, TradingBotStatus
    from tradingbot_operator.desired.tradingbot import Desired
    from tradingbot_operator.policy.live import Plan
    from tradingbot_operator.reconcile.children import Blocked
    from tradingbot_operator.runtime.keys import Key
    from tradingbot_operator.status.observation import Obstacle


@dataclass(slots=True)
class Scope:
    """Everything that one pass knows."""

    key: Key
    obj: dict[str, Any]
    recorded: TradingBotStatus
    bot: TradingBot | None = None
    plan: Plan | None = None
    desired: Desired | None = None
    blocked: list[Blocked] = field(default_factory=list)
    invalid: Obstacle | None = None
    wrote: bool = False

    @property
    def uid(self) -> str:
        """Identity of the object."""
        return str(self.obj["metadata"]["uid"])

    @property
    def goes_live(self) -> bool:
        """Whether something else becomes what is approved to trade live in this pass, or it stops being that."""
        new = self.plan.live if self.plan is not None else None
        old = self.recorded.live
        return (new.state, new.digest) != (old.state, old.digest) if new and old else new is not None

    @property
    def obstacle(self) -> Obstacle | None:
        """What kept the pass from doing its work; the spec first."""
        return self.invalid or (self.blocked[0].obstacle if self.blocked else None)
