"""Writes argocd-cm.yaml from the Lua scripts: `python gitops/argocd/generate.py`. A test compares the two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SCRIPTS = HERE / "resource_customizations" / "tradingbots.dev"
TARGET = HERE / "argocd-cm.yaml"
HEADER = """\
# The keys to add to the ConfigMap argocd-cm of an Argo CD that does not know the project's kinds by itself.
# Made from the scripts beside it by `python gitops/argocd/generate.py`. To add them without touching the other keys:
#
#   kubectl patch configmap argocd-cm -n argocd --patch-file gitops/argocd/argocd-cm.yaml
#
"""
# People and the operator write these. They belong in no repository; where one declares them all the same, neither its
# diff nor (with the sync option RespectIgnoreDifferences=true) its sync counts.
IGNORED = {"jsonPointers": ["/spec/emergencyStop", "/spec/resume", "/spec/approval"]}


class _Dumper(yaml.SafeDumper):
    """Scripts as blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=200, allow_unicode=True)


def build() -> str:
    """Return the ConfigMap."""
    data = {}
    for kind in sorted(path.name for path in SCRIPTS.iterdir()):
        folder = SCRIPTS / kind
        data[f"resource.customizations.health.tradingbots.dev_{kind}"] = (folder / "health.lua").read_text("utf-8")
        discovery = folder / "actions" / "discovery.lua"
        if discovery.exists():
            scripts = sorted(discovery.parent.glob("*/action.lua"))
            actions = {
                "discovery.lua": discovery.read_text("utf-8"),
                "definitions": [
                    {"name": script.parent.name, "action.lua": script.read_text("utf-8")} for script in scripts
                ],
            }
            data[f"resource.customizations.actions.tradingbots.dev_{kind}"] = _dump(actions)
    data["resource.customizations.ignoreDifferences.tradingbots.dev_TradingBot"] = _dump(IGNORED)
    return HEADER + _dump({"data": data})


if __name__ == "__main__":
    TARGET.write_text(build(), encoding="utf-8")
