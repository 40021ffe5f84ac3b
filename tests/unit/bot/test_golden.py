"""Same data and seed, same ledger, to the digit, whatever the hash seed of the process.

A change of these hashes is a change of what the bot does with money: it belongs into the commit's message, with a why.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

GOLDEN = {
    ("breakout", 0): "2acc35e67a779cf9246dd2a321f4ac5eeb951977957b49f884fbc714d1e6d45a 68 9617.33664418",
    ("moving-average-cross", 7): "7235515051cf175dff985dc2d3e1171048242bc4a5f40d5808dafaa0704b87a2 117 9424.90052512",
}


@pytest.mark.parametrize(("strategy", "seed"), list(GOLDEN))
@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_the_ledger_is_a_function_of_data_and_seed(strategy: str, seed: int, hash_seed: str) -> None:
    command = [sys.executable, "-m", "tests.unit.bot.golden", strategy, str(seed)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == GOLDEN[strategy, seed]
