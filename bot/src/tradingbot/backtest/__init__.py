"""Backtest: the engine and the simulated exchange of a simulation, without clock, database and event loop."""
