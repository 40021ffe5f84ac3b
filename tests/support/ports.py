"""Ports for servers that are started by their number."""

from __future__ import annotations

import itertools
import os
import random
import socket

FIRST, SLICES, SLICE = 12_000, 90, 100
"""Below the ports of local clusters and those that the kernel gives to connections and to servers that ask for any.

A port of the kernel's choice may be given to somebody else before the server that it was for has started.
"""

_numbers = itertools.count(random.randrange(SLICE))


def free_port() -> int:
    """Return a port of the loopback interface that is free now, and that no other process of the tests is given."""
    for _ in range(SLICE):
        port = FIRST + os.getpid() % SLICES * SLICE + next(_numbers) % SLICE
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
