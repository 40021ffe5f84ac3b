"""Two processes of the tests are never given the same port, whatever moment they ask at."""

from __future__ import annotations

import socket
import subprocess
import sys

from tests.stages import ROOT
from tests.support.ports import FIRST, SLICE, SLICES, free_port

ASK = "from tests.support.ports import free_port; print(*(free_port() for _ in range(20)), flush=True); input()"


def test_no_port_is_given_to_two_processes() -> None:
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(4)
    ]
    given: list[int] = [free_port() for _ in range(20)]
    for process in asking:
        assert process.stdout is not None
        given += [int(port) for port in process.stdout.readline().split()]
    for process in asking:
        process.communicate("\n")
    assert len(given) == len(set(given)) == 100
    assert all(FIRST <= port < FIRST + SLICES * SLICE for port in given)


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    taken = free_port()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        assert taken not in [free_port() for _ in range(SLICE - 1)]
