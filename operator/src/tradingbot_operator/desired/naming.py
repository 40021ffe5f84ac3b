"""Names, labels and annotations of children. `docs/architecture.md` promises them; selectors are never changed."""

from __future__ import annotations

from typing import Final

MANAGER: Final = "tradingbot-operator"
BOT_LABEL: Final = "tradingbots.dev/bot"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
HASH_ANNOTATION: Final = "tradingbots.dev/applied-hash"
STOP_ANNOTATION: Final = "tradingbots.dev/stop-id"
CONFIG_HASH_ANNOTATION: Final = "tradingbots.dev/config-hash"
CHILD_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGER}"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
BOT_COMPONENT: Final = "bot"
PREFLIGHT_COMPONENT: Final = "preflight"
KILL_COMPONENT: Final = "kill"
JOB_COMPONENTS: Final = (KILL_COMPONENT, PREFLIGHT_COMPONENT)
NO_SIDECAR_LABELS: Final = {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"}
NO_SIDECAR_ANNOTATIONS: Final = {"linkerd.io/inject": "disabled", "consul.hashicorp.com/connect-inject": "false"}
"""What keeps a service mesh's proxy out of a Job's pod, as each mesh reads it. With one, the preflight has something
beside it that saw the account's keys, and is not believed; and a Job whose proxy runs on never ends."""
HTTP_PORT: Final = 8080
PREFIX: Final = "tradingbot-"
LABEL_LENGTH: Final = 63


def child_name(bot: str) -> str:
    """Return the name that all children share (the ConfigMap adds its hash)."""
    return f"{PREFIX}{bot}"


def job_name(bot: str, purpose: str, identity: str) -> str:
    """Return the name of a Job; the bot's part is cut where it would be too long for a label of the Job's pods."""
    end = f"-{purpose}-{identity}"
    return f"{child_name(bot)[: LABEL_LENGTH - len(end)].rstrip('-')}{end}"


def job_pod_metadata(bot: str, component: str) -> dict[str, dict[str, str]]:
    """Return labels and annotations of the pods of a Job."""
    default = {"kubectl.kubernetes.io/default-container": "bot"}
    return {
        "labels": {**labels(bot, component), **NO_SIDECAR_LABELS},
        "annotations": {**default, **NO_SIDECAR_ANNOTATIONS},
    }


def selector(bot: str) -> dict[str, str]:
    """Return the labels that select the pods of a bot."""
    return {"app.kubernetes.io/name": "tradingbot", "app.kubernetes.io/instance": bot}


def labels(bot: str, component: str = BOT_COMPONENT) -> dict[str, str]:
    """Return the labels of every child; a Job's pods have another component, so that no Service selects them."""
    return {
        **selector(bot),
        COMPONENT_LABEL: component,
        MANAGED_BY_LABEL: MANAGER,
        BOT_LABEL: bot,
    }
