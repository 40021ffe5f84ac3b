"""What is missing is named, with the command that installs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tradingbot_cluster import prerequisites
from tradingbot_cluster.errors import EXIT_MISSING_PREREQUISITE, ClusterError, MissingPrerequisiteError
from tradingbot_cluster.prerequisites import Prerequisite

if TYPE_CHECKING:
    from pathlib import Path

ABSENT = (Prerequisite("no-such-program", "first-package"), Prerequisite("plugins", "second-package", ("/no/such",)))
PRESENT = Prerequisite("sh", "dash")


def test_nothing_is_said_when_all_is_there() -> None:
    prerequisites.require([PRESENT])


def test_missing_names_are_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "is_root", lambda: False)
    with pytest.raises(MissingPrerequisiteError) as raised:
        prerequisites.require([PRESENT, *ABSENT])
    message = str(raised.value)
    assert "no-such-program, plugins" in message
    assert "sudo apt-get install --no-install-recommends first-package second-package" in message
    assert raised.value.exit_code == EXIT_MISSING_PREREQUISITE


def test_installing_can_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "is_root", lambda: True)
    monkeypatch.setenv("TRADINGBOT_NO_INSTALL", "1")
    with pytest.raises(MissingPrerequisiteError, match="apt-get install"):
        prerequisites.require(ABSENT)


def test_what_is_missing_is_installed_once_and_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(prerequisites, "can_install", lambda: True)
    monkeypatch.setattr(prerequisites, "install", lambda packages: installed.append(list(packages)))
    with pytest.raises(MissingPrerequisiteError, match="not there after installing"):
        prerequisites.require(ABSENT)
    assert installed == [["first-package", "second-package"]]


def test_root_is_asked_for_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "is_root", lambda: False)
    with pytest.raises(MissingPrerequisiteError, match=r"sudo[\s\S]*CLUSTER=existing"):
        prerequisites.require_root("a local cluster")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.19.8 linux/amd64", (1, 19)),
        ("go version go1.25rc1 linux/arm64", (1, 25)),
    ],
)
def test_go_version(printed: str, expected: tuple[int, int]) -> None:
    assert prerequisites.parse_go_version(printed) == expected


def test_go_version_that_is_none() -> None:
    with pytest.raises(ClusterError, match="command not found"):
        prerequisites.parse_go_version("command not found")


def test_no_go_and_no_right_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "search_path", lambda: str(tmp_path))
    monkeypatch.setattr(prerequisites, "is_root", lambda: False)
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("module x\n\ngo 1.25.0\n")
    with pytest.raises(MissingPrerequisiteError, match="golang-go"):
        prerequisites.require_go(go_mod)


@pytest.mark.parametrize(("found", "toolchain"), [("go1.26.0", None), ("go1.22.1", "auto")])
def test_a_go_that_is_older_may_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str, toolchain: str | None
) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho go version {found} linux/amd64\n")
    go.chmod(0o755)
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("module x\n\ngo 1.25.0\n")
    monkeypatch.setattr(prerequisites, "search_path", lambda: f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("GOTOOLCHAIN", raising=False)
    assert prerequisites.require_go(go_mod) == str(go)
    environment = prerequisites.go_environment(str(go), go_mod)
    assert environment.get("GOTOOLCHAIN") == toolchain
    assert environment["GOFLAGS"] == "-mod=readonly -buildvcs=false"
