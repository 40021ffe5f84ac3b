"""The Deployment: one pod under the *restricted* Pod Security profile, with references to Secrets and no value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.desired.kinds import DEPLOYMENT
from tradingbot_operator.desired.naming import HTTP_PORT, child_name, labels, selector
from tradingbot_operator.desired.sizing import resources

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.common import Scheduling
    from tradingbot_operator.api.v1alpha1.connections import Notifications
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
    from tradingbot_operator.desired.config import BuildConfig

Manifest = dict[str, Any]

CONTAINER: Final = "bot"
CONFIG_DIRECTORY: Final = "/etc/tradingbot"
TOKEN_DIRECTORY: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
USER_ID: Final = 1000
RESTRICTED: Final[Manifest] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
STOP_SECONDS: Final = 60
"""Time that the bot has to cancel its orders, write its state and give the lease back."""


def deployment(bot: TradingBot, mode: Mode, config: BuildConfig, config_map: str) -> Manifest:
    """Build the Deployment; `config_map` is the name of the ConfigMap of this very configuration.

    The new pod is started beside the old one (see docs/architecture.md, Rollout), so whatever is wrong with the new
    version, the old one trades on.
    """
    name = bot.metadata.name
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": "Deployment",
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": bot.spec.update.health_timeout_seconds,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": selector(name)},
            "template": {
                "metadata": {
                    "labels": labels(name),
                    "annotations": {
                        "kubectl.kubernetes.io/default-container": CONTAINER,
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": str(HTTP_PORT),
                        "prometheus.io/path": "/metrics",
                    },
                },
                "spec": _pod(bot, mode, config, config_map),
            },
        },
    }


def image_of(bot: TradingBot, config: BuildConfig) -> tuple[str, str]:
    """Return image and pull policy: the object's own, else the operator's."""
    spec = bot.spec
    image = spec.image or config.bot_image
    if spec.image_pull_policy is not None:
        return image, spec.image_pull_policy.value
    if spec.image is None:
        return image, config.image_pull_policy
    tag = image.rpartition("/")[2].partition(":")[2]
    return image, "Always" if "@" not in image and tag in {"", "latest"} else "IfNotPresent"


def _pod(bot: TradingBot, mode: Mode, config: BuildConfig, config_map: str) -> Manifest:
    pod = pod_base(bot)
    pod |= {
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "containers": [_container(bot, mode, config)],
        "volumes": _volumes(config_map),
    }
    return pod


def pod_base(bot: TradingBot) -> Manifest:
    """Build what every pod of a bot has: whose it is, restricted rights, where it may run."""
    pod: Manifest = {
        "serviceAccountName": child_name(bot.metadata.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if bot.spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": reference.name} for reference in bot.spec.image_pull_secrets]
    if bot.spec.scheduling is not None:
        pod |= _scheduling(bot.spec.scheduling)
    return pod


def _container(bot: TradingBot, mode: Mode, config: BuildConfig) -> Manifest:
    image, pull_policy = image_of(bot, config)
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": ["tradingbot", "run"],
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "env": _environment(bot, mode),
        "resources": resources(bot.spec.profile, bot.spec.resources),
        "securityContext": dict(RESTRICTED),
        # Starting includes the database's migrations and the strategy's warm-up: up to two minutes.
        "startupProbe": _probe("/live", period=2, failures=60),
        "livenessProbe": _probe("/live", period=10, failures=3),
        "readinessProbe": _probe("/ready", period=5, failures=2),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
            {"name": "token", "mountPath": TOKEN_DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount path
        ],
    }


def _environment(bot: TradingBot, mode: Mode) -> list[Manifest]:
    spec = bot.spec
    database = spec.database.secret_ref
    env: list[Manifest] = [
        {"name": "CONFIG_PATH", "value": f"{CONFIG_DIRECTORY}/config.yaml"},
        {"name": "TRADING_MODE", "value": mode.value},
        {"name": "TRADING_APPROVED", "value": "true" if mode is Mode.LIVE else "false"},
        {"name": "TRADINGBOT_NAME", "value": bot.metadata.name},
        {"name": "TRADINGBOT_UID", "value": bot.metadata.uid},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}},
        _secret("DB_URL", database.name, database.key),
    ]
    if spec.redis is not None:
        env.append(_secret("REDIS_URL", spec.redis.secret_ref.name, spec.redis.secret_ref.key))
    if spec.api is not None:
        env.append(_secret("API_KEY", spec.api.secret_ref.name, spec.api.secret_ref.key))
    if spec.notifications is not None:
        env += _channels(spec.notifications)
    if mode is Mode.LIVE:
        env += account_keys(bot)
    return env


def _channels(notifications: Notifications) -> list[Manifest]:
    """Build the references to tokens and addresses of those who are told; a channel that is off gets none."""
    env: list[Manifest] = []
    telegram, email = notifications.telegram, notifications.email
    if telegram is not None and telegram.enabled:
        secret = telegram.secret_ref
        env.append(_secret("TELEGRAM_BOT_TOKEN", secret.name, secret.bot_token_key))
        env.append(_secret("TELEGRAM_CHAT_ID", secret.name, secret.chat_id_key))
    for variable, webhook in (
        ("SLACK_WEBHOOK_URL", notifications.slack),
        ("DISCORD_WEBHOOK_URL", notifications.discord),
    ):
        if webhook is not None and webhook.enabled:
            env.append(_secret(variable, webhook.secret_ref.name, webhook.secret_ref.key))
    if email is not None and email.enabled and email.secret_ref is not None:
        env.append(_secret("SMTP_USERNAME", email.secret_ref.name, email.secret_ref.username_key))
        env.append(_secret("SMTP_PASSWORD", email.secret_ref.name, email.secret_ref.password_key))
    return env


def account_keys(bot: TradingBot) -> list[Manifest]:
    """Build the references to the exchange account's keys: for a live bot, and for its Jobs."""
    reference = bot.spec.exchange.credentials_secret_ref
    if reference is None:
        return []
    return [
        _secret("EXCHANGE_API_KEY", reference.name, reference.api_key_key),
        _secret("EXCHANGE_API_SECRET", reference.name, reference.api_secret_key),
    ]


def _secret(variable: str, name: str, key: str) -> Manifest:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _volumes(config_map: str) -> list[Manifest]:
    return [
        {"name": "config", "configMap": {"name": config_map}},
        {
            "name": "token",
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {
                        "downwardAPI": {
                            "items": [
                                {
                                    "path": "namespace",
                                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                                }
                            ]
                        }
                    },
                ]
            },
        },
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]


def _scheduling(scheduling: Scheduling) -> Manifest:
    pod: Manifest = {}
    if scheduling.node_selector:
        pod["nodeSelector"] = dict(scheduling.node_selector)
    if scheduling.tolerations:
        pod["tolerations"] = [toleration.to_manifest() for toleration in scheduling.tolerations]
    if scheduling.priority_class_name is not None:
        pod["priorityClassName"] = scheduling.priority_class_name
    if scheduling.affinity:
        pod["affinity"] = scheduling.affinity
    return pod
