"""What a live bot runs, by what was approved, and what a new pod of it would run.

The two differ when the operator has another default image, when the name of an image leads to another one, or when the
Secret has other keys. None of it touches the bot that runs: it keeps what was approved until a person approves more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.v1alpha1.live import LiveState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot_operator.api.v1alpha1.live import LiveStatus, PreflightStatus

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
UNPINNED: Final = (
    "Its image cannot be pinned, as the node knows it by no digest that could be pulled: a pod that finds other code "
    "behind the name only reduces."
)


@dataclass(frozen=True, slots=True)
class Running:
    """An image and an account: those that were approved, or those that the preflight found."""

    image: str
    """The image's name, as the spec or the operator asks for it."""
    image_digest: str | None
    """What the kubelet said that it is."""
    account: str | None
    build: str | None = None
    """Fingerprint of the code, as the bot says it."""

    @property
    def pinned(self) -> str:
        """The image as a pod is given it: by its digest, where that is possible."""
        return pinned(self.image, self.image_digest or "") or self.image


def approved(live: LiveStatus, preflight: PreflightStatus | None) -> Running:
    """Return what was approved. An operator of before wrote it into the status of the preflight only."""
    if live.image is not None:
        return Running(live.image, live.image_digest, live.account, live.build)
    image = str(live.approved.get("image") or "")
    return Running(image, None, None) if preflight is None else replace(found(image, preflight), build=None)


def found(image: str, preflight: PreflightStatus) -> Running:
    """Return what a new pod would run, by the last look."""
    return Running(image, preflight.image_digest, preflight.account, preflight.build)


def is_what_runs(
    run: Running, live: LiveStatus, preflight: PreflightStatus, report: Mapping[str, Any] | None, image: str | None
) -> bool:
    """Return whether the live bot is what was approved, by its own account and its pod's image.

    Silence changes nothing: what traded goes on to, what only reduced does not begin again.
    """
    trades = live.state is LiveState.TRADING
    account = account_of(live, report) or (run.account if trades else preflight.account)
    seen = image or (run.image_digest if trades else preflight.image_digest)
    return account == run.account and same_image(seen, run.image_digest)


def account_of(live: LiveStatus, report: Mapping[str, Any] | None) -> str | None:
    """Return the account that the live bot says it has; nothing when it was started under an earlier approval."""
    said = report or {}
    approval = said.get("approval")
    under = approval.get("digest") if isinstance(approval, dict) else None
    account = said.get("account")
    if not isinstance(account, str) or not account or under not in (None, "", live.digest):
        return None
    return account[:128]


def same_image(first: str | None, second: str | None) -> bool:
    """Return whether two image ids are of one image: the registries that they name it by may differ."""
    one, other = (text.rpartition("@")[2] if text else "" for text in (first, second))
    return bool(one) and one == other


def pinned(image: str, image_id: str) -> str | None:
    """Return the image by the digest under which the node has it, or None where that would not be found again.

    A node names what it pulled REPOSITORY@sha256:…. What was brought onto it by hand has no repository, or one that was
    made up for it (`import-2026-11-25@sha256:…`).
    """
    if "@" in image:
        return image
    repository, _, digest = image_id.rpartition("@")
    name = _repository(image)
    if not _DIGEST.fullmatch(digest) or _full(repository.rpartition("://")[2]) != _full(name):
        return None
    return f"{name}@{digest}"


def _repository(image: str) -> str:
    """Return an image's name without its tag. A port is no tag."""
    place, slash, last = image.rpartition("/")
    return place + slash + last.partition(":")[0]


def _full(repository: str) -> str:
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return f"docker.io/{rest}" if first == "index.docker.io" else repository
    return f"docker.io/{repository}" if slash else f"docker.io/library/{repository}"
