"""The market, the signal and the engines of the comparison; `bench.peer_speed` runs them."""
