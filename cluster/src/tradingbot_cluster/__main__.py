"""Run the command line with `python -m tradingbot_cluster`."""

from __future__ import annotations

import sys

from tradingbot_cluster.cli import main

sys.exit(main())
