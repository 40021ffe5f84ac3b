"""Where everything lives: the checkout, one instance's state, the short directory for sockets, the cache."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tradingbot_cluster.errors import UsageError

DEFAULT_INSTANCE: Final = "default"
INSTANCE_NAME: Final = re.compile(r"^[a-z][a-z0-9-]{0,19}$")
# A unix socket's path holds 107 characters; kubelet and containerd add up to 45 to the directory they are given.
LONGEST_DATA_PATH: Final = 60


def checkout_root() -> Path:
    """Return the root of the checkout that this package lies in."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "cluster" / "binaries" / "go.mod").is_file():
            return parent
    raise UsageError("this package does not lie in a checkout: install it with `pip install -e cluster`")


def cache_directory() -> Path:
    """Return the user's cache directory of this project."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tradingbot-operator"


def is_root() -> bool:
    """Return whether this process may do everything on the machine."""
    return os.geteuid() == 0


def runtime_base() -> Path:
    """Return the directory under which every instance has its short directory for sockets and process records."""
    if is_root():
        return Path("/run/tradingbot-operator")
    configured = os.environ.get("XDG_RUNTIME_DIR")
    if configured and Path(configured).is_dir():
        return Path(configured) / "tradingbot-operator"
    return Path(tempfile.gettempdir()) / f"tradingbot-operator-{os.geteuid()}"


@dataclass(frozen=True)
class Layout:
    """The places of one instance. `key` names it on the machine, where several checkouts can have one each."""

    instance: str
    state: Path
    key: str
    run: Path
    data: Path

    @classmethod
    def of(cls, instance: str = DEFAULT_INSTANCE, state_dir: Path | None = None) -> Layout:
        """Return the layout of `instance`, whose state is in `state_dir` or else under the checkout's `.cluster`."""
        if not INSTANCE_NAME.match(instance):
            raise UsageError(f"the instance name {instance!r} is not lower-case letters, digits and dashes, at most 20")
        if state_dir is None:
            state = checkout_root() / ".cluster"
            if instance != DEFAULT_INSTANCE:
                state = state / "instances" / instance
        else:
            state = state_dir.resolve()
        key = hashlib.sha256(str(state).encode()).hexdigest()[:8]
        data = state / "data"
        if len(str(data)) > LONGEST_DATA_PATH and is_root():
            data = Path("/var/lib/tradingbot-operator") / key
        return cls(instance=instance, state=state, key=key, run=runtime_base() / key, data=data)

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig of the person and the tests."""
        return self.state / "kubeconfig"

    @property
    def logs(self) -> Path:
        """Return the directory of the components' logs."""
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        """Return the directory of the certificates and keys."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """Return the directory of the components' configuration files."""
        return self.state / "config"

    @property
    def processes(self) -> Path:
        """Return the directory of the records of started processes. It ends with the machine's uptime, as they do."""
        return self.run / "processes"

    @property
    def lock(self) -> Path:
        """Return the file that the one command which changes this instance holds locked."""
        return self.run.parent / f"{self.key}.lock"

    def prepare(self) -> None:
        """Make the directories."""
        for directory in (self.state, self.logs, self.pki, self.config, self.data, self.run, self.processes):
            directory.mkdir(parents=True, exist_ok=True)
        self.run.parent.chmod(0o700)
        self.pki.chmod(0o700)
        link = self.state / "run"
        if not link.is_symlink() or link.readlink() != self.run:
            link.unlink(missing_ok=True)
            link.symlink_to(self.run)
