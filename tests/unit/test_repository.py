"""Rules about the repository itself: what a reviewer would otherwise have to remember."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400
SOURCE_FOLDERS = ("contract/src", "operator/src", "bot/src", "cluster/src")

MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|root)/")
REGISTRY_HOSTS = re.compile(
    r"\b(?:pypi\.org|files\.pythonhosted\.org|proxy\.golang\.org|sum\.golang\.org|registry\.npmjs\.org|"
    r"repo\d?\.maven\.[a-z]+|deb\.debian\.org|index\.crates\.io)\b"
)


def committed_files() -> list[Path]:
    """Every file that git tracks, and every new one that it would."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_the_operator_folder_is_never_a_package() -> None:
    """`operator/__init__.py` shadows the standard library: Python 3.12 and 3.13 then fail to start."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not list(ROOT.glob("operator.py"))
    assert not (ROOT / "bot" / "__init__.py").exists()


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["machine paths", "registry hosts"])
def test_no_committed_file_names(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in committed_files()
        if path != Path(__file__).resolve()
        for match in [pattern.search(text_of(path))]
        if match
    ]
    assert found == []


def test_modules_stay_small_enough_to_hold_in_mind() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for folder in SOURCE_FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(text_of(path).splitlines())) > MAX_LINES
    ]
    assert too_long == []


def test_the_emergency_stop_is_declared_in_no_example_and_no_chart_default() -> None:
    """A stop field in Git is a stop that GitOps reverts."""
    declared = [
        str(path.relative_to(ROOT))
        for path in committed_files()
        if path.suffix in {".yaml", ".yml"} and path.relative_to(ROOT).parts[0] in {"examples", "charts"}
        if "crds" not in path.parts and re.search(r"^\s*emergencyStop:", text_of(path), re.MULTILINE)
    ]
    assert declared == []


def test_no_test_is_skipped_in_silence() -> None:
    """Whoever cannot run a test says so by failing; the platform decides nothing."""
    skipping = re.compile(r"pytest\.(?:mark\.)?(?:skip|skipif|xfail|importorskip)\b")
    found = [
        str(path.relative_to(ROOT))
        for path in committed_files()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "tests") and path != Path(__file__).resolve()
        if skipping.search(text_of(path))
    ]
    assert found == []


def test_every_test_that_a_document_names_exists() -> None:
    named = {
        (str(document.relative_to(ROOT)), path, function)
        for document in committed_files()
        if document.suffix == ".md"
        for path, function in re.findall(r"\b(tests/[\w/]+\.py)(?:::(?:[A-Z]\w*::)?(\w+))?", text_of(document))
    }
    assert len(named) > 50
    tests = {path: text_of(ROOT / path) if (ROOT / path).is_file() else "" for _, path, _ in named}
    wanted = {name: f"def {name[2]}(" if name[2] else "\n" for name in named}
    assert sorted(name for name in named if wanted[name] not in tests[name[1]]) == []
