"""When somebody else changes a child back whenever it is repaired, and how much the operator then gives way.

Giving way is for what costs nothing but order. Whatever a bot could gain by it (a right, other code, a network) is
put back at once, however often, and a stop knows of no contest at all. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tradingbot_operator.policy.differences import ABSENT, named, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradingbot_operator.policy.differences import Path

REPAIRS: Final = 5
"""So many repairs with the same content within `WINDOW` are a contest."""
WINDOW: Final = 300.0
FIRST_PAUSE: Final = 10.0
LONGEST_PAUSE: Final = 600.0
BOUNCE_PAUSE: Final = 5.0
"""Between two repairs of which the first came back changed from the very write: a webhook, and no event will tell."""
QUIET: Final = 120.0
"""A child that has been as it is wanted for so long is contested no longer."""

_RIGHTS: Final = frozenset({"ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"})
_POD: Final = "spec.template.spec."
_BOT: Final = f"{_POD}containers[bot]."
_ORDER: Final = (
    "metadata.annotations",
    "spec.strategy",
    "spec.revisionHistoryLimit",
    "spec.progressDeadlineSeconds",
    "spec.template.metadata.annotations",
    *(f"{_POD}{name}" for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets")),
    f"{_POD}terminationGracePeriodSeconds",
    *(f"{_BOT}{name}" for name in ("resources", "imagePullPolicy", "startupProbe", "livenessProbe", "readinessProbe")),
    f"{_BOT}ports",
)
"""What of a Deployment may be wrong for a while: everything that is not here may not."""
_OF_A_SIMULATION: Final = (*_ORDER, "spec.replicas", f"{_BOT}image")
_OWNER: Final = "metadata.ownerReferences"


@dataclass(frozen=True, slots=True)
class Guard:
    """What the bot is at the moment, as far as it forbids to wait."""

    live: bool = False
    """It trades live, or is about to."""
    stopped: bool = False
    """A stop is latched or asked for."""


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of the repairs of one child with one content."""

    wanted: str
    """Hash of the content."""
    repairs: tuple[float, ...] = ()
    """When it was repaired, the newest last; no more than tell a contest."""
    count: int = 0
    """Repairs since it is contested; 0 while it is not."""
    bounced: bool = False
    """Whether the last write came back changed."""
    right_since: float | None = None
    """Since when it has been as it is wanted."""

    @property
    def contested(self) -> bool:
        """Whether somebody changes it back whenever it is repaired."""
        return self.count > 0


def repaired(known: History, now: float, *, bounced: bool) -> History:
    """Take note of a repair; `bounced` if what came back of it is wrong already."""
    repairs = (*(at for at in known.repairs if now - at < WINDOW), now)[-REPAIRS:]
    count = known.count + 1 if known.contested or len(repairs) == REPAIRS else 0
    return History(known.wanted, repairs, count, bounced)


def would_be_contested(known: History, now: float) -> bool:
    """Return whether the repair that is due is the one that makes it a contest."""
    return not known.contested and repaired(known, now, bounced=False).contested


def pause(known: History, now: float) -> float:
    """Return for how many seconds a repair waits, if it is one that may; 0 when it is due."""
    if not known.repairs:
        return 0.0
    if known.contested:
        length = min(FIRST_PAUSE * 2.0 ** min(known.count - 1, 16), LONGEST_PAUSE)
    else:
        length = BOUNCE_PAUSE if known.bounced else 0.0
    return max(length - (now - known.repairs[-1]), 0.0)


def seen_wrong(known: History) -> History:
    """Take note that it is not as it is wanted."""
    return replace(known, right_since=None)


def seen_right(known: History, now: float) -> History | None:
    """Take note that it is as it is wanted; None once it has been so for long enough."""
    since = now if known.right_since is None else known.right_since
    return replace(known, right_since=since, bounced=False) if now - since < QUIET else None


def next_look(known: History, now: float) -> float | None:
    """Return in how many seconds time alone changes something."""
    if known.right_since is not None:
        return max(known.right_since + QUIET - now, 0.0) if known.contested else None
    return max(pause(known, now), BOUNCE_PAUSE) if known.contested or known.bounced else None


def may_wait(kind: str, paths: Sequence[Path], guard: Guard) -> bool:
    """Return whether a repair may wait at all: what is wrong gives the bot nothing and keeps nothing from stopping."""
    if kind in _RIGHTS:
        return False
    texts = [text(path) for path in paths]
    if kind == "Deployment":
        if guard.stopped:
            return False
        if paths == [ABSENT]:
            return not guard.live
        return all(_is_below(found, _ORDER if guard.live else _OF_A_SIMULATION) for found in texts)
    if paths == [ABSENT]:
        # A pod that starts anew needs its configuration.
        return kind != "ConfigMap"
    return not any(_is_below(found, (_OWNER,)) for found in texts)


def message(kind: str, name: str, paths: Sequence[Path], who: Sequence[str], *, waits: bool) -> str:
    """Say who changes what, and what to do; the same for as long as it goes on in the same way."""
    how = (
        "The operator repairs it less and less often, at most 10 minutes apart."
        if waits
        else "It is put back at once each time, because of what the bot could gain by it."
    )
    return (
        f"{kind} {name} is changed back whenever it is repaired: {named(paths)}, {_by(who)}. {how} Exempt objects with "
        "the label app.kubernetes.io/managed-by=tradingbot-operator there, or let the spec say what is wanted."
    )


def repair_message(kind: str, name: str, paths: Sequence[Path], who: Sequence[str]) -> str:
    """Say what of a live bot was changed past its TradingBot, and put back."""
    return f"{kind} {name} of this live bot was changed, and is put back: {named(paths)}, {_by(who)}."


def _by(who: Sequence[str]) -> str:
    if who:
        return f"by {', '.join(who)}"
    return "by nobody whose field manager shows it (a mutating webhook or policy, or somebody who removes things)"


def _is_below(path: str, prefixes: Sequence[str]) -> bool:
    return any(path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")) for prefix in prefixes)
