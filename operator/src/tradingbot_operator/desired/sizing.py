"""How much a bot may use, by what it is used for.

The profiles' sizes (2 CPUs and 2 GB for development, and so on) are limits. What is reserved is a part of them: bots
wait most of the time, and several of them are to fit on a machine with two cores. Live and high-frequency bots reserve
more, because their latency is what they are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradingbot_operator.api.v1alpha1.tradingbot import Profile
from tradingbot_operator.desired.quantities import amount, canonical

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.common import ResourceRequirements

Amounts = dict[str, str]

_REQUESTS: Final[dict[Profile, Amounts]] = {
    Profile.DEVELOPMENT: {"cpu": "50m", "memory": "128Mi"},
    Profile.BACKTESTING: {"cpu": "500m", "memory": "512Mi"},
    Profile.LIVE_TRADING: {"cpu": "500m", "memory": "512Mi"},
    Profile.HIGH_FREQUENCY: {"cpu": "2", "memory": "4Gi"},
}
_LIMITS: Final[dict[Profile, Amounts]] = {
    Profile.DEVELOPMENT: {"cpu": "2", "memory": "2Gi"},
    Profile.BACKTESTING: {"cpu": "2", "memory": "4Gi"},
    Profile.LIVE_TRADING: {"cpu": "2", "memory": "4Gi"},
    Profile.HIGH_FREQUENCY: {"cpu": "4", "memory": "8Gi"},
}


def resources(profile: Profile, overrides: ResourceRequirements | None) -> dict[str, Amounts]:
    """Return requests and limits in canonical form; a profile's request never exceeds a limit that was overridden."""
    given_requests = dict(overrides.requests or {}) if overrides else {}
    given_limits = dict(overrides.limits or {}) if overrides else {}
    requests = _REQUESTS[profile] | given_requests
    limits = _LIMITS[profile] | given_limits
    for name, request in requests.items():
        limit = limits.get(name)
        if limit is None or amount(request) <= amount(limit):
            continue
        if name in given_limits and name not in given_requests:
            requests[name] = limit
        elif name in given_requests and name not in given_limits:
            limits[name] = request
    return {
        "requests": {name: canonical(value) for name, value in sorted(requests.items())},
        "limits": {name: canonical(value) for name, value in sorted(limits.items())},
    }
