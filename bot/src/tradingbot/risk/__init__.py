"""What stands between a proposal and an order. A missing, stale or absurd value denies."""
