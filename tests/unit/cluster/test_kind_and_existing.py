"""The commands that kind and an existing cluster are driven with. No Docker engine runs where these tests do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tradingbot_cluster import state as states
from tradingbot_cluster.errors import ClusterError, UsageError
from tradingbot_cluster.existing import ExistingProvider
from tradingbot_cluster.images.catalogue import select
from tradingbot_cluster.interface import UpOptions
from tradingbot_cluster.kind import NODE_IMAGE, KindProvider
from tradingbot_cluster.paths import Layout, checkout_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tradingbot_cluster.images.catalogue import ImageSource


class Recorder:
    """Notes every command and answers by the longest known beginning."""

    def __init__(self, answers: dict[str, str] | None = None, failing: tuple[str, ...] = ()) -> None:
        self.commands: list[str] = []
        self.answers = answers or {}
        self.failing = failing

    def __call__(self, command: Sequence[str], *, stdin: str | None = None, timeout: float = 0) -> str:
        line = " ".join(command)
        self.commands.append(line)
        if any(text in line for text in self.failing):
            raise ClusterError(f"{line} failed")
        return next((answer for text, answer in self.answers.items() if text in line), "")


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setattr("tradingbot_cluster.paths.runtime_base", lambda: tmp_path / "run")
    monkeypatch.setattr("tradingbot_cluster.paths.LONGEST_DATA_PATH", 1000)
    for name in ("KUBECONFIG_EXISTING", "CONTEXT_EXISTING", "REGISTRY_EXISTING", "TRADINGBOT_BASE_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    return Layout.of("default", tmp_path / "state")


def kind(layout: Layout, run: Recorder) -> KindProvider:
    return KindProvider(layout, run, kind="kind", kubectl="kubectl")


def test_kind_up_creates_with_its_own_kubeconfig(layout: Layout) -> None:
    run = Recorder()
    provider = kind(layout, run)
    provider.up(UpOptions())
    assert run.commands == [
        "kind get clusters",
        (
            f"kind create cluster --name={provider.cluster} --kubeconfig={layout.kubeconfig} --image={NODE_IMAGE} "
            "--wait=180s"
        ),
    ]
    recorded = states.load(layout)
    assert recorded is not None
    assert recorded.provider == "kind"


def test_kind_up_again_only_writes_the_kubeconfig(layout: Layout) -> None:
    name = kind(layout, Recorder()).cluster
    run = Recorder({"get clusters": f"other\n{name}\n"})
    kind(layout, run).up(UpOptions())
    assert run.commands[1:] == [f"kind export kubeconfig --name={name} --kubeconfig={layout.kubeconfig}"]


def test_kind_clusters_of_two_checkouts_have_different_names(layout: Layout, tmp_path: Path) -> None:
    other = Layout.of("default", tmp_path / "other")
    assert kind(layout, Recorder()).cluster != kind(other, Recorder()).cluster


def test_kind_down_deletes_its_own_only(layout: Layout) -> None:
    provider = kind(layout, Recorder())
    provider.up(UpOptions())
    run = Recorder({"get clusters": provider.cluster})
    assert kind(layout, run).down()
    assert run.commands[-1] == f"kind delete cluster --name={provider.cluster} --kubeconfig={layout.kubeconfig}"
    assert states.load(layout) is None
    again = Recorder({"get clusters": "somebody-elses"})
    assert not kind(layout, again).down()
    assert again.commands == ["kind get clusters"]


def test_kind_builds_both_images_once_and_loads_them(layout: Layout) -> None:
    run = Recorder(failing=("image inspect",))
    provider = kind(layout, run)
    images = provider.build_images([])
    assert [image.name for image in images] == ["operator", "bot"]
    builds = [command for command in run.commands if command.startswith("docker build")]
    assert len(builds) == 2
    root = checkout_root()
    assert builds[0] == (
        f"docker build --build-arg=BASE_IMAGE=python:3.13-slim --file={root}/Dockerfile.operator "
        f"--tag={images[0].reference} --tag=localhost/tradingbot/operator:dev {root}"
    )
    loads = [command for command in run.commands if "load docker-image" in command]
    assert loads == [f"kind load docker-image {image.reference} --name={provider.cluster}" for image in images]

    unchanged = Recorder({"images list": "\n".join(image.reference for image in images)})
    assert kind(layout, unchanged).build_images([]) == images
    assert not [command for command in unchanged.commands if "build" in command or " load " in command]


def test_kind_pulls_the_stacks_images(layout: Layout) -> None:
    with pytest.raises(UsageError, match="official"):
        kind(layout, Recorder()).build_images(["postgresql"])


def test_status_asks_api_server_and_nodes(layout: Layout) -> None:
    provider = kind(layout, Recorder())
    provider.up(UpOptions())
    layout.kubeconfig.write_text("{}")
    run = Recorder({"get clusters": provider.cluster, "get nodes": "a=True\nb=False\n", "config view": "https://x"})
    status = kind(layout, run).status()
    assert [(entry.component, entry.healthy) for entry in status.components] == [
        ("kube-apiserver", True),
        ("node a", True),
        ("node b", False),
    ]
    assert status.exit_code == 4
    gone = kind(layout, Recorder({"get clusters": provider.cluster, "config view": "https://x"}, failing=("/readyz",)))
    assert gone.status().exit_code == 4
    assert kind(layout, Recorder()).status().exit_code == 3


def test_existing_needs_a_named_file(layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "the-users-own"))
    with pytest.raises(UsageError, match="KUBECONFIG_EXISTING"):
        ExistingProvider(layout, Recorder(), "kubectl").up(UpOptions())
    monkeypatch.setenv("KUBECONFIG_EXISTING", str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="is not a file"):
        ExistingProvider(layout, Recorder(), "kubectl").up(UpOptions())


def test_existing_copies_one_context_and_leaves_the_rest(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("their content")
    monkeypatch.setenv("KUBECONFIG_EXISTING", str(theirs))
    monkeypatch.setenv("CONTEXT_EXISTING", "staging")
    run = Recorder({"config view": "one context"})
    provider = ExistingProvider(layout, run, "kubectl")
    provider.up(UpOptions())
    assert run.commands == [
        f"kubectl --kubeconfig={theirs} --context=staging config view --minify --flatten --raw",
        f"kubectl --kubeconfig={layout.kubeconfig} --request-timeout=10s get --raw=/readyz",
    ]
    assert layout.kubeconfig.read_text() == "one context"
    assert layout.kubeconfig.stat().st_mode & 0o077 == 0
    assert provider.down()
    assert theirs.read_text() == "their content"
    assert not layout.kubeconfig.exists()
    assert not provider.down()


@pytest.mark.parametrize("options", [UpOptions(control_plane_only=True), UpOptions(kwok_nodes=3)])
def test_what_only_the_local_provider_can_is_refused(layout: Layout, options: UpOptions) -> None:
    for provider in (kind(layout, Recorder()), ExistingProvider(layout, Recorder(), "kubectl")):
        with pytest.raises(UsageError, match="CLUSTER=local"):
            provider.up(options)


class Pushed:
    """Notes what is pushed."""

    def __init__(self) -> None:
        self.targets: list[str] = []

    def select(self, names: list[str]) -> list[ImageSource]:
        return select(names, stack=False)

    def digest(self, source: ImageSource) -> str:
        return f"hash-of-{source.name}"

    def push(self, source: ImageSource, target: str) -> None:
        self.targets.append(target)


@pytest.fixture
def theirs(layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pushed:
    """Name an existing cluster, which is up."""
    (tmp_path / "theirs").write_text("their content")
    monkeypatch.setenv("KUBECONFIG_EXISTING", str(tmp_path / "theirs"))
    pusher = Pushed()
    ExistingProvider(layout, Recorder(), "kubectl", pusher).up(UpOptions())
    return pusher


def test_existing_asks_for_a_registry(layout: Layout, theirs: Pushed) -> None:
    provider = ExistingProvider(layout, Recorder(), "kubectl", theirs)
    with pytest.raises(UsageError, match="REGISTRY_EXISTING=<registry>/<path>"):
        provider.build_images([])
    with pytest.raises(UsageError, match="push it to a registry"):
        provider.load_image("some/image:1")


def test_existing_pushes_each_image_once(layout: Layout, theirs: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_EXISTING", "registry.example/me/")
    images = ExistingProvider(layout, Recorder(), "kubectl", theirs).build_images([])
    assert [image.reference for image in images] == theirs.targets
    assert theirs.targets == [
        "registry.example/me/operator:hash-of-operator",
        "registry.example/me/bot:hash-of-bot",
    ]
    monkeypatch.delenv("REGISTRY_EXISTING")
    again = ExistingProvider(layout, Recorder(), "kubectl", theirs)
    again.up(UpOptions())
    assert again.build_images([]) == images
    assert len(theirs.targets) == 2


def test_another_registry_gets_the_images_too(layout: Layout, theirs: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in ("registry.example/me", "other.example"):
        monkeypatch.setenv("REGISTRY_EXISTING", registry)
        ExistingProvider(layout, Recorder(), "kubectl", theirs).build_images(["bot"])
    assert theirs.targets == ["registry.example/me/bot:hash-of-bot", "other.example/bot:hash-of-bot"]


def test_docker_pushes_what_it_built(layout: Layout, theirs: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_EXISTING", "registry.example/me")
    run = Recorder()
    (image,) = ExistingProvider(layout, run, "kubectl").build_images(["bot"])
    assert run.commands[0].startswith("docker info")
    assert run.commands[-2:] == [
        f"docker tag localhost/tradingbot/bot:{image.digest} {image.reference}",
        f"docker push --quiet {image.reference}",
    ]
    assert theirs.targets == []
