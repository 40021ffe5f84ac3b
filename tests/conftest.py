"""Hypothesis without a stop watch: the machine is shared, and a slow example is not a wrong one."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
