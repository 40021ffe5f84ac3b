"""Ports for servers that are started by their number."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

FIRST, SLICES, SLICE = 12_000, 90, 100
"""Below the ports of local clusters and those that the kernel gives to connections and to servers that ask for any.

A port of the kernel's choice may be given to somebody else before the server that it was for has started.
"""

_numbers = itertools.count(random.randrange(SLICE))


@cache
def _slice() -> int:
    """Take one slice for this process, from the ports of all tests of this machine; the kernel gives it back."""
    folder = Path(tempfile.gettempdir()) / f"tradingbot-ports-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in random.sample(range(SLICES), SLICES):
        descriptor = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number
    raise RuntimeError(f"all {SLICES} slices of ports are in use")


def free_port() -> int:
    """Return a port that is free now, and that no other process of the tests is given."""
    for _ in range(SLICE):
        port = FIRST + _slice() * SLICE + next(_numbers) % SLICE
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
