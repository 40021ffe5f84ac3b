"""Real exchanges through ccxt. ccxt itself (70 MiB) is imported when a venue connects, never before."""
