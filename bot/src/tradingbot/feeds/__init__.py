"""Market data: recorded candles, and a synthetic market."""
