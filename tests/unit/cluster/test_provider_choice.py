"""Which of the three ways to have a cluster is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tradingbot_cluster import state as states
from tradingbot_cluster.errors import ClusterError, UsageError
from tradingbot_cluster.kind import NODE_IMAGE, docker_works
from tradingbot_cluster.paths import Layout
from tradingbot_cluster.provider import choose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setattr("tradingbot_cluster.paths.runtime_base", lambda: tmp_path / "run")
    monkeypatch.setattr("tradingbot_cluster.paths.LONGEST_DATA_PATH", 1000)
    return Layout.of("default", tmp_path / "state")


def never(_: object) -> bool:
    raise AssertionError("Docker was asked although the answer was known")


@pytest.mark.parametrize("name", ["existing", "kind", "local"])
def test_named_provider_wins_without_asking_docker(layout: Layout, name: str) -> None:
    assert choose(layout, name, {}, never) == name
    assert choose(layout, "", {"CLUSTER": name}, never) == name
    assert choose(layout, name, {"CLUSTER": "local"}, never) == name


def test_a_named_kubeconfig_means_existing(layout: Layout) -> None:
    assert choose(layout, "", {"KUBECONFIG_EXISTING": "/some/file"}, never) == "existing"


def test_the_users_own_kubeconfig_means_nothing(layout: Layout) -> None:
    assert choose(layout, "", {"KUBECONFIG": "/some/file"}, lambda _: False) == "local"


def test_kind_where_docker_works_else_local(layout: Layout) -> None:
    assert choose(layout, "", {}, lambda _: True) == "kind"
    assert choose(layout, "", {}, lambda _: False) == "local"


def test_unknown_provider_is_refused_with_the_known_ones(layout: Layout) -> None:
    with pytest.raises(UsageError, match="existing, kind, local"):
        choose(layout, "", {"CLUSTER": "minikube"}, never)


def test_a_cluster_that_is_there_decides(layout: Layout) -> None:
    layout.prepare()
    states.save(layout, states.State("default", "kind"))
    assert choose(layout, "", {}, never) == "kind"
    with pytest.raises(UsageError, match="take it down first"):
        choose(layout, "local", {}, never)


class Docker:
    """A Docker engine that answers, and has or reaches an image, or not."""

    def __init__(self, *, answers: bool, has: bool = False, reaches: bool = False) -> None:
        self.works = {"info": answers, "image": has, "manifest": reaches}
        self.asked: list[str] = []

    def __call__(self, command: Sequence[str], *, stdin: str | None = None, timeout: float = 0) -> str:
        self.asked.append(command[1])
        if not self.works[command[1]]:
            raise ClusterError("no")
        return ""


@pytest.mark.parametrize(
    ("docker", "expected"),
    [
        (Docker(answers=False), False),
        (Docker(answers=True), False),
        (Docker(answers=True, has=True), True),
        (Docker(answers=True, reaches=True), True),
    ],
)
def test_docker_works_only_with_an_image(tmp_path: Path, docker: Docker, expected: bool) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert docker_works({"PATH": str(tmp_path)}, docker) is expected


def test_no_docker_program_means_no(tmp_path: Path) -> None:
    docker = Docker(answers=True, has=True)
    assert not docker_works({"PATH": str(tmp_path)}, docker)
    assert docker.asked == []


def test_node_image_is_pinned_by_digest() -> None:
    assert "@sha256:" in NODE_IMAGE
