"""When the kill Job takes the place of a bot: it does not answer, or has not heard, and its stop is not verified.

Once decided it is in the status, before anything else is done about it, so an operator that dies at any moment goes on
where it was. Nothing takes the decision back but the end of the stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from tradingbot_contract.stops import short_hash
from tradingbot_operator.api.said import json_object
from tradingbot_operator.api.v1alpha1.safety import EmergencyStopOutcome, KillStatus
from tradingbot_operator.desired.naming import job_name
from tradingbot_operator.policy.stop import MESSAGE_LENGTH, counts, read_outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus, Resume

SILENT_POLLS: Final = 2
"""Polls in a row without an answer; a stopped bot is polled every second, so this is at most seven seconds."""
DEAF: Final = timedelta(seconds=30)
"""How long a bot may answer that it knows of no stop: it reads the latch in its object within a second."""
NO_POD: Final = timedelta(seconds=5)
"""How long a stopped bot may have no pod that could be asked."""
STARTING: Final = timedelta(seconds=60)
"""How long a new pod may take to start: it reads every latch before it may trade."""
GIVE_UP: Final = timedelta(seconds=1200)
"""When a kill Job that never ended holds up a resume no longer: it has a deadline, and may not exist at all."""
LOOK_SECONDS: Final = 1.0
"""How often a stop that is not verified yet is looked at."""
OLDER_IMAGE: Final = "The bot's image is older than the question to the exchange, which its deletion waits for."
RESUME_LOOK_SECONDS: Final = 60.0
"""How often it is looked at while the kill Job runs: its end wakes the operator, only giving up does not."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a stopped bot."""

    failures: int
    """Polls in a row without an answer."""
    followed: bool
    """Whether there is a pod that is asked."""
    polled: bool
    """Whether bots are asked at all."""
    running: bool
    """Whether a pod is ready."""
    starting_since: datetime | None
    """When the present pod, or before there is one the Deployment, was made; None once the bot in it has answered."""
    silent_since: datetime | None = None
    """Since when there has been nobody to ask."""
    deaf_since: datetime | None = None
    """Since when the bot has answered, and known of no stop."""

    @property
    def asked(self) -> bool:
        """Whether somebody is asked, so that silence shows."""
        return self.followed and self.polled

    @property
    def nobody(self) -> bool:
        """Whether there is nobody to ask."""
        return not self.running and not self.asked


def why_kill(stop: EmergencyStopStatus, sight: Sight, now: datetime, *, deleting: bool = False) -> str | None:
    """Return why the bot is not waited for any longer, or None. `deleting`: it is deleted when the exchange agrees."""
    if stop.verified:
        # It has done all that it can, and never says what the deletion waits for. The kill Job of the same image, which
        # was approved, has always asked the exchange itself.
        unable = deleting and stop.outcome is not None and stop.outcome.confirmed is None
        return OLDER_IMAGE if unable else None
    if not sight.running and sight.starting_since is not None and now - sight.starting_since < STARTING:
        return None
    if sight.asked:
        if sight.failures >= SILENT_POLLS:
            return f"The bot did not answer {sight.failures} times in a row."
        deaf = sight.deaf_since is not None and now - sight.deaf_since >= DEAF
        return "The bot answers and knows of no stop: it does not see its TradingBot." if deaf else None
    if sight.running or sight.silent_since is None or now - sight.silent_since < NO_POD:
        return None
    return "The bot has no pod that could be asked."


def is_deaf(report: Mapping[str, Any] | None) -> bool:
    """Return whether a bot says that it holds no stop. Images that are too old to say are not judged by it."""
    return report is not None and "stop" in report and report["stop"] is None


def begin(bot: str, stop: EmergencyStopStatus, reason: str, now: datetime) -> EmergencyStopStatus:
    """Decide for the kill Job."""
    return stop.model_copy(update={"kill": KillStatus(job=job_of(bot, stop), since=now, reason=reason)})


def job_of(bot: str, stop: EmergencyStopStatus) -> str:
    """Return the Job's name: the same for the same stop, another one once positions are to be closed as well."""
    wanted = f"{stop.id}+close" if stop.close_positions else stop.id
    return job_name(bot, "kill", short_hash(wanted))


def is_held_down(stop: EmergencyStopStatus | None, resume: Resume | None, now: datetime, *, asked: bool) -> bool:
    """Return whether the Deployment is to have no pods: from the kill until a resume that counts.

    The bot's own pod carries the resume out: it reads the latch, clears it, and only then trades. It does not come back
    while the kill Job may still cancel orders.
    """
    if stop is None or stop.kill is None:
        return False
    resuming = counts(resume, stop) and not asked
    over = stop.kill.finished or now - stop.kill.since > GIVE_UP
    return not (resuming and over)


def next_look(stop: EmergencyStopStatus | None) -> float | None:
    """Return in how many seconds time alone may change something."""
    if stop is None or stop.verified:
        return None
    if stop.kill is None:
        return LOOK_SECONDS
    return None if stop.kill.finished else RESUME_LOOK_SECONDS


def needs_job(stop: EmergencyStopStatus | None) -> bool:
    """Return whether the Job is to be there: until the exchange has confirmed everything.

    A Job that ended without that stays, and is not repeated; who deletes it gets another attempt.
    """
    return stop is not None and stop.kill is not None and not (stop.kill.finished and stop.verified)


def ended(job: Mapping[str, Any] | None) -> str | None:
    """Return how a Job ended: Complete or Failed; None while it runs."""
    for condition in ((job or {}).get("status") or {}).get("conditions") or ():
        if condition.get("type") in {"Complete", "Failed"} and condition.get("status") == "True":
            return str(condition["type"])
    return None


def take_in(
    stop: EmergencyStopStatus, job: Mapping[str, Any] | None, pods: Sequence[tuple[Mapping[str, Any], str]]
) -> EmergencyStopStatus:
    """Copy what the kill Job's pods (oldest first) said last into the outcome; UNKNOWN when it ended without a word.

    Beside each pod is why it is not believed, or nothing.
    """
    if stop.kill is None or job is None or (stop.kill.finished and stop.verified):
        return stop
    words = [(outcome, doubt) for pod, doubt in pods if (outcome := _last_words(pod, stop.id)) is not None]
    found = [outcome for outcome, doubt in words if not doubt]
    end = ended(job)
    outcome = found[-1] if found else None
    if outcome is None and end is None:
        return stop
    if outcome is None:
        doubts = [doubt for _, doubt in words]
        why = f": {doubts[-1]}. Look" if doubts else " without a word: look"
        outcome = EmergencyStopOutcome(
            state="UNKNOWN",
            message=f"The kill Job {stop.kill.job} ended{why} at the exchange yourself."[:MESSAGE_LENGTH],
            source="kill",
        )
    kill = stop.kill.model_copy(update={"finished": end is not None})
    return stop.model_copy(update={"outcome": outcome, "kill": kill})


def unmade(stop: EmergencyStopStatus, why: str) -> EmergencyStopStatus:
    """Return the stop of a bot whose kill Job cannot be made: nobody works at the exchange."""
    message = f"{why}. Nobody works at the exchange for the bot: look there yourself."
    return stop.model_copy(update={"outcome": EmergencyStopOutcome(state="UNKNOWN", message=message, source="kill")})


def _last_words(pod: Mapping[str, Any], stop_id: str) -> EmergencyStopOutcome | None:
    container = pod["status"].get("container") or {}
    state, last = container.get("state") or {}, container.get("lastState") or {}
    message = ((state.get("terminated") or last.get("terminated")) or {}).get("message") or ""
    said = json_object(message)
    if said is None or said.get("kind") != "kill" or said.get("stop_id") != stop_id:
        return None
    return read_outcome(said, source="kill")
