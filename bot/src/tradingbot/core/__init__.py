"""The engine: one synchronous, deterministic step from an event to effects. No clock, no chance, no I/O."""
