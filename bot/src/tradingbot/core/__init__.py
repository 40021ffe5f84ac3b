"""The engine: one synchronous, deterministic step from an event to effects. No clock, no randomness, no input, no output."""
