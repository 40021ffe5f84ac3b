"""The caches' keys change with what is built, and with nothing else."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tradingbot_cluster import binaries
from tradingbot_cluster.binaries import TOOLS, cache_key, link_flags, module_version, source_directory
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.images import base, catalogue
from tradingbot_cluster.images.buildah import CERTIFICATES_IN_BUILD, pip_configuration
from tradingbot_cluster.paths import checkout_root

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    copy = tmp_path / "binaries"
    shutil.copytree(source_directory(), copy)
    return copy


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "cmd/tradingbot-kube/main.go"])
def test_key_changes_with_each_input(source: Path, changed: str) -> None:
    before = cache_key(TOOLS["kube"], source)
    assert cache_key(TOOLS["kube"], source) == before
    with (source / changed).open("a") as stream:
        stream.write("// changed\n")
    assert cache_key(TOOLS["kube"], source) != before


def test_key_changes_with_a_new_source_and_not_with_that_of_another_tool(source: Path) -> None:
    kube, kwok = cache_key(TOOLS["kube"], source), cache_key(TOOLS["kwok"], source)
    (source / "cmd" / "tradingbot-kube" / "more.go").write_text("package main\n")
    assert cache_key(TOOLS["kube"], source) != kube
    assert cache_key(TOOLS["kwok"], source) == kwok


def test_every_tool_has_a_pinned_module_with_checksums() -> None:
    for tool in TOOLS.values():
        module = source_directory() / tool.module
        assert re.search(r"^go 1\.\d+", (module / "go.mod").read_text(), re.MULTILINE), tool.name
        assert (module / "go.sum").stat().st_size > 0, tool.name


def test_version_of_a_module() -> None:
    go_mod = "require example.com/one v1.2.3\nrequire (\n\texample.com/two v0.4.0 // indirect\n)\n"
    assert module_version(go_mod, "example.com/one") == "v1.2.3"
    assert module_version(go_mod, "example.com/two") == "v0.4.0"
    with pytest.raises(ClusterError, match=r"example\.com/three"):
        module_version(go_mod, "example.com/three")


def test_programs_report_the_version_they_were_built_from() -> None:
    go_mod = (source_directory() / "go.mod").read_text()
    version = module_version(go_mod, "k8s.io/kubernetes")
    flags = link_flags(TOOLS["kube"], go_mod)
    assert f".gitVersion={version}" in flags
    assert f".gitMinor={version.split('.')[1]}" in flags


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ClusterError, match="known: kube, helm"):
        binaries.ensure(["docker"])
    with pytest.raises(ClusterError, match="no program"):
        binaries.program("docker")
    with pytest.raises(ClusterError, match="known: operator, bot"):
        catalogue.select(["nginx"])


DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS build
COPY locks/a.txt locks/b.txt /src/
COPY --chown=1:1 bot /src/bot
FROM ${BASE_IMAGE}
COPY --from=build /opt /opt
ADD one \\
    two /x/
"""


def test_copied_paths_of_a_dockerfile() -> None:
    assert catalogue.copied_paths(DOCKERFILE) == ["locks/a.txt", "locks/b.txt", "bot", "one", "two"]


@pytest.mark.parametrize("name", ["operator", "bot", "postgresql", "redis", "s3"])
def test_image_tag_depends_on_the_base(name: str) -> None:
    source = catalogue.SOURCES[name]
    assert catalogue.digest(source, "a") == catalogue.digest(source, "a")
    assert catalogue.digest(source, "a") != catalogue.digest(source, "b")


def test_both_images_copy_files_that_exist() -> None:
    for name in ("operator", "bot"):
        dockerfile = (checkout_root() / catalogue.SOURCES[name].dockerfile).read_text()
        paths = catalogue.copied_paths(dockerfile)
        assert paths
        assert catalogue.files_of(checkout_root(), paths)


def test_build_gets_pips_settings_from_files_and_variables(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://one.example/simple\ntimeout = 5\nfind-links = /here\n[list]\nx=1\n")
    written = pip_configuration({"PIP_TIMEOUT": "9", "PIP_TARGET": "/t"}, [file], certificates=True)
    assert written.splitlines() == [
        "[global]",
        f"cert = {CERTIFICATES_IN_BUILD}",
        "index-url = https://one.example/simple",
        "timeout = 9",
    ]
    assert pip_configuration({}, [tmp_path / "none"], certificates=False) == "[global]\n"


def test_mirror_is_the_one_of_debians_archive_itself() -> None:
    targets = "Debian|Debian-Security|http://a.example/debian-security/\nDebian|Debian|http://a.example/debian/\n"
    assert base.parse_mirror(targets) == "http://a.example/debian/"
    assert base.parse_mirror("Ubuntu|Ubuntu|http://a.example/ubuntu/\n\n") == ""
