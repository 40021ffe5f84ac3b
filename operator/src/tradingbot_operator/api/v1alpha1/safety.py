"""Stops, resumption and approval: what a person says, and what the operator answers."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tradingbot_contract.states import BotState
from tradingbot_contract.stops import is_confirmed
from tradingbot_operator.api.markers import Text, list_type
from tradingbot_operator.api.model import ApiModel, StatusModel, Timestamp

__all__ = [
    "Approval",
    "ApprovalStatus",
    "BotRole",
    "BotState",
    "DeletionPolicy",
    "EmergencyStop",
    "EmergencyStopOutcome",
    "EmergencyStopStatus",
    "Explanation",
    "KillStatus",
    "LastStop",
    "Mode",
    "NewerStatus",
    "Resume",
    "StoppedOrder",
    "StoppedPosition",
    "TradingState",
    "UserName",
]

Digest = Annotated[
    str,
    Text(71, r"^sha256:[0-9a-f]{64}$", "write the value of status.approval.requiredDigest: sha256: and 64 hex digits"),
]
StopId = Annotated[
    str,
    Text(128, r"^[A-Za-z0-9][-A-Za-z0-9._:]*$", "write the value of status.emergencyStop.id, for example 1f0c2a9b-7"),
]
UserName = Annotated[str, Text(256, min_length=1)]
Explanation = Annotated[str, Text(1024)]


class Mode(StrEnum):
    """Whether orders leave the process."""

    SIMULATION = "simulation"
    LIVE = "live"


class TradingState(StrEnum):
    """What a person lets the bot do."""

    ACTIVE = "Active"
    PAUSED = "Paused"
    REDUCING = "Reducing"


class BotRole(StrEnum):
    """Whether the pod that answers holds the writer lease."""

    TRADING = "trading"
    STANDBY = "standby"


class DeletionPolicy(StrEnum):
    """What happens at the exchange when the object is deleted."""

    RETAIN = "Retain"
    CANCEL_ORDERS = "CancelOrders"
    FLATTEN = "Flatten"


class EmergencyStop(ApiModel):
    """Stops all trading at once.

    The stop is latched the first time that active is seen true: setting it back to false, applying an old file or
    deleting the object does not resume trading; only spec.resume does.
    """

    active: bool = False
    """Set to true to stop: no new orders from this moment, entry orders are cancelled and the exchange is asked whether
    they are gone, protective stop orders stay."""
    close_positions: bool = False
    """Set to true to sell or buy back every open position as well, at market prices. The outcome is reported in
    status.emergencyStop.outcome, per stop, never as a bare success."""
    reason: Explanation | None = None
    """Why, for the log, the events and the people who come later."""


class Resume(ApiModel):
    """Ends one emergency stop, the one whose id it names.

    Needs the verb resume on tradingbots where the policies of the chart are installed; a live bot needs a fresh
    approval as well.
    """

    stop_id: StopId
    """Id of the stop to end, from status.emergencyStop.id. Any other id changes nothing."""
    reason: Annotated[str, Text(1024, min_length=1)]
    """Why it is safe to trade again. It is kept with the stop."""


class Approval(ApiModel):
    """A second person's consent to live trading, bound to exactly what was approved, for a limited time.

    Under GitOps it stays out of Git: set it with kubectl.
    """

    digest: Digest
    """What is approved: the value of status.approval.requiredDigest. Any change of image, exchange account, strategy
    or risk limits gives another digest, and the approval no longer counts."""
    approved_by: UserName
    """User name of the approver, as the cluster knows it. Not the one in spec.requestedBy."""
    expires_at: Timestamp
    """When the approval ends, with time zone, for example 2026-12-01T00:00:00Z. From then on the bot only closes
    positions."""
    comment: Explanation | None = None
    """What was looked at."""


class StoppedOrder(StatusModel):
    """What became of one order."""

    client_id: Annotated[str, Text(128, min_length=1)]
    """The order's id, as the bot gave it."""
    symbol: Annotated[str, Text(64)] = ""
    """What it would have traded."""
    state: Annotated[str, Text(32)]
    """CANCELLED, FILLED (it was executed before it could be taken back), GONE (the exchange does not have it), KEPT (it
    protects a position), OPEN or UNKNOWN, as the exchange said."""
    reason: Annotated[str, Text(512)] = ""
    """Why it is not cancelled."""


class StoppedPosition(StatusModel):
    """What became of one position."""

    symbol: Annotated[str, Text(64, min_length=1)]
    """What is held."""
    state: Annotated[str, Text(32)]
    """FLAT, FLAT_WITH_DUST, PENDING, RESIDUAL or UNKNOWN; KEPT where it was not to be closed."""
    requested: Annotated[str, Text(64)] = ""
    """Quantity that was to be closed, as a decimal number."""
    residual: Annotated[str, Text(64)] = ""
    """Quantity that is left, as a decimal number."""
    reason: Annotated[str, Text(512)] = ""
    """Why something is left."""


class EmergencyStopOutcome(StatusModel):
    """What the exchange confirmed about a stop."""

    state: Annotated[str, Text(64, min_length=1)]
    """PENDING, CANCELLED (all entry orders are gone), FLAT, FLAT_WITH_DUST (what is left is below the smallest order),
    RESIDUAL (positions are left) or UNKNOWN (the exchange did not answer: look there yourself)."""
    message: Annotated[str, Text(4096)] = ""
    """The same in a sentence, with what is left to do."""
    orders_cancelled: Annotated[int, Field(ge=0)] | None = None
    """Number of orders that the exchange confirmed as cancelled."""
    confirmed: bool | None = None
    """Whether the exchange, asked for every open order of this bot's name, has listed no entry order. Missing where the
    bot's image is older than the question: then the rest is what its own ledger says."""
    source: Annotated[str, Text(32)] = "bot"
    """Who saw to it: the bot, or the kill Job where the bot could not be reached."""
    orders: Annotated[tuple[StoppedOrder, ...], Field(max_length=50), list_type("atomic")] = ()
    """Each order by itself, the first fifty."""
    positions: Annotated[tuple[StoppedPosition, ...], Field(max_length=50), list_type("atomic")] = ()
    """Each position by itself, the first fifty."""


class KillStatus(StatusModel):
    """The kill Job of a stop: it cancels at the exchange in the place of a bot that does not answer."""

    job: Annotated[str, Text(63, min_length=1)]
    """Name of the Job, the same for the same stop."""
    uid: Annotated[str, Text(64)] | None = None
    """Identity of the Job that the operator made: of no other one's pods a word is believed. Missing until it is made,
    and where an operator of before made it."""
    since: Timestamp
    """When it was decided. From then on the bot's Deployment has no pods until the stop is resumed."""
    reason: Annotated[str, Text(512)] = ""
    """Why the bot was not waited for."""
    finished: bool = False
    """Whether the Job has ended; its result is in outcome."""


class EmergencyStopStatus(StatusModel):
    """The stop that is latched. It stays until spec.resume names its id."""

    id: Annotated[str, Text(128, min_length=1)]
    """Identity of the stop: the first 8 characters of metadata.uid and the generation in which it was first seen."""
    since: Timestamp
    """When the stop was first seen."""
    source: Annotated[str, Text(64)] = "spec"
    """Who asked for it: spec (this object), namespace (its annotation tradingbots.dev/emergency-stop), deletion, api
    (the bot's own API), or another latch that the bot found."""
    reason: Annotated[str, Text(1024)] = ""
    """Why, as given with the stop."""
    close_positions: bool = False
    """Whether open positions were to be closed too."""
    outcome: EmergencyStopOutcome | None = None
    """What has come of it so far, as the bot or the exchange reported."""
    kill: KillStatus | None = None
    """The kill Job, once the bot did not answer."""
    standing: bool = False
    """Whether something beside this object still asks for the stop (the namespace's annotation). The bot cannot be
    resumed before that is gone."""
    void_resume: Annotated[str, Text(64)] | None = None
    """Fingerprint of a spec.resume that was written while something still asked for the stop: it never counts. Another
    one does, with another reason."""

    @property
    def verified(self) -> bool:
        """Whether the exchange has confirmed all that the stop asked for."""
        return self.outcome is not None and is_confirmed(self.outcome.state, close_positions=self.close_positions)


class LastStop(StatusModel):
    """The stop that was resumed last."""

    id: Annotated[str, Text(128, min_length=1)]
    """Its id. An approval of live trading names it, so that every stop asks for a fresh approval."""
    resumed_at: Timestamp
    """When the bot lifted it."""
    reason: Annotated[str, Text(1024)] = ""
    """Why it was safe to trade again, as given with the resume."""


class NewerStatus(StatusModel):
    """What a new pod of a live bot would run, where that is something else than what was approved."""

    digest: Annotated[str, Text(71)] | None = None
    """Written to spec.approval.digest instead of requiredDigest, it approves this. It is published when the preflight
    has found it good."""
    image: Annotated[str, Text(512)]
    """The image that the spec, or the operator, asks for."""
    image_digest: Annotated[str, Text(512)] | None = None
    """What the kubelet says that it is."""
    account: Annotated[str, Text(128)] | None = None
    """Fingerprint of the key that is in the Secret."""
    message: Annotated[str, Text(2048)] = ""
    """What is new, and how to approve it."""


class ApprovalStatus(StatusModel):
    """What an approval of live trading must name, and whether one does."""

    required_digest: Annotated[str, Text(71)] | None = None
    """Digest of everything that matters for the risk: image, exchange and account, strategy with its parameters and
    symbols, risk limits. Compare what it stands for, then write it to spec.approval.digest. It is published when mode
    is live and the preflight has reported account and image."""
    state: Annotated[str, Text(32)] | None = None
    """Valid, or what is missing: NoRequester, Missing, SelfApproved, NotAPerson, WrongDigest, Expired, TooLong, or
    Unknown while account or image are not known."""
    message: Annotated[str, Text(2048)] = ""
    """The same in a sentence, with the way to get it."""
    last_stop: Annotated[str, Text(128)] | None = None
    """Id of the latest emergency stop, which is part of what is approved: after a stop, live trading needs a fresh
    approval."""
    newer: NewerStatus | None = None
    """Another image, or another account, that waits for an approval. What was approved runs on meanwhile."""
