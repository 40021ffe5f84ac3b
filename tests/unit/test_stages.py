"""`make test` is red when anything is, and says what ran, what did not, and how it ended."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.stages import AT_A_TIME, QUICK, ROOT, STAGES, Result, Runner, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GREEN = "echo '===== 3 passed in 0.10s ====='"
RED = "echo '1 failed, 2 passed in 0.10s'; exit 1"


def run(commands: dict[str, str], quick: Sequence[str], stages: Sequence[str]) -> tuple[list[Result], list[str]]:
    said: list[str] = []
    runner = Runner(lambda stage: ["sh", "-c", commands[stage]], said.append)
    return runner.all(quick, stages), said


def ended(results: list[Result], *, strict: bool = False) -> tuple[int, str]:
    return verdict(results, complete=True, strict=strict)


def test_everything_runs_and_each_stage_prints_as_a_whole() -> None:
    slow = "echo one; sleep 0.3; echo two; " + GREEN
    results, said = run({"a": GREEN, "b": slow, "c": slow}, ["a"], ["b", "c"])
    assert {result.stage for result in results} == {"a", "b", "c"}
    assert all("one\ntwo\n" in text for text in said if text.startswith(("\n==> b", "\n==> c")))
    code, text = ended(results)
    assert code == 0
    assert text.count("3 passed") == 3
    assert text.endswith("all of make test passed")


def test_the_next_begins_as_soon_as_one_ends_and_never_more_run_than_may(tmp_path: Path) -> None:
    log, told = tmp_path / "log", tmp_path / "told"
    short = f"echo 1 >> {log}; sleep 0.05; echo -1 >> {log}; {GREEN}"
    long = f"echo 1 >> {log}; until [ -e {told} ]; do sleep 0.05; done; echo -1 >> {log}; {GREEN}"
    last = f"touch {told}; {short}"
    results, _ = run({"a": GREEN, "b": long, "c": short, "d": short, "e": last}, ["a"], ["b", "c", "d", "e"])
    assert [result.code for result in results] == [0] * 5
    beside = list(itertools.accumulate(int(change) for change in log.read_text().split()))
    assert max(beside) <= AT_A_TIME


@pytest.mark.parametrize("command", [RED, "exit 5", "kill -9 $$", "echo '3 passed in 0.1s'; exit 2"])
def test_one_red_stage_makes_all_red_and_the_others_are_run_to_their_end(command: str) -> None:
    results, said = run({"a": GREEN, "b": command, "c": GREEN, "d": GREEN}, ["a"], ["b", "c", "d"])
    assert {result.stage for result in results} == {"a", "b", "c", "d"}
    code, text = ended(results)
    assert code == 1
    assert text.endswith("make test FAILED: b")
    assert any("FAILED" in line for line in said)


def test_when_a_quick_stage_is_red_nothing_long_is_begun() -> None:
    results, _ = run({"a": RED, "b": GREEN, "c": GREEN}, ["a", "b"], ["c"])
    assert {result.stage for result in results} == {"a", "b"}
    assert ended(results)[0] == 1


def test_a_stage_that_did_not_run_is_no_success() -> None:
    results, _ = run({"a": GREEN}, ["a"], [])
    assert verdict(results, complete=False, strict=False)[0] == 1


@pytest.mark.parametrize(("strict", "expected"), [(False, 0), (True, 1)], ids=["at home", "in CI"])
def test_what_is_skipped_is_counted_and_named_and_in_ci_it_is_red(strict: bool, expected: int) -> None:
    skipped = "echo 'SKIPPED [1] tests/unit/test_x.py:7: no root'; echo '== 3 passed, 1 skipped in 0.10s =='"
    code, text = ended(run({"a": skipped}, ["a"], [])[0], strict=strict)
    assert code == expected
    assert "a: SKIPPED [1] tests/unit/test_x.py:7: no root" in text
    assert "3 passed, 1 skipped" in text


def test_the_counts_are_those_of_pytest() -> None:
    test = "from pytest import mark\n\ndef test_a(): pass\n\n@mark.skip(reason='why')\ndef test_b(): pass\n"
    command = f"cd $(mktemp -d) && printf {test!r} > test_x.py && {sys.executable} -m pytest -q -ra -p no:cacheprovider"
    ((result,), _) = run({"a": command}, ["a"], [])
    assert result.counts == "1 passed, 1 skipped", result.output
    assert any("why" in name for name in result.left_out)


def test_every_stage_is_a_target_of_its_own() -> None:
    done = subprocess.run(["make", "-n", *QUICK, *STAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_ci_runs_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "exec make test"
