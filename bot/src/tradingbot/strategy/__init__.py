"""Strategies: classes with typed parameters, found by entry point. They propose; they never send."""
