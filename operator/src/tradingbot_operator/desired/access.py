"""What a bot may do in the cluster: read and watch its own TradingBot, nothing else."""

from __future__ import annotations

from typing import Any

from tradingbot_operator.desired.kinds import ROLE, ROLE_BINDING, SERVICE_ACCOUNT, TRADING_BOT
from tradingbot_operator.desired.naming import child_name

Manifest = dict[str, Any]


def service_account() -> Manifest:
    """Build the ServiceAccount. No token is mounted by itself: the pod asks for the one that it needs."""
    return {"apiVersion": SERVICE_ACCOUNT.api_version, "kind": "ServiceAccount", "automountServiceAccountToken": False}


def role(bot: str) -> Manifest:
    """Build the Role: `get` and `watch` of one object by name. `list` would need the names of others."""
    rule = {
        "apiGroups": [TRADING_BOT.group],
        "resources": [TRADING_BOT.plural],
        "resourceNames": [bot],
        "verbs": ["get", "watch"],
    }
    return {"apiVersion": ROLE.api_version, "kind": "Role", "rules": [rule]}


def role_binding(bot: str, namespace: str) -> Manifest:
    """Build the RoleBinding of the two."""
    return {
        "apiVersion": ROLE_BINDING.api_version,
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": ROLE.group, "kind": "Role", "name": child_name(bot)},
        "subjects": [{"kind": "ServiceAccount", "name": child_name(bot), "namespace": namespace}],
    }
