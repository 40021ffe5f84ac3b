"""Helm 4 as the real program: one chart and one release for each bot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from tests.gitops.world import World, run

from tradingbot_cluster import binaries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.api.crd.server import Manifest


class Helm4:
    """`helm upgrade`, or whatever command it is given, with a chart that holds one bot."""

    def __init__(self, world: World, *flags: str, command: str = "upgrade") -> None:
        self._world, self._flags, self._command = world, flags, command
        self._kubeconfig = world.account("helm")

    def deploy(self, file: Manifest) -> None:
        for _ in range(2):  # a release to go back to, which is this one's equal
            said = self._helm("upgrade", file, "--install", str(self._chart(file)))
            assert not said, said

    def again(self, file: Manifest) -> str:
        chart = [str(self._chart(file))] if self._command == "upgrade" else []
        return self._helm(self._command, file, *chart, *self._flags)

    def _helm(self, command: str, file: Manifest, *more: str) -> str:
        meta = file["metadata"]
        program: Sequence[str] = (str(binaries.program("helm4")), command, meta["name"], "-n", meta["namespace"])
        done = run(self._kubeconfig, *program, *more)
        return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"

    def _chart(self, file: Manifest) -> Path:
        chart = self._world.folder / "charts" / str(file["metadata"]["name"])
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text("apiVersion: v2\nname: bot\nversion: 1.0.0\n", encoding="utf-8")
        (chart / "templates" / "bot.yaml").write_text(yaml.safe_dump(file), encoding="utf-8")
        return chart
