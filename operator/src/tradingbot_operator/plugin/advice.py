"""What to do next, from what a bot's object says. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from tradingbot_contract.stops import is_confirmed
from tradingbot_operator.api.conditions import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from tradingbot_operator.plugin.picture import Picture

_REASONS: Final = {reason.value: reason for reason in Reason}

_SPEC: Final = (
    Reason.INVALID_SPEC,
    Reason.INVALID_CONFIGURATION,
    Reason.UNKNOWN_STRATEGY,
    Reason.INVALID_STRATEGY_PARAMETERS,
    Reason.UNKNOWN_SYMBOL,
    Reason.DATA_NOT_FOUND,
)
# Two blanks begin a command. {bot} is `NAME -n NAMESPACE`.
_STEPS: Final = {
    Reason.RECONCILE_REQUIRED: "Wait until the bot agrees with the exchange; its log says what differs:\n"
    "  kubectl tradingbot logs {bot}",
    Reason.FENCED: "Wait for the RecoveryJob: \n  kubectl get rjob -n {namespace}",
    Reason.HALTED: "Find out which limit was reached, or what was lost, before anybody lifts it:\n"
    "  kubectl tradingbot logs {bot} --since 1h\n  kubectl tradingbot positions {bot}",
    Reason.BOT_UNREACHABLE: "The pod runs and does not answer. Look at its log; to be safe meanwhile, stop it:\n"
    "  kubectl tradingbot logs {bot}\n  kubectl tradingbot stop {bot}",
    Reason.CRASH_LOOPING: "The last words of the crash:\n  kubectl tradingbot logs {bot} --previous",
    Reason.SECRET_NOT_FOUND: "Create the Secret or the key that the condition names; the pod then starts by itself.",
    Reason.IMAGE_PULL_FAILED: "Correct spec.image or spec.imagePullSecrets; what ran before runs until it is right.",
    Reason.UNSCHEDULABLE: "Free or add a node, or ask for less in spec.resources; see:\n"
    "  kubectl describe pods -n {namespace} -l tradingbots.dev/bot={name}",
    Reason.DATABASE_UNREACHABLE: "Bring the database back; the bot then goes on by itself after reconciling.",
    Reason.PAUSED: "To let it trade again:\n"
    '  kubectl patch tbot {bot} --type merge -p \'{{"spec":{{"trading":"Active"}}}}\'',
    Reason.ROLLOUT_DEADLINE_EXCEEDED: "Look at the new pod, then correct or revert the change:\n"
    "  kubectl get pods -n {namespace} -l tradingbots.dev/bot={name}",
    **dict.fromkeys(_SPEC, "Correct the spec as the condition says:\n  kubectl edit tbot {bot}"),
}


def command(verb: str, picture: Picture, *arguments: str) -> str:
    """Return a command line of this plugin."""
    return shlex.join(["kubectl", "tradingbot", verb, picture.name, "-n", picture.namespace, *arguments])


def next_steps(picture: Picture, now: datetime) -> list[str]:
    """Return what a person could do, the most pressing first; nothing when nothing is to be done."""
    steps = _stop_steps(picture)
    if not steps and picture.asked_mode == "live" and picture.condition("LiveReady").status != "True":
        waiting = [gate for gate in picture.gates if gate.state == "Closed" and gate.name != "Approval"]
        steps += [f"Before live trading, {gate.name}: {_with_its_command(gate.message)}" for gate in waiting]
        steps += _approval_steps(picture, now)
    seen: set[str] = set()
    for condition in picture.conditions:
        if condition.good or condition.reason in seen or condition.status == "":
            continue
        seen.add(condition.reason)
        template = _STEPS.get(_REASONS.get(condition.reason, Reason.AS_EXPECTED))
        if template is not None and not (picture.stop and condition.type == "Suspended"):
            bot = f"{picture.name} -n {picture.namespace}"
            steps.append(template.format(bot=bot, name=picture.name, namespace=picture.namespace))
    if not picture.conditions or not picture.up_to_date:
        steps.append(
            "The operator has not seen the present spec yet. If this stays so, look at it:\n"
            "  kubectl get deployments -A -l app.kubernetes.io/name=tradingbot-operator"
        )
    return steps


def _with_its_command(message: str) -> str:
    """Put a command at the end of a sentence on a line of its own, where it can be copied."""
    sentence, found, command_line = message.partition(": kubectl ")
    return f"{sentence}:\n  kubectl {command_line}" if found else message


def _stop_steps(picture: Picture) -> list[str]:
    stop = picture.stop
    if stop is None:
        if not picture.stop_asked:
            return []
        asked = "A stop was asked for and is not in the status yet. The bot obeys without it; ask the bot itself:"
        return [f"{asked}\n  {command('stop', picture)}"]
    steps = []
    if stop.outcome in {"RESIDUAL", "UNKNOWN"}:
        steps.append(f"Outcome {stop.outcome}: look at the exchange yourself. {stop.outcome_message}".strip())
    elif not is_confirmed(stop.outcome, close_positions=stop.close_positions):
        steps.append(
            "The exchange has not confirmed the stop yet. Look again, and if it stays so, look there yourself."
        )
    if picture.positions and not stop.close_positions:
        steps.append(
            f"Positions are still open ({picture.positions}), with their protective stops. To close them:\n"
            f"  {command('stop', picture, '--close-positions')}"
        )
    suspended = picture.condition("Suspended")
    if suspended.reason == Reason.RESUME_REFUSED.value:
        steps.append(suspended.message)
    if stop.standing:
        steps.append(
            "The whole namespace is stopped; nothing in it is resumed before its annotation is taken off:\n"
            f"  kubectl annotate namespace {picture.namespace} tradingbots.dev/emergency-stop-"
        )
    if stop.kill_job and not is_confirmed(stop.outcome, close_positions=stop.close_positions):
        steps.append(
            "The kill Job works at the exchange for the bot. Its log; and, once it has ended, another attempt:\n"
            f"  kubectl logs -n {picture.namespace} job/{stop.kill_job}\n"
            f"  kubectl delete job -n {picture.namespace} {stop.kill_job}"
        )
    steps.append(
        "When the cause is gone, a person with the verb resume ends the stop; nothing else does:\n"
        f"  {command('resume', picture, '--reason', '…')}"
    )
    if picture.asked_mode == "live":
        steps.append(f"A live bot then needs a fresh approval as well:\n  {command('approve', picture)}")
    return steps


def _approval_steps(picture: Picture, now: datetime) -> list[str]:
    problem = picture.approval.problem(now)
    if not problem or not picture.approval.required_digest:
        return []
    who = f" (not {picture.approval.requested_by})" if picture.approval.requested_by else ""
    asked = f"The spec asks for live trading; {problem}. A second person{who} with the verb approve can approve it:"
    return [f"{asked}\n  {command('approve', picture)}"]
