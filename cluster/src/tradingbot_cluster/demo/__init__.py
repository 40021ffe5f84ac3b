"""`make demo`: from nothing to a TradingBot that trades in simulation, and back."""
