"""Hypothesis without a stop watch: the machine is shared, and a slow example is not a wrong one."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("bot", deadline=None)
settings.load_profile("bot")
