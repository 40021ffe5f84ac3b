"""A spec that asks for live trading, judged: what an approval must name, whether one does, and every gate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tradingbot_operator.api.v1alpha1.live import PreflightVerdict
from tradingbot_operator.api.v1alpha1.safety import NewerStatus
from tradingbot_operator.api.v1alpha1.trading import Promotion, Risk, Strategy
from tradingbot_operator.policy import gates as gating
from tradingbot_operator.policy.approval import (
    ApprovalState,
    ApprovalVerdict,
    Identity,
    approval_state,
    approve_command,
    digest_before_tightening,
    required_digest,
)
from tradingbot_operator.policy.running import UNPINNED, Running, approved, found, is_what_runs, same_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1.live import LiveStatus, PreflightStatus
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot, TradingBotSpec, TradingBotStatus
    from tradingbot_operator.policy.preflight import JobLook


@dataclass(frozen=True, slots=True)
class Facts:
    """What was observed."""

    now: datetime
    image: str
    """The image that the spec, or else the operator, asks for."""
    running: bool = False
    """Whether the Deployment's present template is a live bot."""
    report: Mapping[str, Any] | None = None
    """The bot's own report; None when there is none, or an old one."""
    image_digest: str | None = None
    """What the kubelet says that the live pod's image is."""
    look: JobLook | None = None
    """The preflight's Job."""
    refused: bool = False
    """Whether a pod of the live bot does not start because its Secret has other keys than the approved ones."""
    stop: str | None = None
    """Id of the latched emergency stop."""
    stop_is_open: bool = False
    """Whether the exchange has not confirmed yet all that it asked for."""
    schedules: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A spec that asks for live trading, judged."""

    digest: str | None
    """What an approval must name that changes nothing, or else what the changed bot needs."""
    verdict: ApprovalVerdict
    run: Running
    """What is approved by an approval that names it."""
    kept: bool = False
    """Whether that is what was approved before, and runs."""
    newer: NewerStatus | None = None
    gates: tuple[gating.Gate, ...] = field(default=())

    @property
    def entering(self) -> bool:
        """Whether every gate is open."""
        return bool(self.gates) and all(gate.is_open for gate in self.gates)

    @property
    def message(self) -> str:
        """The verdict, and what a person has to know beside it."""
        parts = [self.verdict.message]
        if self.verdict.allows_live and "@" not in self.run.pinned:
            parts.append(UNPINNED)
        if self.newer is not None:
            parts.append(self.newer.message)
        return " ".join(parts)


def judge(
    bot: TradingBot, recorded: TradingBotStatus, facts: Facts, preflight: PreflightStatus, last_stop: str | None
) -> Judged:
    """Judge it. A live bot keeps what was approved until an approval names something else."""
    spec, live = bot.spec, recorded.live
    run = found(facts.image, preflight)
    digest, tightened = _digests(bot, live, run, last_stop)
    kept = newer = None
    if live is not None:
        before = approved(live, recorded.preflight)
        digests = _digests(bot, live, before, last_stop)
        same = is_what_runs(before, live, preflight, facts.report, facts.image_digest)
        if live.digest in digests and same:
            kept = digests
            newer = _newer(bot, before, run, preflight, digest)
            if newer is not None and spec.approval is not None and spec.approval.digest == newer.digest:
                kept = newer = None
            else:
                (digest, tightened), run = kept, before
    if digest is None:
        verdict = ApprovalVerdict(
            ApprovalState.UNKNOWN,
            "What has to be approved is not known yet: the preflight reports the account and the image first.",
        )
    else:
        name, namespace = bot.metadata.name, bot.metadata.namespace
        verdict = approval_state(spec, digest, facts.now, namespace=namespace, name=name, tightened=(tightened,))
    situation = gating.Situation(
        bot=bot,
        now=facts.now,
        approval=verdict,
        preflight=preflight,
        look=facts.look if facts.look is not None and not facts.look.ended else None,
        report=facts.report,
        stop=facts.stop,
        schedules=facts.schedules,
        live=live is not None,
        same_strategy=live is not None and _same_strategy(live, spec),
    )
    return Judged(digest, verdict, run, kept is not None, newer, gating.look_at(situation))


def _digests(
    bot: TradingBot, live: LiveStatus | None, run: Running, last_stop: str | None
) -> tuple[str | None, str | None]:
    """Return the digest of the bot with this image and account, and the one with the looser limits of its approval."""
    if run.account is None or run.image_digest is None:
        return None, None
    identity = Identity(
        namespace=bot.metadata.namespace,
        name=bot.metadata.name,
        uid=bot.metadata.uid,
        image=run.image,
        image_digest=run.image_digest,
        account=run.account,
        last_stop=last_stop,
    )
    if live is None:
        return required_digest(bot.spec, identity), None
    limits = Risk.model_validate(live.approved.get("risk") or {})
    return required_digest(bot.spec, identity), digest_before_tightening(bot.spec, identity, limits)


def _newer(
    bot: TradingBot, before: Running, run: Running, preflight: PreflightStatus, digest: str | None
) -> NewerStatus | None:
    """Say what a new pod would run, where that is something else; nothing when it is the same."""
    image = run.image != before.image or (
        run.image_digest is not None and not same_image(run.image_digest, before.image_digest)
    )
    account = run.account is not None and run.account != before.account
    if not image and not account:
        return None
    parts = []
    if image:
        parts.append(f"Another image is asked for, {run.image}; the bot keeps the one that was approved.")
    if account:
        parts.append(
            f"The Secret has the key of another account, {run.account}: a new pod does not start with it. Put the "
            "approved one back, or have this one approved."
        )
    good = digest if preflight.verdict is PreflightVerdict.OK else None
    if good is not None:
        command = approve_command(bot.metadata.namespace, bot.metadata.name, good)
        parts.append(f"Who approves it, writes: {command}")
    else:
        parts.append("What there is to approve is known when the preflight has found it good.")
    return NewerStatus(
        digest=good,
        image=run.image[:512],
        image_digest=run.image_digest,
        account=run.account,
        message=" ".join(parts)[:2048],
    )


def _same_strategy(live: LiveStatus, spec: TradingBotSpec) -> bool:
    approved = live.approved
    promotion = Promotion.model_validate(approved["promotion"]) if approved.get("promotion") is not None else None
    strategy = Strategy.model_validate(approved.get("strategy") or {})
    return strategy == spec.strategy and promotion == spec.promotion
