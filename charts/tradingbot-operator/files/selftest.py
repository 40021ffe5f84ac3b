"""What `helm test` runs, in the operator's own image: is it ready, and does the API server know its objects.

Nothing is created: the TradingBots here are sent with dryRun=All.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PATIENCE_SECONDS = 60.0
BOT: dict[str, Any] = {
    "apiVersion": "tradingbots.dev/v1alpha1",
    "kind": "TradingBot",
    "metadata": {"name": "helm-test"},
    "spec": {
        "strategy": {"name": "breakout", "symbols": ["BTC/USD"], "timeframe": "1m"},
        "database": {"secretRef": {"name": "trading-database"}},
    },
}


def get(url: str) -> str:
    """Read a page of the operator, trying again for a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own http address)
                return str(answer.read().decode())
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"FAILED  {url}: {error}") from error
            time.sleep(1)


def dry_run(bot: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Ask the API server what it would answer to the creation of this object."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    namespace = os.environ["POD_NAMESPACE"]
    request = urllib.request.Request(
        f"https://{host}:{port}/apis/tradingbots.dev/v1alpha1/namespaces/{namespace}/tradingbots"
        "?dryRun=All&fieldValidation=Strict",
        data=json.dumps(bot).encode(),
        headers={
            "Authorization": "Bearer " + (ACCOUNT / "token").read_text(encoding="utf-8").strip(),
            "Content-Type": "application/json",
        },
        method="POST",
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
            return int(answer.status), dict(json.load(answer))
    except urllib.error.HTTPError as error:
        return error.code, dict(json.load(error))


def check(holds: bool, what: str, otherwise: str = "") -> None:
    """Say one result, and end the test at the first that fails."""
    sys.stdout.write(f"{'ok    ' if holds else 'FAILED'}  {what}{'' if holds else ': ' + otherwise}\n")
    sys.stdout.flush()
    if not holds:
        sys.exit(1)


def main() -> None:
    """Run every check."""
    service = os.environ["OPERATOR_SERVICE"]
    check("" in get(f"http://{service}:8081/readyz"), "the operator is ready")
    check("# TYPE " in get(f"http://{service}:8080/metrics"), "the operator has metrics", "no metric in the answer")
    code, answer = dry_run(BOT)
    mode = answer.get("spec", {}).get("mode")
    check(code == 201, "a TradingBot is accepted", f"{code} {answer.get('message')}")
    check(mode == "simulation", "it would run in simulation", f"its mode would be {mode}")
    code, answer = dry_run({**BOT, "spec": {**BOT["spec"], "mode": "yolo"}})
    check(code == 422, "a mode that does not exist is refused", f"{code} {answer.get('message')}")
    code, answer = dry_run({**BOT, "spec": {**BOT["spec"], "risk": {"maxDrawdown": 2}}})
    check(code == 422, "a drawdown limit above 1 is refused", f"{code} {answer.get('message')}")


if __name__ == "__main__":
    main()
