"""Argo CD's application-controller and repo-server as the real programs: for each bot a repository and an Application.

No argocd-server: an Application is an object like any other, and its `operation` field is what the button Sync writes.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml
from tests.api.crd.server import ROOT, Manifest, install_crd
from tests.gitops.programs import Program, of_module, running
from tests.support import redis
from tests.support.ports import free_port
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.gitops.world import World

CRDS = ("application", "applicationset", "appproject")
SETTINGS = ROOT / "gitops" / "argocd" / "argocd-cm.yaml"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
API = "/apis/argoproj.io/v1alpha1/namespaces/{}"
OVER = {"Succeeded", "Failed", "Error"}
BACKOFF = {"duration": "1s", "factor": 1, "maxDuration": "1s"}
"""Argo CD's own default is five retries after 5 to 80 seconds."""


@dataclass(frozen=True)
class Installed:
    """Argo CD's programs at work, in one namespace."""

    world: World
    namespace: str
    programs: tuple[Program, ...]
    serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class ArgoCD:
    """Applications with self-heal and some sync options. `again` is a refresh, self-heal if need be, and a sync."""

    def __init__(self, installed: Installed, *options: str, ignored: Sequence[Manifest] = (), retries: int = 1) -> None:
        self._argo, self._options, self._ignored = installed, list(options), list(ignored)
        self._retry = {"limit": retries, "backoff": BACKOFF}
        self._server = installed.world.server

    def deploy(self, file: Manifest, *beside: Manifest) -> None:
        meta = file["metadata"]
        repository = self._argo.world.folder / "repositories" / str(meta["name"])
        commit(repository, yaml.safe_dump_all([file, *beside]))
        spec = {
            "project": "default",
            "source": {"repoURL": f"file://{repository}", "targetRevision": "main", "path": "."},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": meta["namespace"]},
            "ignoreDifferences": self._ignored,
            "syncPolicy": {"automated": {"selfHeal": True}, "syncOptions": self._options, "retry": self._retry},
        }
        body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": meta["name"]}}
        self._server.request("POST", self._path(), {**body, "spec": spec})
        self.until_synced(file)
        self._argo.world.live(file)

    def again(self, file: Manifest) -> str:
        self.refresh(file)
        token = str(next(self._argo.serial))
        version = eventually(lambda: self._sync(file, token), f"a sync of {file['metadata']['name']} was begun")

        def look() -> Manifest | None:
            nonlocal version
            # Self-heal may begin the next operation at once, and then the state tells of that one.
            for application in self._server.changes(self._path(), file["metadata"]["name"], version):
                version = application["metadata"]["resourceVersion"]
                state: Manifest = (application.get("status") or {}).get("operationState") or {}
                info = (state.get("operation") or {}).get("info") or [{}]
                if info[0].get("value") == token and state.get("phase") in OVER:
                    return state
            return None

        state = eventually(look, f"{file['metadata']['name']} was synced")
        if state["phase"] == "Succeeded":
            self.until_synced(file)
            return ""
        # The reason stands with the resource, not with the operation.
        results = (state.get("syncResult") or {}).get("resources") or []
        return " ".join([state["message"], *(str(result.get("message", "")) for result in results)])

    def _sync(self, file: Manifest, token: str) -> str:
        """Ask for a sync, unless another operation runs; a conflict says that it has just begun."""
        application = self.application(file)
        if "operation" in application:
            return ""
        sync = {"syncOptions": self._options, "revision": application["status"]["sync"]["revision"]}
        operation = {"info": [{"name": "test", "value": token}], "initiatedBy": {"username": "tests"}, "sync": sync}
        version = {"resourceVersion": application["metadata"]["resourceVersion"]}
        return str(self._change(file, {"metadata": version, "operation": operation})["metadata"]["resourceVersion"])

    def application(self, file: Manifest) -> Manifest:
        for program in self._argo.programs:
            program.assert_runs()
        found: Manifest = self._server.request("GET", self._path(file))
        return found

    def until_synced(self, file: Manifest) -> Manifest:
        def look() -> Manifest | None:
            application = self.application(file)
            status = application.get("status") or {}
            synced = (status.get("sync") or {}).get("status") == "Synced"
            return application if synced and "operation" not in application else None

        return eventually(look, f"{file['metadata']['name']} is synced")

    def resource(self, file: Manifest) -> Manifest:
        """What the Application's status says of the bot."""
        (found,) = self.application(file)["status"]["resources"]
        assert found["kind"] == "TradingBot"
        resource: Manifest = found
        return resource

    def refresh(self, file: Manifest) -> None:
        """Have the controller compare, and wait until it has, and has ended what it then began."""
        self._change(file, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})

        def at_rest() -> bool:
            application = self.application(file)
            asked = "argocd.argoproj.io/refresh" in (application["metadata"].get("annotations") or {})
            return not asked and "operation" not in application

        eventually(at_rest, f"{file['metadata']['name']} was refreshed")

    def _change(self, file: Manifest, change: Manifest) -> Manifest:
        changed: Manifest = self._server.request("PATCH", self._path(file), change, MERGE)
        return changed

    def _path(self, file: Manifest | None = None) -> str:
        path = f"{API.format(self._argo.namespace)}/applications"
        return f"{path}/{file['metadata']['name']}" if file else path


def commit(repository: Path, text: str) -> None:
    """Make a Git repository with one file."""
    repository.mkdir(parents=True)
    (repository / "bot.yaml").write_text(text, encoding="utf-8")
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for command in (("init", "-q", "-b", "main"), ("add", "bot.yaml"), ("commit", "-q", "-m", "a bot")):
        subprocess.run(
            ["git", *identity, *command], cwd=repository, env=environment, check=True, capture_output=True, timeout=60
        )


def argocd_cm(*, ignore_differences: bool) -> Manifest:
    """Argo CD's settings as it installs them, with the project's keys added: all, or health checks and actions only."""
    settings: Manifest = yaml.safe_load(of_module("argocd", "manifests/base/config/argocd-cm.yaml"))
    ours = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["data"]
    ours = {key: value for key, value in ours.items() if ignore_differences or ".ignoreDifferences." not in key}
    settings["data"] = {**(settings.get("data") or {}), **ours}
    return settings


def prepare(world: World, namespace: str, settings: Manifest) -> None:
    """Put into the API server what Argo CD's installation does."""
    for name in CRDS:
        install_crd(world.server, yaml.safe_load(of_module("argocd", f"manifests/crds/{name}-crd.yaml")))
    secret = yaml.safe_load(of_module("argocd", "manifests/base/config/argocd-secret.yaml"))
    secret["stringData"] = {"server.secretkey": "of no use here"}
    for manifest, plural in ((settings, "configmaps"), (secret, "secrets")):
        path = f"/api/v1/namespaces/{namespace}/{plural}/{manifest['metadata']['name']}"
        world.server.request("PATCH", f"{path}?fieldManager=tests&force=true", manifest, APPLY)
    anything = [{"group": "*", "kind": "*"}]
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default"},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": anything,
        },
    }
    world.server.request("POST", f"{API.format(namespace)}/appprojects", project)


@contextmanager
def installed(world: World, namespace: str, settings: Manifest) -> Iterator[Installed]:
    """Run redis, repo-server and application-controller, with the Applications of one namespace."""
    home = world.folder / f"argocd-{namespace}"
    home.mkdir()
    prepare(world, namespace, settings)
    kubeconfig = str(world.account("argocd-application-controller", namespace))
    wrapper = home / "git-verify-wrapper.sh"  # Argo CD's image has it on its PATH
    wrapper.write_text(of_module("argocd", "hack/git-verify-wrapper.sh"), encoding="utf-8")
    wrapper.chmod(0o755)
    environment = {
        "PATH": f"{home}:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "ARGOCD_GPG_ENABLED": "false",
        # As in a pod, where the address of the own cluster means the own ServiceAccount.
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "KUBECONFIG": kubeconfig,
        "ARGOCD_ASK_PASS_SOCK": str(home / "ask-pass.sock"),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    with ExitStack() as opened:
        store = opened.enter_context(redis.running())
        repositories, port = f"127.0.0.1:{free_port()}", free_port()
        common = (f"--redis=127.0.0.1:{store.port}", "--loglevel=info")
        repo_server = running(
            "argocd-repo-server",
            "--address=127.0.0.1",
            f"--port={repositories.partition(':')[2]}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={port}",
            "--disable-tls",
            "--client-ca-path=",
            *common,
            log=home / "repo-server.log",
            **environment,
        )
        controller = running(
            "argocd-application-controller",
            f"--kubeconfig={kubeconfig}",
            f"--namespace={namespace}",
            f"--repo-server={repositories}",
            "--repo-server-plaintext",
            "--persist-resource-health",
            f"--metrics-port={free_port()}",
            *common,
            log=home / "application-controller.log",
            **environment,
        )
        yield Installed(world, namespace, (opened.enter_context(repo_server), opened.enter_context(controller)))
