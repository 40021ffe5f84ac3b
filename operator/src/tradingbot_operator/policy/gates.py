"""The gates on the way to live trading: one pure function each. What cannot be read never opens one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.v1alpha1.common import DatabaseUrlReference
from tradingbot_operator.api.v1alpha1.live import GateState, GateStatus, PreflightStatus, PreflightVerdict
from tradingbot_operator.api.v1alpha1.safety import BotState
from tradingbot_operator.policy.approval import ApprovalState, ApprovalVerdict
from tradingbot_operator.policy.preflight import WITHDRAWAL, JobLook, is_fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot

SENTENCE_LENGTH: Final = 1000
LONGEST_NUMBER: Final = 18
"""Digits before or behind the point of a number that a bot may say of itself."""
_SETTLED: Final = frozenset({BotState.ACTIVE.value, BotState.PAUSED.value, BotState.REDUCING.value})


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the gates look at."""

    bot: TradingBot
    now: datetime
    approval: ApprovalVerdict
    preflight: PreflightStatus
    look: JobLook | None = None
    """The preflight's Job, while it is under way."""
    report: Mapping[str, Any] | None = None
    """What the bot says of itself; None when it does not answer, or is not asked."""
    stop: str | None = None
    """Id of the latched emergency stop."""
    schedules: Sequence[Mapping[str, Any]] | None = None
    """The namespace's BackupSchedules; None when they could not be read."""
    live: bool = False
    """Whether the bot trades live already, and only what it trades is to change."""
    same_strategy: bool = False
    """Whether it trades live with this very strategy and these criteria."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate, whether it is open, and why not."""

    name: str
    state: GateState
    reason: Reason
    message: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it lets the bot through."""
        return self.state is GateState.OPEN

    def to_status(self) -> GateStatus:
        """Return its line in the status."""
        return GateStatus(name=self.name, state=self.state, message=self.message[:SENTENCE_LENGTH])


def _open(name: str, message: str = "") -> Gate:
    return Gate(name, GateState.OPEN, Reason.LIVE, message)


def _closed(name: str, reason: Reason, message: str) -> Gate:
    return Gate(name, GateState.CLOSED, reason, message)


def _waiting(name: str, reason: Reason, message: str) -> Gate:
    return Gate(name, GateState.WAITING, reason, message)


def approval(situation: Situation) -> Gate:
    """Ask whether a second person approves exactly this, for a limited time."""
    verdict = situation.approval
    if verdict.allows_live:
        return _open("Approval", verdict.message)
    if verdict.state is ApprovalState.UNKNOWN:
        return _waiting("Approval", Reason.AWAITING_APPROVAL, verdict.message)
    expired = verdict.state is ApprovalState.EXPIRED
    return _closed("Approval", Reason.APPROVAL_EXPIRED if expired else Reason.AWAITING_APPROVAL, verdict.message)


def credentials(situation: Situation) -> Gate:
    """Ask whether the Secret with the keys exists: the preflight had it."""
    name = "Credentials"
    reference = situation.bot.spec.exchange.credentials_secret_ref
    if reference is None:
        return _closed(name, Reason.SECRET_NOT_FOUND, "Name the Secret in spec.exchange.credentialsSecretRef.")
    look = situation.look
    if look is not None and look.problem is Reason.SECRET_NOT_FOUND:
        namespace = situation.bot.metadata.namespace
        return _closed(
            name,
            Reason.SECRET_NOT_FOUND,
            f"The Secret {reference.name}, or a key in it, does not exist: kubectl -n {namespace} create secret "
            f"generic {reference.name} --from-literal={reference.api_key_key}=KEY "
            f"--from-literal={reference.api_secret_key}=SECRET",
        )
    if situation.preflight.account is None:
        return _waiting(name, Reason.PREFLIGHT_PENDING, f"The preflight has not used the Secret {reference.name} yet.")
    return _open(name, f"The Secret {reference.name} has the keys of account {situation.preflight.account}.")


def preflight(situation: Situation) -> Gate:
    """Ask whether the account was looked at not long ago, and is usable."""
    name, found, look = "Preflight", situation.preflight, situation.look
    if is_fresh(found, situation.now):
        return _open(name, f"Account {found.account} was usable at {found.checked_at:%Y-%m-%dT%H:%M:%SZ}.")
    if look is not None and look.problem is Reason.SECRET_NOT_FOUND:
        return _waiting(name, look.problem, "The preflight waits for the keys.")
    if look is not None and look.problem is not None:
        return _waiting(name, look.problem, f"The preflight cannot start: {look.problem_message}")
    why = "; ".join(found.reasons)
    if found.verdict is PreflightVerdict.REFUSED:
        return _closed(
            name,
            Reason.PREFLIGHT_REFUSED,
            f"The account cannot be used: {why or 'no reason given'}. Correct it at the exchange or in the Secret; "
            "it is looked at again within 15 minutes.",
        )
    if found.verdict is PreflightVerdict.UNREACHABLE:
        return _waiting(
            name,
            Reason.EXCHANGE_UNREACHABLE,
            f"The exchange did not answer: {why or 'no reason given'}. It is tried again; check spec.exchange.name, "
            "apiUrl and the network.",
        )
    if found.verdict is PreflightVerdict.FAILED:
        label = "app.kubernetes.io/component=preflight"
        namespace, bot = situation.bot.metadata.namespace, situation.bot.metadata.name
        return _waiting(
            name,
            Reason.PREFLIGHT_PENDING,
            f"The preflight ended without a result{': ' + why if why else ''}. It is tried again: "
            f"kubectl -n {namespace} logs -l {label},app.kubernetes.io/instance={bot}",
        )
    if found.verdict is PreflightVerdict.OK:
        return _waiting(name, Reason.PREFLIGHT_PENDING, "The last look is older than a day; it is looked at again.")
    return _waiting(name, Reason.PREFLIGHT_PENDING, Reason.PREFLIGHT_PENDING.explanation)


def withdrawal(situation: Situation) -> Gate:
    """Ask whether the key cannot move money out of the account."""
    name, found = "Withdrawal", situation.preflight
    if found.verdict is None:
        return _waiting(name, Reason.PREFLIGHT_PENDING, "The preflight has not looked at the key's rights yet.")
    if any(WITHDRAWAL in reason.partition(":")[0].upper() for reason in found.reasons):
        return _closed(
            name,
            Reason.KEY_MAY_WITHDRAW,
            "The key may withdraw. Make one at the exchange that may read and trade and nothing else, and put it into "
            "the Secret.",
        )
    if found.verdict is not PreflightVerdict.OK:
        return _waiting(name, Reason.PREFLIGHT_PENDING, "The key's rights are not known: the preflight was not OK.")
    return _open(name, "The key may not withdraw.")


def limits(situation: Situation) -> Gate:
    """Ask whether the limits bound what can be lost."""
    name, risk = "Limits", situation.bot.spec.risk
    unlimited = [
        field
        for field, value in (("maxDrawdown", risk.max_drawdown), ("dailyLossLimit", risk.daily_loss_limit))
        if value >= 1
    ]
    if unlimited:
        fields = " and ".join(f"spec.risk.{field}" for field in unlimited)
        return _closed(name, Reason.LIMITS_MISSING, f"Set {fields} below 1: at 1 everything may be lost.")
    if risk.max_order_value is None and not situation.bot.spec.exchange.test_mode:
        return _closed(
            name,
            Reason.LIMITS_MISSING,
            "Set spec.risk.maxOrderValue, the largest value of one order in quote currency: every other limit is a "
            "part of an equity that the exchange reports.",
        )
    return _open(name, "Every limit is set.")


def reconciled(situation: Situation) -> Gate:
    """Ask whether the bot that runs answers, and its own picture is settled."""
    name, report = "Reconciled", situation.report
    if situation.live:
        return _open(name, "The live bot reconciles with the exchange by itself.")
    if report is None:
        return _waiting(
            name, Reason.NOT_RECONCILED, "The bot does not answer yet: its status is read when its pod is ready."
        )
    if report.get("ready") is not True:
        return _waiting(name, Reason.NOT_RECONCILED, "The bot is not ready yet.")
    if str(report.get("state")) not in _SETTLED:
        reasons = report.get("reasons")
        entries = reasons if isinstance(reasons, list) else []
        why = "; ".join(sorted(str(entry.get("reason")) for entry in entries if isinstance(entry, dict)))
        return _closed(name, Reason.NOT_RECONCILED, f"The simulation is held: {why or report.get('state')}")
    return _open(name, "The bot runs, and nothing in it is unsettled.")


def promotion(situation: Situation) -> Gate:
    """Ask whether the simulation has shown what the spec asks for."""
    name, wanted = "Promotion", situation.bot.spec.promotion
    if wanted is None:
        return _open(name, "spec.promotion asks for nothing.")
    if situation.same_strategy:
        return _open(name, "It trades live with this strategy already.")
    report = situation.report or {}
    shown = report.get("promotion")
    if report.get("mode") != "simulation" or not isinstance(shown, dict):
        return _waiting(
            name,
            Reason.PROMOTION_NOT_MET,
            "The simulation reports no result yet."
            if not situation.live
            else "Another strategy is simulated first: set mode: simulation.",
        )
    criteria = (
        ("days", "days", "at least", Decimal(wanted.min_days)),
        ("trades", "trades", "at least", Decimal(wanted.min_trades)),
        ("max_drawdown", "drawdown", "at most", wanted.max_drawdown),
        ("profit_factor", "profit factor", "at least", wanted.min_profit_factor),
    )
    missing = [text for text in (_criterion(shown, *each) for each in criteria) if text]
    if missing:
        return _closed(name, Reason.PROMOTION_NOT_MET, f"The simulation has not shown enough: {', '.join(missing)}.")
    return _open(name, "The simulation has shown what spec.promotion asks for.")


def _criterion(shown: Mapping[str, Any], key: str, word: str, how: str, bound: Decimal) -> str:
    """Return what is missing, or nothing."""
    try:
        value = Decimal(str(shown.get(key)))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value.adjusted()) > LONGEST_NUMBER:
        # Written out, a few characters of a bot's answer would fill the memory.
        return f"{word} not known ({how} {bound.normalize():f})"
    if (value <= bound) if how == "at most" else (value >= bound):
        return ""
    return f"{word} {value:f} ({how} {bound.normalize():f})"


def stop(situation: Situation) -> Gate:
    """Ask whether no emergency stop is latched."""
    if situation.stop is None:
        return _open("Stop", "No emergency stop is latched.")
    return _closed(
        "Stop",
        Reason.EMERGENCY_STOPPED,
        f"Emergency stop {situation.stop} is latched: who may resume names it in spec.resume first.",
    )


def backup(situation: Situation) -> Gate:
    """Ask whether there is a fresh and verified backup, where the database has a BackupSchedule."""
    name, schedules = "Backup", situation.schedules
    if schedules is None:
        return _waiting(name, Reason.BACKUP_MISSING, "It is looked at once there is something to approve.")
    ours = [schedule for schedule in schedules if _same_database(situation.bot, schedule)]
    if not ours:
        return _open(name, "The database has no BackupSchedule.")
    missing = []
    for schedule in ours:
        conditions = {c.get("type"): c for c in (schedule.get("status") or {}).get("conditions") or []}
        wrong = [kind for kind in ("BackupFresh", "Verified") if (conditions.get(kind) or {}).get("status") != "True"]
        if wrong:
            missing.append(f"BackupSchedule {schedule['metadata']['name']} is not {' and not '.join(wrong)}")
    if missing:
        return _closed(
            name,
            Reason.BACKUP_MISSING,
            f"{'; '.join(missing)}: see kubectl describe bks. A backup and its check open it.",
        )
    return _open(name, "There is a fresh and verified backup.")


def _same_database(bot: TradingBot, schedule: Mapping[str, Any]) -> bool:
    reference = ((schedule.get("spec") or {}).get("database") or {}).get("secretRef") or {}
    ours = bot.spec.database.secret_ref
    key = reference.get("key", DatabaseUrlReference.model_fields["key"].default)
    return (reference.get("name"), key) == (ours.name, ours.key)


GATES: Final[tuple[Callable[[Situation], Gate], ...]] = (
    credentials,
    preflight,
    withdrawal,
    limits,
    reconciled,
    promotion,
    stop,
    backup,
    approval,
)
"""In the order in which a person meets them: the approval comes last, when there is something to approve."""


def look_at(situation: Situation) -> tuple[Gate, ...]:
    """Return every gate."""
    return tuple(gate(situation) for gate in GATES)


def summary(gates: Sequence[Gate]) -> str:
    """Return what is missing, in one text."""
    closed = [gate for gate in gates if not gate.is_open]
    if not closed:
        return Reason.LIVE.explanation
    return f"{len(closed)} of {len(gates)} gates are not open. " + " ".join(f"[{g.name}] {g.message}" for g in closed)
