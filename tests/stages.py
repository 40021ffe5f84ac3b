"""`python -m tests.stages`: what `make test` runs, each stage by its own make target.

The quick stages come first, and nothing else runs unless they pass. The others wait for processes and clusters more
than they compute, so two run at a time; when one ends, the next begins. Each prints as a whole when it has ended. All
run to their end, whatever fails, so that one run shows everything that is wrong. The exit code is 0 only if every stage
passed and, where `CI` is set, nothing was skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[1]
QUICK = ("lint", "types", "contracts", "crds-check", "collect")
STAGES = ("test-component", "test-e2e", "test-api", "test-cluster", "test-browser", "test-unit")
"""The long ones first, so that the last two end together; and between the two that need a whole cluster another one, so
that they do not run beside each other."""
AT_A_TIME = 2
SIGN_OF_LIFE_SECONDS = 60.0

_SUMMARY = re.compile(r"^(?:=+ )?(\d+ [a-z].*) in \d+(?:\.\d+)?s\b", re.MULTILINE)
_LEFT_OUT = re.compile(r"^(?:SKIPPED|XFAIL|XPASS)\b.*$", re.MULTILINE)
_LEFT_OUT_COUNT = re.compile(r"\d+ (?:skipped|xfailed|xpassed|deselected)")


@dataclass(frozen=True, slots=True)
class Result:
    """How one stage ended."""

    stage: str
    code: int
    seconds: float
    output: str

    @property
    def counts(self) -> str:
        """What pytest counted, such as "12 passed, 1 skipped"; "" when the stage counts nothing."""
        found = _SUMMARY.findall(self.output)
        return str(found[-1]) if found else ""

    @property
    def left_out(self) -> list[str]:
        """The tests that did not run to their end, by name where pytest gives one, and how many they are."""
        counted = _LEFT_OUT_COUNT.findall(self.counts)
        return [*_LEFT_OUT.findall(self.output), ", ".join(counted)] if counted else []

    def line(self) -> str:
        """Return the stage's line in the table."""
        verdict = "passed" if self.code == 0 else f"FAILED ({self.code})"
        return f"{self.stage:<16} {verdict:<12} {self.seconds:6.0f} s  {self.counts}".rstrip()


@dataclass(slots=True)
class Runner:
    """Runs stages and tells of them; `command` is what a stage is."""

    command: Callable[[str], Sequence[str]]
    say: Callable[[str], None]
    results: list[Result] = field(default_factory=list)
    _over: bool = False
    _began: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def all(self, quick: Sequence[str], stages: Sequence[str]) -> list[Result]:
        """Run the quick stages beside each other; if they pass, the others, so many at a time, begun in their order."""
        self._beside(quick, len(quick))
        if all(result.code == 0 for result in self.results):
            self._beside(stages, AT_A_TIME)
        return self.results

    def _beside(self, stages: Sequence[str], at_a_time: int) -> None:
        with ThreadPoolExecutor(max_workers=at_a_time) as pool:
            running = [pool.submit(self._run, stage) for stage in stages]
            asleep = threading.Event()
            try:
                while not all(stage.done() for stage in running):
                    if not asleep.wait(0.2):
                        self._sign_of_life()
            except KeyboardInterrupt:
                # The stages that run have heard it too, and clean up; no other is begun.
                self._over = True
                raise
            for stage in running:
                stage.result()

    def _run(self, stage: str) -> None:
        if self._over:
            return
        with self._lock:
            self.say(f"==> {stage}: begins")
            self._began[stage] = time.monotonic()
        with tempfile.TemporaryFile() as output:
            ended = subprocess.run(self.command(stage), cwd=ROOT, stdout=output, stderr=output, check=False)
            output.seek(0)
            text = output.read().decode(errors="replace")
        with self._lock:
            result = Result(stage, ended.returncode, time.monotonic() - self._began.pop(stage), text)
            self.results.append(result)
            self.say(f"\n==> {stage}\n{text.rstrip()}\n==> {result.line()}\n")

    def _sign_of_life(self) -> None:
        """Name what runs, once a minute, for whoever waits before the terminal."""
        with self._lock:
            now = time.monotonic()
            for stage, began in self._began.items():
                minutes, rest = divmod(now - began, SIGN_OF_LIFE_SECONDS)
                if minutes and rest < 0.2:
                    self.say(f"... {stage}: {minutes:.0f} min")


def verdict(results: Sequence[Result], *, complete: bool, strict: bool) -> tuple[int, str]:
    """Return the exit code and what is said at the end. `strict`: what was left out counts as a failure."""
    lines = [result.line() for result in results]
    left_out = [f"{result.stage}: {name}" for result in results for name in result.left_out]
    lines += ["", "left out:", *left_out] if left_out else []
    failed = [result.stage for result in results if result.code]
    if failed:
        return 1, "\n".join([*lines, "", f"make test FAILED: {', '.join(failed)}"])
    if not complete:
        return 1, "\n".join([*lines, "", "make test FAILED: not every stage has run"])
    if left_out and strict:
        return 1, "\n".join([*lines, "", "make test FAILED: in CI every test has to run"])
    return 0, "\n".join([*lines, "", "all of make test passed"])


def make(stage: str) -> list[str]:
    """Return the command of a stage: its own make target, as a person runs it."""
    return ["make", "--no-print-directory", stage]


def main() -> int:
    """Run everything; 0 when all passed."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    began = time.monotonic()
    results = Runner(make, lambda text: print(text, flush=True)).all(QUICK, STAGES)
    wanted = {*QUICK, *STAGES}
    complete = {result.stage for result in results} == wanted
    code, text = verdict(results, complete=complete, strict=bool(os.environ.get("CI")))
    print(f"{text}, after {time.monotonic() - began:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
