"""On the way to live trading, and there: the gates, the preflight, and what was approved. All of it is status."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from tradingbot_operator.api.markers import PRESERVE_UNKNOWN_FIELDS, Text, list_type
from tradingbot_operator.api.model import StatusModel, Timestamp

Fingerprint = Annotated[str, Text(128)]


class GateState(StrEnum):
    """Whether a gate lets the bot through. What cannot be read is Waiting, and nothing but Open lets it through."""

    OPEN = "Open"
    WAITING = "Waiting"
    CLOSED = "Closed"


class GateStatus(StatusModel):
    """One thing that must be so before the bot may trade live."""

    name: Annotated[str, Text(32, min_length=1)]
    """Approval, Credentials, Preflight, Withdrawal, Limits, Reconciled, Promotion, Stop or Backup."""
    state: GateState
    """Open, Waiting (nobody can tell yet) or Closed."""
    message: Annotated[str, Text(1024)] = ""
    """What is missing, and how to get it."""


class PreflightVerdict(StrEnum):
    """What the preflight found."""

    OK = "OK"
    REFUSED = "REFUSED"
    UNREACHABLE = "UNREACHABLE"
    FAILED = "FAILED"


class PreflightStatus(StatusModel):
    """The last look at the exchange account with the live keys. It trades nothing."""

    inputs: Annotated[str, Text(64)]
    """Hash of what was looked at: image, exchange, and the reference to the keys."""
    verdict: PreflightVerdict | None = None
    """OK, REFUSED (the reasons say why), UNREACHABLE (the exchange did not answer) or FAILED (it did not run)."""
    reasons: Annotated[tuple[Annotated[str, Text(512)], ...], Field(max_length=16), list_type("atomic")] = ()
    """What was found, each as CODE: sentence."""
    account: Fingerprint | None = None
    """Fingerprint of the key, the same for the same account; never the key."""
    image_digest: Annotated[str, Text(512)] | None = None
    """What the kubelet says that the image is. A tag can be moved, a digest cannot."""
    build: Annotated[str, Text(128)] | None = None
    """Fingerprint of the code in the image, as the bot says it."""
    skew_ms: Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)] | None = None
    """Milliseconds by which this cluster's clock is ahead of the exchange's."""
    checked_at: Timestamp | None = None
    """When it was looked at last."""
    attempts: Annotated[int, Field(ge=0)] = 0
    """How often in a row it was not OK."""


class LiveState(StrEnum):
    """What a live bot may do, as far as its approval goes."""

    TRADING = "Trading"
    REDUCING = "Reducing"
    LEAVING = "Leaving"


class LiveStatus(StatusModel):
    """The live bot: what was approved, which is what runs. Absent while the bot simulates.

    The bot reads `state` itself: with anything but Trading it opens no position, whatever its configuration says.
    """

    state: LiveState
    """Trading, Reducing (the approval does not fit any more: only exits) or Leaving (on the way to a simulation)."""
    since: Timestamp
    """Since when it trades live."""
    digest: Annotated[str, Text(71)]
    """The digest that was approved."""
    approved_by: Annotated[str, Text(256)]
    """Who approved it."""
    requested_by: Annotated[str, Text(256)] = ""
    """Who asked for it."""
    expires_at: Timestamp
    """When the approval ends that the bot was started with. A later one is in spec.approval, where the bot reads it."""
    leaving_since: Timestamp | None = None
    """When the spec began to ask for a simulation."""
    image: Annotated[str, Text(512)] | None = None
    """Name of the image that was approved. What the pods are given is in approved.image: the same by its digest, where
    the node knows one that can be pulled."""
    image_digest: Annotated[str, Text(512)] | None = None
    """What the kubelet said that it is when it was approved."""
    account: Fingerprint | None = None
    """Fingerprint of the key that was approved. The bot does not start with another one."""
    build: Annotated[str, Text(128)] | None = None
    """Fingerprint of the code that was approved. A bot of other code only closes positions."""
    changed_at: Timestamp | None = None
    """Since when it is this image and this account."""
    approved: Annotated[dict[str, Any], PRESERVE_UNKNOWN_FIELDS]
    """The part of the spec that was approved. It runs on until something else is approved, at most with tighter
    limits."""
