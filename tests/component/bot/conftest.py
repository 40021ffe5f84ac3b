"""Fixtures of the bot's component tests: real PostgreSQL."""
