"""`python -m tradingbot_operator.plugin`, for where the command is not on the PATH."""

from __future__ import annotations

import sys

from tradingbot_operator.plugin.main import main

if __name__ == "__main__":
    sys.exit(main())
