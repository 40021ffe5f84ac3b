"""The feature flags that steer a bot. Each is on unless somebody said otherwise, and off takes something away.

So a flag can restrict any bot and loosen none: all of them on is what configuration and limits permit.
"""

from __future__ import annotations

ENTRIES, SHORTS, MANUAL, AUTONOMOUS = "entries", "short_selling", "manual_trades", "autonomous"

OFF = {
    ENTRIES: "no new positions (PAUSED); protective stops and exits go on",
    SHORTS: "no short positions",
    MANUAL: "no trades of people over the API; closing a position is always possible",
    AUTONOMOUS: "every entry of the strategy waits for a person",
}
"""By name, what it means that a flag is off."""
SOURCE = "flags"
"""Source of the restriction while `entries` is off."""
