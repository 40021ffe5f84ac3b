"""Money, instruments, market events, orders, fills, states. Standard library and msgspec only."""
