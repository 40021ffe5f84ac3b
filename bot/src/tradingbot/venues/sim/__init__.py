"""The simulated exchange: deterministic, seeded, and pessimistic where candles do not tell what happened first."""
