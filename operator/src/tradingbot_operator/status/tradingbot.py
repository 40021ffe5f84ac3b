"""The status of a TradingBot, derived from what was observed. Same input, same output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tradingbot_contract.stops import CLOSED
from tradingbot_operator.api.conditions import ConditionType, Reason
from tradingbot_operator.api.said import count
from tradingbot_operator.api.v1alpha1.safety import BotRole, BotState, EmergencyStopStatus, LastStop, Mode, TradingState
from tradingbot_operator.status.conditions import Verdict, no, record, unknown, yes
from tradingbot_operator.status.live import LivePart
from tradingbot_operator.status.pods import Problem, is_ready, problem_of

if TYPE_CHECKING:
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotStatus
    from tradingbot_operator.status.observation import Observed, Obstacle

_HELD: Final = {
    BotState.HALTED: Reason.HALTED,
    BotState.REDUCING: Reason.REDUCING,
    BotState.PAUSED: Reason.PAUSED,
}
STILL_TRADES: Final = "The previous version keeps trading."
NOTHING_TRADES: Final = "Nothing trades until this is corrected."


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that the status belongs to, valid or not."""

    name: str
    namespace: str
    generation: int
    recorded: TradingBotStatus
    trading: TradingState = TradingState.ACTIVE
    stop: EmergencyStopStatus | None = None
    resume_refused: str = ""
    """Why spec.resume ends nothing, where somebody seems to believe that it does."""
    last_stop: LastStop | None = None
    """The stop that was resumed last, as the bot says."""
    mode: Mode | None = None
    held_back: Reason | None = None
    held_back_message: str = ""
    live: LivePart = field(default_factory=LivePart)
    config_map: str = ""
    image: str = ""
    contested: str = ""
    """What somebody else changes back whenever it is repaired."""
    beside: str = ""
    """What somebody has put beside a live bot into its pod's template."""
    deleting: str = ""
    """What a deletion waits for."""
    deletion_stuck: bool = False


def derive(subject: Subject, observed: Observed, obstacle: Obstacle | None, now: datetime) -> TradingBotStatus:
    """Return the status to write. Fields that nobody can tell at the moment keep what was recorded."""
    body = observed.report.body or {}
    left = _left_by_the_kill(subject.stop) or body
    state = _state(subject, observed)
    problem = _problem(subject, observed)
    running = _running(subject, observed)
    verdicts = {
        ConditionType.READY: _ready(subject, observed, obstacle, problem, state),
        ConditionType.PROGRESSING: _progressing(subject, observed, obstacle),
        ConditionType.DEGRADED: _degraded(subject, observed, obstacle, problem),
        ConditionType.SUSPENDED: _suspended(subject, observed, state),
    }
    old, live = subject.recorded, subject.live
    if (ready_for_live := live.condition()) is not None:
        verdicts[ConditionType.LIVE_READY] = ready_for_live
    if subject.deleting:
        verdicts[ConditionType.PROGRESSING] = yes(Reason.DELETING, subject.deleting)
        if subject.deletion_stuck:
            verdicts[ConditionType.DEGRADED] = yes(Reason.DELETION_BLOCKED, subject.deleting)
    if subject.mode is None:
        # The spec cannot be read: what was decided stands.
        live = LivePart(old.approval, old.gates or (), old.preflight, old.live)
    return old.model_copy(
        update={
            "observed_generation": subject.generation,
            "conditions": record(old.conditions, verdicts, generation=subject.generation, now=now),
            "mode": subject.mode or old.mode,
            "state": state,
            "role": _role(body) or (old.role if observed.polled and running else None),
            "positions": _count(left.get("positions"), old.positions),
            "open_orders": _count(left.get("open_orders"), old.open_orders),
            "image": (running or {}).get("spec", {}).get("image") or old.image,
            "config_hash": _text(body.get("config_hash"), old.config_hash),
            "version": _text(body.get("version"), old.version),
            "emergency_stop": subject.stop,
            "approval": live.approval,
            "gates": live.gates or None,
            "preflight": live.preflight,
            "live": live.live,
            "last_stop": subject.last_stop or old.last_stop,
            "url": f"http://tradingbot-{subject.name}.{subject.namespace}.svc:8080",
        }
    )


def _running(subject: Subject, observed: Observed) -> dict[str, Any] | None:
    """Return the ready pod of the present version, else any ready pod."""
    ready = [pod for pod in observed.pods if is_ready(pod)]
    return next((pod for pod in ready if _is_current(subject, pod)), ready[0] if ready else None)


def _is_current(subject: Subject, pod: dict[str, Any]) -> bool:
    return bool(pod["spec"]["configMap"] == subject.config_map and pod["spec"]["image"] == subject.image)


def _problem(subject: Subject, observed: Observed) -> Problem | None:
    """Return the present version's problem; an old pod's only when the present version has no pod."""
    current = [pod for pod in observed.pods if _is_current(subject, pod)]
    for pod in current or observed.pods:
        found = problem_of(pod, subject.namespace)
        if found is not None:
            return found
    for condition in _deployment_conditions(observed):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            message = " ".join(str(condition.get("message") or "").split())
            detail = message.partition(" is forbidden: ")[2] or message
            return Problem(Reason.POD_REFUSED, f"The pod may not be created: {detail}"[:600])
    return None


def _deployment_conditions(observed: Observed) -> list[dict[str, Any]]:
    status = (observed.deployment or {}).get("status") or {}
    return list(status.get("conditions") or [])


def _state(subject: Subject, observed: Observed) -> BotState | None:
    """Return the most restrictive of what is known. Silence never loosens what was recorded."""
    reported = _enum(BotState, (observed.report.body or {}).get("state"))
    recorded = subject.recorded.state
    found = [reported] if reported is not None else [recorded]
    if observed.report.failures and recorded is not None:
        found.append(recorded)
    if subject.stop is not None:
        found.append(BotState.KILLED)
    return max((state for state in found if state is not None), key=lambda state: state.rank, default=None)


def _ready(
    subject: Subject, observed: Observed, obstacle: Obstacle | None, problem: Problem | None, state: BotState | None
) -> Verdict:
    if obstacle is not None:
        return no(obstacle.reason, obstacle.message)
    if subject.stop is not None:
        return no(Reason.EMERGENCY_STOPPED, _stop_message(subject.stop))
    if observed.deployment is None:
        return no(Reason.RECONCILING, "The bot's Deployment has not been created yet.")
    if not _available(observed):
        return _not_ready(observed, problem)
    if not observed.polled:
        return yes(Reason.AS_EXPECTED, "The bot's pod is ready.")
    if observed.report.unreachable:
        return unknown(
            Reason.BOT_UNREACHABLE,
            "The bot's pod is ready, but its status cannot be read; what it may do is unchanged.",
        )
    body = observed.report.body
    if body is None:
        return no(Reason.STARTING)
    if state is BotState.HALTED or state is BotState.KILLED:
        return no(*_halted(body, state))
    if state in _HELD:
        return yes(_HELD[state])
    if _role(body) is BotRole.STANDBY:
        return yes(Reason.STANDBY)
    return yes(Reason.TRADING)


def _available(observed: Observed) -> bool:
    """Return whether a pod is ready, and the Deployment knows it: the two come by different watches."""
    status = (observed.deployment or {}).get("status") or {}
    return status.get("availableReplicas", 0) > 0 and any(is_ready(pod) for pod in observed.pods)


def _not_ready(observed: Observed, problem: Problem | None) -> Verdict:
    if problem is not None:
        return no(problem.reason, f"{problem.message} {NOTHING_TRADES}")
    late = any(condition.get("reason") == "ProgressDeadlineExceeded" for condition in _deployment_conditions(observed))
    if late and not observed.pods:
        return no(Reason.POD_MISSING)
    return no(Reason.STARTING, "The bot's pod is being started.")


def _halted(body: dict[str, Any], state: BotState) -> tuple[Reason, str]:
    sources = [entry for entry in body.get("reasons") or [] if isinstance(entry, dict)]
    if any(entry.get("source") == "database" for entry in sources):
        return Reason.DATABASE_UNREACHABLE, Reason.DATABASE_UNREACHABLE.explanation
    why = "; ".join(sorted(str(entry.get("reason")) for entry in sources if entry.get("state") == state.value))
    reason = Reason.EMERGENCY_STOPPED if state is BotState.KILLED else Reason.HALTED
    return reason, f"{reason.explanation} {why}".strip()


def _progressing(subject: Subject, observed: Observed, obstacle: Obstacle | None) -> Verdict:
    if obstacle is not None:
        return no(obstacle.reason, obstacle.message)
    deployment = observed.deployment
    if deployment is None:
        return yes(Reason.RECONCILING)
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return yes(Reason.ROLLING_OUT)
    for condition in _deployment_conditions(observed):
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return no(Reason.ROLLOUT_DEADLINE_EXCEEDED)
    replicas = deployment.get("spec", {}).get("replicas", 1)
    counts = [status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas")]
    if all(count == replicas for count in counts):
        return no(Reason.ROLLOUT_COMPLETE)
    return yes(Reason.ROLLING_OUT)


def _degraded(subject: Subject, observed: Observed, obstacle: Obstacle | None, problem: Problem | None) -> Verdict:
    runs = any(is_ready(pod) for pod in observed.pods) and subject.stop is None
    outlook = STILL_TRADES if runs else NOTHING_TRADES
    if obstacle is not None:
        return yes(obstacle.reason, f"{obstacle.message} {outlook if runs else ''}".strip())
    if problem is not None:
        return yes(problem.reason, f"{problem.message} {outlook}")
    progress = _progressing(subject, observed, None)
    if progress.reason is Reason.ROLLOUT_DEADLINE_EXCEEDED:
        return yes(progress.reason, f"{progress.message} {outlook}")
    if observed.polled and observed.report.unreachable and runs:
        return yes(Reason.BOT_UNREACHABLE)
    for entry in (observed.report.body or {}).get("reasons") or []:
        if isinstance(entry, dict) and entry.get("source") == "database" and runs:
            return yes(Reason.DATABASE_UNREACHABLE)
    if subject.contested:
        return yes(Reason.CONTESTED, subject.contested)
    if subject.beside:
        return yes(Reason.POD_EXTENDED, subject.beside)
    return no(Reason.AS_EXPECTED)


def _suspended(subject: Subject, observed: Observed, state: BotState | None) -> Verdict:
    if subject.stop is not None and subject.resume_refused:
        return yes(Reason.RESUME_REFUSED, f"{subject.resume_refused} {_stop_message(subject.stop)}")
    if subject.stop is not None:
        return yes(Reason.EMERGENCY_STOPPED, _stop_message(subject.stop))
    if state is BotState.HALTED or state is BotState.KILLED:
        return yes(*_halted(observed.report.body or {}, state))
    if subject.held_back is not None:
        return yes(subject.held_back, subject.held_back_message)
    if state in _HELD:
        return yes(_HELD[state])
    if subject.trading is TradingState.REDUCING:
        return yes(Reason.REDUCING)
    if subject.trading is TradingState.PAUSED:
        return yes(Reason.PAUSED)
    return no(Reason.NOT_SUSPENDED)


def _stop_message(stop: EmergencyStopStatus) -> str:
    outcome = f" Outcome: {stop.outcome.state}." if stop.outcome is not None else ""
    killed = ""
    if stop.kill is not None:
        killed = (
            f" The bot did not answer; the kill Job {stop.kill.job} {'has ended' if stop.kill.finished else 'runs'}."
        )
    return (
        f"Emergency stop {stop.id} is latched.{outcome}{killed} Reverting the spec does not end it; only its id does."
    )


def _left_by_the_kill(stop: EmergencyStopStatus | None) -> dict[str, Any]:
    """Return what is left where the kill Job has sold everything: the bot's last words are from before."""
    outcome = stop.outcome if stop is not None else None
    sold = outcome is not None and outcome.source == "kill" and outcome.state in CLOSED
    return {"positions": 0, "open_orders": 0} if sold else {}


def _role(body: dict[str, Any]) -> BotRole | None:
    role: BotRole | None = _enum(BotRole, body.get("role"))
    return role


def _count(value: Any, recorded: int | None) -> int | None:
    found = count(value)
    return recorded if found is None else found


def _text(value: Any, recorded: str | None) -> str | None:
    return value[:128] if isinstance(value, str) and value else recorded


def _enum(kind: Any, value: Any) -> Any:
    try:
        return kind(value)
    except ValueError:
        return None
