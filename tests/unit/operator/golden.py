"""Rewrite the golden manifests: python -m tests.unit.operator.golden."""

from __future__ import annotations

import yaml
from tests.unit.operator.helpers import bot
from tests.unit.operator.test_desired import CONFIG, FULL, GOLDEN

from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.desired.tradingbot import build

if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, spec in (("minimal", {}), ("full", FULL)):
        manifests = build(bot(**spec), Mode.SIMULATION, CONFIG).manifests
        (GOLDEN / f"{name}.yaml").write_text(yaml.safe_dump_all(manifests, sort_keys=False, width=120))
