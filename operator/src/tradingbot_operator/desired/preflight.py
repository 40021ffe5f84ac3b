"""The preflight's Job: it looks at the exchange account with the live keys, trades nothing, and says what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.desired.configfile import config_values, render
from tradingbot_operator.desired.kinds import JOB
from tradingbot_operator.desired.naming import PREFLIGHT_COMPONENT, job_name, job_pod_metadata
from tradingbot_operator.desired.tradingbot import complete, config_map_of
from tradingbot_operator.desired.workload import (
    CONFIG_DIRECTORY,
    CONTAINER,
    RESTRICTED,
    account_keys,
    image_of,
    pod_base,
)

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
    from tradingbot_operator.desired.config import BuildConfig

Manifest = dict[str, Any]

DEADLINE_SECONDS: Final = 300
"""How long one look may take, the pull of the image and the wait for a missing Secret included."""
KEPT_SECONDS: Final = 3600
"""How long an ended Job stays, for its log."""
STOP_SECONDS: Final = 10
COMMAND: Final = ("tradingbot", "preflight")


def preflight_name(bot: str, run: str) -> str:
    """Return the name of the Job of one run, and of its ConfigMap."""
    return job_name(bot, PREFLIGHT_COMPONENT, run)


def preflight(bot: TradingBot, config: BuildConfig, run: str) -> tuple[Manifest, Manifest]:
    """Build the ConfigMap and the Job of one run. It has the account's keys and nothing else: no database, no token."""
    name = preflight_name(bot.metadata.name, run)
    configuration = config_map_of(render(config_values(bot, Mode.LIVE)))
    return (
        complete(bot, name, configuration, PREFLIGHT_COMPONENT),
        complete(bot, name, _job(bot, config, name), PREFLIGHT_COMPONENT),
    )


def _job(bot: TradingBot, config: BuildConfig, name: str) -> Manifest:
    image, pull_policy = image_of(bot, config)
    container: Manifest = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": list(COMMAND),
        "env": [
            {"name": "CONFIG_PATH", "value": f"{CONFIG_DIRECTORY}/config.yaml"},
            {"name": "TRADING_MODE", "value": Mode.LIVE.value},
            {"name": "TRADING_APPROVED", "value": "false"},
            *account_keys(bot),
        ],
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "securityContext": dict(RESTRICTED),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount path
        ],
    }
    pod = pod_base(bot) | {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": job_pod_metadata(bot.metadata.name, PREFLIGHT_COMPONENT),
                "spec": pod,
            },
        },
    }
