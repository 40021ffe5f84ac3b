"""Names, labels and annotations of children. `docs/architecture.md` promises them; selectors are never changed."""

from __future__ import annotations

from typing import Final

MANAGER: Final = "tradingbot-operator"
BOT_LABEL: Final = "tradingbots.dev/bot"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
HASH_ANNOTATION: Final = "tradingbots.dev/applied-hash"
CONFIG_HASH_ANNOTATION: Final = "tradingbots.dev/config-hash"
CHILD_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGER}"
HTTP_PORT: Final = 8080
PREFIX: Final = "tradingbot-"


def child_name(bot: str) -> str:
    """Return the name that all children share (the ConfigMap adds its hash)."""
    return f"{PREFIX}{bot}"


def selector(bot: str) -> dict[str, str]:
    """Return the labels that select the pods of a bot."""
    return {"app.kubernetes.io/name": "tradingbot", "app.kubernetes.io/instance": bot}


def labels(bot: str) -> dict[str, str]:
    """Return the labels of every child."""
    return {
        **selector(bot),
        "app.kubernetes.io/component": "bot",
        MANAGED_BY_LABEL: MANAGER,
        BOT_LABEL: bot,
    }
