"""What the status says about live trading: the gates as lines, and one condition over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.v1alpha1.live import GateStatus, LiveState, LiveStatus, PreflightStatus
from tradingbot_operator.status.conditions import Verdict, no, yes

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.safety import ApprovalStatus
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotStatus


@dataclass(frozen=True, slots=True)
class LivePart:
    """The part of a pass that is about live trading."""

    approval: ApprovalStatus | None = None
    gates: tuple[GateStatus, ...] = ()
    preflight: PreflightStatus | None = None
    live: LiveStatus | None = None
    reason: Reason = Reason.NOT_ASKED
    message: str = ""
    silent: bool = True
    """Whether nobody has ever asked for live trading: then there is no condition."""

    def condition(self) -> Verdict | None:
        """Return LiveReady: true while it trades live with every gate open."""
        if self.silent:
            return None
        return yes(self.reason) if self.reason is Reason.LIVE else no(self.reason, self.message)


@dataclass(frozen=True, slots=True)
class Step:
    """A step on the way to live trading or back that a person wants to hear of."""

    warning: bool
    reason: Reason
    note: str


def steps(before: TradingBotStatus, after: TradingBotStatus) -> list[Step]:
    """Compare two statuses: who approved what, when it ended, and from which mode to which."""
    old, new = before.live, after.live
    if new is None:
        return [] if old is None else [Step(warning=False, reason=Reason.NOT_ASKED, note=f"{_names(old)}: simulates.")]
    if old is None:
        return [Step(warning=False, reason=Reason.LIVE, note=f"{_names(new)}: goes from simulation to live.")]
    if (old.state, old.digest, old.expires_at) == (new.state, new.digest, new.expires_at):
        return []
    if new.state is LiveState.TRADING:
        return [Step(warning=False, reason=Reason.LIVE, note=f"{_names(new)}: trades live.")]
    if old.state is new.state:
        return []
    if new.state is LiveState.LEAVING:
        return [Step(warning=False, reason=Reason.LEAVING_LIVE, note=f"{_names(new)}: leaves live trading.")]
    ended = after.approval is not None and after.approval.state == "Expired"
    reason = Reason.APPROVAL_EXPIRED if ended else Reason.APPROVAL_VOID
    return [Step(warning=True, reason=reason, note=f"{_names(new)}: only closes positions. {reason.explanation}")]


def _names(live: LiveStatus) -> str:
    until = live.expires_at.isoformat().replace("+00:00", "Z")
    return (
        f"Live trading asked for by {live.requested_by or 'nobody'}, approved by {live.approved_by} until {until}, "
        f"digest {live.digest}"
    )
