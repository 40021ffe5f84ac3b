"""The stop of a whole namespace, by an annotation: for its bots of now and for those that are still to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.v1alpha1.safety import EmergencyStop

if TYPE_CHECKING:
    from collections.abc import Mapping

STOP_ANNOTATION: Final = "tradingbots.dev/emergency-stop"
CLOSE_ANNOTATION: Final = "tradingbots.dev/close-positions"
REASON_ANNOTATION: Final = "tradingbots.dev/emergency-stop-reason"
_NO: Final = {"", "false", "no", "0", "off"}


def namespace_stop(namespace: Mapping[str, Any] | None) -> EmergencyStop | None:
    """Return the stop that a Namespace asks for. In doubt it stops: any value that is not a plain no is a yes."""
    annotations = ((namespace or {}).get("metadata") or {}).get("annotations") or {}
    if not _yes(annotations.get(STOP_ANNOTATION)):
        return None
    return EmergencyStop(
        active=True,
        close_positions=str(annotations.get(CLOSE_ANNOTATION) or "").strip().lower() == "true",
        reason=str(annotations.get(REASON_ANNOTATION) or "")[:1024]
        or f"the namespace has the annotation {STOP_ANNOTATION}",
    )


def _yes(value: Any) -> bool:
    return str(value or "").strip().lower() not in _NO
