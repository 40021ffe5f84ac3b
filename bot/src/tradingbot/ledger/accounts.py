"""The chart of accounts. Each account holds any asset."""

from __future__ import annotations

AVAILABLE = "available"
"""What the bot owns and may spend."""
HELD = "held"
"""What is set aside for open orders."""
FEES = "fees"
"""What was paid to the venue."""
EXCHANGE = "exchange"
"""The other side of trades: what was given for what was got."""
CAPITAL = "capital"
"""What was put in (below zero, as it is owed to whoever put it in)."""

ALL = (AVAILABLE, HELD, FEES, EXCHANGE, CAPITAL)
