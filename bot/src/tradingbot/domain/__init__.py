"""What trading is made of: money, instruments, market events, orders, fills, states. Standard library and msgspec only."""
