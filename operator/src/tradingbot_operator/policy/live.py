"""Between simulation and live: what may run, in which mode, and what the status says about it.

What is not clearly allowed is a simulation. What trades live goes on with what was approved until something else is: a
change, an expiry or a withdrawn approval makes it only reduce, never trade another way. The bot itself obeys
`status.live.state` and the expiry in its configuration, so none of this needs a new pod.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.conditions import ConditionType, Reason
from tradingbot_operator.api.model import parse
from tradingbot_operator.api.v1alpha1.live import GateState, GateStatus, LiveState, LiveStatus, PreflightStatus
from tradingbot_operator.api.v1alpha1.safety import ApprovalStatus, BotState, Mode
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
from tradingbot_operator.policy import gates as gating
from tradingbot_operator.policy.approval import ApprovalState, tightest
from tradingbot_operator.policy.judging import Facts, Judged, judge
from tradingbot_operator.policy.preflight import FIRST_RETRY, inputs_of, next_look, remembered, taken_in
from tradingbot_operator.policy.running import Running, account_of, approved, same_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotSpec, TradingBotStatus

LEAVE: Final = timedelta(seconds=60)
"""How long the live bot has to say that its entry orders are gone; then the simulation takes its place in any case."""
LEAVE_LOOK_SECONDS: Final = 1.0
BACKUP_LOOK_SECONDS: Final = 60.0
_APPROVED: Final = ("exchange", "strategy", "risk", "promotion", "redis", "api")
_HOLDS: Final = frozenset({BotState.REDUCING.value, BotState.HALTED.value, BotState.KILLED.value})


@dataclass(frozen=True, slots=True)
class Plan:
    """What is built, and what the status says about it."""

    bot: TradingBot
    """The object that the children are built from: the spec, or what was approved."""
    mode: Mode = Mode.SIMULATION
    reason: Reason = Reason.NOT_ASKED
    """Of the condition LiveReady; `LIVE` when it holds."""
    message: str = ""
    gates: tuple[gating.Gate, ...] = ()
    approval: ApprovalStatus | None = None
    preflight: PreflightStatus | None = None
    live: LiveStatus | None = None
    wait: float | None = None
    """Seconds after which time alone changes something."""
    look_due: bool = False
    """Whether the preflight is to run."""
    silent: bool = False
    """Whether the condition LiveReady is left out: nobody has ever asked for live trading."""

    @property
    def held_back(self) -> Reason | None:
        """Why it does not trade as it was asked to."""
        if self.live is not None:
            return None if self.live.state is LiveState.TRADING else self.reason
        return None if self.bot.spec.mode is Mode.SIMULATION else Reason.AWAITING_APPROVAL

    @property
    def gate_status(self) -> tuple[GateStatus, ...]:
        """Return the gates for the status."""
        return tuple(gate.to_status() for gate in self.gates)


def decide(bot: TradingBot, recorded: TradingBotStatus, facts: Facts) -> Plan:
    """Decide what runs."""
    last_stop = facts.stop or _last_stop(recorded, facts.report)
    if bot.spec.mode is Mode.SIMULATION:
        return _simulation(bot, recorded, facts, last_stop)
    preflight = _preflight(bot, recorded, facts)
    judged = judge(bot, recorded, facts, preflight, last_stop)
    approval = ApprovalStatus(
        required_digest=judged.digest,
        state=judged.verdict.state.value,
        message=judged.message[:2048],
        last_stop=last_stop,
        newer=judged.newer,
    )
    look_due = next_look(preflight, facts.now) == 0.0 or _look_again(recorded.live, preflight, facts) == 0.0
    plan = _enter(bot, facts, judged) if recorded.live is None else _stay(bot, recorded.live, facts, judged)
    return replace(
        plan,
        gates=judged.gates,
        approval=approval,
        preflight=preflight,
        wait=_wait(bot, recorded.live, facts, preflight, judged),
        look_due=look_due,
    )


# --- on the way in -----------------------------------------------------------------------------------------------


def _enter(bot: TradingBot, facts: Facts, judged: Judged) -> Plan:
    if not judged.entering:
        closed = next(gate for gate in judged.gates if not gate.is_open)
        return Plan(bot, Mode.SIMULATION, closed.reason, gating.summary(judged.gates))
    live = _approved(bot, facts, judged)
    return Plan(_given(bot, live, facts.image), Mode.LIVE, Reason.LIVE, live=live)


def _approved(bot: TradingBot, facts: Facts, judged: Judged, before: LiveStatus | None = None) -> LiveStatus:
    """Remember what is approved by this spec."""
    approval, run = bot.spec.approval, judged.run
    since = changed_at = facts.now
    if before is not None:
        since = before.since
        changed_at = (before.changed_at or since) if judged.kept else facts.now
    if approval is None or judged.digest is None:
        raise ValueError("nothing is approved without an approval")
    manifest = bot.spec.to_manifest()
    part: dict[str, Any] = {name: manifest[name] for name in _APPROVED if name in manifest}
    part |= {
        "image": _pods_image(run, before if judged.kept else None),
        "database": {"secretRef": bot.spec.database.secret_ref.to_manifest()},
    }
    return LiveStatus(
        state=LiveState.TRADING,
        since=since,
        digest=judged.digest,
        approved_by=approval.approved_by,
        requested_by=bot.spec.requested_by or "",
        expires_at=approval.expires_at,
        approved=part,
        image=run.image,
        image_digest=run.image_digest,
        account=run.account,
        build=run.build,
        changed_at=changed_at,
    )


def _pods_image(run: Running, before: LiveStatus | None) -> str:
    """Return what the pods are given: what they have, where it is the same, so that none is started anew for it."""
    return str(before.approved.get("image") or run.pinned) if before is not None else run.pinned


def _given(bot: TradingBot, live: LiveStatus, image: str) -> TradingBot:
    """Return the bot with the image that was approved, whatever the operator's default is by now."""
    runs = str(live.approved.get("image") or image)
    return bot if runs == image else bot.model_copy(update={"spec": bot.spec.model_copy(update={"image": runs})})


# --- live --------------------------------------------------------------------------------------------------------


def _stay(bot: TradingBot, live: LiveStatus, facts: Facts, judged: Judged) -> Plan:
    approval, verdict = bot.spec.approval, judged.verdict
    if not verdict.allows_live or approval is None:
        reason = Reason.APPROVAL_EXPIRED if verdict.state is ApprovalState.EXPIRED else Reason.APPROVAL_VOID
        return _reduce(bot, live, facts, reason, verdict.message)
    if approval.digest == live.digest:
        # The limits of the spec, which are at most tighter than those that were approved. What the bot was started with
        # stays as it is: it reads a renewal from the spec, and no pod is started anew for it.
        kept: dict[str, Any] = {"state": LiveState.TRADING, "leaving_since": None}
        if live.image is None:
            kept |= {"image": judged.run.image, "image_digest": judged.run.image_digest, "account": judged.run.account}
        return Plan(_given(bot, live, facts.image), Mode.LIVE, Reason.LIVE, live=live.model_copy(update=kept))
    if approval.digest != judged.digest:
        # Approved are looser limits of a bot that has become another one since: nobody has looked at it as it is.
        return _reduce(bot, live, facts, Reason.APPROVAL_VOID, "Look at the bot and approve it again.")
    if not judged.entering:
        closed = next(gate for gate in judged.gates if not gate.is_open)
        return _reduce(bot, live, facts, closed.reason, gating.summary(judged.gates))
    changed = _approved(bot, facts, judged, live)
    return Plan(_given(bot, changed, facts.image), Mode.LIVE, Reason.LIVE, live=changed)


def _reduce(bot: TradingBot, live: LiveStatus, facts: Facts, reason: Reason, why: str) -> Plan:
    message = f"{Reason.APPROVAL_VOID.explanation} {why}" if reason is not Reason.APPROVAL_EXPIRED else why
    kept = live.model_copy(update={"state": LiveState.REDUCING, "leaving_since": None})
    return Plan(approved_bot(bot, live, facts.image), Mode.LIVE, reason, message, live=kept)


def approved_bot(bot: TradingBot, live: LiveStatus, image: str) -> TradingBot:
    """Return the object with the approved part of its spec, the limits at most tighter. Raises InvalidSpec."""
    manifest = bot.to_manifest()
    spec = manifest["spec"]
    for name in _APPROVED:
        spec.pop(name, None)
    approved = dict(live.approved)
    database = spec.get("database", {}) | approved.pop("database", {})
    runs = approved.pop("image", image)
    if runs != image:
        spec["image"] = runs
    spec |= approved | {"database": database}
    whole = parse(TradingBot, manifest)
    limits = tightest(whole.spec.risk, bot.spec.risk)
    return whole.model_copy(update={"spec": whole.spec.model_copy(update={"risk": limits})})


def distrusted(plan: Plan, wanted: str, found: str | None) -> Plan:
    """Return the plan for a live pod that says that it runs another configuration than it was given.

    `wanted` and `found` are hashes of the file. Somebody has put another ConfigMap in the place of the one that was
    decided, where the kubelet takes it from: nothing of what it says was approved.
    """
    if plan.live is None or plan.live.state is not LiveState.TRADING or not found or found == wanted:
        return plan
    return _doubted(
        plan,
        f"The live pod runs another configuration than it was given (its hash is {found[:12]}): find out who replaced "
        "its ConfigMap, delete that, then delete the pod.",
    )


def unheard(plan: Plan, recorded: TradingBotStatus) -> Plan:
    """Return the plan while the bot has said nothing yet: what only reduced goes on to, silence never loosens."""
    reduced = recorded.live is not None and recorded.live.state is LiveState.REDUCING
    if not reduced or plan.live is None or plan.live.state is not LiveState.TRADING:
        return plan
    return _doubted(plan, "The bot has not answered yet.")


def _doubted(plan: Plan, why: str) -> Plan:
    live = plan.live.model_copy(update={"state": LiveState.REDUCING}) if plan.live is not None else None
    message = f"{Reason.APPROVAL_VOID.explanation} {why}"
    return replace(plan, reason=Reason.APPROVAL_VOID, message=message, live=live)


# --- on the way out ----------------------------------------------------------------------------------------------


def _simulation(bot: TradingBot, recorded: TradingBotStatus, facts: Facts, last_stop: str | None) -> Plan:
    approval = ApprovalStatus(last_stop=last_stop) if recorded.approval is not None and last_stop else None
    asked = any(c.type == ConditionType.LIVE_READY.value for c in recorded.conditions)
    plain = Plan(bot, approval=approval, message=Reason.NOT_ASKED.explanation, silent=not asked)
    live = recorded.live
    if live is None or not (facts.running or facts.stop_is_open):
        return plain
    since = live.leaving_since or facts.now
    # What stops needs the account's keys: a simulation in its place, or a kill Job that is made from its pod, would
    # cancel and close nothing, and say that all is done.
    if not facts.stop_is_open and (facts.now - since >= LEAVE or _is_drained(facts.report)):
        return plain
    leaving = live.model_copy(update={"state": LiveState.LEAVING, "leaving_since": since})
    return Plan(
        approved_bot(bot, live, facts.image),
        Mode.LIVE,
        Reason.LEAVING_LIVE,
        Reason.LEAVING_LIVE.explanation,
        approval=approval,
        preflight=recorded.preflight,
        live=leaving,
        wait=LEAVE_LOOK_SECONDS,
    )


def _is_drained(report: Mapping[str, Any] | None) -> bool:
    """Return whether the live bot opens nothing, and the exchange has told it that no order for an entry is left."""
    if report is None or report.get("mode") != Mode.LIVE.value or str(report.get("state")) not in _HOLDS:
        return False
    stop = report.get("stop")
    if isinstance(stop, dict):
        outcome = stop.get("outcome")
        if not isinstance(outcome, dict) or outcome.get("state") in (None, "PENDING"):
            return False
    return report.get("entry_orders") == 0 and report.get("entries_gone") is True


# --- what is approved --------------------------------------------------------------------------------------------


def _last_stop(recorded: TradingBotStatus, report: Mapping[str, Any] | None) -> str | None:
    known = recorded.approval.last_stop if recorded.approval is not None else None
    if recorded.emergency_stop is not None:
        return recorded.emergency_stop.id
    last = (report or {}).get("last_stop")
    return known or (str(last["id"])[:128] if isinstance(last, dict) and last.get("id") else None)


def _preflight(bot: TradingBot, recorded: TradingBotStatus, facts: Facts) -> PreflightStatus:
    """Return what is known about account and image. The live bot's own word counts more than an earlier look."""
    inputs = inputs_of(bot.spec, facts.image)
    known = taken_in(remembered(recorded.preflight, inputs), facts.look, facts.now)
    live = recorded.live
    if live is None or not facts.running:
        return known
    run = approved(live, recorded.preflight)
    runs = inputs_of(_spec_of(live, bot), run.image)
    (exchange, image), (live_exchange, live_image) = inputs.split("-"), runs.split("-")
    account = account_of(live, facts.report) if exchange == live_exchange else None
    seen: dict[str, Any] = {}
    if account is not None and account not in (run.account, known.account):
        seen |= {"account": account, "verdict": None, "checked_at": None, "attempts": known.attempts + 1}
    moved = facts.image_digest is not None and not same_image(facts.image_digest, run.image_digest)
    if moved and image == live_image and facts.image_digest != known.image_digest:
        seen |= {"image_digest": facts.image_digest}
    return known.model_copy(update=seen)


def _spec_of(live: LiveStatus, bot: TradingBot) -> TradingBotSpec:
    exchange = type(bot.spec.exchange).model_validate(live.approved.get("exchange") or {})
    return bot.spec.model_copy(update={"exchange": exchange})


def _look_again(live: LiveStatus | None, preflight: PreflightStatus, facts: Facts) -> float | None:
    """Return in how many seconds the account is looked at again because the bot does not start with its keys."""
    if not facts.refused or live is None or preflight.account != live.account or preflight.checked_at is None:
        return None
    return max((preflight.checked_at + FIRST_RETRY * 2 - facts.now).total_seconds(), 0.0)


def _wait(
    bot: TradingBot, live: LiveStatus | None, facts: Facts, preflight: PreflightStatus, judged: Judged
) -> float | None:
    """Return when time alone changes something: the next look, an approval that ends. A look under way tells itself."""
    waits = [next_look(preflight, facts.now), _look_again(live, preflight, facts) or 0.0]
    approval = bot.spec.approval
    if judged.verdict.allows_live and approval is not None:
        waits.append((approval.expires_at - facts.now).total_seconds())
        if any(gate.name == "Backup" and gate.state is not GateState.OPEN for gate in judged.gates):
            waits.append(BACKUP_LOOK_SECONDS)
    return min((wait for wait in waits if wait > 0), default=None)
